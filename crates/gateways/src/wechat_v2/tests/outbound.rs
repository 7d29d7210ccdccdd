//! Calls against a loopback gateway that signs as WeChat Pay would, and against one in trouble.

use chrono::DateTime;
use kassa_core::channel::Method;
use kassa_core::money::{Currency, Money};
use kassa_core::notification::{ReportedPayment, ReportedRefund};
use kassa_core::payment::PrepayInfo;
use kassa_core::text::{PayerId, RefundReason, Subject};
use serde_json::{Value, json};
use url::Url;

use super::super::WechatV2;
use super::super::sign::{SignType, is_signed, sign};
use super::super::wire::Message;
use super::{APPID, MCH_ID, NOW, api_key, message, open, settings};
use crate::testing::{Loopback, Received, http_response};
use crate::{CallError, Closed, Gateway, PlaceOrder, PlaceRefund, PlacedOrder};

pub(super) const NUMBER: &str = "T20260101000000000001";
const REFUND_NUMBER: &str = "R20260101000000000001";

/// An answer as WeChat gives it: fields, signed.
pub(super) fn answer(fields: &Value) -> Vec<u8> {
    let mut all = json!({
        "return_code": "SUCCESS", "return_msg": "OK", "result_code": "SUCCESS",
        "appid": APPID, "mch_id": MCH_ID, "nonce_str": "n",
    });
    for (name, value) in fields.as_object().unwrap() {
        all[name] = value.clone();
    }
    let mut message = message(&all);
    message.set("sign", sign(SignType::Md5, &message, &api_key()));
    http_response(200, &[], message.to_xml().as_bytes())
}

pub(super) fn refusal(code: &str) -> Vec<u8> {
    answer(&json!({"result_code": "FAIL", "err_code": code, "err_code_des": "x"}))
}

pub(super) async fn answering(response: Option<Vec<u8>>) -> (WechatV2, Loopback) {
    let server = Loopback::start(move |_request| response.clone()).await;
    (open(settings(&server.url(""))), server)
}

pub(super) fn order(method: Method) -> PlaceOrder {
    PlaceOrder {
        request_number: NUMBER.to_owned(),
        method,
        amount: Money::try_new(100, Currency::CNY).unwrap(),
        subject: Subject::try_new("测试商品-Rust").unwrap(),
        payer: Some(PayerId::try_new("oUpF8uMuAJO_M2pxb1Q9zNjWeS6o").unwrap()),
        auth_code: None,
        client_ip: Some("203.0.113.7".parse().unwrap()),
        expires_at: DateTime::from_timestamp(NOW + 7200, 0).unwrap(),
        notify_url: Url::parse("https://pay.example.com/notify/wechat-v2").unwrap(),
        return_url: Some(Url::parse("https://shop.example.com/r?o=1").unwrap()),
    }
}

pub(super) fn placed_order() -> PlacedOrder {
    let order = order(Method::Qr);
    PlacedOrder {
        request_number: order.request_number,
        method: order.method,
        amount: order.amount,
        gateway_transaction_id: None,
        is_given_out: true,
        expires_at: order.expires_at,
        is_wanted: true,
    }
}

fn refund() -> PlaceRefund {
    PlaceRefund {
        request_number: NUMBER.to_owned(),
        method: Method::Qr,
        gateway_transaction_id: None,
        refund_number: REFUND_NUMBER.to_owned(),
        amount: Money::try_new(30, Currency::CNY).unwrap(),
        paid: Money::try_new(100, Currency::CNY).unwrap(),
        reason: Some(RefundReason::try_new("商品已售完").unwrap()),
        notify_url: Url::parse("https://pay.example.com/notify/wechat-v2-refund").unwrap(),
    }
}

/// What was sent: signed XML with these fields, beside the account's, the nonce and the signature.
pub(super) fn assert_sent(request: &Received, target: &str, expected: &Value) {
    assert_eq!(
        (request.method.as_str(), request.target.as_str()),
        ("POST", target)
    );
    let sent = Message::parse(&request.body).unwrap();
    assert!(is_signed(&sent, &[api_key()]), "{target}");
    let mut fields = expected.clone();
    fields["appid"] = json!(APPID);
    fields["mch_id"] = json!(MCH_ID);
    fields["sign_type"] = json!("MD5");
    for name in ["nonce_str", "sign"] {
        fields[name] = json!(sent.get(name).unwrap());
    }
    assert_eq!(sent, message(&fields), "{target}");
    assert_eq!(sent.get("nonce_str").unwrap().len(), 32);
}

