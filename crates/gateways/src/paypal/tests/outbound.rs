//! Calls against a loopback PayPal, and against one in trouble.

use std::collections::BTreeMap;

use kassa_core::channel::Method;
use kassa_core::money::{Currency, Money};
use kassa_core::notification::{ReportedPayment, ReportedRefund};
use kassa_core::payment::PrepayInfo;
use kassa_core::text::{RefundReason, Subject};
use serde_json::{Value, json};
use url::Url;

use super::super::Paypal;
use super::{MERCHANT, account, deps, later, open, settings};
use crate::testing::{Loopback, Received, http_response, list};
use crate::{CallError, Closed, Gateway, PlaceOrder, PlaceRefund, PlacedOrder};

const NUMBER: &str = "TX1";
const ORDER: &str = "5O190127TN364715T";
const CAPTURE: &str = "2GG279541U471931P";
const GET_ORDER: &str = "GET /v2/checkout/orders/5O190127TN364715T";
const CAPTURE_ORDER: &str = "POST /v2/checkout/orders/5O190127TN364715T/capture";
const CREATE: &str = "POST /v2/checkout/orders";
const REFUND: &str = "POST /v2/payments/captures/2GG279541U471931P/refund";

fn usd(amount_minor: i64) -> Money {
    Money::try_new(amount_minor, Currency::USD).unwrap()
}

fn order() -> PlaceOrder {
    PlaceOrder {
        request_number: NUMBER.to_owned(),
        method: Method::Page,
        amount: usd(1099),
        subject: Subject::try_new("订单 1").unwrap(),
        payer: None,
        auth_code: None,
        client_ip: None,
        expires_at: later(1800),
        notify_url: Url::parse("https://pay.example.com/callbacks/paypal/a/payment").unwrap(),
        return_url: Some(Url::parse("https://m.example/ok").unwrap()),
    }
}

fn placed() -> PlacedOrder {
    PlacedOrder {
        request_number: NUMBER.to_owned(),
        method: Method::Page,
        amount: usd(1099),
        gateway_transaction_id: Some(ORDER.to_owned()),
        expires_at: later(1800),
        is_wanted: true,
        is_given_out: true,
    }
}

fn unwanted() -> PlacedOrder {
    PlacedOrder {
        is_wanted: false,
        ..placed()
    }
}

fn refund() -> PlaceRefund {
    PlaceRefund {
        request_number: NUMBER.to_owned(),
        method: Method::Page,
        gateway_transaction_id: Some(ORDER.to_owned()),
        refund_number: "RF1".to_owned(),
        amount: usd(500),
        paid: usd(1099),
        reason: Some(RefundReason::try_new("too small").unwrap()),
        notify_url: Url::parse("https://pay.example.com/callbacks/paypal/a/refund").unwrap(),
    }
}

fn shown(status: &str) -> Value {
    json!({"id": ORDER, "status": status, "purchase_units": [{"custom_id": NUMBER,
    "invoice_id": NUMBER, "payee": {"merchant_id": MERCHANT},
    "amount": {"currency_code": "USD", "value": "10.99"}}],
    "links": [
        {"rel": "self", "href": "https://api-m.paypal.com/v2/checkout/orders/5O190127TN364715T"},
        {"rel": "payer-action", "href": "https://www.paypal.com/checkoutnow?token=5O190127TN364715T"},
    ]})
}

fn captured(status: &str) -> Value {
    let mut order = shown("COMPLETED");
    order["purchase_units"][0]["payments"] = json!({"captures": [{"id": CAPTURE,
        "status": status, "amount": {"currency_code": "USD", "value": "10.99"},
        "custom_id": NUMBER, "create_time": "2026-01-06T08:00:28Z"}]});
    order
}

fn made_refund(status: &str) -> Value {
    json!({"id": "1JU08902781691411", "status": status, "custom_id": "RF1",
        "amount": {"currency_code": "USD", "value": "5.00"}})
}

fn refusal(issue: &str) -> Value {
    json!({"name": "UNPROCESSABLE_ENTITY", "details": [{"issue": issue, "description": "d"}]})
}

fn gone() -> Value {
    json!({"name": "RESOURCE_NOT_FOUND", "details": [{"issue": "INVALID_RESOURCE_ID"}]})
}

