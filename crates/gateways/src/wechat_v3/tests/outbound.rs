//! Calls against a loopback gateway that signs as WeChat Pay would, and against one in trouble.

use chrono::DateTime;
use kassa_core::channel::Method;
use kassa_core::money::{Currency, Money};
use kassa_core::notification::{ReportedPayment, ReportedRefund};
use kassa_core::payment::PrepayInfo;
use kassa_core::text::{PayerId, RefundReason, Subject};
use serde_json::{Value, json};
use url::Url;

use super::super::WechatV3;
use super::{NOW, open, settings, vectors};
use crate::crypto::RsaPublicKey;
use crate::testing::{Loopback, Received, http_response, named, peer_sign, text};
use crate::{CallError, Closed, Gateway, PlaceOrder, PlaceRefund, PlacedOrder};

pub(super) const NUMBER: &str = "T20260101000000000001";
const REFUND_NUMBER: &str = "R20260101000000000001";

/// An answer as WeChat gives it, signed at `timestamp`.
pub(super) fn answer_at(status: u16, body: &str, timestamp: i64) -> Vec<u8> {
    let vectors = vectors();
    let mode = "/own/platform_certificate_mode";
    let key = text(&vectors, &format!("{mode}/test_private_key_pkcs8_pem"));
    let signature = peer_sign(key, format!("{timestamp}\nnonce\n{body}\n").as_bytes());
    let timestamp = timestamp.to_string();
    let headers = [
        (
            "wechatpay-serial",
            text(&vectors, &format!("{mode}/serial_no")),
        ),
        ("wechatpay-timestamp", timestamp.as_str()),
        ("wechatpay-nonce", "nonce"),
        ("wechatpay-signature", signature.as_str()),
    ];
    http_response(status, &headers, body.as_bytes())
}

pub(super) fn answer(status: u16, body: &str) -> Vec<u8> {
    answer_at(status, body, NOW)
}

pub(super) fn refusal(status: u16, code: &str) -> Vec<u8> {
    http_response(
        status,
        &[],
        json!({"code": code, "message": "x"}).to_string().as_bytes(),
    )
}

async fn answering(response: Option<Vec<u8>>) -> (WechatV3, Loopback) {
    let server = Loopback::start(move |_request| response.clone()).await;
    (open(settings(&server.url("")), NOW), server)
}

pub(super) fn order(method: Method) -> PlaceOrder {
    PlaceOrder {
        request_number: NUMBER.to_owned(),
        method,
        amount: Money::try_new(1, Currency::CNY).unwrap(),
        subject: Subject::try_new("测试商品-Rust").unwrap(),
        payer: Some(PayerId::try_new("oUpF8uMuAJO_M2pxb1Q9zNjWeS6o").unwrap()),
        auth_code: None,
        client_ip: Some("203.0.113.7".parse().unwrap()),
        expires_at: DateTime::from_timestamp(NOW + 1800, 0).unwrap(),
        notify_url: Url::parse("https://pay.example.com/notify/wechat").unwrap(),
        return_url: Some(Url::parse("https://shop.example.com/r?o=1").unwrap()),
    }
}

pub(super) fn placed_order() -> PlacedOrder {
    PlacedOrder {
        request_number: NUMBER.to_owned(),
        method: Method::Qr,
        amount: Money::try_new(1, Currency::CNY).unwrap(),
        gateway_transaction_id: None,
        is_given_out: true,
        expires_at: DateTime::from_timestamp(NOW + 1800, 0).unwrap(),
        is_wanted: true,
    }
}

fn refund() -> PlaceRefund {
    let one = Money::try_new(1, Currency::CNY).unwrap();
    PlaceRefund {
        request_number: NUMBER.to_owned(),
        method: Method::Qr,
        gateway_transaction_id: None,
        refund_number: REFUND_NUMBER.to_owned(),
        amount: one,
        paid: one,
        reason: Some(RefundReason::try_new("商品已售完").unwrap()),
        notify_url: Url::parse("https://pay.example.com/notify/wechat-refund").unwrap(),
    }
}

