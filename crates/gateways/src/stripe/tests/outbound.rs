//! Calls against a loopback Stripe, and against one in trouble.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta};
use kassa_core::channel::Method;
use kassa_core::id::AttemptId;
use kassa_core::money::{Currency, Money};
use kassa_core::notification::{ReportedPayment, ReportedRefund};
use kassa_core::payment::PrepayInfo;
use kassa_core::text::{RefundReason, Subject};
use serde_json::{Value, json};
use url::Url;

use super::super::Stripe;
use super::{KEY, NOW, deps, open, settings};
use crate::testing::{Loopback, Received, http_response, list};
use crate::{CallError, Closed, Gateway, PlaceOrder, PlaceRefund, PlacedOrder};

const NUMBER: &str = "TX1";
const SESSION: &str = "cs_test_1";
const INTENT: &str = "pi_1";

fn usd(amount_minor: i64) -> Money {
    Money::try_new(amount_minor, Currency::USD).unwrap()
}

fn order(method: Method) -> PlaceOrder {
    PlaceOrder {
        request_number: NUMBER.to_owned(),
        method,
        amount: usd(1099),
        subject: Subject::try_new("订单 1").unwrap(),
        payer: None,
        auth_code: None,
        client_ip: None,
        expires_at: DateTime::from_timestamp(NOW + 1800, 0).unwrap(),
        notify_url: Url::parse("https://pay.example.com/callbacks/stripe/a/payment").unwrap(),
        return_url: Some(Url::parse("https://m.example/cancel").unwrap()),
    }
}

fn placed(id: Option<&str>) -> PlacedOrder {
    PlacedOrder {
        request_number: NUMBER.to_owned(),
        method: Method::Page,
        amount: usd(1099),
        gateway_transaction_id: id.map(str::to_owned),
        expires_at: DateTime::from_timestamp(NOW + 1800, 0).unwrap(),
        is_wanted: true,
        is_given_out: true,
    }
}

fn refund(id: &str) -> PlaceRefund {
    PlaceRefund {
        request_number: NUMBER.to_owned(),
        method: Method::Page,
        gateway_transaction_id: Some(id.to_owned()),
        refund_number: "RF1".to_owned(),
        amount: usd(500),
        paid: usd(1099),
        reason: Some(RefundReason::try_new("too small").unwrap()),
        notify_url: Url::parse("https://pay.example.com/callbacks/stripe/a/refund").unwrap(),
    }
}

fn session(status: &str, payment_status: &str) -> Value {
    json!({"id": SESSION, "object": "checkout.session", "status": status, "livemode": false,
        "payment_status": payment_status, "amount_total": 1099, "currency": "usd",
        "client_reference_id": NUMBER, "metadata": {"transaction_id": NUMBER},
        "payment_intent": INTENT, "url": "https://checkout.stripe.com/c/pay/cs_test_1"})
}

fn intent(status: &str) -> Value {
    json!({"id": INTENT, "object": "payment_intent", "status": status, "livemode": false,
        "amount": 1099, "amount_received": 1099, "currency": "usd",
        "client_secret": "pi_1_secret_x", "metadata": {"transaction_id": NUMBER}})
}

fn made_refund(status: &str) -> Value {
    json!({"id": "re_1", "object": "refund", "status": status, "amount": 500, "currency": "usd",
        "payment_intent": INTENT, "metadata": {"refund_id": "RF1", "transaction_id": NUMBER}})
}

/// A Stripe that answers by method and path (without the query).
async fn stripe(answers: &[(&str, u16, Value)]) -> (Stripe, Loopback) {
    let answers: BTreeMap<String, (u16, String)> = answers
        .iter()
        .map(|(target, status, body)| ((*target).to_owned(), (*status, body.to_string())))
        .collect();
    let server = Loopback::start(move |request| {
        let path = request.target.split('?').next().unwrap_or_default();
        let (status, body) = answers.get(&format!("{} {path}", request.method))?;
        let json = [("content-type", "application/json")];
        Some(http_response(*status, &json, body.as_bytes()))
    })
    .await;
    (open(settings(&server.url("/")), NOW), server)
}

fn fields(body: &[u8]) -> BTreeMap<String, String> {
    form_urlencoded::parse(body).into_owned().collect()
}