/// A PayPal that answers by method and path, and gives tokens. What it does not know it cuts.
async fn paypal(answers: &[(&str, u16, Value)]) -> (Paypal, Loopback) {
    let answers: BTreeMap<String, (u16, String)> = answers
        .iter()
        .map(|(target, status, body)| ((*target).to_owned(), (*status, body.to_string())))
        .collect();
    let server = Loopback::start(move |request| {
        if request.target == "/v1/oauth2/token" {
            let token = br#"{"access_token":"A21AAthrowaway","expires_in":32400}"#;
            return Some(http_response(200, &[], token));
        }
        let key = format!("{} {}", request.method, request.target);
        let (status, body) = answers.get(&key)?;
        Some(http_response(
            *status,
            &[("paypal-debug-id", "f7a1")],
            body.as_bytes(),
        ))
    })
    .await;
    (open(settings(&server.url("/"))), server)
}

/// The calls behind the one for the token.
fn calls(server: &Loopback) -> Vec<Received> {
    let requests = server.requests().into_iter();
    requests
        .filter(|request| request.target != "/v1/oauth2/token")
        .collect()
}

fn targets(server: &Loopback) -> Vec<String> {
    let calls = calls(server).into_iter();
    calls
        .map(|call| format!("{} {}", call.method, call.target))
        .collect()
}

/// The request that PayPal's own SDK sent for the same wish.
fn recorded(ending: &str) -> Value {
    let vectors: Value = serde_json::from_str(include_str!("../testdata/requests.json")).unwrap();
    let mut requests = list(&vectors, "/requests").iter();
    requests
        .find(|it| it["path"].as_str().unwrap().ends_with(ending))
        .unwrap()
        .clone()
}

