//! At the counter: a payer's code in, every answer that WeChat has for it, and reversals.

use kassa_core::channel::Method;
use kassa_core::notification::ReportedPayment;
use kassa_core::payment::AuthCode;
use serde_json::{Value, json};

use super::super::WechatV3;
use super::outbound::{NUMBER, answer, order, placed_order, refusal};
use super::{NOW, account, deps, open, settings};
use crate::testing::{Loopback, Received};
use crate::{CallError, Closed, Gateway, PlaceOrder, Placed, PlacedOrder};

const CODE: &str = "134567890123456789";
const PAY: &str = "/v3/pay/transactions/codepay";
const REVERSE: &str = "/v3/pay/transactions/out-trade-no/T20260101000000000001/reverse";
const QUERY: &str = "/v3/pay/transactions/out-trade-no/T20260101000000000001";

fn shown() -> PlaceOrder {
    PlaceOrder {
        auth_code: Some(AuthCode::try_new(CODE).unwrap()),
        ..order(Method::BarCode)
    }
}

fn placed() -> PlacedOrder {
    PlacedOrder {
        method: Method::BarCode,
        is_given_out: false,
        ..placed_order()
    }
}

fn with_till(base: &str) -> Value {
    let mut settings = settings(base);
    settings["store_out_id"] = json!("Shop0755");
    settings["device_ip"] = json!("203.0.113.9");
    settings
}

fn mchid() -> String {
    settings("")["mchid"].as_str().unwrap().to_owned()
}

fn standing(word: &str) -> Value {
    json!({"mchid": mchid(), "out_trade_no": NUMBER, "trade_state": word,
        "trade_state_desc": "why"})
}

fn charged() -> Value {
    let mut paid = standing("SUCCESS");
    paid["transaction_id"] = json!("G1");
    paid["trade_type"] = json!("MICROPAY");
    paid["success_time"] = json!("2026-01-01T08:01:38+08:00");
    paid["amount"] = json!({"total": 1, "payer_total": 0, "currency": "CNY"});
    paid
}

async fn answering(response: Option<Vec<u8>>) -> (WechatV3, Loopback) {
    let server = Loopback::start(move |_request| response.clone()).await;
    (open(with_till(&server.url("")), NOW), server)
}

fn said(body: &Value) -> Vec<u8> {
    answer(200, &body.to_string())
}

/// A gateway that answers reversals and queries each in its own way.
async fn reversing(reversed: Vec<u8>, queried: Vec<u8>) -> (WechatV3, Loopback) {
    let server = Loopback::start(move |request| {
        let is_reversal = request.target == REVERSE;
        Some(if is_reversal { &reversed } else { &queried }.clone())
    })
    .await;
    (open(with_till(&server.url("")), NOW), server)
}

fn sent(request: &Received) -> (String, String, Value) {
    let body = serde_json::from_slice(&request.body).unwrap_or(Value::Null);
    (request.method.clone(), request.target.clone(), body)
}

#[tokio::test]
async fn a_code_is_sent_as_documented_and_a_success_is_the_payment() {
    let (gateway, server) = answering(Some(said(&charged()))).await;
    let outcome = gateway.place(&shown()).await.unwrap();
    let expected = json!({
        "appid": settings("")["appid"], "mchid": mchid(), "description": "测试商品-Rust",
        "out_trade_no": NUMBER, "payer": {"auth_code": CODE},
        "amount": {"total": 1, "currency": "CNY"},
        "scene_info": {"device_ip": "203.0.113.7", "store_info": {"out_id": "Shop0755"}},
    });
    assert_eq!(
        sent(&server.requests()[0]),
        ("POST".to_owned(), PAY.to_owned(), expected)
    );
    assert_eq!((outcome.prepay, outcome.is_to_be_asked), (None, false));
    let report = outcome.report.unwrap();
    assert_eq!(report.request_number, NUMBER);
    assert_eq!(report.gateway_transaction_id.as_deref(), Some("G1"));
    let ReportedPayment::Paid { amount, paid_at } = report.state else {
        panic!("{report:?}");
    };
    assert_eq!(amount, shown().amount, "not what the payer's coupon left");
    assert_eq!(paid_at.unwrap().timestamp(), NOW + 98);
}

