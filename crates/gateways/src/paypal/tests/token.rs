//! The access token: one for all, fetched once, and anew when it is over or not taken.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use chrono::TimeDelta;
use kassa_core::channel::Method;
use kassa_core::money::{Currency, Money};
use kassa_core::notification::ReportedPayment;
use serde_json::{Value, json};

use super::super::Paypal;
use super::{CLIENT_SECRET, MERCHANT, account, deps, later, now, open, settings};
use crate::testing::{Loopback, http_response};
use crate::{CallError, Gateway, PlacedOrder};

fn asked() -> PlacedOrder {
    PlacedOrder {
        request_number: "TX1".to_owned(),
        method: Method::Page,
        amount: Money::try_new(1099, Currency::USD).unwrap(),
        gateway_transaction_id: Some("5O1".to_owned()),
        expires_at: later(86_400),
        is_wanted: false,
        is_given_out: true,
    }
}

/// A PayPal that numbers its tokens and takes those that `is_taken` says.
async fn paypal(is_taken: fn(usize) -> bool) -> Loopback {
    let given = Arc::new(AtomicUsize::new(0));
    Loopback::start(move |request| {
        let (status, answer): (u16, Value) = if request.target == "/v1/oauth2/token" {
            let number = given.fetch_add(1, Ordering::SeqCst);
            (
                200,
                json!({"access_token": number.to_string(), "expires_in": 3600}),
            )
        } else {
            let token = request.header("authorization").unwrap();
            let number = token.strip_prefix("Bearer ").unwrap().parse().unwrap();
            if is_taken(number) {
                (
                    200,
                    json!({"id": "5O1", "status": "CREATED", "purchase_units": [
                    {"custom_id": "TX1", "payee": {"merchant_id": MERCHANT}}]}),
                )
            } else {
                (401, json!({"name": "AUTHENTICATION_FAILURE"}))
            }
        };
        Some(http_response(status, &[], answer.to_string().as_bytes()))
    })
    .await
}

fn tokens(server: &Loopback) -> usize {
    let requests = server.requests().into_iter();
    requests
        .filter(|it| it.target == "/v1/oauth2/token")
        .count()
}

#[tokio::test]
async fn many_calls_at_once_fetch_one_token() {
    let server = paypal(|_number| true).await;
    let room = Arc::new(open(settings(&server.url("/"))));
    let calls: Vec<_> = (0..20)
        .map(|_| {
            let room = Arc::clone(&room);
            tokio::spawn(async move { room.query(&asked()).await })
        })
        .collect();
    for call in calls {
        let report = call.await.unwrap().unwrap();
        assert_eq!(report.state, ReportedPayment::Unpaid);
    }
    assert_eq!(tokens(&server), 1);
}

#[tokio::test]
async fn a_token_is_fetched_anew_shortly_before_its_end() {
    let server = paypal(|_number| true).await;
    let deps = deps(now());
    let room = Paypal::try_new(&account(settings(&server.url("/"))), &deps).unwrap();
    for (minutes, expected) in [(0, 1), (54, 1), (1, 2), (54, 2), (1, 3)] {
        deps.clock.advance(TimeDelta::minutes(minutes));
        room.query(&asked()).await.unwrap();
        assert_eq!(tokens(&server), expected, "{minutes}");
    }
}

#[tokio::test]
async fn a_token_that_is_not_taken_is_fetched_anew_once() {
    let server = paypal(|number| number > 0).await;
    let room = open(settings(&server.url("/")));
    room.query(&asked()).await.unwrap();
    room.query(&asked()).await.unwrap();
    assert_eq!(tokens(&server), 2);

    let server = paypal(|_number| false).await;
    let room = open(settings(&server.url("/")));
    let refused = room.query(&asked()).await;
    assert!(
        matches!(refused, Err(CallError::Misconfigured(_))),
        "{refused:?}"
    );
    assert_eq!(tokens(&server), 2);
}

#[tokio::test]
async fn what_is_no_token_keeps_the_call_from_being_sent() {
    for (status, body, expected) in [
        (
            401,
            r#"{"error":"invalid_client","error_description":"d"}"#,
            "misconfigured",
        ),
        (
            400,
            r#"{"error":"unsupported_grant_type"}"#,
            "misconfigured",
        ),
        (429, "{}", "later"),
        (500, "{}", "not sent"),
        (200, "{}", "not sent"),
        (200, r#"{"access_token":"","expires_in":9}"#, "not sent"),
        (200, "<html>", "not sent"),
    ] {
        let server =
            Loopback::start(move |_request| Some(http_response(status, &[], body.as_bytes())))
                .await;
        let room = open(settings(&server.url("/")));
        let found = room.query(&asked()).await.map_err(|error| match error {
            CallError::Refused(_) => "refused",
            CallError::Later(_) => "later",
            CallError::Misconfigured(_) => "misconfigured",
            CallError::NotSent(_) => "not sent",
            CallError::Unknown(_) => "unknown",
        });
        assert_eq!(found.err(), Some(expected), "{status} {body}");
        assert_eq!(server.requests().len(), 1);
        assert!(!format!("{room:?}").contains(CLIENT_SECRET));
    }
}
