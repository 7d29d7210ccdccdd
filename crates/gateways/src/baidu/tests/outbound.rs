//! Calls against a loopback gateway that answers as interface 2.0 would, and against one in trouble.

use chrono::{DateTime, TimeDelta};
use kassa_core::channel::Method;
use kassa_core::money::{Currency, Money};
use kassa_core::notification::{ReportedPayment, ReportedRefund};
use kassa_core::text::RefundReason;
use serde_json::{Value, json};
use url::Url;

use super::super::Baidu;
use super::{APP_KEY, CLIENT_SECRET, DEAL_ID, NOW, deps, open, open_with, settings};
use crate::testing::{Loopback, Received, http_response};
use crate::{CallError, Closed, Gateway, PlaceRefund, PlacedOrder};

const NUMBER: &str = "T20260101000000000001";
const REFUND_NUMBER: &str = "R20260101000000000001";

fn ok(data: &Value) -> Vec<u8> {
    let body = json!({"errno": 0, "msg": "success", "data": data});
    http_response(200, &[], body.to_string().as_bytes())
}

fn refusal(errno: i64) -> Vec<u8> {
    let body = json!({"errno": errno, "msg": "x", "data": null});
    http_response(200, &[], body.to_string().as_bytes())
}

fn token() -> Vec<u8> {
    let body = json!({"access_token": "token-1", "expires_in": 2_592_000});
    http_response(200, &[], body.to_string().as_bytes())
}

fn found(status: i64) -> Value {
    json!({"orderId": 800_020_199_i64, "userId": "149235070", "tpOrderId": NUMBER,
        "dealId": DEAL_ID.parse::<i64>().unwrap(), "status": status, "totalMoney": 100, "payMoney": 60})
}

/// The call that a request makes: the last part of its path.
fn name(request: &Received) -> String {
    let path = request.target.split('?').next().unwrap();
    path.rsplit('/').next().unwrap().to_owned()
}

fn pairs(encoded: &str) -> Vec<(String, String)> {
    let mut pairs: Vec<_> = form_urlencoded::parse(encoded.as_bytes())
        .into_owned()
        .collect();
    pairs.sort();
    pairs
}

fn query(request: &Received) -> Vec<(String, String)> {
    pairs(
        request
            .target
            .split_once('?')
            .map_or("", |(_, query)| query),
    )
}

fn expected(fields: &[(&str, &str)]) -> Vec<(String, String)> {
    let mut fields: Vec<_> = fields
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    fields.sort();
    fields
}