#[tokio::test]
async fn a_till_says_where_it_stands_as_far_as_that_is_known() {
    let server = Loopback::start(|_request| Some(said(&charged()))).await;
    let mut here = settings(&server.url(""));
    here["store_id"] = json!("129784");
    here["device_id"] = json!("till7");
    let unsaid = PlaceOrder {
        client_ip: None,
        ..shown()
    };
    open(here.clone(), NOW).place(&unsaid).await.unwrap();
    here["store_out_id"] = json!("Shop0755");
    here["device_ip"] = json!("203.0.113.9");
    open(here, NOW).place(&unsaid).await.unwrap();
    let scenes = server.requests().into_iter();
    let scenes: Vec<_> = scenes.map(|it| sent(&it).2["scene_info"].clone()).collect();
    let first = json!({"device_id": "till7", "store_info": {"id": "129784"}});
    let second = json!({"device_id": "till7", "device_ip": "203.0.113.9",
        "store_info": {"id": "129784", "out_id": "Shop0755"}});
    assert_eq!(scenes, [first, second]);
}

#[tokio::test]
async fn a_payer_who_enters_a_password_is_waited_for() {
    for response in [
        Some(said(&standing("USERPAYING"))),
        Some(said(&standing("NOTPAY"))),
        Some(said(&standing("PAYERROR"))),
        Some(refusal(400, "USERPAYING")),
    ] {
        let (gateway, _server) = answering(response).await;
        assert_eq!(gateway.place(&shown()).await, Ok(Placed::waiting(None)));
    }
}

#[tokio::test]
async fn what_is_not_signed_or_not_about_the_order_is_unknown() {
    let altered = |field: &str, value: Value| {
        let mut altered = charged();
        altered[field] = value;
        Some(said(&altered))
    };
    let unsigned = crate::testing::http_response(200, &[], charged().to_string().as_bytes());
    for response in [
        altered("out_trade_no", json!("T2")),
        altered("mchid", json!("1900000009")),
        altered("mchid", Value::Null),
        altered("amount", Value::Null),
        altered("amount", json!({"total": -1})),
        altered("trade_state", json!("ACCEPT")),
        Some(said(&standing("CLOSED"))),
        Some(said(&standing("REVOKED"))),
        Some(said(&json!([]))),
        Some(unsigned),
        Some(refusal(502, "")),
        Some(refusal(404, "")),
        Some(refusal(429, "FREQUENCY_LIMITED")),
        Some(refusal(400, "UNLISTED")),
        Some(refusal(403, "OUT_TRADE_NO_USED")),
        Some(refusal(500, "SYSTEM_ERROR")),
        None,
    ] {
        let (gateway, server) = answering(response).await;
        let outcome = gateway.place(&shown()).await;
        assert!(matches!(outcome, Err(CallError::Unknown(_))), "{outcome:?}");
        assert_eq!(server.requests().len(), 1, "a code is sent once");
    }
}

#[tokio::test]
async fn a_refused_code_is_refused_and_no_error_says_it() {
    let (gateway, _server) = answering(Some(refusal(400, "AUTHCODEEXPIRE"))).await;
    let refused = gateway.place(&shown()).await;
    assert!(matches!(&refused, Err(CallError::Refused(it)) if it.code == "AUTHCODEEXPIRE"));
    let closed = open(with_till(&Loopback::closed_url().await), NOW);
    let unsent = closed.place(&shown()).await;
    assert!(matches!(unsent, Err(CallError::NotSent(_))));
    let texts = format!("{refused:?} {unsent:?} {:?}", shown());
    assert!(!texts.contains(CODE), "{texts}");
}

#[tokio::test]
async fn bar_codes_need_a_code_and_an_account_that_says_where_its_till_stands() {
    let (gateway, server) = answering(Some(said(&charged()))).await;
    let can = |gateway: &WechatV3| gateway.capabilities().method(Method::BarCode).is_some();
    assert!(can(&gateway));
    let codeless = gateway.place(&order(Method::BarCode)).await;
    assert!(matches!(codeless, Err(CallError::Refused(reason)) if reason.code == "UNSUPPORTED"));
    let mut only_device = settings(&server.url(""));
    only_device["device_id"] = json!("till7");
    let nowhere = open(only_device, NOW);
    assert!(!can(&nowhere));
    assert!(nowhere.capabilities().method(Method::Qr).is_some());
    let refused = nowhere.place(&shown()).await;
    let Err(CallError::Refused(reason)) = refused else {
        panic!("{refused:?}");
    };
    assert_eq!(reason.code, "UNSUPPORTED");
    assert!(reason.message.contains("store_id"), "{reason:?}");
    assert!(server.requests().is_empty());
}

