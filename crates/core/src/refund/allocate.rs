//! Which legs a refund gives back, when the caller does not say.

use crate::channel::Channel;
use crate::money::{Money, MoneyError};
use crate::payment::Leg;
use crate::payment_config::RefundPart;

/// Spreads `amount` over what can be given back of `legs`: leg after leg in `order`, each as far as
/// it goes; legs that `order` does not name come after those that it does, from the last to the first.
/// Answers what is given back of which leg, in the order of `legs`; `None` if the legs do not bear it.
///
/// # Errors
/// [`MoneyError`] if a leg breaks its own invariant.
pub fn allocate<'a>(
    legs: &'a [Leg],
    order: &[RefundPart],
    amount: Money,
) -> Result<Option<Vec<(&'a Leg, Money)>>, MoneyError> {
    let mut by_turn: Vec<&Leg> = legs.iter().rev().collect();
    // Stable: legs of one part stay as they are.
    by_turn.sort_by_key(|leg| turn(order, leg.channel));
    let mut left = amount;
    let mut shares = Vec::with_capacity(legs.len());
    for leg in by_turn {
        let refundable = leg.amount_refundable()?;
        let (share, rest) = match left.checked_sub(refundable) {
            Ok(rest) => (refundable, rest),
            Err(MoneyError::Negative) => (left, Money::zero(left.currency())),
            Err(error) => return Err(error),
        };
        left = rest;
        if !share.is_zero() {
            shares.push((leg, share));
        }
    }
    shares.sort_by_key(|(leg, _)| leg.leg_no);
    Ok(left.is_zero().then_some(shares))
}

fn turn(order: &[RefundPart], channel: Channel) -> usize {
    let place = order.iter().position(|part| *part == part_of(channel));
    place.unwrap_or(order.len())
}

fn part_of(channel: Channel) -> RefundPart {
    match channel {
        Channel::Balance => RefundPart::Balance,
        Channel::Points => RefundPart::Points,
        Channel::Alipay
        | Channel::WechatPay
        | Channel::Baidu
        | Channel::Unionpay
        | Channel::Stripe
        | Channel::Paypal => RefundPart::External,
    }
}
