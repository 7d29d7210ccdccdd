//! Refusals: each listed code has its meaning, and an unlisted one is on the safe side.

use serde_json::json;

use super::super::failure::Operation::{self, Close, Query, Refund, RefundQuery};
use super::super::failure::{Verdict, verdict};
use super::super::wire::Answer;
use crate::CallError;

fn kind(verdict: &Verdict) -> &'static str {
    match verdict {
        Verdict::NotFound => "not found",
        Verdict::NotClosable => "not closable",
        Verdict::Token(_) => "token",
        Verdict::Failed(CallError::Refused(_)) => "refused",
        Verdict::Failed(CallError::Later(_)) => "later",
        Verdict::Failed(CallError::Misconfigured(_)) => "misconfigured",
        Verdict::Failed(CallError::NotSent(_)) => "not sent",
        Verdict::Failed(CallError::Unknown(_)) => "unknown",
    }
}

/// Every code of sheet §9.
const TABLE: &[(Operation, i64, &str)] = &[
    (Refund, 10000, "misconfigured"),
    (Refund, 10001, "refused"),
    (Refund, 10002, "refused"),
    (Refund, 10003, "unknown"),
    (Refund, 930, "misconfigured"),
    (Refund, 970, "misconfigured"),
    (Refund, 4_010_001, "unknown"),
    (Refund, 4_010_002, "refused"),
    (Refund, 4_010_003, "unknown"),
    (Refund, 4_010_004, "refused"),
    (Refund, 4_010_006, "refused"),
    (Refund, 4_010_007, "unknown"),
    (Refund, 5_010_001, "refused"),
    (Refund, 5_010_002, "unknown"),
    (Refund, 5_010_003, "later"),
    (Refund, 5_010_004, "unknown"),
    (Refund, 5_010_005, "misconfigured"),
    (Refund, 6_010_007, "misconfigured"),
    (Refund, 6_010_008, "unknown"),
    (Refund, 7_010_001, "unknown"),
    (Refund, 1, "unknown"),
    (Query, 10002, "not found"),
    (Query, 10001, "unknown"),
    (Query, 10003, "unknown"),
    (RefundQuery, 10002, "not found"),
    (RefundQuery, 1, "unknown"),
    (Close, 10002, "not found"),
    (Close, 10001, "not closable"),
    (Close, 10003, "unknown"),
    (Close, 10000, "misconfigured"),
];

#[test]
fn every_listed_refusal_has_its_meaning() {
    for (operation, code, expected) in TABLE {
        let text = json!({"errno": code, "msg": "x"}).to_string();
        let answer: Answer<'_> = serde_json::from_str(&text).unwrap();
        let found = verdict(*operation, &answer);
        assert_eq!(kind(&found), *expected, "{operation:?} {code}");
    }
}

#[test]
fn the_gateway_before_the_service_has_codes_of_its_own() {
    for (code, expected) in [
        (110, "token"),
        (111, "token"),
        (18, "later"),
        (6, "misconfigured"),
        (99, "unknown"),
    ] {
        let text = json!({"error_code": code, "error_msg": "x", "errno": 0}).to_string();
        let answer: Answer<'_> = serde_json::from_str(&text).unwrap();
        assert_eq!(kind(&verdict(Refund, &answer)), expected, "{code}");
    }
    let nothing: Answer<'_> = serde_json::from_str("{}").unwrap();
    assert_eq!(kind(&verdict(Query, &nothing)), "unknown");
}