#[test]
fn where_the_till_stands_is_checked() {
    for (field, value) in [
        ("store_id", "12a"),
        ("store_out_id", "Shop 1"),
        ("device_id", "0123456789012345678901234567890123"),
        ("device_ip", "localhost"),
    ] {
        let mut wrong = with_till("https://api.mch.weixin.qq.com");
        wrong[field] = json!(value);
        let error = WechatV3::try_new(&account(wrong), &deps(NOW)).unwrap_err();
        let fields: Vec<_> = error.problems.iter().map(|it| it.field).collect();
        assert_eq!(fields, [field]);
    }
}

async fn state(transaction: &Value) -> ReportedPayment {
    let (gateway, server) = answering(Some(said(transaction))).await;
    let report = gateway.query(&placed()).await.unwrap();
    assert!(server.requests()[0].target.starts_with(QUERY));
    report.state
}

#[tokio::test]
async fn the_states_of_a_counter_mean_what_the_sheet_says() {
    for word in ["NOTPAY", "USERPAYING", "PAYERROR"] {
        assert_eq!(
            state(&standing(word)).await,
            ReportedPayment::Unpaid,
            "{word}"
        );
    }
    for word in ["REVOKED", "CLOSED"] {
        assert_eq!(
            state(&standing(word)).await,
            ReportedPayment::Closed,
            "{word}"
        );
    }
    let mut reversed = charged();
    reversed["trade_state"] = json!("REVOKED");
    let found = state(&reversed).await;
    assert!(matches!(found, ReportedPayment::Reversed { amount, .. } if amount == shown().amount));
    for word in ["SUCCESS", "REFUND"] {
        let mut paid = charged();
        paid["trade_state"] = json!(word);
        assert!(matches!(state(&paid).await, ReportedPayment::Paid { .. }));
    }
}

fn done() -> Vec<u8> {
    let body = json!({"appid": settings("")["appid"], "mchid": mchid(), "out_trade_no": NUMBER});
    answer(200, &body.to_string())
}

#[tokio::test]
async fn a_reversal_is_believed_when_a_query_says_so() {
    let stands = |word: &str| answer(200, &standing(word).to_string());
    let mut given_back = charged();
    given_back["trade_state"] = json!("REVOKED");
    let given_back = answer(200, &given_back.to_string());
    for (reversed, queried, expected) in [
        (done(), stands("REVOKED"), Closed::Closed),
        (done(), refusal(404, "ORDER_NOT_EXIST"), Closed::Closed),
        (done(), stands("USERPAYING"), Closed::NotClosable),
        (done(), given_back, Closed::NotClosable),
        (refusal(404, "ORDER_NOT_EXIST"), done(), Closed::Closed),
        (refusal(403, "TRADE_ERROR"), done(), Closed::NotClosable),
    ] {
        let (gateway, server) = reversing(reversed, queried).await;
        assert_eq!(gateway.close(&placed()).await, Ok(expected));
        let body = json!({"appid": settings("")["appid"], "mchid": mchid()});
        assert_eq!(
            sent(&server.requests()[0]),
            ("POST".to_owned(), REVERSE.to_owned(), body)
        );
    }
}

#[tokio::test]
async fn a_reversal_without_a_believable_answer_is_unknown_and_of_a_paying_payer_comes_later() {
    let mut other: Value = json!({"mchid": mchid(), "out_trade_no": "T2"});
    let another = answer(200, &other.to_string());
    other["out_trade_no"] = json!(NUMBER);
    let unsigned = crate::testing::http_response(200, &[], other.to_string().as_bytes());
    for response in [another, unsigned, refusal(500, "SYSTEM_ERROR")] {
        let (gateway, server) = reversing(response, done()).await;
        let outcome = gateway.close(&placed()).await;
        assert!(matches!(outcome, Err(CallError::Unknown(_))), "{outcome:?}");
        assert_eq!(server.requests().len(), 1);
    }
    let (gateway, _server) = reversing(refusal(400, "USERPAYING"), done()).await;
    let outcome = gateway.close(&placed()).await;
    assert!(matches!(outcome, Err(CallError::Later(_))), "{outcome:?}");
}
