//! Legs: what they add up to, what points they take, and what a refund takes from each.

use proptest::prelude::*;
use uuid::Uuid;

use super::*;
use crate::channel::{Channel, Method};
use crate::id::{LegId, TransactionId};
use crate::money::{Currency, Money, Points};
use crate::payment_config::{REFUND_ORDER_DEFAULT, RefundPart};
use crate::points::{Rate, returned};
use crate::refund::allocate as allocate_refund;

fn cny(minor: i64) -> Money {
    Money::try_new(minor, Currency::CNY).unwrap()
}

fn points(minor: i64) -> Points {
    Points::try_new(minor).unwrap()
}

fn leg(leg_no: i32, channel: Channel, minor: i64) -> Leg {
    Leg {
        id: LegId::from_uuid(Uuid::from_u128(u128::from(leg_no.unsigned_abs()))),
        transaction_id: TransactionId::from_uuid(Uuid::nil()),
        leg_no,
        channel,
        method: Method::Wallet,
        amount: cny(minor),
        points: None,
        hold_id: None,
        status: LegStatus::Paid,
        amount_refunded: cny(0),
        amount_refund_reserved: cny(0),
    }
}

/// Seed 2's example: 10.00 of balance, points worth 10.00, 10.00 through WeChat Pay.
fn three() -> Vec<Leg> {
    vec![
        leg(1, Channel::Balance, 1000),
        leg(2, Channel::Points, 1000),
        leg(3, Channel::WechatPay, 1000),
    ]
}

fn shares(legs: &[Leg], order: &[RefundPart], minor: i64) -> Option<Vec<(i32, i64)>> {
    let found = allocate_refund(legs, order, cny(minor)).unwrap()?;
    let share = |(leg, amount): (&Leg, Money)| (leg.leg_no, amount.amount_minor());
    Some(found.into_iter().map(share).collect())
}

#[test]
fn a_refund_goes_from_the_leg_that_was_paid_last_to_the_first() {
    let order = REFUND_ORDER_DEFAULT;
    assert_eq!(shares(&three(), &order, 700), Some(vec![(3, 700)]));
    assert_eq!(
        shares(&three(), &order, 1500),
        Some(vec![(2, 500), (3, 1000)])
    );
    assert_eq!(
        shares(&three(), &order, 3000),
        Some(vec![(1, 1000), (2, 1000), (3, 1000)])
    );
    assert_eq!(shares(&three(), &order, 3001), None);
}

#[test]
fn a_policy_may_keep_the_gateways_leg_for_last() {
    let order = [
        RefundPart::Balance,
        RefundPart::Points,
        RefundPart::External,
    ];
    assert_eq!(
        shares(&three(), &order, 1500),
        Some(vec![(1, 1000), (2, 500)])
    );
}

#[test]
fn what_is_reserved_of_a_leg_is_left_to_the_refund_that_reserved_it() {
    let mut legs = three();
    legs[2].amount_refund_reserved = cny(900);
    let order = REFUND_ORDER_DEFAULT;
    assert_eq!(shares(&legs, &order, 200), Some(vec![(2, 100), (3, 100)]));
    assert!(legs[2].give_back(cny(101), cny(0)).is_err());
    legs[2].give_back(cny(900), cny(900)).unwrap();
    assert_eq!(legs[2].amount_refunded, cny(900));
    assert_eq!(legs[2].amount_refundable(), Ok(cny(100)));
}

#[test]
fn wallets_pay_as_much_as_they_may_and_the_gateway_the_rest_wherever_it_stands() {
    let rate = Rate::TEN_FOR_ONE_CNY;
    let sources = [
        Source::Gateway(Channel::WechatPay),
        Source::Points {
            least: points(1000),
            most: points(10_005),
            rate,
        },
        Source::Balance {
            least: cny(1),
            most: cny(1000),
        },
    ];
    let (shares, left) = allocate(cny(3000), &sources).unwrap();
    let found: Vec<_> = shares
        .iter()
        .map(|share| (share.channel, share.amount.amount_minor()))
        .collect();
    let expected = [
        (Channel::WechatPay, 1000),
        (Channel::Points, 1000),
        (Channel::Balance, 1000),
    ];
    assert_eq!(found, expected);
    assert_eq!(shares[1].points.unwrap().points, points(10_000));
    assert!(left.is_zero());
}

#[test]
fn fewer_points_than_a_payment_takes_pay_nothing_and_what_nobody_pays_is_left() {
    let sources = [
        Source::Points {
            least: points(1000),
            most: points(999),
            rate: Rate::TEN_FOR_ONE_CNY,
        },
        Source::Balance {
            least: cny(1),
            most: cny(250),
        },
    ];
    let (shares, left) = allocate(cny(300), &sources).unwrap();
    assert_eq!(shares.len(), 1);
    assert_eq!((shares[0].channel, left), (Channel::Balance, cny(50)));
}

proptest! {
    #[test]
    fn an_allocation_pays_the_amount_exactly_or_says_what_is_left(
        amount in 1..1_000_000_i64,
        balance in 0..1_000_000_i64,
        most in 0..10_000_000_i64,
        (of, worth) in (1..2000_i64, 1..2000_i64),
        has_gateway: bool,
    ) {
        let rate = Rate::try_new(of, worth, Currency::CNY).unwrap();
        let mut sources = vec![
            Source::Points { least: points(1), most: points(most), rate },
            Source::Balance { least: cny(1), most: cny(balance) },
        ];
        if has_gateway {
            sources.push(Source::Gateway(Channel::Alipay));
        }
        let (shares, left) = allocate(cny(amount), &sources).unwrap();
        let paid: i64 = shares.iter().map(|share| share.amount.amount_minor()).sum();
        prop_assert_eq!(paid + left.amount_minor(), amount);
        prop_assert!(!has_gateway || left.is_zero());
        for share in shares {
            prop_assert!(!share.amount.is_zero());
            if let Some(paid) = share.points {
                prop_assert!(paid.points.minor() <= most);
                prop_assert_eq!(rate.value_of(paid.points).unwrap(), share.amount);
                prop_assert_eq!(rate.points_for(share.amount).unwrap(), paid.points);
            }
        }
    }

    #[test]
    fn any_refunds_by_policy_never_exceed_a_leg_and_return_the_points_without_drift(
        amounts in prop::collection::vec(1..1500_i64, 1..30),
        total in 1..100_000_i64,
    ) {
        let mut legs = three();
        let mut back = 0;
        for minor in amounts {
            let Some(shares) = shares(&legs, &REFUND_ORDER_DEFAULT, minor) else {
                continue;
            };
            prop_assert_eq!(shares.iter().map(|(_, share)| share).sum::<i64>(), minor);
            for (leg_no, share) in shares {
                let leg = legs.iter_mut().find(|leg| leg.leg_no == leg_no).unwrap();
                let before = leg.amount_refunded;
                leg.give_back(cny(share), cny(0)).unwrap();
                if leg.channel == Channel::Points {
                    let amount = leg.amount;
                    back += returned(points(total), amount, before, cny(share)).unwrap().minor();
                }
            }
        }
        for leg in &legs {
            prop_assert!(leg.amount_refunded.amount_minor() <= 1000);
        }
        prop_assert!(back <= total);
        prop_assert_eq!(back == total, legs[1].amount_refunded == cny(1000));
    }
}
