//! The booking rules of wallets, and how holds end.

use chrono::DateTime;
use proptest::prelude::*;
use uuid::Uuid;

use super::*;
use crate::id::HoldId;
use crate::money::{Currency, Money, Points};
use crate::text::{AppId, UserId};
use crate::wallet::WalletKey;

fn wallet() -> WalletKey {
    WalletKey {
        app_id: AppId::try_new("shop").unwrap(),
        user_id: UserId::try_new("u1").unwrap(),
    }
}

fn cny(minor: i64) -> Money {
    Money::try_new(minor, Currency::CNY).unwrap()
}

fn points(minor: i64) -> Points {
    Points::try_new(minor).unwrap()
}

fn sides(transfer: &Transfer) -> Vec<(LedgerAccountKind, &str, i64)> {
    let side = |entry: &Entry| {
        (
            entry.account.kind,
            entry.account.unit.code(),
            entry.amount_minor,
        )
    };
    transfer.entries().iter().map(side).collect()
}

fn hold(status: HoldStatus, minor: i64, posted_minor: i64) -> Hold {
    Hold {
        id: HoldId::from_uuid(Uuid::nil()),
        account: wallet().account(Unit::Points),
        amount: Amount::Points(points(minor)),
        posted_minor,
        status,
        cause: TransferCause {
            kind: CauseKind::PointsPayment,
            id: "leg".to_owned(),
        },
        transaction_id: None,
        expires_at: DateTime::UNIX_EPOCH,
        created_at: DateTime::UNIX_EPOCH,
        ended_at: None,
        version: 1,
    }
}

#[test]
fn a_wallet_is_named_by_app_and_user_in_each_unit() {
    let money = wallet().account(Currency::CNY.into());
    assert_eq!(
        (money.kind, money.owner.as_str()),
        (LedgerAccountKind::Wallet, "shop/u1")
    );
    let kept = wallet().account(Unit::Points);
    assert_eq!(kept.kind, LedgerAccountKind::PointsWallet);
    assert_eq!("POINTS".parse(), Ok(Unit::Points));
    assert_eq!("CNY".parse(), Ok(Unit::Currency(Currency::CNY)));
    assert!("points".parse::<Unit>().is_err());
}

#[test]
fn a_payment_by_points_balances_in_points_and_in_money() {
    let paid = wallet()
        .points_payment("leg".to_owned(), points(10_000), cny(1_000))
        .unwrap();
    assert_eq!(
        sides(&paid),
        [
            (LedgerAccountKind::PointsWallet, "POINTS", 10_000),
            (LedgerAccountKind::PointsPool, "POINTS", -10_000),
            (LedgerAccountKind::PointsExpense, "CNY", 1_000),
            (LedgerAccountKind::AppPayable, "CNY", -1_000),
        ]
    );
    let back = wallet()
        .points_refund("refund".to_owned(), points(10_000), cny(1_000))
        .unwrap();
    for entry in paid.entries() {
        let other = back
            .entries()
            .iter()
            .find(|it| it.account == entry.account)
            .unwrap();
        assert_eq!(entry.amount_minor + other.amount_minor, 0);
    }
}

#[test]
fn one_side_of_a_refund_of_points_may_be_nothing_but_not_both() {
    let money = wallet()
        .points_refund("r".to_owned(), points(0), cny(1))
        .unwrap();
    assert_eq!(money.entries().len(), 2);
    let kept = wallet()
        .points_refund("r".to_owned(), points(1), cny(0))
        .unwrap();
    assert_eq!(kept.entries().len(), 2);
    assert_eq!(
        wallet().points_refund("r".to_owned(), points(0), cny(0)),
        Err(LedgerError::TooFewEntries)
    );
}

