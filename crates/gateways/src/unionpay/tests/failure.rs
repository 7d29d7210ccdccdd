//! Refusals: each listed code has its meaning, and an unlisted one is on the safe side.

use super::super::failure::Operation::{self, Place, Query, Refund, RefundQuery};
use super::super::failure::{Verdict, verdict};
use super::super::translate::TxnResult;
use crate::CallError;

const OPERATIONS: [Operation; 4] = [Place, Query, Refund, RefundQuery];

fn kind(verdict: &Verdict) -> &'static str {
    match verdict {
        Verdict::NotFound => "not found",
        Verdict::Failed(CallError::Refused(_)) => "refused",
        Verdict::Failed(CallError::Later(_)) => "later",
        Verdict::Failed(CallError::Misconfigured(_)) => "misconfigured",
        Verdict::Failed(CallError::NotSent(_)) => "not sent",
        Verdict::Failed(CallError::Unknown(_)) => "unknown",
    }
}

/// Code, and what it means for a place, a query, a refund and a refund query.
const TABLE: &[(&[&str], [&str; 4])] = &[
    (
        &["03", "04", "05", "12", "42", "99", "ZZ", ""],
        ["unknown"; 4],
    ),
    (&["02", "06", "37", "39", "98"], ["later"; 4]),
    (
        &["11", "30", "31", "32", "33", "38", "43", "44"],
        ["misconfigured"; 4],
    ),
    (&["34"], ["refused", "not found", "refused", "not found"]),
    (
        &[
            "01", "10", "13", "14", "35", "36", "40", "41", "45", "46", "60", "61", "62", "63",
            "64", "65", "66", "67", "68", "69", "70", "71", "72", "73", "74", "75", "76", "77",
            "78", "79", "80", "82",
        ],
        ["refused", "unknown", "refused", "unknown"],
    ),
];

#[test]
fn every_listed_refusal_has_its_meaning() {
    for (codes, expected) in TABLE {
        for code in *codes {
            for (operation, expected) in OPERATIONS.iter().zip(expected) {
                let found = verdict(*operation, code, "[1000000]", true);
                assert_eq!(kind(&found), *expected, "{operation:?} {code}");
            }
        }
    }
}

#[test]
fn unsigned_answers_are_believed_only_about_the_message_itself() {
    for (codes, _) in TABLE {
        for code in *codes {
            let is_about_the_message = ["10", "11", "13", "14", "30", "31", "32"].contains(code);
            let found = verdict(Refund, code, "", false);
            assert_eq!(kind(&found) != "unknown", is_about_the_message, "{code}");
        }
    }
}

#[test]
fn a_refusal_keeps_the_gateways_words_at_a_sane_length() {
    let long = "余额不足".repeat(1000);
    let Verdict::Failed(CallError::Refused(reason)) = verdict(Place, "64", &long, true) else {
        panic!("a refusal was expected")
    };
    assert_eq!(
        (reason.code.as_str(), reason.message.chars().count()),
        ("64", 256)
    );
}

#[test]
fn every_result_of_a_transaction_has_its_meaning() {
    for code in ["00", "A6"] {
        assert_eq!(TxnResult::parse(code), TxnResult::Success);
    }
    for code in ["02", "03", "04", "05", "06", "39"] {
        assert_eq!(TxnResult::parse(code), TxnResult::Pending);
    }
    assert_eq!(TxnResult::parse("42"), TxnResult::Late);
    for code in (60..=80).filter(|code| *code != 81) {
        assert_eq!(TxnResult::parse(&code.to_string()), TxnResult::Failed);
    }
    for code in ["", "0", "000", "34", "37", "81", "99", "a6"] {
        assert_eq!(TxnResult::parse(code), TxnResult::Unrecognised, "{code}");
    }
}