fn assert_headers(request: &Received, key: Option<&str>) {
    let bearer = format!("Bearer {KEY}");
    assert_eq!(request.header("authorization"), Some(bearer.as_str()));
    assert_eq!(request.header("stripe-version"), Some("2026-10-28.endive"));
    assert_eq!(request.header("idempotency-key"), key);
    assert_eq!(request.header("stripe-account"), None);
}

/// The requests that Stripe's own SDK sent for the same wishes.
fn recorded(path: &str) -> BTreeMap<String, String> {
    let vectors: Value = serde_json::from_str(include_str!("../testdata/requests.json")).unwrap();
    let mut requests = list(&vectors, "/requests").iter();
    let found = requests.find(|request| request["path"] == path && request["method"] == "POST");
    fields(found.unwrap()["body"].as_str().unwrap().as_bytes())
}

#[tokio::test]
async fn a_page_order_is_the_recorded_request_and_gives_the_address() {
    let (room, server) =
        stripe(&[("POST /v1/checkout/sessions", 200, session("open", "unpaid"))]).await;
    let answer = room.place(&order(Method::Page)).await.unwrap();
    let Some(PrepayInfo::Redirect { url }) = answer.prepay else {
        panic!("{answer:?}")
    };
    assert_eq!(url, "https://checkout.stripe.com/c/pay/cs_test_1");
    assert_eq!(answer.gateway_transaction_id.as_deref(), Some(SESSION));
    let requests = server.requests();
    assert_headers(&requests[0], Some("pay:TX1"));
    let mut expected = recorded("/v1/checkout/sessions");
    // The recorded number is not one of ours, so no time follows from it; we have one address.
    expected.remove("expires_at").unwrap();
    expected.insert(
        "success_url".to_owned(),
        "https://m.example/cancel".to_owned(),
    );
    assert_eq!(fields(&requests[0].body), expected);
}

#[tokio::test]
async fn a_session_ends_with_its_order_within_what_stripe_takes() {
    let mut numbered = order(Method::Page);
    let id = AttemptId::new(&deps(NOW).ids);
    numbered.request_number = id.to_string();
    for (minutes, expected) in [(1, 35), (30, 35), (120, 120), (7 * 24 * 60, 24 * 60 - 5)] {
        let (room, server) = stripe(&[]).await;
        let made = DateTime::from_timestamp(NOW, 0).unwrap();
        numbered.expires_at = made + TimeDelta::minutes(minutes);
        for _ in 0..2 {
            assert!(matches!(
                room.place(&numbered).await,
                Err(CallError::Unknown(_))
            ));
        }
        let requests = server.requests();
        let ends = &fields(&requests[0].body)["expires_at"];
        assert_eq!(*ends, (NOW + expected * 60).to_string(), "{minutes}");
        assert_eq!(
            requests[0].body, requests[1].body,
            "a repeat is the same to the byte"
        );
    }
}

#[tokio::test]
async fn a_card_order_gives_a_client_secret_that_does_not_print() {
    let (room, server) = stripe(&[(
        "POST /v1/payment_intents",
        200,
        intent("requires_payment_method"),
    )])
    .await;
    let answer = room.place(&order(Method::Card)).await.unwrap();
    assert!(!format!("{answer:?}").contains("secret_x"));
    let Some(PrepayInfo::ClientSecret {
        client_secret,
        publishable_key,
    }) = answer.prepay
    else {
        panic!("another kind")
    };
    assert_eq!(client_secret.expose(), Some("pi_1_secret_x"));
    assert_eq!(publishable_key, "pk_test_public");
    let requests = server.requests();
    assert_headers(&requests[0], Some("pay:TX1"));
    let sent = fields(&requests[0].body);
    for (field, value) in recorded("/v1/payment_intents") {
        assert_eq!(sent.get(&field), Some(&value), "{field}");
    }
    assert_eq!(sent["metadata[transaction_id]"], NUMBER);
}

#[tokio::test]
async fn an_order_that_stripe_cannot_count_or_of_another_method_is_not_sent() {
    let (room, server) = stripe(&[]).await;
    let kwd: Currency = "KWD".parse().unwrap();
    let fine = PlaceOrder {
        amount: Money::try_new(1234, kwd).unwrap(),
        ..order(Method::Page)
    };
    let nowhere = PlaceOrder {
        return_url: None,
        ..order(Method::Page)
    };
    for bad in [fine, nowhere, order(Method::Qr)] {
        let refused = room.place(&bad).await;
        assert!(matches!(refused, Err(CallError::Refused(_))), "{refused:?}");
    }
    assert!(server.requests().is_empty());
}

