//! Calls against a loopback gateway that signs as Alipay would, and against one in trouble.

use std::collections::BTreeMap;

use chrono::DateTime;
use kassa_core::channel::Method;
use kassa_core::money::{Currency, Money};
use kassa_core::notification::{ReportedPayment, ReportedRefund};
use kassa_core::payment::PrepayInfo;
use kassa_core::text::RefundReason;
use serde_json::{Value, json};
use url::Url;

use super::super::Alipay;
use super::requests::order;
use super::{NOW, open, settings, vectors};
use crate::crypto::RsaPublicKey;
use crate::testing::{Loopback, Received, http_response, named, peer_sign, text};
use crate::{CallError, Closed, Gateway, PlaceRefund, PlacedOrder};

const NUMBER: &str = "T20260101000000000001";

/// An answer as Alipay gives it: always 200, always called HTML.
pub(super) fn answer(method: &str, node: &Value, is_signed: bool) -> Vec<u8> {
    let node = node.to_string();
    let name = method.replace('.', "_");
    let body = if is_signed {
        let vectors = vectors();
        let key = text(&vectors, "/keys/alipay_test_private_key_pkcs8_pem");
        let sign = peer_sign(key, node.as_bytes());
        format!(r#"{{"{name}_response":{node},"sign":"{sign}"}}"#)
    } else {
        format!(r#"{{"{name}_response":{node}}}"#)
    };
    http_response(
        200,
        &[("content-type", "text/html;charset=utf-8")],
        body.as_bytes(),
    )
}

pub(super) async fn answering(method: &'static str, node: Value) -> (Alipay, Loopback) {
    let server = Loopback::start(move |_request| Some(answer(method, &node, true))).await;
    (open(settings(&server.url("/gateway.do"))), server)
}

pub(super) async fn answering_raw(response: Option<Vec<u8>>) -> (Alipay, Loopback) {
    let server = Loopback::start(move |_request| response.clone()).await;
    (open(settings(&server.url("/gateway.do"))), server)
}

/// The parameters of a received request, which must be signed by the app.
pub(super) fn checked_params(request: &Received) -> BTreeMap<String, String> {
    let query = request.target.split_once('?').unwrap().1;
    let mut params: BTreeMap<String, String> = form_urlencoded::parse(query.as_bytes())
        .into_owned()
        .collect();
    assert!(
        !params.contains_key("biz_content"),
        "it belongs into the body"
    );
    params.extend(form_urlencoded::parse(&request.body).into_owned());
    let pairs: Vec<String> = params
        .iter()
        .filter(|(k, _)| *k != "sign")
        .map(|(k, v)| format!("{k}={v}"))
        .collect();
    let vectors = vectors();
    let key = RsaPublicKey::try_parse(text(&vectors, "/keys/app_public_key_pem")).unwrap();
    assert!(key.verify_sha256(pairs.join("&").as_bytes(), &params["sign"]));
    params
}

pub(super) fn biz_content(case: &str) -> String {
    let vectors = vectors();
    let case = named(&vectors, "/request_signing", case);
    case["params"]["biz_content"].as_str().unwrap().to_owned()
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
    let cny = |minor| Money::try_new(minor, Currency::CNY).unwrap();
    PlaceRefund {
        request_number: NUMBER.to_owned(),
        method: Method::Qr,
        gateway_transaction_id: None,
        refund_number: "R20260101000000000001".to_owned(),
        amount: cny(888),
        paid: cny(8888),
        reason: Some(RefundReason::try_new("正常退款").unwrap()),
        notify_url: Url::parse("https://pay.example.com/notify/alipay").unwrap(),
    }
}

#[tokio::test]
async fn a_qr_order_is_sent_as_documented_and_gives_the_code() {
    let number = "T20260101000000000004";
    let node = json!({"code": "10000", "msg": "Success", "out_trade_no": number,
        "qr_code": "https://qr.alipay.com/bavh4wjlxf12tper3a"});
    let (gateway, server) = answering("alipay.trade.precreate", node).await;
    let placed = gateway
        .place(&order(Method::Qr, number, 100, "测试"))
        .await
        .unwrap();
    let content = "https://qr.alipay.com/bavh4wjlxf12tper3a".to_owned();
    assert_eq!(placed.prepay, Some(PrepayInfo::QrCode { content }));

    let request = &server.requests()[0];
    assert_eq!(request.method, "POST");
    assert_eq!(
        request.header("content-type"),
        Some("application/x-www-form-urlencoded;charset=utf-8")
    );
    let params = checked_params(request);
    assert_eq!(params["method"], "alipay.trade.precreate");
    assert_eq!(params["timestamp"], "2026-01-01 08:00:00");
    assert_eq!(
        params["notify_url"],
        "https://pay.example.com/notify/alipay"
    );
    let sent: Value = serde_json::from_str(&params["biz_content"]).unwrap();
    let mut expected: Value = serde_json::from_str(&biz_content("precreate")).unwrap();
    expected["time_expire"] = json!("2026-01-01 08:30:00");
    assert_eq!(sent, expected);
}

#[tokio::test]
async fn a_repeated_order_has_the_same_business_fields_to_the_byte() {
    let (gateway, server) = answering("alipay.trade.precreate", json!({"code": "20000"})).await;
    let order = order(Method::Qr, NUMBER, 1, "s");
    for _ in 0..2 {
        assert!(matches!(
            gateway.place(&order).await,
            Err(CallError::Unknown(_))
        ));
    }
    assert_eq!(server.requests()[0].body, server.requests()[1].body);
}

async fn queried(node: Value) -> Result<ReportedPayment, CallError> {
    let (gateway, server) = answering("alipay.trade.query", node).await;
    let report = gateway.query(&placed_order()).await;
    assert_eq!(
        checked_params(&server.requests()[0])["biz_content"],
        biz_content("trade_query")
    );
    report.map(|report| {
        assert_eq!(report.request_number, NUMBER);
        report.state
    })
}

fn trade(status: &str) -> Value {
    json!({"code": "10000", "msg": "Success", "out_trade_no": NUMBER, "trade_no": "G1",
        "trade_status": status, "total_amount": "88.88"})
}

#[tokio::test]
async fn each_trade_status_means_what_the_sheet_says() {
    let amount = Money::try_new(8888, Currency::CNY).unwrap();
    let paid = ReportedPayment::Paid {
        amount,
        paid_at: None,
    };
    assert_eq!(
        queried(trade("WAIT_BUYER_PAY")).await,
        Ok(ReportedPayment::Unpaid)
    );
    assert_eq!(queried(trade("TRADE_SUCCESS")).await, Ok(paid.clone()));
    assert_eq!(queried(trade("TRADE_FINISHED")).await, Ok(paid));
    assert_eq!(
        queried(trade("TRADE_CLOSED")).await,
        Ok(ReportedPayment::Closed)
    );
    let mut refunded = trade("TRADE_CLOSED");
    refunded["send_pay_date"] = json!("2026-01-01 08:01:38");
    let paid_at = crate::china_time::parse_plain("2026-01-01 08:01:38");
    assert_eq!(
        queried(refunded).await,
        Ok(ReportedPayment::Paid { amount, paid_at })
    );
    assert!(matches!(
        queried(trade("TRADE_LOST")).await,
        Err(CallError::Unknown(_))
    ));
}

#[tokio::test]
async fn an_order_that_is_not_there_is_not_found_and_another_order_is_no_answer() {
    let missing =
        json!({"code": "40004", "sub_code": "ACQ.TRADE_NOT_EXIST", "msg": "Business Failed"});
    assert_eq!(queried(missing).await, Ok(ReportedPayment::NotFound));
    let mut other = trade("TRADE_SUCCESS");
    other["out_trade_no"] = json!("T2");
    assert!(matches!(queried(other).await, Err(CallError::Unknown(_))));
}

#[tokio::test]
async fn closing_tells_closed_from_not_closable() {
    let refused = |sub_code: &str| json!({"code": "40004", "sub_code": sub_code, "msg": "x"});
    for (node, expected) in [
        (json!({"code": "10000", "msg": "Success"}), Closed::Closed),
        (refused("ACQ.TRADE_NOT_EXIST"), Closed::Closed),
        (refused("TRADE_NOT_EXIST"), Closed::Closed),
        (refused("ACQ.TRADE_STATUS_ERROR"), Closed::NotClosable),
        (
            refused("ACQ.REASON_TRADE_STATUS_INVALID"),
            Closed::NotClosable,
        ),
        (refused("ACQ.REASON_ILLEGAL_STATUS"), Closed::NotClosable),
    ] {
        let (gateway, server) = answering("alipay.trade.close", node.clone()).await;
        assert_eq!(gateway.close(&placed_order()).await, Ok(expected), "{node}");
        assert_eq!(
            checked_params(&server.requests()[0])["biz_content"],
            biz_content("close")
        );
    }
    let (gateway, _server) = answering("alipay.trade.close", refused("ACQ.SYSTEM_ERROR")).await;
    assert!(matches!(
        gateway.close(&placed_order()).await,
        Err(CallError::Unknown(_))
    ));
}

#[tokio::test]
async fn a_refund_succeeded_only_if_it_moved_money() {
    let node = |change: Value| {
        json!({"code": "10000", "msg": "Success", "out_trade_no": NUMBER, "trade_no": "G1",
            "fund_change": change, "refund_fee": "18.88"})
    };
    let total = Money::try_new(1888, Currency::CNY).unwrap();
    let moved = ReportedRefund::Succeeded {
        amount: None,
        refunded_total: Some(total),
        refunded_at: None,
    };
    for (change, expected) in [
        (json!("Y"), moved),
        (json!("N"), ReportedRefund::Processing),
        (Value::Null, ReportedRefund::Processing),
    ] {
        let (gateway, server) = answering("alipay.trade.refund", node(change)).await;
        let report = gateway.refund(&refund()).await.unwrap();
        assert_eq!(report.state, expected);
        assert_eq!(report.refund_number, refund().refund_number);
        let sent = checked_params(&server.requests()[0]);
        assert_eq!(sent["biz_content"], biz_content("refund_partial"));
        assert!(!sent.contains_key("notify_url"), "the sheet forbids it");
    }
}

#[tokio::test]
async fn the_refund_query_tells_done_from_never_arrived() {
    let done = json!({"code": "10000", "msg": "Success", "out_request_no": "R20260101000000000001",
        "refund_status": "REFUND_SUCCESS", "refund_amount": "8.88", "total_amount": "88.88",
        "gmt_refund_pay": "2026-01-02 09:00:00"});
    let mut other = done.clone();
    other["out_request_no"] = json!("R2");
    let states = [
        (
            done,
            Ok(ReportedRefund::Succeeded {
                amount: Some(refund().amount),
                refunded_total: None,
                refunded_at: crate::china_time::parse_plain("2026-01-02 09:00:00"),
            }),
        ),
        (
            json!({"code": "10000", "msg": "Success"}),
            Ok(ReportedRefund::NotFound),
        ),
        (
            json!({"code": "40004", "sub_code": "ACQ.TRADE_NOT_EXIST"}),
            Ok(ReportedRefund::NotFound),
        ),
        (
            other,
            Err(CallError::Unknown(
                "the answer is about another order".to_owned(),
            )),
        ),
    ];
    for (node, expected) in states {
        let (gateway, server) = answering("alipay.trade.fastpay.refund.query", node).await;
        let state = gateway
            .query_refund(&refund())
            .await
            .map(|report| report.state);
        assert_eq!(state, expected);
        assert_eq!(
            checked_params(&server.requests()[0])["biz_content"],
            biz_content("refund_query")
        );
    }
}

#[tokio::test]
async fn a_success_that_is_unsigned_or_badly_signed_is_unknown() {
    let paid = trade("TRADE_SUCCESS");
    let unsigned = answer("alipay.trade.query", &paid, false);
    let good = answer("alipay.trade.query", &paid, true);
    let altered = String::from_utf8(good)
        .unwrap()
        .replace("88.88", "88.89")
        .into_bytes();
    for response in [unsigned, altered] {
        let (gateway, _server) = answering_raw(Some(response)).await;
        assert!(matches!(
            gateway.query(&placed_order()).await,
            Err(CallError::Unknown(_))
        ));
    }
}

#[tokio::test]
async fn a_server_in_trouble_or_a_cut_connection_leaves_the_outcome_unknown() {
    let refusal = br#"{"alipay_trade_refund_response":{"code":"40002","msg":"x"}}"#;
    for response in [
        Some(http_response(502, &[], b"<html>bad gateway</html>")),
        Some(http_response(500, &[], refusal)),
        Some(http_response(200, &[], b"")),
        Some(http_response(
            302,
            &[("location", "https://example.com/")],
            b"",
        )),
        None,
    ] {
        let (gateway, server) = answering_raw(response).await;
        let outcome = gateway.refund(&refund()).await;
        assert!(matches!(outcome, Err(CallError::Unknown(_))), "{outcome:?}");
        assert_eq!(server.requests().len(), 1, "a call is sent once");
    }
}

#[tokio::test]
async fn no_refund_is_sent_to_the_merchant_since_none_hangs() {
    let (alipay, server) = answering_raw(None).await;
    let refused = alipay.refund_to_merchant(&refund(), "1").await;
    assert!(matches!(refused, Err(CallError::Refused(_))), "{refused:?}");
    assert!(server.requests().is_empty());
}

#[tokio::test]
async fn without_a_connection_nothing_was_sent() {
    let gateway = open(settings(&Loopback::closed_url().await));
    assert!(matches!(
        gateway.refund(&refund()).await,
        Err(CallError::NotSent(_))
    ));
}
