use proptest::prelude::*;

use super::*;
use crate::anomaly::AnomalyKind;
use crate::event::EventKind;
use crate::money::{Currency, Money};

fn cny(minor: i64) -> Money {
    Money::try_new(minor, Currency::CNY).unwrap()
}

fn pending(minor: i64) -> PaymentState {
    PaymentState {
        status: PaymentStatus::PendingPayment,
        requested: cny(minor),
        by_gateway: cny(minor),
        paid: cny(0),
        refunded: cny(0),
        reserved: cny(0),
    }
}

fn paid(minor: i64) -> PaymentFact {
    PaymentFact::Paid {
        amount: cny(minor),
        paid_at: None,
        known: false,
    }
}

fn after(state: PaymentState, fact: &PaymentFact) -> PaymentState {
    match decide(state, fact) {
        Decision::Applied(applied) => applied.state,
        Decision::AlreadyApplied | Decision::Anomalous(_) => state,
    }
}

#[test]
fn a_payment_of_the_amount_asked_for_is_paid() {
    let state = after(pending(1000), &paid(1000));
    assert_eq!(
        (state.status, state.paid),
        (PaymentStatus::PaidSuccess, cny(1000))
    );
}

#[test]
fn another_amount_or_currency_pays_nothing() {
    let other = PaymentFact::Paid {
        amount: Money::try_new(1000, Currency::USD).unwrap(),
        paid_at: None,
        known: false,
    };
    assert_eq!(
        decide(pending(1000), &paid(999)),
        Decision::Anomalous(AnomalyKind::AmountMismatch)
    );
    assert_eq!(
        decide(pending(1000), &other),
        Decision::Anomalous(AnomalyKind::CurrencyMismatch)
    );
}

#[test]
fn a_late_payment_is_real_money_and_an_anomaly() {
    for status in [PaymentStatus::Closed, PaymentStatus::PaidFailed] {
        let Decision::Applied(applied) = decide(
            PaymentState {
                status,
                ..pending(1000)
            },
            &paid(1000),
        ) else {
            panic!("late money must be applied")
        };
        assert_eq!(applied.state.status, PaymentStatus::PaidSuccess);
        assert_eq!(applied.anomaly, Some(AnomalyKind::LatePayment));
        assert_eq!(applied.event, EventKind::PaymentSucceeded);
    }
}

#[test]
fn the_gateways_part_of_a_mixed_payment_pays_all_of_it_and_no_other_amount_does() {
    let mixed = PaymentState {
        by_gateway: cny(400),
        ..pending(1000)
    };
    let state = after(mixed, &paid(400));
    assert_eq!(
        (state.status, state.paid),
        (PaymentStatus::PaidSuccess, cny(1000))
    );
    assert_eq!(
        decide(mixed, &paid(1000)),
        Decision::Anomalous(AnomalyKind::AmountMismatch)
    );
}

#[test]
fn the_late_part_of_a_mixed_payment_pays_nothing_and_is_an_anomaly() {
    for status in [PaymentStatus::Closed, PaymentStatus::PaidFailed] {
        let mixed = PaymentState {
            status,
            by_gateway: cny(400),
            ..pending(1000)
        };
        assert_eq!(
            decide(mixed, &paid(400)),
            Decision::Anomalous(AnomalyKind::LatePayment)
        );
    }
}

#[test]
fn a_second_payment_is_a_duplicate_and_a_known_one_is_no_news() {
    let state = after(pending(1000), &paid(1000));
    assert_eq!(
        decide(state, &paid(1000)),
        Decision::Anomalous(AnomalyKind::DuplicatePayment)
    );
    let known = PaymentFact::Paid {
        amount: cny(1000),
        paid_at: None,
        known: true,
    };
    assert_eq!(decide(state, &known), Decision::AlreadyApplied);
}

#[test]
fn refunds_add_up_to_partial_and_then_full() {
    let mut state = after(pending(1000), &paid(1000));
    state.reserved = cny(1000);
    let refund = PaymentFact::Refunded {
        amount: cny(400),
        reserved: cny(400),
    };
    let state = after(state, &refund);
    assert_eq!(state.status, PaymentStatus::RefundPartial);
    let rest = PaymentFact::Refunded {
        amount: cny(600),
        reserved: cny(600),
    };
    let state = after(state, &rest);
    assert_eq!(
        (state.status, state.reserved),
        (PaymentStatus::RefundFull, cny(0))
    );
}