/// The request must be the vector's, to the byte of path, query and body, and signed by us.
fn assert_sent(request: &Received, case: &str) {
    let vectors = vectors();
    let expected = named(&vectors, "/own/request_signing", case);
    assert_eq!(request.method, expected["method"], "{case}");
    assert_eq!(request.target, expected["url"], "{case}");
    let body = String::from_utf8(request.body.clone()).unwrap();
    assert_eq!(body, expected["body"], "{case}");
    assert_eq!(request.header("accept"), Some("application/json"));
    assert!(request.header("user-agent").unwrap().starts_with("kassa/"));
    let public_key_id = text(&vectors, "/own/public_key_mode/public_key_id");
    assert_eq!(request.header("wechatpay-serial"), Some(public_key_id));

    let header = request.header("authorization").unwrap();
    let (scheme, fields) = header.split_once(' ').unwrap();
    assert_eq!(scheme, "WECHATPAY2-SHA256-RSA2048");
    let field = |name: &str| {
        let start = fields.split_once(&format!("{name}=\"")).unwrap().1;
        start.split_once('"').unwrap().0
    };
    assert_eq!(field("timestamp"), NOW.to_string());
    assert_eq!(
        field("serial_no"),
        text(&vectors, "/own/merchant_serial_no")
    );
    let message = format!(
        "{}\n{}\n{}\n{}\n{body}\n",
        request.method,
        request.target,
        field("timestamp"),
        field("nonce_str")
    );
    let certificate = text(&vectors, "/own/merchant_certificate_pem");
    let key = RsaPublicKey::try_parse(certificate).unwrap();
    assert!(
        key.verify_sha256(message.as_bytes(), field("signature")),
        "{case}"
    );
}

async fn placed(method: Method, case: &str, body: &str) -> PrepayInfo {
    let (gateway, server) = answering(Some(answer(200, body))).await;
    let placed = gateway.place(&order(method)).await.unwrap();
    assert_sent(&server.requests()[0], case);
    placed.prepay.unwrap()
}

