//! Writes the whole table of state × fact into `docs/state-machines.md` and compares: a change of a
//! rule is a change of that file. `KASSA_UPDATE=1` rewrites it.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::fmt::Write as _;
use std::path::Path;

use kassa_core::payment::{
    AttemptFact, AttemptStatus, Decision, Failure, PaymentFact, PaymentState, PaymentStatus, decide,
};
use kassa_core::refund::{self, RefundFact, RefundStatus};
use kassa_core::{Currency, Money};

fn cny(minor: i64) -> Money {
    Money::try_new(minor, Currency::CNY).unwrap()
}

fn failure() -> Failure {
    Failure {
        code: "X".to_owned(),
        message: "x".to_owned(),
    }
}

fn payment_states() -> Vec<(String, PaymentState)> {
    let state = |status, paid, refunded, reserved| PaymentState {
        status,
        requested: cny(1000),
        by_gateway: cny(1000),
        paid: cny(paid),
        refunded: cny(refunded),
        reserved: cny(reserved),
    };
    let mut states = Vec::new();
    for status in PaymentStatus::ALL.iter().copied() {
        let refunded = match status {
            PaymentStatus::RefundPartial => 400,
            PaymentStatus::RefundFull => 1000,
            _ => 0,
        };
        let paid = if status.is_paid() { 1000 } else { 0 };
        states.push((status.to_string(), state(status, paid, refunded, 0)));
        if matches!(
            status,
            PaymentStatus::PaidSuccess | PaymentStatus::RefundPartial
        ) {
            let label = format!("{status}, 600 reserved");
            states.push((label, state(status, paid, refunded, 600)));
        }
    }
    states
}

fn payment_facts() -> Vec<(&'static str, PaymentFact)> {
    let paid = |amount, known| PaymentFact::Paid {
        amount,
        paid_at: None,
        known,
    };
    let usd = Money::try_new(1000, Currency::USD).unwrap();
    let refunded = |minor, reserved| PaymentFact::Refunded {
        amount: cny(minor),
        reserved: cny(reserved),
    };
    vec![
        ("placed", PaymentFact::Placed),
        ("retried", PaymentFact::Retried),
        ("paid 1000", paid(cny(1000), false)),
        ("paid 1000, known", paid(cny(1000), true)),
        ("paid 999", paid(cny(999), false)),
        ("paid 1000 USD", paid(usd, false)),
        ("closed", PaymentFact::Closed),
        ("failed", PaymentFact::Failed(failure())),
        ("unpaid", PaymentFact::Unpaid),
        ("refunded 600, reserved", refunded(600, 600)),
        ("refunded 600, external", refunded(600, 0)),
        ("refunded 1000, external", refunded(1000, 0)),
    ]
}

fn payments() -> String {
    let mut text = String::from("| state | fact | decision |\n| --- | --- | --- |\n");
    for (label, state) in payment_states() {
        for (name, fact) in payment_facts() {
            let decision = match decide(state, &fact) {
                Decision::AlreadyApplied => "no change".to_owned(),
                Decision::Anomalous(kind) => format!("anomaly {kind}, no change"),
                Decision::Applied(applied) => {
                    let anomaly = applied
                        .anomaly
                        .map(|kind| format!(", anomaly {kind}"))
                        .unwrap_or_default();
                    let status = applied.state.status;
                    format!("**{status}**, event `{}`{anomaly}", applied.event)
                }
            };
            writeln!(text, "| {label} | {name} | {decision} |").unwrap();
        }
    }
    text
}

fn refunds() -> String {
    let facts = [
        ("processing", RefundFact::Processing),
        ("succeeded", RefundFact::Succeeded(None)),
        ("succeeded 600", RefundFact::Succeeded(Some(cny(600)))),
        ("succeeded 599", RefundFact::Succeeded(Some(cny(599)))),
        ("failed", RefundFact::Failed(failure())),
        ("abnormal", RefundFact::Abnormal),
        ("not found", RefundFact::NotFound),
    ];
    let mut text = String::from("| status | fact | decision |\n| --- | --- | --- |\n");
    for status in RefundStatus::ALL {
        for (name, fact) in &facts {
            let decision = match refund::decide(*status, cny(600), fact) {
                refund::Decision::AlreadyApplied => "no change".to_owned(),
                refund::Decision::Anomalous(kind) => format!("anomaly {kind}, no change"),
                refund::Decision::Applied {
                    status,
                    event,
                    anomaly,
                } => {
                    let anomaly = anomaly
                        .map(|kind| format!(", anomaly {kind}"))
                        .unwrap_or_default();
                    format!("**{status}**, event `{event}`{anomaly}")
                }
            };
            writeln!(text, "| {status} | {name} | {decision} |").unwrap();
        }
    }
    text
}

fn attempts() -> String {
    let mut text = String::from("| status |");
    for fact in AttemptFact::ALL {
        write!(text, " {fact:?} |").unwrap();
    }
    text.push_str("\n| --- |");
    text.push_str(&" --- |".repeat(AttemptFact::ALL.len()));
    text.push('\n');
    for status in AttemptStatus::ALL {
        write!(text, "| {status} |").unwrap();
        for fact in AttemptFact::ALL {
            let after = status.after(fact);
            let cell = if after == *status {
                "·".to_owned()
            } else {
                after.to_string()
            };
            write!(text, " {cell} |").unwrap();
        }
        text.push('\n');
    }
    text
}

#[test]
fn the_documented_state_machines_are_the_real_ones() {
    let text = format!(
        "# State machines\n\nGenerated by `cargo test -p kassa-core --test state_machines` with \
         `KASSA_UPDATE=1`; do not edit.\n\n## Payment\n\nThe payment asks for 1000 CNY minor units; \
         REFUND_PARTIAL has given back 400.\n\n{}\n## Attempt\n\nRows: status; columns: fact; `·`: no \
         change.\n\n{}\n## Refund\n\nThe refund asks for 600 CNY minor units.\n\n{}",
        payments(),
        attempts(),
        refunds()
    );
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/state-machines.md");
    #[expect(
        clippy::disallowed_methods,
        reason = "the switch that rewrites the file"
    )]
    let update = std::env::var("KASSA_UPDATE").is_ok();
    if update {
        std::fs::write(&path, &text).unwrap();
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        committed == text,
        "docs/state-machines.md is not up to date: run with KASSA_UPDATE=1"
    );
}