fn unified(trade_type: &str) -> Value {
    json!({
        "body": "测试商品-Rust", "out_trade_no": NUMBER, "fee_type": "CNY", "total_fee": "100",
        "spbill_create_ip": "203.0.113.7", "time_expire": "20260101100000",
        "notify_url": "https://pay.example.com/notify/wechat-v2", "trade_type": trade_type,
    })
}

async fn placed(method: Method, trade_type: &str, own: Value, given: Value) -> PrepayInfo {
    let mut fields = given;
    fields["trade_type"] = json!(trade_type);
    let (gateway, server) = answering(Some(answer(&fields))).await;
    let placed = gateway.place(&order(method)).await.unwrap();
    let mut expected = unified(trade_type);
    for (name, value) in own.as_object().unwrap() {
        expected[name] = value.clone();
    }
    assert_sent(&server.requests()[0], "/pay/unifiedorder", &expected);
    placed.prepay.unwrap()
}

#[tokio::test]
async fn each_method_sends_its_trade_type_and_gives_what_its_client_needs() {
    let content = "weixin://wxpay/bizpayurl?pr=x".to_owned();
    let qr = placed(
        Method::Qr,
        "NATIVE",
        json!({ "product_id": NUMBER }),
        json!({"prepay_id": "wx1", "code_url": content}),
    )
    .await;
    assert_eq!(qr, PrepayInfo::QrCode { content });

    let scene =
        r#"{"h5_info":{"type":"Wap","wap_name":"测试","wap_url":"https://pay.example.com"}}"#;
    let h5 = placed(
        Method::Wap,
        "MWEB",
        json!({ "scene_info": scene }),
        json!({"prepay_id": "wx1", "mweb_url": "https://wx.tenpay.com/x?prepay_id=1"}),
    )
    .await;
    let PrepayInfo::Redirect { url } = h5 else {
        panic!("an address was expected")
    };
    let url = Url::parse(&url).unwrap();
    let back = url.query_pairs().find(|(name, _)| name == "redirect_url");
    assert_eq!(back.unwrap().1, "https://shop.example.com/r?o=1");
}

#[tokio::test]
async fn client_parameters_are_signed_like_the_order() {
    let jsapi = placed(
        Method::Jsapi,
        "JSAPI",
        json!({"openid": "oUpF8uMuAJO_M2pxb1Q9zNjWeS6o"}),
        json!({"prepay_id": "wx1"}),
    )
    .await;
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
        ("prepay_id=wx1", "MD5")
    );
    let fields = json!({"appId": app_id, "timeStamp": time_stamp, "nonceStr": nonce_str,
        "package": package, "signType": sign_type});
    assert_eq!(sign(SignType::Md5, &message(&fields), &api_key()), pay_sign);

    let app = placed(Method::App, "APP", json!({}), json!({"prepay_id": "wx1"})).await;
    let PrepayInfo::WechatApp {
        app_id,
        partner_id,
        prepay_id,
        package,
        nonce_str,
        time_stamp,
        sign: signature,
    } = app
    else {
        panic!("app parameters were expected")
    };
    let fields = json!({"appid": app_id, "partnerid": partner_id, "prepayid": prepay_id,
        "package": package, "noncestr": nonce_str, "timestamp": time_stamp});
    assert_eq!((partner_id.as_str(), prepay_id.as_str()), (MCH_ID, "wx1"));
    assert_eq!(
        sign(SignType::Md5, &message(&fields), &api_key()),
        signature
    );
}

#[tokio::test]
async fn a_repeated_order_differs_in_nonce_and_signature_alone() {
    let (gateway, server) = answering(Some(refusal("SYSTEMERROR"))).await;
    for _ in 0..2 {
        let outcome = gateway.place(&order(Method::Jsapi)).await;
        assert!(matches!(outcome, Err(CallError::Unknown(_))));
    }
    let bodies: Vec<Message> = server
        .requests()
        .iter()
        .map(|request| {
            let mut sent = Message::parse(&request.body).unwrap();
            for name in ["nonce_str", "sign"] {
                assert!(sent.get(name).is_some());
                sent.set(name, "");
            }
            sent
        })
        .collect();
    assert_eq!(bodies[0], bodies[1]);
    assert_ne!(server.requests()[0].body, server.requests()[1].body);
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
    let dollars = PlaceOrder {
        amount: Money::try_new(1, Currency::USD).unwrap(),
        ..order(Method::Qr)
    };
    for order in [no_payer, no_address, dollars, order(Method::Page)] {
        let refused = gateway.place(&order).await;
        assert!(matches!(refused, Err(CallError::Refused(reason)) if reason.code == "UNSUPPORTED"));
    }
    let mut settings = settings(&server.url(""));
    for name in ["h5_app_name", "h5_app_url"] {
        settings.as_object_mut().unwrap().remove(name);
    }
    let refused = open(settings).place(&order(Method::Wap)).await;
    assert!(matches!(refused, Err(CallError::Misconfigured(_))));
    assert!(server.requests().is_empty());
}

