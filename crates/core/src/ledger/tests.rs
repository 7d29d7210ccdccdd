use proptest::prelude::*;
use uuid::Uuid;

use super::*;
use crate::id::ChannelAccountId;
use crate::money::{Currency, Money};
use crate::text::AppId;

fn booking(minor: i64) -> Booking {
    Booking {
        channel_account_id: ChannelAccountId::from_uuid(Uuid::nil()),
        app_id: AppId::try_new("shop").unwrap(),
        amount: Money::try_new(minor, Currency::CNY).unwrap(),
    }
}

fn cause() -> TransferCause {
    TransferCause {
        kind: CauseKind::Payment,
        id: "x".to_owned(),
    }
}

fn entry(owner: &str, currency: Currency, amount_minor: i64) -> Entry {
    let kind = LedgerAccountKind::AppPayable;
    Entry {
        account: LedgerAccountKey {
            kind,
            owner: owner.to_owned(),
            unit: Unit::Currency(currency),
        },
        amount_minor,
    }
}

#[test]
fn a_payment_debits_the_gateway_and_credits_the_app() {
    let transfer = booking(1000).payment("a".to_owned()).unwrap();
    let sides: Vec<_> = transfer
        .entries()
        .iter()
        .map(|e| (e.account.kind, e.amount_minor))
        .collect();
    assert_eq!(
        sides,
        [
            (LedgerAccountKind::GatewayReceivable, 1000),
            (LedgerAccountKind::AppPayable, -1000)
        ]
    );
}

#[test]
fn a_refund_of_a_duplicate_empties_suspense_and_leaves_the_app_alone() {
    let taken = booking(700).unexpected_payment("a".to_owned()).unwrap();
    let back = booking(700).duplicate_refund("r".to_owned()).unwrap();
    for entry in taken.entries() {
        assert_ne!(entry.account.kind, LedgerAccountKind::AppPayable);
        let other = back
            .entries()
            .iter()
            .find(|other| other.account == entry.account)
            .unwrap();
        assert_eq!(entry.amount_minor + other.amount_minor, 0);
    }
}

#[test]
fn a_refund_is_the_payment_the_other_way_round() {
    let paid = booking(700).payment("a".to_owned()).unwrap();
    let back = booking(700).refund("r".to_owned()).unwrap();
    for entry in paid.entries() {
        let other = back
            .entries()
            .iter()
            .find(|e| e.account == entry.account)
            .unwrap();
        assert_eq!(entry.amount_minor + other.amount_minor, 0);
    }
}

#[test]
fn a_transfer_that_does_not_sum_to_zero_is_refused() {
    let cny = Currency::CNY;
    let refused = Transfer::try_new(cause(), vec![entry("a", cny, 5), entry("b", cny, -4)]);
    assert_eq!(refused, Err(LedgerError::NotBalanced(Unit::Currency(cny))));
    let mixed = vec![entry("a", cny, 5), entry("b", Currency::USD, -5)];
    assert!(matches!(
        Transfer::try_new(cause(), mixed),
        Err(LedgerError::NotBalanced(_))
    ));
    let one = Transfer::try_new(cause(), vec![entry("a", cny, 5)]);
    assert_eq!(one, Err(LedgerError::TooFewEntries));
    assert_eq!(
        booking(0).payment("a".to_owned()),
        Err(LedgerError::EmptyEntry)
    );
}

proptest! {
    #[test]
    fn every_booking_sums_to_zero(minor in 1..=i64::MAX, rule in 0..4_u8) {
        let booking = booking(minor);
        let transfer = match rule {
            0 => booking.payment("x".to_owned()),
            1 => booking.unexpected_payment("x".to_owned()),
            2 => booking.refund("x".to_owned()),
            _ => booking.unexpected_refund("x".to_owned()),
        }.unwrap();
        let sum: i128 = transfer.entries().iter().map(|e| i128::from(e.amount_minor)).sum();
        prop_assert_eq!(sum, 0);
    }
}
