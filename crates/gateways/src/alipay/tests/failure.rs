//! Refusals: each listed code has its meaning, and an unlisted one is on the safe side.

use super::super::failure::Operation::{
    self, Cancel, Close, Pay, Place, Query, Refund, RefundQuery,
};
use super::super::failure::{Verdict, verdict};
use super::super::wire::Answer;
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

/// Operation, code, sub-code, meaning.
const TABLE: &[(Operation, &str, &str, &str)] = &[
    (Place, "20000", "isp.unknow-error", "unknown"),
    (Place, "20000", "aop.unknow-error", "unknown"),
    (Refund, "20000", "isp.unknow-error", "unknown"),
    (Place, "20001", "aop.invalid-auth-token", "misconfigured"),
    (Place, "40001", "isv.missing-signature", "refused"),
    (Place, "40002", "isv.invalid-signature", "misconfigured"),
    (Place, "40002", "isv.invalid-app-id", "misconfigured"),
    (Place, "40002", "isv.invalid-timestamp", "misconfigured"),
    (Place, "40002", "isv.invalid-parameter", "refused"),
    (Place, "40002", "isv.suspected-attack", "refused"),
    (
        Place,
        "40003",
        "isv.missing-signature-config",
        "misconfigured",
    ),
    (Refund, "40005", "isv.app-call-limited", "later"),
    (
        Place,
        "40006",
        "isv.insufficient-isv-permissions",
        "misconfigured",
    ),
    (Place, "10003", "", "unknown"),
    (Place, "", "", "unknown"),
    (Place, "40004", "ACQ.SYSTEM_ERROR", "unknown"),
    (Refund, "40004", "AQC.SYSTEM_ERROR", "unknown"),
    (Refund, "40004", "aop.ACQ.SYSTEM_ERROR", "unknown"),
    (Place, "40004", "ACQ.ACCESS_FORBIDDEN", "misconfigured"),
    (Place, "40004", "ACQ.INVALID_PARAMETER", "refused"),
    (Place, "40004", "ACQ.TRADE_HAS_SUCCESS", "unknown"),
    (Place, "40004", "ACQ.TRADE_HAS_CLOSE", "refused"),
    (Place, "40004", "ACQ.CONTEXT_INCONSISTENT", "refused"),
    (
        Place,
        "40004",
        "ACQ.APPLY_PC_MERCHANT_CODE_ERROR",
        "refused",
    ),
    (Pay, "20000", "isp.unknow-error", "unknown"),
    (Pay, "40004", "ACQ.SYSTEM_ERROR", "unknown"),
    (Pay, "40004", "ACQ.TRADE_HAS_SUCCESS", "unknown"),
    (Pay, "40004", "ACQ.TRADE_HAS_CLOSE", "refused"),
    (Pay, "40004", "ACQ.PAYMENT_AUTH_CODE_INVALID", "refused"),
    (Pay, "40004", "ACQ.BUYER_BALANCE_NOT_ENOUGH", "refused"),
    (
        Pay,
        "40004",
        "ACQ.BUYER_BANKCARD_BALANCE_NOT_ENOUGH",
        "refused",
    ),
    (Pay, "40004", "ACQ.ERROR_BALANCE_PAYMENT_DISABLE", "refused"),
    (Pay, "40004", "ACQ.BUYER_SELLER_EQUAL", "refused"),
    (Pay, "40004", "ACQ.TRADE_BUYER_NOT_MATCH", "refused"),
    (Pay, "40004", "ACQ.BUYER_ENABLE_STATUS_FORBID", "refused"),
    (Pay, "40004", "ACQ.PULL_MOBILE_CASHIER_FAIL", "refused"),
    (Pay, "40004", "ACQ.MOBILE_PAYMENT_SWITCH_OFF", "refused"),
    (Pay, "40004", "ACQ.PAYMENT_FAIL", "refused"),
    (
        Pay,
        "40004",
        "ACQ.BUYER_PAYMENT_AMOUNT_DAY_LIMIT_ERROR",
        "refused",
    ),
    (
        Pay,
        "40004",
        "ACQ.BUYER_PAYMENT_AMOUNT_MONTH_LIMIT_ERROR",
        "refused",
    ),
    (Pay, "40004", "ACQ.BEYOND_PAY_RESTRICTION", "refused"),
    (
        Pay,
        "40004",
        "ACQ.BEYOND_PER_RECEIPT_RESTRICTION",
        "refused",
    ),
    (Pay, "40004", "ACQ.SELLER_BEEN_BLOCKED", "refused"),
    (
        Pay,
        "40004",
        "ACQ.ERROR_BUYER_CERTIFY_LEVEL_LIMIT",
        "refused",
    ),
    (Pay, "40004", "ACQ.PAYMENT_REQUEST_HAS_RISK", "refused"),
    (Pay, "40004", "ACQ.PARTNER_ERROR", "misconfigured"),
    (Pay, "40005", "isv.app-call-limited", "later"),
    (Cancel, "40004", "ACQ.TRADE_NOT_EXIST", "not found"),
    (Cancel, "40004", "AQC.SYSTEM_ERROR", "unknown"),
    (Cancel, "40004", "ACQ.TRADE_HAS_FINISHED", "not closable"),
    (Cancel, "40004", "ACQ.TRADE_HAS_CLOSE", "not closable"),
    (Cancel, "40004", "ACQ.CANCEL_NOT_ALLOWED", "not closable"),
    (
        Cancel,
        "40004",
        "ACQ.SELLER_BALANCE_NOT_ENOUGH",
        "not closable",
    ),
    (
        Cancel,
        "40004",
        "ACQ.REASON_TRADE_BEEN_FREEZEN",
        "not closable",
    ),
    (Cancel, "40004", "ACQ.TRADE_CANCEL_TIME_OUT", "not closable"),
    (Cancel, "20000", "isp.unknow-error", "unknown"),
    (Query, "40004", "ACQ.TRADE_NOT_EXIST", "not found"),
    (Query, "40004", "ACQ.UNLISTED", "unknown"),
    (Close, "40004", "ACQ.TRADE_HAS_CLOSE", "closed"),
    (Close, "40004", "ACQ.TRADE_HAS_FINISHED", "not closable"),
    (Refund, "40004", "ACQ.SELLER_BALANCE_NOT_ENOUGH", "later"),
    (Refund, "40004", "ACQ.REFUND_AMT_NOT_EQUAL_TOTAL", "refused"),
    (
        Refund,
        "40004",
        "ACQ.REASON_TRADE_REFUND_FEE_ERR",
        "refused",
    ),
    (Refund, "40004", "ACQ.DISCORDANT_REPEAT_REQUEST", "refused"),
    (Refund, "40004", "ACQ.TRADE_HAS_FINISHED", "refused"),
    (Refund, "40004", "ACQ.TRADE_STATUS_ERROR", "refused"),
    (Refund, "40004", "ACQ.TRADE_NOT_EXIST", "refused"),
    (Refund, "40004", "ACQ.REASON_TRADE_BEEN_FREEZEN", "refused"),
    (Refund, "40004", "ACQ.UNLISTED", "unknown"),
    (RefundQuery, "40004", "ACQ.TRADE_NOT_EXIST", "not found"),
    (RefundQuery, "40004", "ACQ.UNLISTED", "unknown"),
];

#[test]
fn every_listed_refusal_has_its_meaning() {
    for (operation, code, sub_code, expected) in TABLE {
        let answer = Answer {
            code: (*code).to_owned(),
            sub_code: Some((*sub_code).to_owned()),
            ..Answer::default()
        };
        let found = verdict(*operation, &answer, true);
        assert_eq!(kind(&found), *expected, "{operation:?} {code} {sub_code}");
        let unsigned = verdict(*operation, &answer, false);
        if *code == "40004" {
            assert_eq!(
                kind(&unsigned),
                "unknown",
                "unsigned {operation:?} {sub_code}"
            );
        }
    }
}

#[test]
fn a_refusal_keeps_the_gateways_words_at_a_sane_length() {
    let answer = Answer {
        code: "40004".to_owned(),
        sub_code: Some("ACQ.INVALID_PARAMETER".to_owned()),
        sub_msg: Some("参".repeat(10_000)),
        ..Answer::default()
    };
    let Verdict::Failed(CallError::Refused(reason)) = verdict(Place, &answer, true) else {
        panic!("a refusal was expected")
    };
    assert_eq!(reason.code, "ACQ.INVALID_PARAMETER");
    assert_eq!(reason.message.chars().count(), 256);
}