#[tokio::test]
async fn a_long_subject_is_cut_between_characters() {
    let (gateway, server) = answering(None).await;
    let long = PlaceOrder {
        subject: Subject::try_new("测".repeat(127)).unwrap(),
        client_ip: None,
        ..order(Method::Qr)
    };
    assert!(gateway.place(&long).await.is_err());
    let sent = Message::parse(&server.requests()[0].body).unwrap();
    assert_eq!(sent.get("body"), Some("测".repeat(42).as_str()));
    assert_eq!(sent.get("spbill_create_ip"), Some("127.0.0.1"));
}

pub(super) fn paid() -> Value {
    json!({"out_trade_no": NUMBER, "transaction_id": "G1", "trade_state": "SUCCESS",
        "total_fee": "100", "cash_fee": "60", "time_end": "20260101080138"})
}

#[tokio::test]
async fn a_query_asks_by_our_number_and_tells_the_state() {
    let (gateway, server) = answering(Some(answer(&paid()))).await;
    let report = gateway.query(&placed_order()).await.unwrap();
    assert_sent(
        &server.requests()[0],
        "/pay/orderquery",
        &json!({ "out_trade_no": NUMBER }),
    );
    assert_eq!(report.gateway_transaction_id.as_deref(), Some("G1"));
    assert!(
        matches!(report.state, ReportedPayment::Paid { amount, .. } if amount == order(Method::Qr).amount)
    );
    let (gateway, _server) = answering(Some(refusal("ORDERNOTEXIST"))).await;
    let report = gateway.query(&placed_order()).await.unwrap();
    assert_eq!(report.state, ReportedPayment::NotFound);
}

#[tokio::test]
async fn an_answer_about_something_else_is_no_answer() {
    for (field, value) in [
        ("out_trade_no", "T2"),
        ("mch_id", "1900000002"),
        ("appid", "wx0000000000000000"),
        ("trade_state", "NEW"),
        ("total_fee", "x"),
    ] {
        let mut other = paid();
        other[field] = json!(value);
        let (gateway, _server) = answering(Some(answer(&other))).await;
        let unknown = gateway.query(&placed_order()).await;
        assert!(matches!(unknown, Err(CallError::Unknown(_))), "{field}");
    }
}

#[tokio::test]
async fn what_cannot_be_believed_is_unknown_and_what_was_not_sent_is_not() {
    let good = String::from_utf8(answer(&paid())).unwrap();
    let (_, body) = good.split_once("\r\n\r\n").unwrap();
    let altered = body.replace("100", "101");
    assert_ne!(altered, body);
    let unsigned = {
        let mut message = Message::parse(body.as_bytes()).unwrap();
        message.set("sign", "");
        message.to_xml()
    };
    for response in [
        Some(http_response(200, &[], altered.as_bytes())),
        Some(http_response(200, &[], unsigned.as_bytes())),
        Some(http_response(200, &[], b"<html>")),
        Some(http_response(500, &[], body.as_bytes())),
        Some(http_response(302, &[], b"")),
        None,
    ] {
        let (gateway, _server) = answering(response).await;
        let outcome = gateway.query(&placed_order()).await;
        assert!(matches!(outcome, Err(CallError::Unknown(_))), "{outcome:?}");
        let outcome = gateway.refund(&refund()).await;
        assert!(matches!(outcome, Err(CallError::Unknown(_))), "{outcome:?}");
    }
    let gateway = open(settings(&Loopback::closed_url().await));
    let outcome = gateway.query(&placed_order()).await;
    assert!(matches!(outcome, Err(CallError::NotSent(_))));
}

