//! Inside Alipay: a trade for one payer, and every answer that Alipay has for it.

use kassa_core::channel::Method;
use kassa_core::notification::ReportedPayment;
use kassa_core::payment::PrepayInfo;
use kassa_core::text::PayerId;
use serde_json::{Value, json};

use super::outbound::{
    answer, answering, answering_raw, biz_content, checked_params, placed_order,
};
use super::requests::order;
use super::{open, settings};
use crate::testing::{Loopback, http_response};
use crate::{CallError, Closed, Gateway, PlaceOrder, Placed, PlacedOrder};

const METHOD: &str = "alipay.trade.create";
const NUMBER: &str = "T20260101000000000006";
const OPEN_ID: &str = "074a1CcTG1LelxKe4xQC0zgNdId0nxi95b5lsNpazWYoCo5";
const USER_ID: &str = "2088102146225135";

fn wanted(payer: &str) -> PlaceOrder {
    PlaceOrder {
        payer: Some(PayerId::try_new(payer).unwrap()),
        ..order(Method::Jsapi, NUMBER, 100, "测试")
    }
}

fn placed() -> PlacedOrder {
    PlacedOrder {
        request_number: NUMBER.to_owned(),
        method: Method::Jsapi,
        gateway_transaction_id: Some("G1".to_owned()),
        ..placed_order()
    }
}

fn node() -> Value {
    json!({"code": "10000", "msg": "Success", "out_trade_no": NUMBER, "trade_no": "G1"})
}

#[tokio::test]
async fn an_order_for_a_payer_is_sent_as_documented_and_gives_the_trade() {
    let (gateway, server) = answering(METHOD, node()).await;
    for _ in 0..2 {
        let placed = gateway.place(&wanted(OPEN_ID)).await.unwrap();
        let trade_no = "G1".to_owned();
        let prepay = PrepayInfo::AlipayTrade {
            trade_no: trade_no.clone(),
        };
        assert_eq!(placed, Placed::open(prepay, Some(trade_no)));
    }
    let [first, repeat] = &server.requests()[..] else {
        panic!("one request for each order")
    };
    assert_eq!((&first.target, &first.body), (&repeat.target, &repeat.body));
    let params = checked_params(first);
    assert_eq!(params["method"], METHOD);
    assert!(params.contains_key("notify_url") && !params.contains_key("return_url"));
    let sent: Value = serde_json::from_str(&params["biz_content"]).unwrap();
    let mut expected: Value = serde_json::from_str(&biz_content("jsapi_create")).unwrap();
    expected["time_expire"] = json!("2026-01-01 08:30:00");
    assert_eq!(sent, expected);
}

#[tokio::test]
async fn a_payer_is_named_by_the_kind_of_id_that_it_looks_like() {
    for (id, field) in [
        (USER_ID, "buyer_id"),
        (OPEN_ID, "buyer_open_id"),
        ("1088102146225135", "buyer_open_id"),
        ("20881021462251350", "buyer_open_id"),
        ("208810214622513x", "buyer_open_id"),
    ] {
        let (gateway, server) = answering(METHOD, node()).await;
        gateway.place(&wanted(id)).await.unwrap();
        let params = checked_params(&server.requests()[0]);
        let sent: Value = serde_json::from_str(&params["biz_content"]).unwrap();
        let other = ["buyer_id", "buyer_open_id"]
            .into_iter()
            .find(|it| *it != field);
        assert_eq!((&sent[field], sent.get(other.unwrap())), (&json!(id), None));
    }
}

#[tokio::test]
async fn the_mini_program_of_the_settings_is_where_it_is_paid() {
    let answer = answer(METHOD, &node(), true);
    let server = Loopback::start(move |_request| Some(answer.clone())).await;
    let mut settings = settings(&server.url("/gateway.do"));
    settings["op_app_id"] = json!("2021000000000077");
    open(settings).place(&wanted(USER_ID)).await.unwrap();
    let params = checked_params(&server.requests()[0]);
    assert!(params["biz_content"].contains(r#""op_app_id":"2021000000000077""#));
    assert_eq!(params["app_id"], super::APP_ID);
}

#[tokio::test]
async fn what_is_not_signed_not_about_the_order_or_without_a_trade_is_unknown() {
    let mut other = node();
    other["out_trade_no"] = json!("T2");
    let mut empty = node();
    empty["trade_no"] = json!("");
    let mut tradeless = node();
    tradeless.as_object_mut().unwrap().remove("trade_no");
    let refused = |sub_code: &str| json!({"code": "40004", "sub_code": sub_code});
    for (node, is_signed) in [
        (node(), false),
        (other, true),
        (empty, true),
        (tradeless, true),
        (json!({"code": "20000"}), true),
        (
            json!({"code": "10003", "out_trade_no": NUMBER, "trade_no": "G1"}),
            true,
        ),
        (refused("ACQ.TRADE_HAS_SUCCESS"), true),
        (refused("ACQ.SYSTEM_ERROR"), true),
        (refused("ACQ.CONTEXT_INCONSISTENT"), false),
    ] {
        let response = answer(METHOD, &node, is_signed);
        let (gateway, server) = answering_raw(Some(response)).await;
        let outcome = gateway.place(&wanted(USER_ID)).await;
        let is_unknown = matches!(outcome, Err(CallError::Unknown(_)));
        assert!(is_unknown, "{node}: {outcome:?}");
        assert_eq!(server.requests().len(), 1);
    }
    for response in [Some(http_response(502, &[], b"")), None] {
        let (gateway, _server) = answering_raw(response).await;
        let outcome = gateway.place(&wanted(USER_ID)).await;
        assert!(matches!(outcome, Err(CallError::Unknown(_))), "{outcome:?}");
    }
}

#[tokio::test]
async fn a_refusal_is_refused_and_a_closed_door_has_sent_nothing() {
    for code in ["ACQ.CONTEXT_INCONSISTENT", "ACQ.INVALID_PARAMETER"] {
        let refusal = json!({"code": "40004", "sub_code": code});
        let (gateway, _server) = answering(METHOD, refusal).await;
        let refused = gateway.place(&wanted(USER_ID)).await;
        assert!(matches!(refused, Err(CallError::Refused(it)) if it.code == code));
    }
    let closed = open(settings(&Loopback::closed_url().await));
    let unsent = closed.place(&wanted(USER_ID)).await;
    assert!(matches!(unsent, Err(CallError::NotSent(_))));
}

#[tokio::test]
async fn a_trade_is_asked_about_and_closed_as_any_other() {
    let mut asked = node();
    asked["trade_status"] = json!("WAIT_BUYER_PAY");
    let (gateway, _server) = answering("alipay.trade.query", asked).await;
    let report = gateway.query(&placed()).await.unwrap();
    assert_eq!(report.state, ReportedPayment::Unpaid);
    let (gateway, server) = answering("alipay.trade.close", node()).await;
    assert_eq!(gateway.close(&placed()).await, Ok(Closed::Closed));
    let params = checked_params(&server.requests()[0]);
    assert_eq!(
        params["biz_content"],
        format!(r#"{{"out_trade_no":"{NUMBER}"}}"#)
    );
}