#[tokio::test]
async fn an_answer_of_another_world_or_order_is_unknown() {
    let mut live = session("open", "unpaid");
    live["livemode"] = json!(true);
    let mut other = session("open", "unpaid");
    other["client_reference_id"] = json!("TX2");
    for answer in [live, other, json!([]), json!({})] {
        let (room, _server) = stripe(&[("POST /v1/checkout/sessions", 200, answer.clone())]).await;
        let found = room.place(&order(Method::Page)).await;
        assert!(
            matches!(found, Err(CallError::Unknown(_))),
            "{answer} {found:?}"
        );
    }
}

#[tokio::test]
async fn a_query_tells_every_state_of_a_session_and_of_an_intent() {
    let paid = ReportedPayment::Paid {
        amount: usd(1099),
        paid_at: None,
    };
    for (answer, expected) in [
        (session("open", "unpaid"), ReportedPayment::Unpaid),
        (session("complete", "paid"), paid.clone()),
        (session("complete", "unpaid"), ReportedPayment::Unpaid),
        (session("expired", "unpaid"), ReportedPayment::Closed),
        (intent("requires_payment_method"), ReportedPayment::Unpaid),
        (intent("requires_confirmation"), ReportedPayment::Unpaid),
        (intent("requires_action"), ReportedPayment::Unpaid),
        (intent("requires_capture"), ReportedPayment::Unpaid),
        (intent("processing"), ReportedPayment::Unpaid),
        (intent("succeeded"), paid),
        (intent("canceled"), ReportedPayment::Closed),
    ] {
        let id = answer["id"].as_str().unwrap().to_owned();
        let (room, _server) = stripe(&[
            ("GET /v1/checkout/sessions/cs_test_1", 200, answer.clone()),
            ("GET /v1/payment_intents/pi_1", 200, answer.clone()),
        ])
        .await;
        let report = room.query(&placed(Some(&id))).await.unwrap();
        assert_eq!(report.state, expected, "{answer}");
        assert_eq!(report.gateway_transaction_id, Some(id));
    }
}

#[tokio::test]
async fn an_order_that_never_got_a_number_is_not_found_and_closes_without_a_call() {
    let (room, server) = stripe(&[]).await;
    let report = room.query(&placed(None)).await.unwrap();
    assert_eq!(report.state, ReportedPayment::NotFound);
    assert_eq!(room.close(&placed(None)).await, Ok(Closed::Closed));
    assert!(server.requests().is_empty());
}

#[tokio::test]
async fn the_order_of_a_payment_is_found_by_our_note_on_it() {
    let mut somebody_elses = intent("succeeded");
    somebody_elses["metadata"] = json!({});
    let mut live = intent("succeeded");
    live["livemode"] = json!(true);
    let missing = json!({"error": {"type": "invalid_request_error", "code": "resource_missing"}});
    for (status, answer, expected) in [
        (200, intent("succeeded"), "Ok(Some(\"TX1\"))"),
        (200, somebody_elses, "Ok(None)"),
        (200, live, "Err(Unknown"),
        (404, missing, "Err(Misconfigured"),
        (500, json!({}), "Err(Unknown"),
    ] {
        let target = "GET /v1/payment_intents/pi_1";
        let (room, server) = stripe(&[(target, status, answer)]).await;
        let found = format!("{:?}", room.find_order(INTENT).await);
        assert!(found.starts_with(expected), "{status}: {found}");
        assert_headers(&server.requests()[0], None);
    }
}

#[tokio::test]
async fn a_close_counts_only_when_stripe_shows_it_closed() {
    let refused = json!({"error": {"type": "invalid_request_error", "message": "not open"}});
    for (status, answer, expected) in [
        (200, session("expired", "unpaid"), Closed::Closed),
        (200, session("complete", "paid"), Closed::NotClosable),
        (400, refused, Closed::NotClosable),
    ] {
        let target = "POST /v1/checkout/sessions/cs_test_1/expire";
        let (room, server) = stripe(&[(target, status, answer)]).await;
        assert_eq!(room.close(&placed(Some(SESSION))).await, Ok(expected));
        assert_headers(&server.requests()[0], None);
    }
    let target = "POST /v1/payment_intents/pi_1/cancel";
    let (room, _server) = stripe(&[(target, 200, intent("canceled"))]).await;
    assert_eq!(room.close(&placed(Some(INTENT))).await, Ok(Closed::Closed));
}