#[tokio::test]
async fn the_backup_host_is_used_when_nothing_reached_the_first() {
    let server = Loopback::start(|_request| Some(answer(&paid()))).await;
    let mut settings = settings(&Loopback::closed_url().await);
    settings["api_backup_base_url"] = json!(server.url(""));
    let gateway = open(settings);
    assert!(gateway.query(&placed_order()).await.is_ok());
    let outcome = gateway.refund(&refund()).await;
    assert!(
        matches!(outcome, Err(CallError::NotSent(_))),
        "refunds go to one host"
    );
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test]
async fn a_close_is_done_when_the_order_is_closed_or_was_never_there() {
    for (response, expected) in [
        (answer(&json!({})), Closed::Closed),
        (refusal("ORDERCLOSED"), Closed::Closed),
        (refusal("ORDERNOTEXIST"), Closed::Closed),
        (refusal("ORDERPAID"), Closed::NotClosable),
    ] {
        let (gateway, server) = answering(Some(response)).await;
        assert_eq!(gateway.close(&placed_order()).await, Ok(expected));
        assert_sent(
            &server.requests()[0],
            "/pay/closeorder",
            &json!({ "out_trade_no": NUMBER }),
        );
    }
}

#[tokio::test]
async fn a_refund_that_was_accepted_is_being_processed() {
    let accepted = json!({"out_trade_no": NUMBER, "out_refund_no": REFUND_NUMBER,
        "refund_id": "50001", "refund_fee": "30", "total_fee": "100"});
    let (gateway, server) = answering(Some(answer(&accepted))).await;
    let report = gateway.refund(&refund()).await.unwrap();
    assert_sent(
        &server.requests()[0],
        "/secapi/pay/refund",
        &json!({
            "out_trade_no": NUMBER, "out_refund_no": REFUND_NUMBER, "total_fee": "100",
            "refund_fee": "30", "refund_desc": "商品已售完",
            "notify_url": "https://pay.example.com/notify/wechat-v2-refund",
        }),
    );
    assert_eq!(report.state, ReportedRefund::Processing);
    assert_eq!(report.gateway_refund_id.as_deref(), Some("50001"));
    let mut other = accepted;
    other["out_refund_no"] = json!("R2");
    let (gateway, _server) = answering(Some(answer(&other))).await;
    assert!(matches!(
        gateway.refund(&refund()).await,
        Err(CallError::Unknown(_))
    ));
}

#[tokio::test]
async fn a_refund_query_finds_its_refund_among_several() {
    let several = json!({
        "out_trade_no": NUMBER, "refund_count": "2",
        "out_refund_no_0": "R1", "refund_status_0": "SUCCESS", "refund_fee_0": "1", "refund_id_0": "1",
        "out_refund_no_1": REFUND_NUMBER, "refund_status_1": "CHANGE", "refund_fee_1": "30",
        "refund_id_1": "2",
    });
    let (gateway, server) = answering(Some(answer(&several))).await;
    let report = gateway.query_refund(&refund()).await.unwrap();
    assert_sent(
        &server.requests()[0],
        "/pay/refundquery",
        &json!({ "out_refund_no": REFUND_NUMBER }),
    );
    assert_eq!(report.gateway_refund_id.as_deref(), Some("2"));
    assert!(matches!(report.state, ReportedRefund::Abnormal(_)));
    for (word, expected) in [
        ("PROCESSING", "Processing"),
        ("REFUNDCLOSE", "Failed"),
        ("SUCCESS", "Succeeded"),
    ] {
        let mut one = several.clone();
        one["refund_status_1"] = json!(word);
        let (gateway, _server) = answering(Some(answer(&one))).await;
        let state = gateway.query_refund(&refund()).await.unwrap().state;
        assert!(
            format!("{state:?}").starts_with(expected),
            "{word}: {state:?}"
        );
    }
    let (gateway, _server) = answering(Some(refusal("REFUNDNOTEXIST"))).await;
    let report = gateway.query_refund(&refund()).await.unwrap();
    assert_eq!(report.state, ReportedRefund::NotFound);
    let none = json!({"out_trade_no": NUMBER, "refund_count": "0"});
    let (gateway, _server) = answering(Some(answer(&none))).await;
    assert!(matches!(
        gateway.query_refund(&refund()).await,
        Err(CallError::Unknown(_))
    ));
}

#[tokio::test]
async fn a_hanging_refund_cannot_be_sent_to_the_merchant() {
    let (gateway, server) = answering(None).await;
    let refused = gateway.refund_to_merchant(&refund(), "50001").await;
    assert!(matches!(refused, Err(CallError::Refused(_))));
    assert!(server.requests().is_empty());
}
