//! Refusals: each listed code has its meaning, and an unlisted one is on the safe side.

use serde_json::json;

use super::super::failure::Operation::{
    self, Close, Micropay, Place, Query, Refund, RefundQuery, Reverse,
};
use super::super::failure::{Verdict, signed, unsigned};
use super::message;
use crate::CallError;

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

/// Every code that sheet §5 lists, for the call that it is listed for.
const TABLE: &[(Operation, &str, &str)] = &[
    (Place, "NOAUTH", "misconfigured"),
    (Place, "NOTENOUGH", "refused"),
    (Place, "ORDERPAID", "unknown"),
    (Place, "ORDERCLOSED", "refused"),
    (Place, "OUT_TRADE_NO_USED", "refused"),
    (Place, "APPID_NOT_EXIST", "misconfigured"),
    (Place, "MCHID_NOT_EXIST", "misconfigured"),
    (Place, "APPID_MCHID_NOT_MATCH", "misconfigured"),
    (Place, "LACK_PARAMS", "refused"),
    (Place, "SIGNERROR", "misconfigured"),
    (Place, "XML_FORMAT_ERROR", "refused"),
    (Place, "REQUIRE_POST_METHOD", "refused"),
    (Place, "POST_DATA_EMPTY", "refused"),
    (Place, "NOT_UTF8", "refused"),
    (Place, "SYSTEMERROR", "unknown"),
    (Micropay, "SYSTEMERROR", "unknown"),
    (Micropay, "BANKERROR", "unknown"),
    (Micropay, "USERPAYING", "waiting"),
    (Micropay, "PARAM_ERROR", "refused"),
    (Micropay, "NOAUTH", "misconfigured"),
    (Micropay, "AUTHCODEEXPIRE", "refused"),
    (Micropay, "AUTH_CODE_ERROR", "refused"),
    (Micropay, "AUTH_CODE_INVALID", "refused"),
    (Micropay, "NOTENOUGH", "refused"),
    (Micropay, "NOTSUPORTCARD", "refused"),
    (Micropay, "ORDERPAID", "unknown"),
    (Micropay, "ORDERCLOSED", "refused"),
    (Micropay, "ORDERREVERSED", "refused"),
    (Micropay, "OUT_TRADE_NO_USED", "refused"),
    (Micropay, "BUYER_MISMATCH", "refused"),
    (Micropay, "TRADE_ERROR", "refused"),
    (Micropay, "INVALID_REQUEST", "refused"),
    (Reverse, "USERPAYING", "later"),
    (Reverse, "SYSTEMERROR", "unknown"),
    (Reverse, "ORDERNOTEXIST", "not found"),
    (Reverse, "NOAUTH", "misconfigured"),
    (Reverse, "UNLISTED", "not closable"),
    (Query, "ORDERNOTEXIST", "not found"),
    (Query, "SYSTEMERROR", "unknown"),
    (Query, "UNLISTED", "unknown"),
    (Close, "ORDERPAID", "not closable"),
    (Close, "ORDERCLOSED", "closed"),
    (Close, "ORDERNOTEXIST", "not found"),
    (Close, "SYSTEMERROR", "unknown"),
    (Close, "SIGNERROR", "misconfigured"),
    (Close, "UNLISTED", "not closable"),
    (Refund, "SYSTEMERROR", "unknown"),
    (Refund, "BIZERR_NEED_RETRY", "unknown"),
    (Refund, "FREQUENCY_LIMITED", "later"),
    (Refund, "NOTENOUGH", "later"),
    (Refund, "INVALID_REQ_TOO_MUCH", "later"),
    (Refund, "TRADE_OVERDUE", "refused"),
    (Refund, "USER_ACCOUNT_ABNORMAL", "refused"),
    (Refund, "INVALID_TRANSACTIONID", "refused"),
    (Refund, "PARAM_ERROR", "refused"),
    (Refund, "REFUND_FEE_MISMATCH", "refused"),
    (Refund, "ERROR", "refused"),
    (Refund, "INVALID_REQUEST", "refused"),
    (Refund, "UNLISTED", "unknown"),
    (RefundQuery, "REFUNDNOTEXIST", "not found"),
    (RefundQuery, "SYSTEMERROR", "unknown"),
];

#[test]
fn every_listed_refusal_has_its_meaning() {
    for (operation, code, expected) in TABLE {
        let answer = message(&json!({"err_code": code, "err_code_des": "x"}));
        let found = signed(*operation, &answer);
        assert_eq!(kind(&found), *expected, "{operation:?} {code}");
    }
}

#[test]
fn an_unsigned_failure_decides_nothing_about_a_refund_or_a_code() {
    let answer = message(&json!({"return_code": "FAIL", "return_msg": "签名错误"}));
    for operation in [Refund, Micropay] {
        assert_eq!(kind(&unsigned(operation, &answer)), "unknown");
    }
    for operation in [Place, Query, Close, Reverse, RefundQuery] {
        assert_eq!(kind(&unsigned(operation, &answer)), "misconfigured");
    }
}
