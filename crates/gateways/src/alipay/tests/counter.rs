//! At the counter: a payer's code in, and every answer that Alipay has for it.

use kassa_core::channel::Method;
use kassa_core::money::{Currency, Money};
use kassa_core::notification::ReportedPayment;
use kassa_core::payment::AuthCode;
use serde_json::{Value, json};

use super::outbound::{
    answer, answering, answering_raw, biz_content, checked_params, placed_order,
};
use super::requests::order;
use super::{alipay, open, settings};
use crate::testing::{Loopback, http_response};
use crate::{CallError, Closed, Gateway, PlaceOrder, Placed, PlacedOrder};

const NUMBER: &str = "T20260101000000000005";
const CODE: &str = "28763443825664394";

fn shown() -> PlaceOrder {
    PlaceOrder {
        auth_code: Some(AuthCode::try_new(CODE).unwrap()),
        ..order(Method::BarCode, NUMBER, 100, "测试")
    }
}

fn placed() -> PlacedOrder {
    PlacedOrder {
        request_number: NUMBER.to_owned(),
        method: Method::BarCode,
        is_given_out: false,
        ..placed_order()
    }
}

fn node(code: &str) -> Value {
    json!({"code": code, "msg": "m", "out_trade_no": NUMBER, "trade_no": "G1"})
}

#[tokio::test]
async fn a_code_is_sent_as_documented_and_a_success_is_asked_about() {
    let (gateway, server) = answering("alipay.trade.pay", node("10000")).await;
    let outcome = gateway.place(&shown()).await.unwrap();
    let expected = Placed {
        is_to_be_asked: true,
        ..Placed::waiting(Some("G1".to_owned()))
    };
    assert_eq!(outcome, expected, "not paid before a query says so");
    let params = checked_params(&server.requests()[0]);
    assert_eq!(params["method"], "alipay.trade.pay");
    assert!(params.contains_key("notify_url") && !params.contains_key("return_url"));
    let sent: Value = serde_json::from_str(&params["biz_content"]).unwrap();
    let mut expected: Value = serde_json::from_str(&biz_content("face_to_face_pay")).unwrap();
    expected["time_expire"] = json!("2026-01-01 08:30:00");
    assert_eq!(sent, expected);
}

#[tokio::test]
async fn an_order_that_waits_for_its_payer_is_open_and_has_nothing_to_give_out() {
    for node in [
        node("10003"),
        json!({"code": "10003", "msg": "order success pay inprocess"}),
    ] {
        let number = node.get("trade_no").map(|_| "G1".to_owned());
        let (gateway, _server) = answering("alipay.trade.pay", node).await;
        assert_eq!(gateway.place(&shown()).await, Ok(Placed::waiting(number)));
    }
}

#[tokio::test]
async fn what_is_not_signed_or_not_about_the_order_is_unknown() {
    let mut other = node("10000");
    other["out_trade_no"] = json!("T2");
    let mut nobodys = node("10000");
    nobodys.as_object_mut().unwrap().remove("out_trade_no");
    for (node, is_signed) in [
        (node("10000"), false),
        (node("10003"), false),
        (other, true),
        (nobodys, true),
        (node("20000"), true),
        (node("10004"), true),
    ] {
        let response = answer("alipay.trade.pay", &node, is_signed);
        let (gateway, server) = answering_raw(Some(response)).await;
        let outcome = gateway.place(&shown()).await;
        assert!(
            matches!(outcome, Err(CallError::Unknown(_))),
            "{node}: {outcome:?}"
        );
        assert_eq!(server.requests().len(), 1, "a code is sent once");
    }
    for response in [Some(http_response(502, &[], b"")), None] {
        let (gateway, _server) = answering_raw(response).await;
        let outcome = gateway.place(&shown()).await;
        assert!(matches!(outcome, Err(CallError::Unknown(_))), "{outcome:?}");
    }
}

