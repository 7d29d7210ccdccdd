use super::*;
use crate::anomaly::AnomalyKind;
use crate::event::EventKind;
use crate::money::{Currency, Money};
use crate::payment::Failure;

fn cny(minor: i64) -> Money {
    Money::try_new(minor, Currency::CNY).unwrap()
}

fn failed() -> RefundFact {
    RefundFact::Failed(Failure {
        code: "X".into(),
        message: "x".into(),
    })
}

#[test]
fn a_refund_settles_once() {
    let first = decide(
        RefundStatus::Processing,
        cny(5),
        &RefundFact::Succeeded(Some(cny(5))),
    );
    let expected = Decision::Applied {
        status: RefundStatus::Success,
        event: EventKind::RefundSucceeded,
        anomaly: None,
    };
    assert_eq!(first, expected);
    let again = decide(
        RefundStatus::Success,
        cny(5),
        &RefundFact::Succeeded(Some(cny(5))),
    );
    assert_eq!(again, Decision::AlreadyApplied);
}

#[test]
fn a_refund_that_settles_with_another_amount_is_an_anomaly() {
    let decision = decide(
        RefundStatus::Pending,
        cny(5),
        &RefundFact::Succeeded(Some(cny(4))),
    );
    assert_eq!(
        decision,
        Decision::Anomalous(AnomalyKind::RefundAmountMismatch)
    );
}

#[test]
fn a_refund_that_succeeds_after_its_failure_is_applied_with_an_anomaly() {
    let decision = decide(RefundStatus::Failed, cny(5), &RefundFact::Succeeded(None));
    assert!(matches!(
        decision,
        Decision::Applied {
            anomaly: Some(AnomalyKind::RefundAfterFailure),
            ..
        }
    ));
}

#[test]
fn a_settled_refund_that_is_reported_failed_stays_settled() {
    let decision = decide(RefundStatus::Success, cny(5), &failed());
    assert_eq!(decision, Decision::Anomalous(AnomalyKind::RefundReversed));
}

#[test]
fn a_refund_that_the_gateway_does_not_know_stays_open() {
    for status in [RefundStatus::Pending, RefundStatus::Processing] {
        assert_eq!(
            decide(status, cny(5), &RefundFact::NotFound),
            Decision::AlreadyApplied
        );
    }
}

#[test]
fn an_abnormal_refund_stays_open_and_calls_for_people() {
    let decision = decide(RefundStatus::Processing, cny(5), &RefundFact::Abnormal);
    assert_eq!(decision, Decision::Anomalous(AnomalyKind::RefundAbnormal));
}