#[tokio::test]
async fn each_method_sends_the_vectors_body_and_gives_what_its_client_needs() {
    let qr = placed(
        Method::Qr,
        "native",
        r#"{"code_url":"weixin://wxpay/bizpayurl?pr=x"}"#,
    )
    .await;
    let content = "weixin://wxpay/bizpayurl?pr=x".to_owned();
    assert_eq!(qr, PrepayInfo::QrCode { content });

    let h5 = placed(
        Method::Wap,
        "h5",
        r#"{"h5_url":"https://wx.tenpay.com/x?prepay_id=1"}"#,
    )
    .await;
    let back = "redirect_url=https%3A%2F%2Fshop.example.com%2Fr%3Fo%3D1";
    let url = format!("https://wx.tenpay.com/x?prepay_id=1&{back}");
    assert_eq!(h5, PrepayInfo::Redirect { url });

    let vectors = vectors();
    let certificate = text(&vectors, "/own/merchant_certificate_pem");
    let key = RsaPublicKey::try_parse(certificate).unwrap();
    let jsapi = placed(Method::Jsapi, "jsapi", r#"{"prepay_id":"wx1"}"#).await;
    let PrepayInfo::Jsapi {
        app_id,
        time_stamp,
        nonce_str,
        package,
        sign_type,
        pay_sign,
    } = jsapi
    else {
        panic!("jsapi parameters were expected")
    };
    assert_eq!(
        (package.as_str(), sign_type.as_str()),
        ("prepay_id=wx1", "RSA")
    );
    let message = format!("{app_id}\n{time_stamp}\n{nonce_str}\n{package}\n");
    assert!(key.verify_sha256(message.as_bytes(), &pay_sign));

    let app = placed(Method::App, "app", r#"{"prepay_id":"wx1"}"#).await;
    let PrepayInfo::WechatApp {
        app_id,
        partner_id,
        prepay_id,
        package,
        nonce_str,
        time_stamp,
        sign,
    } = app
    else {
        panic!("app parameters were expected")
    };
    assert_eq!(partner_id, text(&vectors, "/own/mchid"));
    assert_eq!(
        (prepay_id.as_str(), package.as_str()),
        ("wx1", "Sign=WXPay")
    );
    let message = format!("{app_id}\n{time_stamp}\n{nonce_str}\n{prepay_id}\n");
    assert!(key.verify_sha256(message.as_bytes(), &sign));
}

#[tokio::test]
async fn a_repeated_order_is_the_same_to_the_byte() {
    let (gateway, server) = answering(Some(refusal(500, "SYSTEM_ERROR"))).await;
    for _ in 0..2 {
        let outcome = gateway.place(&order(Method::Jsapi)).await;
        assert!(matches!(outcome, Err(CallError::Unknown(_))));
    }
    let requests = server.requests();
    assert_eq!(requests[0].body, requests[1].body);
    assert_ne!(
        requests[0].header("authorization"),
        requests[1].header("authorization")
    );
}

#[tokio::test]
async fn what_a_method_lacks_is_refused_before_anything_is_sent() {
    let (gateway, server) = answering(None).await;
    let no_payer = PlaceOrder {
        payer: None,
        ..order(Method::Jsapi)
    };
    let no_address = PlaceOrder {
        client_ip: None,
        ..order(Method::Wap)
    };
    let dollar = Money::try_new(1, Currency::USD).unwrap();
    let dollars = PlaceOrder {
        amount: dollar,
        ..order(Method::Qr)
    };
    for order in [no_payer, no_address, dollars, order(Method::Page)] {
        let refused = gateway.place(&order).await;
        assert!(matches!(refused, Err(CallError::Refused(reason)) if reason.code == "UNSUPPORTED"));
    }
    assert!(server.requests().is_empty());
}

fn transaction(state: &str) -> Value {
    json!({"mchid": "1900000001", "appid": "wx8888888888888888", "out_trade_no": NUMBER,
        "transaction_id": "G1", "trade_state": state, "success_time": "2026-01-01T08:01:38+08:00",
        "amount": {"total": 1, "payer_total": 1, "currency": "CNY"}})
}

#[tokio::test]
async fn a_query_asks_by_our_number_and_tells_the_state() {
    let (gateway, server) = answering(Some(answer(200, &transaction("SUCCESS").to_string()))).await;
    let report = gateway.query(&placed_order()).await.unwrap();
    assert_sent(&server.requests()[0], "query");
    assert_eq!(report.gateway_transaction_id.as_deref(), Some("G1"));
    assert!(matches!(report.state, ReportedPayment::Paid { .. }));
    let (gateway, _server) = answering(Some(refusal(404, "ORDER_NOT_EXIST"))).await;
    assert_eq!(
        gateway.query(&placed_order()).await.unwrap().state,
        ReportedPayment::NotFound
    );
}

#[tokio::test]
async fn an_answer_about_another_order_or_merchant_is_no_answer() {
    for (field, value) in [
        ("out_trade_no", "T2"),
        ("mchid", "1900000002"),
        ("trade_state", "NEW"),
    ] {
        let mut other = transaction("SUCCESS");
        other[field] = json!(value);
        let (gateway, _server) = answering(Some(answer(200, &other.to_string()))).await;
        assert!(
            matches!(
                gateway.query(&placed_order()).await,
                Err(CallError::Unknown(_))
            ),
            "{field}"
        );
    }
}

#[tokio::test]
async fn closing_tells_closed_from_not_closable() {
    for (response, expected) in [
        (answer(204, ""), Closed::Closed),
        (refusal(404, "ORDER_NOT_EXIST"), Closed::Closed),
        (refusal(400, "ORDER_CLOSED"), Closed::Closed),
        (refusal(400, "ORDER_PAID"), Closed::NotClosable),
        (refusal(403, "TRADE_ERROR"), Closed::NotClosable),
    ] {
        let (gateway, server) = answering(Some(response)).await;
        assert_eq!(gateway.close(&placed_order()).await, Ok(expected));
        assert_sent(&server.requests()[0], "close");
    }
}

fn refund_answer(status: &str) -> String {
    json!({"refund_id": "F1", "out_refund_no": REFUND_NUMBER, "out_trade_no": NUMBER,
        "status": status, "amount": {"total": 1, "refund": 1, "currency": "CNY"}})
    .to_string()
}

#[tokio::test]
async fn a_refund_is_accepted_first_and_its_query_tells_the_rest() {
    let (gateway, server) = answering(Some(answer(200, &refund_answer("PROCESSING")))).await;
    let report = gateway.refund(&refund()).await.unwrap();
    assert_sent(&server.requests()[0], "refund");
    assert_eq!(report.state, ReportedRefund::Processing);
    assert_eq!(report.gateway_refund_id.as_deref(), Some("F1"));

    let (gateway, server) = answering(Some(answer(200, &refund_answer("SUCCESS")))).await;
    let report = gateway.query_refund(&refund()).await.unwrap();
    assert_sent(&server.requests()[0], "refund_query");
    let amount = Some(refund().amount);
    assert!(matches!(report.state, ReportedRefund::Succeeded { amount: a, .. } if a == amount));

    let (gateway, _server) = answering(Some(refusal(404, "RESOURCE_NOT_EXISTS"))).await;
    let report = gateway.query_refund(&refund()).await.unwrap();
    assert_eq!(report.state, ReportedRefund::NotFound);
}

#[tokio::test]
async fn a_refund_that_hangs_is_sent_to_the_merchants_card_without_any_of_the_payers_data() {
    let (gateway, server) = answering(Some(answer(200, &refund_answer("PROCESSING")))).await;
    let report = gateway.refund_to_merchant(&refund(), "F/1").await.unwrap();
    assert_eq!(report.state, ReportedRefund::Processing);
    let sent = &server.requests()[0];
    assert_eq!(sent.method, "POST");
    assert_eq!(
        sent.target,
        "/v3/refund/domestic/refunds/F%2F1/apply-abnormal-refund"
    );
    let body: Value = serde_json::from_slice(&sent.body).unwrap();
    assert_eq!(
        body,
        json!({"out_refund_no": REFUND_NUMBER, "type": "MERCHANT_BANK_CARD"})
    );
    let (gateway, _server) = answering(Some(refusal(400, "INVALID_REQUEST"))).await;
    let refused = gateway.refund_to_merchant(&refund(), "F1").await;
    assert!(matches!(refused, Err(CallError::Refused(_))), "{refused:?}");
}

#[tokio::test]
async fn a_success_that_is_unsigned_badly_signed_or_stale_is_unknown() {
    let body = refund_answer("SUCCESS");
    let unsigned = http_response(200, &[], body.as_bytes());
    let signed = String::from_utf8(answer(200, &body)).unwrap();
    let altered = signed.replace(r#""refund":1"#, r#""refund":2"#);
    let unknown_key = signed.replace("wechatpay-serial: 6", "wechatpay-serial: 7");
    assert!(altered != signed && unknown_key != signed);
    let stale = answer_at(200, &body, NOW - 301);
    for response in [
        unsigned,
        altered.into_bytes(),
        unknown_key.into_bytes(),
        stale,
    ] {
        let (gateway, _server) = answering(Some(response)).await;
        let outcome = gateway.refund(&refund()).await;
        assert!(matches!(outcome, Err(CallError::Unknown(_))), "{outcome:?}");
    }
}

#[tokio::test]
async fn a_server_in_trouble_or_a_cut_connection_leaves_the_outcome_unknown() {
    for response in [
        Some(http_response(502, &[], b"<html>")),
        Some(refusal(500, "SYSTEM_ERROR")),
        Some(refusal(503, "SERVICE_UNAVAILABLE")),
        Some(answer(202, "{}")),
        Some(answer(200, "not json")),
        Some(http_response(
            302,
            &[("location", "https://example.com/")],
            b"",
        )),
        None,
    ] {
        let (gateway, server) = answering(response).await;
        let outcome = gateway.refund(&refund()).await;
        assert!(matches!(outcome, Err(CallError::Unknown(_))), "{outcome:?}");
        assert_eq!(server.requests().len(), 1, "a call is sent once");
    }
}

#[tokio::test]
async fn the_backup_host_is_asked_only_if_nothing_reached_the_first() {
    let server = Loopback::start(|_request| Some(answer(204, ""))).await;
    let mut fallback = settings(Loopback::closed_url().await.as_str());
    assert!(matches!(
        open(fallback.clone(), NOW).close(&placed_order()).await,
        Err(CallError::NotSent(_))
    ));
    fallback["api_backup_base_url"] = json!(server.url(""));
    assert_eq!(
        open(fallback, NOW).close(&placed_order()).await,
        Ok(Closed::Closed)
    );

    let cut = Loopback::start(|_request| None).await;
    let mut unsure = settings(&cut.url(""));
    unsure["api_backup_base_url"] = json!(server.url(""));
    let outcome = open(unsure, NOW).close(&placed_order()).await;
    assert!(matches!(outcome, Err(CallError::Unknown(_))));
    assert_eq!(
        server.requests().len(),
        1,
        "an unsure call is not repeated elsewhere"
    );
}