#[test]
fn a_refund_that_does_not_fit_beside_the_reservations_is_an_anomaly() {
    let state = PaymentState {
        reserved: cny(700),
        ..after(pending(1000), &paid(1000))
    };
    let external = PaymentFact::Refunded {
        amount: cny(400),
        reserved: cny(0),
    };
    assert_eq!(
        decide(state, &external),
        Decision::Anomalous(AnomalyKind::RefundBeyondPaid)
    );
}

#[test]
fn a_paid_attempt_stays_paid_whatever_comes_after() {
    for fact in AttemptFact::ALL {
        assert_eq!(
            AttemptStatus::Paid.after(fact),
            AttemptStatus::Paid,
            "{fact:?}"
        );
    }
    assert_eq!(
        AttemptStatus::Closed.after(AttemptFact::Paid),
        AttemptStatus::Paid
    );
}

#[test]
fn no_answer_makes_a_sent_attempt_unknown_never_failed() {
    assert_eq!(
        AttemptStatus::Sent.after(AttemptFact::NoAnswer),
        AttemptStatus::Unknown
    );
}

#[test]
fn a_retry_takes_a_pending_payment_back_to_where_it_began_and_no_other() {
    for status in PaymentStatus::ALL.iter().copied() {
        let state = PaymentState {
            status,
            ..pending(1000)
        };
        let decision = decide(state, &PaymentFact::Retried);
        if status.is_pending() {
            let Decision::Applied(applied) = decision else {
                panic!("a pending payment can be retried")
            };
            assert_eq!(applied.state.status, PaymentStatus::PendingCreate);
            assert_eq!(applied.event, EventKind::PaymentRetried);
            assert_eq!(applied.anomaly, None);
        } else {
            assert_eq!(decision, Decision::AlreadyApplied, "{status}");
        }
    }
}

#[test]
fn a_retried_payment_is_paid_by_whichever_order_the_payer_pays() {
    let retried = after(pending(1000), &PaymentFact::Retried);
    assert_eq!(
        after(retried, &paid(1000)).status,
        PaymentStatus::PaidSuccess
    );
}

fn any_fact() -> impl Strategy<Value = PaymentFact> {
    let amount = (1..2000_i64).prop_map(cny);
    prop_oneof![
        Just(PaymentFact::Placed),
        Just(PaymentFact::Retried),
        Just(PaymentFact::Closed),
        Just(PaymentFact::Unpaid),
        Just(PaymentFact::Failed(Failure {
            code: "X".into(),
            message: "x".into()
        })),
        (prop_oneof![Just(cny(1000)), amount.clone()], any::<bool>()).prop_map(
            |(amount, known)| PaymentFact::Paid {
                amount,
                paid_at: None,
                known
            }
        ),
        amount.prop_map(|amount| PaymentFact::Refunded {
            amount,
            reserved: cny(0)
        }),
    ]
}

proptest! {
    #[test]
    fn any_sequence_of_facts_keeps_the_sums(facts in prop::collection::vec(any_fact(), 0..40)) {
        let mut state = PaymentState { status: PaymentStatus::PendingCreate, ..pending(1000) };
        for fact in &facts {
            state = after(state, fact);
            let taken = state.refunded.checked_add(state.reserved).unwrap();
            prop_assert!(taken.amount_minor() <= state.paid.amount_minor());
            prop_assert!(state.paid.is_zero() || state.paid == state.requested);
            prop_assert_eq!(state.status.is_paid(), !state.paid.is_zero());
            prop_assert_eq!(
                state.status == PaymentStatus::RefundFull,
                state.status.is_paid() && state.refunded == state.paid
            );
        }
    }

    #[test]
    fn a_fact_that_adds_no_money_applied_twice_is_applied_once(
        facts in prop::collection::vec(any_fact(), 0..20),
        fact in any_fact(),
    ) {
        prop_assume!(!matches!(fact, PaymentFact::Refunded { .. }));
        let state = facts.iter().fold(
            PaymentState { status: PaymentStatus::PendingCreate, ..pending(1000) },
            after,
        );
        let once = after(state, &fact);
        prop_assert_eq!(after(once, &fact), once);
    }

    #[test]
    fn the_order_of_placed_paid_and_closed_never_loses_the_money(
        order in Just(vec![PaymentFact::Placed, paid(1000), PaymentFact::Closed, PaymentFact::Unpaid])
            .prop_shuffle(),
    ) {
        let end = order.iter().fold(
            PaymentState { status: PaymentStatus::PendingCreate, ..pending(1000) },
            after,
        );
        prop_assert_eq!((end.status, end.paid), (PaymentStatus::PaidSuccess, cny(1000)));
    }
}