#[tokio::test]
async fn a_refund_is_the_recorded_request_for_the_intent_that_was_paid() {
    let (room, server) = stripe(&[
        (
            "GET /v1/checkout/sessions/cs_test_1",
            200,
            session("complete", "paid"),
        ),
        ("POST /v1/refunds", 200, made_refund("succeeded")),
    ])
    .await;
    let report = room.refund(&refund(SESSION)).await.unwrap();
    assert_eq!(report.gateway_refund_id.as_deref(), Some("re_1"));
    assert!(
        matches!(report.state, ReportedRefund::Succeeded { amount: Some(it), .. } if it == usd(500))
    );
    let requests = server.requests();
    assert_headers(&requests[1], Some("refund:RF1"));
    let sent = fields(&requests[1].body);
    let mut expected = recorded("/v1/refunds");
    // Ours is free text: it is noted, not chosen from Stripe's list.
    expected.remove("reason").unwrap();
    expected.insert("metadata[reason]".to_owned(), "too small".to_owned());
    expected.insert("metadata[transaction_id]".to_owned(), NUMBER.to_owned());
    assert_eq!(sent, expected);
}

#[tokio::test]
async fn a_refund_is_found_on_whatever_page_it_is() {
    let server = Loopback::start(|request| {
        let other = json!({"id": "re_0", "status": "succeeded", "amount": 1, "currency": "usd",
            "metadata": {"refund_id": "RF0"}});
        let page = if request.target.contains("starting_after=re_0") {
            json!({"data": [made_refund("pending")], "has_more": false})
        } else {
            json!({"data": [other], "has_more": true})
        };
        Some(http_response(200, &[], page.to_string().as_bytes()))
    })
    .await;
    let room = open(settings(&server.url("/")), NOW);
    let report = room.query_refund(&refund(INTENT)).await.unwrap();
    assert_eq!(report.state, ReportedRefund::Processing);
    let mut unknown = refund(INTENT);
    unknown.refund_number = "RF9".to_owned();
    let report = room.query_refund(&unknown).await.unwrap();
    assert_eq!(report.state, ReportedRefund::NotFound);
    let mut console = refund(INTENT);
    console.refund_number = "re_1".to_owned();
    let report = room.query_refund(&console).await.unwrap();
    assert_eq!(
        report.state,
        ReportedRefund::NotFound,
        "it is ours, not the console's"
    );
}

#[tokio::test]
async fn the_order_of_a_payment_is_found_by_its_note() {
    let (room, _server) =
        stripe(&[("GET /v1/payment_intents/pi_1", 200, intent("succeeded"))]).await;
    assert_eq!(room.find_order(INTENT).await, Ok(Some(NUMBER.to_owned())));
    let mut foreign = intent("succeeded");
    foreign["metadata"] = json!({});
    let (room, _server) = stripe(&[("GET /v1/payment_intents/pi_1", 200, foreign)]).await;
    assert_eq!(room.find_order(INTENT).await, Ok(None));
}

#[tokio::test]
async fn trouble_on_the_way_is_unknown_and_a_refused_connection_is_not_sent() {
    let (room, _server) = stripe(&[]).await;
    let refund = refund(INTENT);
    assert!(matches!(
        room.place(&order(Method::Card)).await,
        Err(CallError::Unknown(_))
    ));
    assert!(matches!(
        room.refund(&refund).await,
        Err(CallError::Unknown(_))
    ));
    assert!(matches!(
        room.close(&placed(Some(SESSION))).await,
        Err(CallError::Unknown(_))
    ));
    let away = open(settings(&Loopback::closed_url().await), NOW);
    assert!(matches!(
        away.place(&order(Method::Card)).await,
        Err(CallError::NotSent(_))
    ));
    assert!(matches!(
        away.refund(&refund).await,
        Err(CallError::NotSent(_))
    ));
}