#[test]
fn what_comes_in_is_credited_and_what_goes_out_is_debited() {
    let ten = Amount::Money(cny(1_000));
    let credit = wallet().credit("o".to_owned(), ten).unwrap();
    assert_eq!(
        sides(&credit),
        [
            (LedgerAccountKind::AppPayable, "CNY", 1_000),
            (LedgerAccountKind::Wallet, "CNY", -1_000)
        ]
    );
    assert_eq!(credit.cause().kind, CauseKind::WalletCredit);
    let grant = wallet()
        .credit("o".to_owned(), Amount::Points(points(5)))
        .unwrap();
    assert_eq!(
        sides(&grant),
        [
            (LedgerAccountKind::PointsPool, "POINTS", 5),
            (LedgerAccountKind::PointsWallet, "POINTS", -5)
        ]
    );
    assert_eq!(grant.cause().kind, CauseKind::PointsGrant);
    let expired = wallet().points_expiry("lot".to_owned(), points(5)).unwrap();
    assert_eq!(
        sides(&expired)[0],
        (LedgerAccountKind::PointsWallet, "POINTS", 5)
    );
}

proptest! {
    #[test]
    fn every_booking_of_wallets_sums_to_zero_per_unit(minor in 1..=i64::MAX, rule in 0..9_u8) {
        let (id, money) = ("x".to_owned(), cny(minor));
        let taker = UserId::try_new("u2").unwrap();
        let transfer = match rule {
            0 => wallet().credit(id, money.into()),
            1 => wallet().debit(id, points(minor).into()),
            2 => wallet().transfer(id, &taker, money.into()),
            3 => wallet().top_up(id, money),
            4 => wallet().top_up_refund(id, money),
            5 => wallet().balance_payment(id, money),
            6 => wallet().balance_refund(id, money),
            7 => wallet().points_payment(id, points(minor), money),
            _ => wallet().points_refund(id, points(minor), money),
        }.unwrap();
        for unit in ["CNY", "POINTS"] {
            let of_unit = transfer.entries().iter().filter(|it| it.account.unit.code() == unit);
            let sum: i128 = of_unit.map(|it| i128::from(it.amount_minor)).sum();
            prop_assert_eq!(sum, 0);
        }
    }

    #[test]
    fn a_hold_ends_once_and_never_posts_more_than_it_holds(
        amount in 1..=i64::MAX,
        facts in prop::collection::vec(prop_oneof![Just(HoldFact::Void), any::<i64>().prop_map(HoldFact::Post)], 1..8),
    ) {
        let mut kept = hold(HoldStatus::Active, amount, 0);
        let mut ends = 0;
        for fact in facts {
            match kept.decide(fact) {
                HoldDecision::Applied { status, posted_minor } => {
                    ends += 1;
                    prop_assert_ne!(status, HoldStatus::Active);
                    prop_assert!((0..=amount).contains(&posted_minor));
                    prop_assert_eq!(status == HoldStatus::Posted, posted_minor > 0);
                    kept = hold(status, amount, posted_minor);
                    prop_assert_eq!(kept.decide(fact), HoldDecision::AlreadyApplied);
                }
                HoldDecision::AlreadyApplied => prop_assert_ne!(kept.status, HoldStatus::Active),
                HoldDecision::Refused => {}
            }
        }
        prop_assert!(ends <= 1);
    }
}

#[test]
fn a_hold_is_posted_in_part_and_neither_overdrawn_nor_revived() {
    let active = hold(HoldStatus::Active, 10, 0);
    assert_eq!(
        active.decide(HoldFact::Post(4)),
        HoldDecision::Applied {
            status: HoldStatus::Posted,
            posted_minor: 4
        }
    );
    for refused in [HoldFact::Post(11), HoldFact::Post(0), HoldFact::Post(-1)] {
        assert_eq!(active.decide(refused), HoldDecision::Refused);
    }
    let posted = hold(HoldStatus::Posted, 10, 4);
    assert_eq!(posted.decide(HoldFact::Void), HoldDecision::Refused);
    assert_eq!(posted.decide(HoldFact::Post(5)), HoldDecision::Refused);
    let voided = hold(HoldStatus::Voided, 10, 0);
    assert_eq!(voided.decide(HoldFact::Post(10)), HoldDecision::Refused);
    assert_eq!(voided.decide(HoldFact::Void), HoldDecision::AlreadyApplied);
}
