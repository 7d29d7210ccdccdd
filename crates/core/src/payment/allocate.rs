//! Which legs pay how much of a payment, when the caller only says in which order.

use super::LegPoints;
use crate::channel::Channel;
use crate::money::{Money, MoneyError, Points};
use crate::points::Rate;

/// The part of a payment that one channel pays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Share {
    /// The channel.
    pub channel: Channel,
    /// How much it pays.
    pub amount: Money,
    /// With how many points, if it pays with points.
    pub points: Option<LegPoints>,
}

/// What a channel may pay of one payment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// The balance.
    Balance {
        /// Less than this it does not pay.
        least: Money,
        /// What is available and allowed.
        most: Money,
    },
    /// Points.
    Points {
        /// Fewer than these it does not take.
        least: Points,
        /// What is available and allowed.
        most: Points,
        /// What they are worth.
        rate: Rate,
    },
    /// A gateway: whatever the wallet does not pay.
    Gateway(Channel),
}

/// Spreads `amount` over `sources` in their order: wallets pay as much as they may, a gateway the rest,
/// wherever it stands. Answers the shares in the order of the sources, and what nobody pays.
///
/// # Errors
/// [`MoneyError`] if amounts of several currencies come together.
pub fn allocate(amount: Money, sources: &[Source]) -> Result<(Vec<Share>, Money), MoneyError> {
    let mut left = amount;
    let mut shares = Vec::with_capacity(sources.len());
    for source in sources {
        let share = share_of(*source, left)?;
        if let Some(share) = share {
            left = left.checked_sub(share.amount)?;
        }
        shares.push(share);
    }
    for (source, share) in sources.iter().zip(&mut shares) {
        if let Source::Gateway(channel) = *source
            && !left.is_zero()
        {
            *share = Some(Share {
                channel,
                amount: left,
                points: None,
            });
            left = Money::zero(amount.currency());
        }
    }
    Ok((shares.into_iter().flatten().collect(), left))
}

/// What a wallet pays of `left`; nothing, if that is less than it may.
fn share_of(source: Source, left: Money) -> Result<Option<Share>, MoneyError> {
    match source {
        Source::Gateway(_) => Ok(None),
        Source::Balance { least, most } => {
            let amount = smaller(left, most)?;
            let is_enough = amount.checked_sub(least).is_ok() && !amount.is_zero();
            Ok(is_enough.then_some(Share {
                channel: Channel::Balance,
                amount,
                points: None,
            }))
        }
        Source::Points { least, most, rate } => {
            let (points, amount) = exact_points(rate, most, left)?;
            let is_enough = points.minor() >= least.minor() && !amount.is_zero();
            Ok(is_enough.then_some(Share {
                channel: Channel::Points,
                amount,
                points: Some(LegPoints { points, rate }),
            }))
        }
    }
}

fn smaller(left: Money, right: Money) -> Result<Money, MoneyError> {
    match left.checked_sub(right) {
        Ok(_) => Ok(right),
        Err(MoneyError::Negative) => Ok(left),
        Err(error) => Err(error),
    }
}

/// The most points, up to `most`, that are worth an amount up to `amount` exactly, and that amount: the
/// payer loses nothing to rounding.
///
/// # Errors
/// [`MoneyError::CurrencyMismatch`].
pub fn exact_points(
    rate: Rate,
    most: Points,
    amount: Money,
) -> Result<(Points, Money), MoneyError> {
    rate.points_for(amount)?;
    let divisor = greatest_common_divisor(rate.points_minor(), rate.money_minor());
    let step = |minor: i64| minor.checked_div(divisor).ok_or(MoneyError::TooLarge);
    let (points, money) = (step(rate.points_minor())?, step(rate.money_minor())?);
    let times = |minor: i64, step: i64| minor.checked_div(step).ok_or(MoneyError::TooLarge);
    let count = times(most.minor(), points)?.min(times(amount.amount_minor(), money)?);
    let total = |step: i64| count.checked_mul(step).ok_or(MoneyError::TooLarge);
    let amount = Money::try_new(total(money)?, amount.currency())?;
    Ok((Points::try_new(total(points)?)?, amount))
}

/// Of two numbers above zero.
fn greatest_common_divisor(left: i64, right: i64) -> i64 {
    match left.checked_rem(right) {
        None | Some(0) => right,
        Some(rest) => greatest_common_divisor(right, rest),
    }
}
