//! Refusals: each listed issue has its meaning, and an unlisted one is on the safe side.

use http::StatusCode;
use serde_json::json;

use super::super::failure::Operation::{self, Capture, Place, Query, Refund};
use super::super::failure::{Verdict, verdict};
use crate::CallError;

/// The kind of a verdict, for the table below.
fn kind(verdict: &Verdict) -> &'static str {
    match verdict {
        Verdict::NotFound(_) => "not found",
        Verdict::Token(_) => "token",
        Verdict::NotApproved => "not approved",
        Verdict::AlreadyCaptured => "already captured",
        Verdict::Declined(_) => "declined",
        Verdict::Failed(CallError::Refused(_)) => "refused",
        Verdict::Failed(CallError::Later(_)) => "later",
        Verdict::Failed(CallError::Misconfigured(_)) => "misconfigured",
        Verdict::Failed(CallError::NotSent(_)) => "not sent",
        Verdict::Failed(CallError::Unknown(_)) => "unknown",
    }
}

/// Issues of a 422, by operation and meaning.
const ISSUES: &[(Operation, &str, &[&str])] = &[
    (
        Place,
        "refused",
        &[
            "AMOUNT_MISMATCH",
            "DECIMAL_PRECISION",
            "DECIMALS_NOT_SUPPORTED",
            "INVALID_CURRENCY_CODE",
            "MULTI_CURRENCY_ORDER",
            "MAX_VALUE_EXCEEDED",
            "CURRENCY_NOT_SUPPORTED_FOR_COUNTRY",
            "UNLISTED",
        ],
    ),
    (
        Place,
        "misconfigured",
        &["PAYPAL_REQUEST_ID_REQUIRED", "PERMISSION_DENIED"],
    ),
    (Capture, "already captured", &["ORDER_ALREADY_CAPTURED"]),
    (
        Capture,
        "not approved",
        &[
            "ORDER_NOT_APPROVED",
            "PAYER_ACTION_REQUIRED",
            "INSTRUMENT_DECLINED",
            "REDIRECT_PAYER_FOR_ALTERNATE_FUNDING",
        ],
    ),
    (
        Capture,
        "declined",
        &[
            "TRANSACTION_REFUSED",
            "PAYER_CANNOT_PAY",
            "MAX_NUMBER_OF_PAYMENT_ATTEMPTS_EXCEEDED",
            "COMPLIANCE_VIOLATION",
            "PAYEE_BLOCKED_TRANSACTION",
            "PAYER_ACCOUNT_RESTRICTED",
            "PAYER_ACCOUNT_LOCKED_OR_CLOSED",
            "PAYEE_ACCOUNT_RESTRICTED",
            "PAYEE_ACCOUNT_LOCKED_OR_CLOSED",
            "TRANSACTION_LIMIT_EXCEEDED",
        ],
    ),
    (
        Capture,
        "unknown",
        &[
            "ORDER_COMPLETION_IN_PROGRESS",
            "DUPLICATE_INVOICE_ID",
            "UNLISTED",
        ],
    ),
    (
        Refund,
        "later",
        &["PENDING_CAPTURE", "REFUND_FAILED_INSUFFICIENT_FUNDS"],
    ),
    (
        Refund,
        "refused",
        &[
            "CAPTURE_FULLY_REFUNDED",
            "REFUND_AMOUNT_EXCEEDED",
            "REFUND_TIME_LIMIT_EXCEEDED",
            "REFUND_CAPTURE_CURRENCY_MISMATCH",
            "REFUND_NOT_ALLOWED",
            "PARTIAL_REFUND_NOT_ALLOWED",
            "MAX_NUMBER_OF_REFUNDS_EXCEEDED",
            "DUPLICATE_INVOICE_ID",
            "REFUND_NOT_PERMITTED_DUE_TO_CHARGEBACK",
            "TRANSACTION_DISPUTED",
            "REFUND_IS_RESTRICTED",
        ],
    ),
    (Refund, "unknown", &["UNLISTED", "DUPLICATE_REQUEST_ID"]),
    (Query, "unknown", &["UNLISTED"]),
];

