//! Refusals: each listed code has its meaning, and an unlisted one is on the safe side.

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use serde_json::json;

use super::super::failure::Operation::{self, Close, Place, Query, Refund, RefundQuery};
use super::super::failure::{Verdict, verdict};
use crate::CallError;

/// The kind of a verdict, for the table below.
fn kind(verdict: &Verdict) -> &'static str {
    match verdict {
        Verdict::NotClosable => "not closable",
        Verdict::Failed(CallError::Refused(_)) => "refused",
        Verdict::Failed(CallError::Later(_)) => "later",
        Verdict::Failed(CallError::Misconfigured(_)) => "misconfigured",
        Verdict::Failed(CallError::NotSent(_)) => "not sent",
        Verdict::Failed(CallError::Unknown(_)) => "unknown",
    }
}

const REQUEST: &str = "invalid_request_error";

/// Operation, status, type, code, meaning.
const TABLE: &[(Operation, u16, &str, &str, &str)] = &[
    (Place, 400, REQUEST, "parameter_missing", "refused"),
    (Place, 400, REQUEST, "parameter_unknown", "refused"),
    (Place, 400, REQUEST, "amount_too_small", "refused"),
    (Place, 400, REQUEST, "amount_too_large", "refused"),
    (Place, 400, REQUEST, "url_invalid", "refused"),
    (Place, 400, REQUEST, "", "refused"),
    (Place, 402, "card_error", "card_declined", "refused"),
    (Place, 402, "card_error", "expired_card", "refused"),
    (Place, 402, "card_error", "processing_error", "later"),
    (Place, 400, "idempotency_error", "", "unknown"),
    (Refund, 400, "idempotency_error", "", "unknown"),
    (Place, 409, REQUEST, "idempotency_key_in_use", "unknown"),
    (Refund, 409, REQUEST, "idempotency_key_in_use", "unknown"),
    (Place, 429, REQUEST, "rate_limit", "later"),
    (Refund, 429, REQUEST, "lock_timeout", "later"),
    (
        Refund,
        400,
        REQUEST,
        "payment_method_provider_timeout",
        "later",
    ),
    (Place, 401, REQUEST, "", "misconfigured"),
    (Query, 401, REQUEST, "api_key_expired", "misconfigured"),
    (Refund, 403, REQUEST, "", "misconfigured"),
    (Place, 400, REQUEST, "livemode_mismatch", "misconfigured"),
    (
        Place,
        400,
        REQUEST,
        "testmode_charges_only",
        "misconfigured",
    ),
    (
        Place,
        400,
        REQUEST,
        "capability_not_active",
        "misconfigured",
    ),
    (Place, 400, REQUEST, "country_unsupported", "misconfigured"),
    (Query, 404, REQUEST, "resource_missing", "misconfigured"),
    (
        RefundQuery,
        404,
        REQUEST,
        "resource_missing",
        "misconfigured",
    ),
    (Query, 400, REQUEST, "parameter_missing", "unknown"),
    (Refund, 400, REQUEST, "charge_already_refunded", "refused"),
    (Refund, 400, REQUEST, "charge_not_refundable", "refused"),
    (Refund, 400, REQUEST, "charge_disputed", "refused"),
    (Refund, 400, REQUEST, "refund_disputed_payment", "refused"),
    (
        Refund,
        400,
        REQUEST,
        "payment_intent_unexpected_state",
        "refused",
    ),
    (Refund, 400, REQUEST, "intent_invalid_state", "refused"),
    (Refund, 404, REQUEST, "resource_missing", "refused"),
    (Refund, 400, REQUEST, "balance_insufficient", "later"),
    (Refund, 400, REQUEST, "unlisted", "unknown"),
    (Refund, 400, "", "", "unknown"),
    (Close, 400, REQUEST, "", "not closable"),
    (
        Close,
        400,
        REQUEST,
        "payment_intent_unexpected_state",
        "not closable",
    ),
    (Close, 401, REQUEST, "", "misconfigured"),
    (Close, 429, REQUEST, "rate_limit", "later"),
    (Place, 500, "api_error", "", "unknown"),
    (Place, 400, "api_error", "", "unknown"),
    (Refund, 503, "api_error", "", "unknown"),
    (Place, 302, "", "", "unknown"),
    (Place, 404, "", "", "unknown"),
];

#[test]
fn each_refusal_has_its_meaning() {
    for (operation, status, kind_word, code, expected) in TABLE {
        let body = json!({"error": {"type": kind_word, "code": code, "message": "m"}}).to_string();
        let status = StatusCode::from_u16(*status).unwrap();
        let found = verdict(*operation, status, &HeaderMap::new(), body.as_bytes());
        assert_eq!(
            kind(&found),
            *expected,
            "{operation:?} {status} {kind_word} {code}"
        );
    }
}

#[test]
fn what_is_no_refusal_of_stripes_is_unknown() {
    for body in [&b"<html>"[..], b"", b"{}", b"[]", b"{\"error\":3}"] {
        for operation in [Place, Query, Refund, RefundQuery] {
            let found = verdict(operation, StatusCode::NOT_FOUND, &HeaderMap::new(), body);
            assert_eq!(kind(&found), "unknown", "{operation:?} {body:?}");
        }
    }
}

#[test]
fn stripes_own_opinion_on_a_repetition_beats_the_table() {
    let headers = HeaderMap::from_iter([(
        HeaderName::from_static("stripe-should-retry"),
        HeaderValue::from_static("true"),
    )]);
    let body = json!({"error": {"type": REQUEST, "code": "unlisted"}}).to_string();
    let found = verdict(Refund, StatusCode::BAD_REQUEST, &headers, body.as_bytes());
    assert_eq!(kind(&found), "later");
    // Never for what may have been done.
    let found = verdict(Refund, StatusCode::BAD_GATEWAY, &headers, body.as_bytes());
    assert_eq!(kind(&found), "unknown");
}

#[test]
fn a_refusal_is_named_by_its_most_telling_word() {
    let body = json!({"error": {"type": "card_error", "code": "card_declined",
        "decline_code": "insufficient_funds", "message": "Your card has insufficient funds."}});
    let status = StatusCode::PAYMENT_REQUIRED;
    let body = body.to_string();
    let found = verdict(Place, status, &HeaderMap::new(), body.as_bytes());
    let Verdict::Failed(CallError::Refused(reason)) = found else {
        panic!("{found:?}")
    };
    assert_eq!(reason.code, "insufficient_funds");
    assert_eq!(reason.message, "Your card has insufficient funds.");
}