/// A gateway that answers each call by its name; the token is there.
async fn answering(answers: Vec<(&'static str, Option<Vec<u8>>)>) -> (Baidu, Loopback) {
    let server = Loopback::start(move |request| {
        let name = name(request);
        if name == "token" {
            return Some(token());
        }
        let found = answers.iter().find(|(known, _)| *known == name);
        found.and_then(|(_, answer)| answer.clone())
    })
    .await;
    (open(settings(&server.url(""))), server)
}

fn placed_order() -> PlacedOrder {
    PlacedOrder {
        request_number: NUMBER.to_owned(),
        method: Method::MiniProgram,
        amount: Money::try_new(100, Currency::CNY).unwrap(),
        gateway_transaction_id: None,
        is_given_out: true,
        expires_at: DateTime::from_timestamp(NOW + 1800, 0).unwrap(),
        is_wanted: true,
    }
}

fn refund() -> PlaceRefund {
    PlaceRefund {
        request_number: NUMBER.to_owned(),
        method: Method::MiniProgram,
        gateway_transaction_id: None,
        refund_number: REFUND_NUMBER.to_owned(),
        amount: Money::try_new(30, Currency::CNY).unwrap(),
        paid: Money::try_new(100, Currency::CNY).unwrap(),
        reason: Some(RefundReason::try_new("测试").unwrap()),
        notify_url: Url::parse("https://pay.example.com/callbacks/baidu/b/refund").unwrap(),
    }
}

#[tokio::test]
async fn a_query_asks_by_our_number_and_tells_the_state() {
    let (gateway, server) = answering(vec![("findByTpOrderId", Some(ok(&found(2))))]).await;
    let report = gateway.query(&placed_order()).await.unwrap();
    assert_eq!(report.gateway_transaction_id.as_deref(), Some("800020199"));
    let paid = Money::try_new(100, Currency::CNY).unwrap();
    assert!(matches!(report.state, ReportedPayment::Paid { amount, .. } if amount == paid));
    let requests = server.requests();
    assert_eq!(
        query(&requests[0]),
        expected(&[
            ("grant_type", "client_credentials"),
            ("client_id", "smart-program"),
            ("client_secret", CLIENT_SECRET),
            ("scope", "smartapp_snsapi_base"),
        ])
    );
    let path = requests[1].target.split('?').next().unwrap();
    assert_eq!(
        path,
        "/rest/2.0/smartapp/pay/paymentservice/findByTpOrderId"
    );
    assert_eq!(
        query(&requests[1]),
        expected(&[
            ("access_token", "token-1"),
            ("tpOrderId", NUMBER),
            ("pmAppKey", APP_KEY),
        ])
    );
    for (answer, state) in [
        (ok(&found(1)), ReportedPayment::Unpaid),
        (ok(&found(-1)), ReportedPayment::Closed),
        (refusal(10002), ReportedPayment::NotFound),
    ] {
        let (gateway, _server) = answering(vec![("findByTpOrderId", Some(answer))]).await;
        assert_eq!(gateway.query(&placed_order()).await.unwrap().state, state);
    }
}

#[tokio::test]
async fn what_cannot_be_believed_is_unknown_and_what_was_not_sent_is_not() {
    let mut another = found(2);
    another["tpOrderId"] = json!("T2");
    let mut foreign = found(2);
    foreign["dealId"] = json!(1);
    let mut unread = found(9);
    unread["totalMoney"] = json!("x");
    for answer in [
        Some(ok(&another)),
        Some(ok(&foreign)),
        Some(ok(&unread)),
        Some(ok(&Value::Null)),
        Some(http_response(200, &[], b"<html>")),
        Some(http_response(500, &[], b"{}")),
        None,
    ] {
        let (gateway, server) = answering(vec![("findByTpOrderId", answer)]).await;
        let outcome = gateway.query(&placed_order()).await;
        assert!(matches!(outcome, Err(CallError::Unknown(_))), "{outcome:?}");
        let outcome = gateway.refund(&refund()).await;
        assert!(matches!(outcome, Err(CallError::Unknown(_))), "{outcome:?}");
        let asked: Vec<_> = server.requests().iter().map(name).collect();
        assert!(!asked.contains(&"applyOrderRefund".to_owned()));
    }
    let gateway = open(settings(&Loopback::closed_url().await));
    let outcome = gateway.query(&placed_order()).await;
    assert!(matches!(outcome, Err(CallError::NotSent(_))));
}

#[tokio::test]
async fn the_token_is_kept_and_fetched_anew_when_it_is_over() {
    let deps = deps();
    let server = Loopback::start(|request| match name(request).as_str() {
        "token" => Some(token()),
        _ => Some(ok(&found(1))),
    })
    .await;
    let gateway = open_with(settings(&server.url("")), &deps);
    let fetched = || {
        let requests = server.requests();
        requests.iter().filter(|it| name(it) == "token").count()
    };
    for _ in 0..3 {
        gateway.query(&placed_order()).await.unwrap();
    }
    assert_eq!(fetched(), 1);
    deps.clock.advance(TimeDelta::days(30));
    gateway.query(&placed_order()).await.unwrap();
    assert_eq!(fetched(), 2);
}

#[tokio::test]
async fn a_token_that_is_not_taken_is_fetched_anew_once() {
    let server = Loopback::start(|request| match name(request).as_str() {
        "token" => Some(token()),
        _ => Some(http_response(
            200,
            &[],
            br#"{"error_code":110,"error_msg":"Access token invalid"}"#,
        )),
    })
    .await;
    let gateway = open(settings(&server.url("")));
    let outcome = gateway.query(&placed_order()).await;
    assert!(matches!(outcome, Err(CallError::Misconfigured(reason)) if reason.code == "110"));
    let asked: Vec<_> = server.requests().iter().map(name).collect();
    assert_eq!(
        asked,
        ["token", "findByTpOrderId", "token", "findByTpOrderId"]
    );
}

#[tokio::test]
async fn without_a_token_nothing_is_sent_and_no_secret_is_told() {
    for (answer, expected) in [
        (
            Some(http_response(
                401,
                &[],
                br#"{"error":"invalid_client","error_description":"x"}"#,
            )),
            "misconfigured",
        ),
        (Some(http_response(500, &[], b"")), "not sent"),
        (Some(http_response(200, &[], b"{}")), "not sent"),
        (None, "not sent"),
    ] {
        let server = Loopback::start(move |_request| answer.clone()).await;
        let error = open(settings(&server.url("")))
            .query(&placed_order())
            .await
            .unwrap_err();
        let kind = match &error {
            CallError::Misconfigured(_) => "misconfigured",
            CallError::NotSent(_) => "not sent",
            CallError::Refused(_) | CallError::Later(_) | CallError::Unknown(_) => "other",
        };
        assert_eq!(kind, expected);
        assert!(!format!("{error} {error:?}").contains(CLIENT_SECRET));
        assert_eq!(server.requests().len(), 1);
    }
}

#[tokio::test]
async fn a_close_cancels_what_the_payer_brought_to_the_cashier() {
    for (status, cancelled, expected) in [
        (1, ok(&json!(true)), Closed::Closed),
        (1, ok(&json!(false)), Closed::NotClosable),
        (1, refusal(10001), Closed::NotClosable),
        (2, refusal(1), Closed::NotClosable),
        (-1, refusal(1), Closed::Closed),
    ] {
        let (gateway, server) = answering(vec![
            ("findByTpOrderId", Some(ok(&found(status)))),
            ("cancelOrder", Some(cancelled)),
        ])
        .await;
        assert_eq!(
            gateway.close(&placed_order()).await,
            Ok(expected),
            "{status}"
        );
        let requests = server.requests();
        let cancel = requests.iter().find(|it| name(it) == "cancelOrder");
        assert_eq!(cancel.is_some(), status == 1);
        if let Some(cancel) = cancel {
            let sent = [
                ("access_token", "token-1"),
                ("orderId", "800020199"),
                ("pmAppKey", APP_KEY),
            ];
            assert_eq!(query(cancel), super::outbound::expected(&sent));
        }
    }
}

#[tokio::test]
async fn an_order_that_baidu_does_not_know_ends_when_nobody_may_pay_it() {
    for (is_given_out, is_expired, expected) in [
        (true, false, Closed::NotClosable),
        (true, true, Closed::Closed),
        (false, false, Closed::Closed),
    ] {
        let (gateway, server) = answering(vec![("findByTpOrderId", Some(refusal(10002)))]).await;
        let mut order = placed_order();
        order.is_given_out = is_given_out;
        if is_expired {
            order.expires_at = DateTime::from_timestamp(NOW, 0).unwrap();
        }
        assert_eq!(gateway.close(&order).await, Ok(expected));
        let asked: Vec<_> = server.requests().iter().map(name).collect();
        assert_eq!(asked, ["token", "findByTpOrderId"]);
    }
}

#[tokio::test]
async fn a_refund_names_baidus_numbers_and_is_being_processed() {
    let made = json!({"refundBatchId": "152713835", "refundPayMoney": 30});
    let (gateway, server) = answering(vec![
        ("findByTpOrderId", Some(ok(&found(2)))),
        ("applyOrderRefund", Some(ok(&made))),
    ])
    .await;
    let report = gateway.refund(&refund()).await.unwrap();
    assert_eq!(report.state, ReportedRefund::Processing);
    assert_eq!(report.gateway_refund_id.as_deref(), Some("152713835"));
    let requests = server.requests();
    let request = &requests[2];
    assert_eq!(
        (request.method.as_str(), name(request).as_str()),
        ("POST", "applyOrderRefund")
    );
    assert_eq!(query(request), expected(&[("access_token", "token-1")]));
    assert_eq!(
        pairs(std::str::from_utf8(&request.body).unwrap()),
        expected(&[
            ("applyRefundMoney", "30"),
            ("bizRefundBatchId", REFUND_NUMBER),
            ("isSkipAudit", "1"),
            ("orderId", "800020199"),
            ("refundReason", "测试"),
            ("refundType", "2"),
            ("tpOrderId", NUMBER),
            ("userId", "149235070"),
            (
                "refundNotifyUrl",
                "https://pay.example.com/callbacks/baidu/b/refund"
            ),
            ("pmAppKey", APP_KEY),
        ])
    );
}

#[tokio::test]
async fn an_order_that_baidu_does_not_call_paid_is_never_refunded() {
    for answer in [ok(&found(1)), ok(&found(-1)), refusal(10002)] {
        let (gateway, server) = answering(vec![
            ("findByTpOrderId", Some(answer)),
            ("applyOrderRefund", Some(ok(&json!({})))),
        ])
        .await;
        let outcome = gateway.refund(&refund()).await;
        assert!(matches!(outcome, Err(CallError::Unknown(_))), "{outcome:?}");
        assert_eq!(server.requests().len(), 2);
    }
}

#[tokio::test]
async fn a_refund_is_found_by_our_number_or_by_baidus() {
    let all = json!([
        {"bizRefundBatchId": "other", "refundBatchId": 1, "refundStatus": 2},
        {"bizRefundBatchId": REFUND_NUMBER, "refundBatchId": 152_713_835, "refundStatus": 3},
        {"refundBatchId": "777", "refundStatus": 2},
    ]);
    let answers = vec![
        ("findByTpOrderId", Some(ok(&found(2)))),
        ("findOrderRefund", Some(ok(&all))),
    ];
    let (gateway, server) = answering(answers.clone()).await;
    let ours = gateway.query_refund(&refund()).await.unwrap();
    assert_eq!(ours.gateway_refund_id.as_deref(), Some("152713835"));
    assert!(matches!(ours.state, ReportedRefund::Failed(_)));
    assert_eq!(
        query(&server.requests()[2]),
        expected(&[
            ("access_token", "token-1"),
            ("tpOrderId", NUMBER),
            ("userId", "149235070"),
            ("pmAppKey", APP_KEY),
        ])
    );
    let theirs = PlaceRefund {
        refund_number: "777".to_owned(),
        ..refund()
    };
    let theirs = gateway.query_refund(&theirs).await.unwrap();
    assert!(matches!(
        theirs.state,
        ReportedRefund::Succeeded { amount: None, .. }
    ));
    let unknown = PlaceRefund {
        refund_number: "R9".to_owned(),
        ..refund()
    };
    let unknown = gateway.query_refund(&unknown).await.unwrap();
    assert_eq!(unknown.state, ReportedRefund::NotFound);
    let refused = gateway.refund_to_merchant(&refund(), "1").await;
    assert!(matches!(refused, Err(CallError::Refused(_))));
}

/// Baidu may show an order as cancelled once all of it was given back.
#[tokio::test]
async fn a_refund_is_asked_about_whatever_baidu_calls_the_order() {
    let all = json!([{"bizRefundBatchId": REFUND_NUMBER, "refundBatchId": 1, "refundStatus": 2}]);
    let mut unreadable = found(7);
    unreadable["totalMoney"] = json!("x");
    unreadable["orderId"] = Value::Null;
    for order in [found(-1), found(1), unreadable] {
        let answers = vec![
            ("findByTpOrderId", Some(ok(&order))),
            ("findOrderRefund", Some(ok(&all))),
        ];
        let (gateway, _server) = answering(answers).await;
        let told = gateway.query_refund(&refund()).await.unwrap();
        assert!(matches!(told.state, ReportedRefund::Succeeded { .. }));
    }
    let mut nobodys = found(2);
    nobodys["userId"] = Value::Null;
    for answer in [ok(&nobodys), refusal(10002)] {
        let (gateway, server) = answering(vec![
            ("findByTpOrderId", Some(answer)),
            ("findOrderRefund", Some(ok(&json!([])))),
        ])
        .await;
        let outcome = gateway.query_refund(&refund()).await;
        assert!(matches!(outcome, Err(CallError::Unknown(_))), "{outcome:?}");
        assert_eq!(server.requests().len(), 2);
    }
}