/// Operation, status, name, meaning: refusals without an issue.
const NAMES: &[(Operation, u16, &str, &str)] = &[
    (Place, 400, "INVALID_REQUEST", "refused"),
    (Refund, 400, "INVALID_REQUEST", "refused"),
    (Query, 400, "INVALID_REQUEST", "unknown"),
    (Capture, 400, "INVALID_REQUEST", "unknown"),
    (Place, 401, "AUTHENTICATION_FAILURE", "token"),
    (Refund, 401, "AUTHENTICATION_FAILURE", "token"),
    (Place, 403, "NOT_AUTHORIZED", "misconfigured"),
    (Refund, 403, "NOT_AUTHORIZED", "misconfigured"),
    (Query, 404, "RESOURCE_NOT_FOUND", "not found"),
    (Capture, 404, "RESOURCE_NOT_FOUND", "not found"),
    (Refund, 404, "RESOURCE_NOT_FOUND", "not found"),
    (Place, 405, "METHOD_NOT_SUPPORTED", "refused"),
    (Refund, 415, "UNSUPPORTED_MEDIA_TYPE", "unknown"),
    (Refund, 422, "UNPROCESSABLE_ENTITY", "unknown"),
    (Place, 429, "RATE_LIMIT_REACHED", "later"),
    (Refund, 429, "RATE_LIMIT_REACHED", "later"),
    (Place, 500, "INTERNAL_SERVER_ERROR", "unknown"),
    (Refund, 503, "SERVICE_UNAVAILABLE", "unknown"),
    (Place, 302, "X", "unknown"),
];

#[test]
fn each_issue_has_its_meaning() {
    for (operation, expected, issues) in ISSUES {
        for issue in *issues {
            let body = json!({"name": "UNPROCESSABLE_ENTITY", "message": "m",
                "details": [{"issue": issue, "description": "d"}]});
            let status = StatusCode::UNPROCESSABLE_ENTITY;
            let found = verdict(*operation, status, body.to_string().as_bytes());
            assert_eq!(kind(&found), *expected, "{operation:?} {issue}");
        }
    }
}

#[test]
fn each_name_has_its_meaning() {
    for (operation, status, name, expected) in NAMES {
        let body = json!({"name": name, "message": "m"}).to_string();
        let code = StatusCode::from_u16(*status).unwrap();
        let found = verdict(*operation, code, body.as_bytes());
        assert_eq!(kind(&found), *expected, "{operation:?} {status} {name}");
    }
}

#[test]
fn a_call_under_way_with_the_same_id_is_no_refusal() {
    for operation in [Place, Capture, Refund] {
        let body = json!({"name": "RESOURCE_CONFLICT",
            "details": [{"issue": "PREVIOUS_REQUEST_IN_PROGRESS"}]});
        let found = verdict(operation, StatusCode::CONFLICT, body.to_string().as_bytes());
        assert_eq!(kind(&found), "unknown", "{operation:?}");
    }
}

#[test]
fn what_is_no_refusal_of_paypals_is_unknown() {
    for body in [&b"<html>"[..], b"", b"{}", b"[]", b"{\"name\":3}"] {
        for operation in [Place, Query, Capture, Refund] {
            let found = verdict(operation, StatusCode::NOT_FOUND, body);
            assert_eq!(kind(&found), "unknown", "{operation:?} {body:?}");
        }
    }
}

#[test]
fn a_refusal_is_named_by_its_issue() {
    let body = json!({"name": "UNPROCESSABLE_ENTITY", "message": "general",
        "details": [{"issue": "REFUND_NOT_ALLOWED", "description": "particular"}]});
    let status = StatusCode::UNPROCESSABLE_ENTITY;
    let found = verdict(Refund, status, body.to_string().as_bytes());
    let Verdict::Failed(CallError::Refused(reason)) = found else {
        panic!("{found:?}")
    };
    assert_eq!(
        (reason.code.as_str(), reason.message.as_str()),
        ("REFUND_NOT_ALLOWED", "particular")
    );
}
