//! Refusals: each listed code has its meaning, and an unlisted one is on the safe side.

use http::StatusCode;
use serde_json::json;

use super::super::failure::Operation::{
    self, AbnormalRefund, Close, CodePay, Place, Query, Refund, RefundQuery, Reverse,
};
use super::super::failure::{Verdict, verdict};
use crate::CallError;

/// The kind of a verdict, for the table below.
fn kind(verdict: &Verdict) -> &'static str {
    match verdict {
        Verdict::NotFound => "not found",
        Verdict::Closed => "closed",
        Verdict::NotClosable => "not closable",
        Verdict::Waiting => "waiting",
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
    (CodePay, 400, "USERPAYING", "waiting"),
    (CodePay, 400, "USER_PAYING", "waiting"),
    (CodePay, 400, "PARAM_ERROR", "refused"),
    (CodePay, 400, "INVALID_REQUEST", "refused"),
    (CodePay, 403, "RULE_LIMIT", "refused"),
    (CodePay, 403, "TRADE_ERROR", "refused"),
    (CodePay, 403, "USER_ACCOUNT_ABNORMAL", "refused"),
    (CodePay, 400, "ORDER_CLOSED", "refused"),
    (CodePay, 400, "ORDERCLOSED", "refused"),
    (CodePay, 400, "ORDER_REVERSED", "refused"),
    (CodePay, 400, "ORDERREVERSED", "refused"),
    (CodePay, 403, "NOT_ENOUGH", "refused"),
    (CodePay, 403, "NOTENOUGH", "refused"),
    (CodePay, 400, "NOTSUPORTCARD", "refused"),
    (CodePay, 400, "AUTHCODEEXPIRE", "refused"),
    (CodePay, 400, "AUTH_CODE_EXPIRED", "refused"),
    (CodePay, 400, "AUTH_CODE_ERROR", "refused"),
    (CodePay, 400, "AUTH_CODE_INVALID", "refused"),
    (CodePay, 400, "BUYER_MISMATCH", "refused"),
    (CodePay, 400, "LACK_PARAMS", "refused"),
    (CodePay, 401, "SIGN_ERROR", "misconfigured"),
    (CodePay, 403, "NO_AUTH", "misconfigured"),
    (CodePay, 400, "APPID_MCHID_NOT_MATCH", "misconfigured"),
    (CodePay, 400, "ORDERPAID", "unknown"),
    (CodePay, 403, "OUT_TRADE_NO_USED", "unknown"),
    (CodePay, 429, "FREQUENCY_LIMITED", "unknown"),
    (CodePay, 400, "UNLISTED", "unknown"),
    (CodePay, 404, "", "unknown"),
    (CodePay, 500, "SYSTEM_ERROR", "unknown"),
    (CodePay, 503, "SERVICE_UNAVAILABLE", "unknown"),
    (Reverse, 404, "ORDER_NOT_EXIST", "not found"),
    (Reverse, 400, "USERPAYING", "later"),
    (Reverse, 429, "FREQUENCY_LIMITED", "later"),
    (Reverse, 403, "TRADE_ERROR", "not closable"),
    (Reverse, 400, "UNLISTED", "not closable"),
    (Reverse, 403, "NO_AUTH", "misconfigured"),
    (Reverse, 500, "SYSTEM_ERROR", "unknown"),
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