fn json_of(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

/// Names and values of the headers that count.
fn assert_headers(request: &Received, recorded: &Value, request_id: &str) {
    for name in ["Authorization", "Content-Type", "Prefer"] {
        if let Some(expected) = recorded["headers"][name].as_str() {
            assert_eq!(
                request.header(&name.to_lowercase()),
                Some(expected),
                "{name}"
            );
        }
    }
    assert_eq!(request.header("paypal-request-id"), Some(request_id));
}

#[tokio::test]
async fn an_order_is_the_recorded_request_and_gives_the_address() {
    let (room, server) = paypal(&[(CREATE, 201, shown("PAYER_ACTION_REQUIRED"))]).await;
    for _ in 0..2 {
        let answer = room.place(&order()).await.unwrap();
        let url = "https://www.paypal.com/checkoutnow?token=5O190127TN364715T".to_owned();
        assert_eq!(answer.prepay, Some(PrepayInfo::Redirect { url }));
        assert_eq!(answer.gateway_transaction_id.as_deref(), Some(ORDER));
    }
    let requests = server.requests();
    let token = recorded("/v1/oauth2/token");
    let basic = token["headers"]["Authorization"].as_str();
    assert_eq!(requests[0].header("authorization"), basic);
    assert_eq!(requests[0].body, token["body"].as_str().unwrap().as_bytes());
    assert_eq!(requests.len(), 3, "one token does for both");
    assert_eq!(
        requests[1].body, requests[2].body,
        "a repeat is the same to the byte"
    );
    let expected = recorded("/v2/checkout/orders");
    assert_headers(&requests[1], &expected, "pay-TX1");
    let mut body = json_of(expected["body"].as_str().unwrap());
    // We have one address, a subject, no need to be asked for contacts, and want no slow banks.
    body["purchase_units"][0]["description"] = json!("订单 1");
    let context = &mut body["payment_source"]["paypal"]["experience_context"];
    context["cancel_url"] = context["return_url"].clone();
    context["payment_method_preference"] = json!("IMMEDIATE_PAYMENT_REQUIRED");
    context
        .as_object_mut()
        .unwrap()
        .remove("contact_preference")
        .unwrap();
    assert_eq!(
        json_of(std::str::from_utf8(&requests[1].body).unwrap()),
        body
    );
}

#[tokio::test]
async fn a_brand_is_shown_and_whole_currencies_have_no_decimals() {
    let (_, server) = paypal(&[(CREATE, 201, shown("CREATED"))]).await;
    let mut config = settings(&server.url("/"));
    config["brand_name"] = json!("Shop");
    let room = open(config);
    let jpy: Currency = "JPY".parse().unwrap();
    let order = PlaceOrder {
        amount: Money::try_new(500, jpy).unwrap(),
        ..order()
    };
    room.place(&order).await.unwrap();
    let body = json_of(std::str::from_utf8(&calls(&server)[0].body).unwrap());
    let context = &body["payment_source"]["paypal"]["experience_context"];
    assert_eq!(context["brand_name"], "Shop");
    let amount = &body["purchase_units"][0]["amount"];
    assert_eq!(*amount, json!({"currency_code": "JPY", "value": "500"}));
}

#[tokio::test]
async fn an_order_that_paypal_does_not_write_or_of_another_method_is_not_sent() {
    let (room, server) = paypal(&[]).await;
    let amount = |code: &str, minor| Money::try_new(minor, code.parse().unwrap()).unwrap();
    let mut bad = vec![
        PlaceOrder {
            amount: amount("KWD", 1000),
            ..order()
        },
        PlaceOrder {
            amount: amount("HUF", 150),
            ..order()
        },
        PlaceOrder {
            return_url: None,
            ..order()
        },
    ];
    for method in Method::ALL
        .iter()
        .copied()
        .filter(|method| *method != Method::Page)
    {
        bad.push(PlaceOrder { method, ..order() });
    }
    for bad in bad {
        let refused = room.place(&bad).await;
        assert!(matches!(refused, Err(CallError::Refused(_))), "{refused:?}");
    }
    assert!(server.requests().is_empty());
}

#[tokio::test]
async fn an_answer_about_another_order_is_unknown_and_another_payee_is_a_wrong_setting() {
    let mut other = shown("CREATED");
    other["purchase_units"][0]["custom_id"] = json!("TX2");
    let mut linkless = shown("CREATED");
    linkless["links"] = json!([]);
    for answer in [other, linkless, json!([]), json!({})] {
        let (room, _server) = paypal(&[(CREATE, 201, answer.clone())]).await;
        let found = room.place(&order()).await;
        assert!(
            matches!(found, Err(CallError::Unknown(_))),
            "{answer} {found:?}"
        );
    }
    let mut foreign = shown("CREATED");
    foreign["purchase_units"][0]["payee"]["merchant_id"] = json!("ZMK7Q2NPT5D8E");
    let (room, _server) = paypal(&[(CREATE, 201, foreign)]).await;
    let found = room.place(&order()).await;
    assert!(
        matches!(found, Err(CallError::Misconfigured(_))),
        "{found:?}"
    );
}

#[tokio::test]
async fn a_query_tells_every_state_of_an_order_and_its_capture() {
    let paid = |report: ReportedPayment| match report {
        ReportedPayment::Paid { amount, paid_at } => {
            assert_eq!((amount, paid_at.is_some()), (usd(1099), true));
            "paid"
        }
        ReportedPayment::Reversed { .. } => "reversed",
        ReportedPayment::Unpaid => "unpaid",
        ReportedPayment::Closed => "closed",
        ReportedPayment::Failed(_) => "failed",
        ReportedPayment::NotFound => "not found",
    };
    for (answer, expected) in [
        (shown("CREATED"), "unpaid"),
        (shown("SAVED"), "unpaid"),
        (shown("PAYER_ACTION_REQUIRED"), "unpaid"),
        (shown("APPROVED"), "unpaid"),
        (shown("VOIDED"), "closed"),
        (captured("COMPLETED"), "paid"),
        (captured("PARTIALLY_REFUNDED"), "paid"),
        (captured("REFUNDED"), "paid"),
        (captured("PENDING"), "unpaid"),
        (captured("DECLINED"), "failed"),
        (captured("FAILED"), "failed"),
    ] {
        let (room, server) = paypal(&[(GET_ORDER, 200, answer.clone())]).await;
        let report = room.query(&unwanted()).await.unwrap();
        assert_eq!(paid(report.state), expected, "{answer}");
        assert_eq!(report.gateway_transaction_id.as_deref(), Some(ORDER));
        assert_eq!(targets(&server), [GET_ORDER]);
    }
    for broken in [
        shown("SURPRISING"),
        shown("COMPLETED"),
        captured("SURPRISING"),
    ] {
        let (room, _server) = paypal(&[(GET_ORDER, 200, broken.clone())]).await;
        let found = room.query(&unwanted()).await;
        assert!(
            matches!(found, Err(CallError::Unknown(_))),
            "{broken} {found:?}"
        );
    }
}

#[tokio::test]
async fn an_approved_order_is_captured_while_it_is_wanted_under_one_id() {
    let (room, server) = paypal(&[
        (GET_ORDER, 200, shown("APPROVED")),
        (CAPTURE_ORDER, 201, captured("COMPLETED")),
    ])
    .await;
    for _ in 0..2 {
        let report = room.query(&placed()).await.unwrap();
        assert!(
            matches!(report.state, ReportedPayment::Paid { amount, .. } if amount == usd(1099))
        );
    }
    let report = room.query(&unwanted()).await.unwrap();
    assert_eq!(report.state, ReportedPayment::Unpaid);
    let expected = [
        GET_ORDER,
        CAPTURE_ORDER,
        GET_ORDER,
        CAPTURE_ORDER,
        GET_ORDER,
    ];
    assert_eq!(targets(&server), expected);
    for call in [&calls(&server)[1], &calls(&server)[3]] {
        assert_headers(call, &recorded("/capture"), "cap-TX1");
        assert_eq!(call.body, b"{}");
    }
}

#[tokio::test]
async fn a_capture_means_what_its_answer_says() {
    for (status, answer, expected) in [
        (201, captured("PENDING"), Ok(ReportedPayment::Unpaid)),
        (
            422,
            refusal("ORDER_NOT_APPROVED"),
            Ok(ReportedPayment::Unpaid),
        ),
        (
            422,
            refusal("INSTRUMENT_DECLINED"),
            Ok(ReportedPayment::Unpaid),
        ),
        (404, gone(), Ok(ReportedPayment::NotFound)),
        (422, refusal("ORDER_COMPLETION_IN_PROGRESS"), Err("unknown")),
        (422, refusal("DUPLICATE_INVOICE_ID"), Err("unknown")),
        (201, shown("APPROVED"), Err("unknown")),
        (
            500,
            json!({"name": "INTERNAL_SERVER_ERROR"}),
            Err("unknown"),
        ),
        (403, json!({"name": "NOT_AUTHORIZED"}), Err("misconfigured")),
        (429, json!({"name": "RATE_LIMIT_REACHED"}), Err("later")),
    ] {
        let answers = [
            (GET_ORDER, 200, shown("APPROVED")),
            (CAPTURE_ORDER, status, answer.clone()),
        ];
        let (room, _server) = paypal(&answers).await;
        let found = room.query(&placed()).await.map(|report| report.state);
        let found = found.map_err(|error| match error {
            CallError::Refused(_) => "refused",
            CallError::Later(_) => "later",
            CallError::Misconfigured(_) => "misconfigured",
            CallError::NotSent(_) => "not sent",
            CallError::Unknown(_) => "unknown",
        });
        assert_eq!(found, expected, "{answer}");
    }
    let answers = [
        (GET_ORDER, 200, shown("APPROVED")),
        (CAPTURE_ORDER, 422, refusal("TRANSACTION_REFUSED")),
    ];
    let (room, _server) = paypal(&answers).await;
    let state = room.query(&placed()).await.unwrap().state;
    let ReportedPayment::Failed(reason) = state else {
        panic!("{state:?}")
    };
    assert_eq!(reason.code, "TRANSACTION_REFUSED");
}

#[tokio::test]
async fn an_order_that_was_captured_meanwhile_is_asked_for_again() {
    let server = Loopback::start(|request| {
        let answer = match (request.method.as_str(), request.target.as_str()) {
            (_, "/v1/oauth2/token") => (200, json!({"access_token": "A", "expires_in": 32400})),
            ("POST", _) => (422, refusal("ORDER_ALREADY_CAPTURED")),
            (_, _) => (200, shown("APPROVED")),
        };
        Some(http_response(
            answer.0,
            &[],
            answer.1.to_string().as_bytes(),
        ))
    })
    .await;
    let room = open(settings(&server.url("/")));
    // Shown as approved by one answer and captured by another: nothing is decided.
    let found = room.query(&placed()).await;
    assert!(matches!(found, Err(CallError::Unknown(_))), "{found:?}");
    assert_eq!(targets(&server), [GET_ORDER, CAPTURE_ORDER, GET_ORDER]);
}

#[tokio::test]
async fn an_order_of_another_amount_payee_or_number_is_not_captured() {
    let mut amount = shown("APPROVED");
    amount["purchase_units"][0]["amount"]["value"] = json!("10.98");
    let mut currency = shown("APPROVED");
    currency["purchase_units"][0]["amount"]["currency_code"] = json!("EUR");
    let mut payee = shown("APPROVED");
    payee["purchase_units"][0]["payee"]["merchant_id"] = json!("ZMK7Q2NPT5D8E");
    let mut nobody = shown("APPROVED");
    nobody["purchase_units"][0]["payee"] = json!(null);
    let mut number = shown("APPROVED");
    number["purchase_units"][0]["custom_id"] = json!("TX2");
    for answer in [amount, currency, payee, nobody, number] {
        let (room, server) = paypal(&[(GET_ORDER, 200, answer.clone())]).await;
        let found = room.query(&placed()).await;
        assert!(
            matches!(found, Err(CallError::Unknown(_))),
            "{answer} {found:?}"
        );
        assert_eq!(targets(&server), [GET_ORDER]);
    }
}

#[tokio::test]
async fn an_order_that_vanished_is_closed_once_its_time_is_over() {
    let (room, server) = paypal(&[(GET_ORDER, 404, gone())]).await;
    let report = room.query(&placed()).await.unwrap();
    assert_eq!(report.state, ReportedPayment::NotFound);
    let later = deps(later(1800));
    let room = Paypal::try_new(&account(settings(&server.url("/"))), &later).unwrap();
    let report = room.query(&placed()).await.unwrap();
    assert_eq!(report.state, ReportedPayment::Closed);
}

#[tokio::test]
async fn an_order_that_never_got_a_number_is_not_found_and_closes_without_a_call() {
    let (room, server) = paypal(&[]).await;
    let asked = PlacedOrder {
        gateway_transaction_id: None,
        ..placed()
    };
    let report = room.query(&asked).await.unwrap();
    assert_eq!(report.state, ReportedPayment::NotFound);
    assert_eq!(room.close(&asked).await, Ok(Closed::Closed));
    assert!(server.requests().is_empty());
}

#[tokio::test]
async fn a_close_ends_what_is_not_captured_and_changes_nothing_at_paypal() {
    let mut declined = shown("APPROVED");
    declined["purchase_units"][0]["payments"] = json!({"captures": [{"id": CAPTURE,
        "status": "DECLINED", "amount": {"currency_code": "USD", "value": "10.99"}}]});
    for (status, answer, expected) in [
        (200, shown("CREATED"), Closed::Closed),
        (200, shown("APPROVED"), Closed::Closed),
        (200, shown("VOIDED"), Closed::Closed),
        (200, declined, Closed::Closed),
        (404, gone(), Closed::Closed),
        (200, captured("COMPLETED"), Closed::NotClosable),
        (200, captured("PENDING"), Closed::NotClosable),
        (200, captured("DECLINED"), Closed::NotClosable),
    ] {
        let (room, server) = paypal(&[(GET_ORDER, status, answer.clone())]).await;
        assert_eq!(room.close(&placed()).await, Ok(expected), "{answer}");
        assert_eq!(targets(&server), [GET_ORDER]);
    }
}

#[tokio::test]
async fn a_refund_is_the_recorded_request_for_the_capture_that_was_paid() {
    for status in [201, 200] {
        let (room, server) = paypal(&[
            (GET_ORDER, 200, captured("COMPLETED")),
            (REFUND, status, made_refund("COMPLETED")),
        ])
        .await;
        let report = room.refund(&refund()).await.unwrap();
        assert_eq!(report.refund_number, "RF1");
        assert_eq!(
            report.gateway_refund_id.as_deref(),
            Some("1JU08902781691411")
        );
        assert!(
            matches!(report.state, ReportedRefund::Succeeded { amount: Some(it), .. } if it == usd(500))
        );
        let call = &calls(&server)[1];
        let expected = recorded("/refund");
        assert_headers(call, &expected, "rf-RF1");
        assert_eq!(call.header("prefer"), Some("return=representation"));
        let mut body = json_of(expected["body"].as_str().unwrap());
        body["note_to_payer"] = json!("too small");
        assert_eq!(json_of(std::str::from_utf8(&call.body).unwrap()), body);
    }
}

#[tokio::test]
async fn a_refund_of_what_is_not_shown_as_paid_or_with_another_answer_is_unknown() {
    for answers in [
        vec![(GET_ORDER, 200, shown("APPROVED"))],
        vec![(GET_ORDER, 404, gone())],
        vec![(GET_ORDER, 200, captured("PENDING"))],
        vec![(GET_ORDER, 200, captured("COMPLETED"))],
        vec![
            (GET_ORDER, 200, captured("COMPLETED")),
            (
                REFUND,
                201,
                json!({"id": "1", "status": "COMPLETED", "custom_id": "RF2"}),
            ),
        ],
        vec![
            (GET_ORDER, 200, captured("COMPLETED")),
            (REFUND, 422, refusal("UNLISTED")),
        ],
    ] {
        let (room, _server) = paypal(&answers).await;
        let found = room.refund(&refund()).await;
        assert!(
            matches!(found, Err(CallError::Unknown(_))),
            "{answers:?} {found:?}"
        );
    }
    let answers = [
        (GET_ORDER, 200, captured("COMPLETED")),
        (REFUND, 422, refusal("REFUND_AMOUNT_EXCEEDED")),
    ];
    let (room, _server) = paypal(&answers).await;
    let found = room.refund(&refund()).await;
    assert!(matches!(found, Err(CallError::Refused(_))), "{found:?}");
}

#[tokio::test]
async fn a_refund_is_found_in_its_order_by_our_number_or_by_paypals() {
    let mut order = captured("PARTIALLY_REFUNDED");
    let console = json!({"id": "9XX08902781691411", "status": "COMPLETED", "custom_id": NUMBER,
        "amount": {"currency_code": "USD", "value": "1.00"}});
    order["purchase_units"][0]["payments"]["refunds"] = json!([made_refund("PENDING"), console]);
    let (room, server) = paypal(&[(GET_ORDER, 200, order)]).await;
    let ask = async |number: &str| {
        let asked = PlaceRefund {
            refund_number: number.to_owned(),
            ..refund()
        };
        room.query_refund(&asked).await.map(|report| report.state)
    };
    assert_eq!(ask("RF1").await, Ok(ReportedRefund::Processing));
    assert_eq!(ask("RF9").await, Ok(ReportedRefund::NotFound));
    let told = ask("9XX08902781691411").await;
    assert!(
        matches!(told, Ok(ReportedRefund::Succeeded { amount: Some(it), .. }) if it == usd(100)),
        "{told:?}"
    );
    // It is ours, not the dashboard's, and one that was told of but is not shown has to be waited for.
    for number in ["1JU08902781691411", "0JU08902781691411"] {
        let told = ask(number).await;
        assert!(
            matches!(told, Err(CallError::Unknown(_))),
            "{number} {told:?}"
        );
    }
    assert_eq!(targets(&server).len(), 5);
}

#[tokio::test]
async fn the_order_of_a_capture_is_found_by_its_note() {
    let path = "GET /v2/payments/captures/2GG279541U471931P";
    for (status, answer, expected) in [
        (
            200,
            json!({"id": CAPTURE, "custom_id": NUMBER}),
            Some(NUMBER.to_owned()),
        ),
        (200, json!({"id": CAPTURE}), None),
        (404, gone(), None),
    ] {
        let (room, _server) = paypal(&[(path, status, answer)]).await;
        assert_eq!(room.find_order(CAPTURE).await, Ok(expected));
    }
}

#[tokio::test]
async fn trouble_on_the_way_is_unknown_and_a_refused_connection_is_not_sent() {
    let (room, _server) = paypal(&[]).await;
    assert!(matches!(
        room.place(&order()).await,
        Err(CallError::Unknown(_))
    ));
    assert!(matches!(
        room.query(&placed()).await,
        Err(CallError::Unknown(_))
    ));
    assert!(matches!(
        room.refund(&refund()).await,
        Err(CallError::Unknown(_))
    ));
    assert!(matches!(
        room.close(&placed()).await,
        Err(CallError::Unknown(_))
    ));
    let away = open(settings(&Loopback::closed_url().await));
    assert!(matches!(
        away.place(&order()).await,
        Err(CallError::NotSent(_))
    ));
    assert!(matches!(
        away.refund(&refund()).await,
        Err(CallError::NotSent(_))
    ));
}
