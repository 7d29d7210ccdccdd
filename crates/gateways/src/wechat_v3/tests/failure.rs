//! Refusals: each listed code has its meaning, and an unlisted one is on the safe side.

use http::StatusCode;
use serde_json::json;

use super::super::failure::Operation::{
    self, AbnormalRefund, Close, Place, Query, Refund, RefundQuery,
};
use super::super::failure::{Verdict, verdict};
use crate::CallError;

/// The kind of a verdict, for the table below.
fn kind(verdict: &Verdict) -> &'static str {
    match verdict {
        Verdict::NotFound => "not found",
        Verdict::Closed => "closed",
        Verdict::NotClosable => "not closable",
        Verdict::Failed(CallError::Refused(_)) => "refused",
        Verdict::Failed(CallError::Later(_)) => "later",
        Verdict::Failed(CallError::Misconfigured(_)) => "misconfigured",
        Verdict::Failed(CallError::NotSent(_)) => "not sent",
        Verdict::Failed(CallError::Unknown(_)) => "unknown",
    }
}

/// Operation, status, code, meaning.
const TABLE: &[(Operation, u16, &str, &str)] = &[
    (Place, 400, "PARAM_ERROR", "refused"),
    (Place, 400, "INVALID_REQUEST", "refused"),
    (Place, 400, "APPID_MCHID_NOT_MATCH", "misconfigured"),
    (Place, 400, "MCH_NOT_EXISTS", "misconfigured"),
    (Refund, 404, "MCH_NOT_EXISTS", "misconfigured"),
    (Place, 400, "ORDER_CLOSED", "refused"),
    (Place, 401, "SIGN_ERROR", "misconfigured"),
    (Query, 401, "SIGN_ERROR", "misconfigured"),
    (Place, 403, "NO_AUTH", "misconfigured"),
    (Place, 403, "RULE_LIMIT", "refused"),
    (Place, 403, "TRADE_ERROR", "refused"),
    (Place, 403, "OUT_TRADE_NO_USED", "refused"),
    (Place, 403, "ORDERPAID", "unknown"),
    (Refund, 403, "NOT_ENOUGH", "later"),
    (Refund, 403, "USER_ACCOUNT_ABNORMAL", "refused"),
    (Refund, 400, "PARAM_ERROR", "refused"),
    (Refund, 404, "RESOURCE_NOT_EXISTS", "refused"),
    (Refund, 403, "TRADE_OVERDUE", "refused"),
    (Refund, 400, "REFUND_FEE_MISMATCH", "refused"),
    (Refund, 400, "UNLISTED", "unknown"),
    (Query, 404, "ORDER_NOT_EXIST", "not found"),
    (RefundQuery, 404, "RESOURCE_NOT_EXISTS", "not found"),
    (Query, 404, "RESOURCE_NOT_EXISTS", "unknown"),
    (Query, 404, "", "misconfigured"),
    (RefundQuery, 405, "", "misconfigured"),
    (Place, 429, "FREQUENCY_LIMITED", "later"),
    (Query, 429, "RATELIMIT_EXCEEDED", "later"),
    (Query, 429, "", "later"),
    (Refund, 429, "FREQUENCY_LIMITED", "unknown"),
    (Refund, 429, "", "unknown"),
    (AbnormalRefund, 400, "INVALID_REQUEST", "refused"),
    (AbnormalRefund, 404, "RESOURCE_NOT_EXISTS", "refused"),
    (AbnormalRefund, 404, "", "unknown"),
    (AbnormalRefund, 429, "FREQUENCY_LIMITED", "unknown"),
    (AbnormalRefund, 403, "NOT_ENOUGH", "later"),
    (Place, 500, "SYSTEM_ERROR", "unknown"),
    (Refund, 400, "SYSTEM_ERROR", "unknown"),
    (Place, 503, "SERVICE_UNAVAILABLE", "unknown"),
    (Place, 202, "", "unknown"),
    (Close, 403, "NO_AUTH", "misconfigured"),
    (Close, 400, "PARAM_ERROR", "refused"),
    (Close, 400, "ORDER_PAID", "not closable"),
];

#[test]
fn every_listed_refusal_has_its_meaning() {
    for (operation, status, code, expected) in TABLE {
        let body = if code.is_empty() {
            String::new()
        } else {
            json!({"code": code}).to_string()
        };
        let status = StatusCode::from_u16(*status).unwrap();
        let found = verdict(*operation, status, body.as_bytes());
        assert_eq!(kind(&found), *expected, "{operation:?} {status} {code}");
    }
}