#[tokio::test]
async fn a_refused_code_is_refused_and_no_error_says_it() {
    let refusal = json!({"code": "40004", "sub_code": "ACQ.PAYMENT_AUTH_CODE_INVALID",
        "sub_msg": "支付授权码无效"});
    let (gateway, _server) = answering("alipay.trade.pay", refusal).await;
    let refused = gateway.place(&shown()).await;
    assert!(
        matches!(&refused, Err(CallError::Refused(it)) if it.code == "ACQ.PAYMENT_AUTH_CODE_INVALID")
    );
    let closed = open(settings(&Loopback::closed_url().await));
    let unsent = closed.place(&shown()).await;
    assert!(matches!(unsent, Err(CallError::NotSent(_))));
    let texts = format!("{refused:?} {unsent:?} {:?}", shown());
    assert!(!texts.contains(CODE), "{texts}");
}

#[tokio::test]
async fn without_a_code_nothing_is_sent() {
    let codeless = PlaceOrder {
        auth_code: None,
        ..shown()
    };
    let refused = alipay().place(&codeless).await;
    assert!(matches!(refused, Err(CallError::Refused(reason)) if reason.code == "UNSUPPORTED"));
}

#[tokio::test]
async fn an_order_that_was_paid_and_cancelled_is_reversed() {
    let mut cancelled = node("10000");
    cancelled["trade_status"] = json!("TRADE_CLOSED");
    cancelled["total_amount"] = json!("1.00");
    let (gateway, _server) = answering("alipay.trade.query", cancelled.clone()).await;
    let report = gateway.query(&placed()).await.unwrap();
    assert_eq!(report.state, ReportedPayment::Closed);
    cancelled["send_pay_date"] = json!("2026-01-01 08:01:38");
    let (gateway, _server) = answering("alipay.trade.query", cancelled).await;
    let report = gateway.query(&placed()).await.unwrap();
    let reversed = ReportedPayment::Reversed {
        amount: Money::try_new(100, Currency::CNY).unwrap(),
        paid_at: crate::china_time::parse_plain("2026-01-01 08:01:38"),
    };
    assert_eq!(report.state, reversed);
}

#[tokio::test]
async fn cancelling_tells_closed_from_given_back() {
    let cancelled = |action: Value| {
        json!({"code": "10000", "msg": "Success", "out_trade_no": NUMBER, "retry_flag": "N",
            "action": action})
    };
    let refused = |sub_code: &str| json!({"code": "40004", "sub_code": sub_code, "msg": "x"});
    let known = PlacedOrder {
        gateway_transaction_id: Some("G1".to_owned()),
        ..placed()
    };
    for (order, node, expected) in [
        (&known, cancelled(json!("close")), Closed::Closed),
        (&known, cancelled(json!("refund")), Closed::NotClosable),
        (&known, cancelled(json!("other")), Closed::NotClosable),
        (&known, cancelled(Value::Null), Closed::NotClosable),
        (&placed(), cancelled(Value::Null), Closed::Closed),
        (&placed(), refused("ACQ.TRADE_NOT_EXIST"), Closed::Closed),
        (&known, refused("ACQ.TRADE_NOT_EXIST"), Closed::NotClosable),
        (
            &known,
            refused("ACQ.SELLER_BALANCE_NOT_ENOUGH"),
            Closed::NotClosable,
        ),
    ] {
        let (gateway, server) = answering("alipay.trade.cancel", node.clone()).await;
        assert_eq!(gateway.close(order).await, Ok(expected), "{node}");
        let params = checked_params(&server.requests()[0]);
        assert_eq!(params["biz_content"], biz_content("cancel"));
    }
}

#[tokio::test]
async fn a_cancelling_that_alipay_wants_again_is_sent_again_and_not_for_ever() {
    let again =
        json!({"code": "10000", "msg": "Success", "out_trade_no": NUMBER, "retry_flag": "Y"});
    let (gateway, server) = answering("alipay.trade.cancel", again).await;
    let outcome = gateway.close(&placed()).await;
    assert!(matches!(outcome, Err(CallError::Later(_))), "{outcome:?}");
    assert_eq!(server.requests().len(), 3);
}
