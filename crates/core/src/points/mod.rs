//! What points are worth: the exchange rate and its rounding.
//!
//! A rate is a pair of whole numbers, so nothing is lost in it. What points are worth rounds down and
//! what an amount costs in points rounds up: the payer never gets money for nothing. Points that are
//! given back are shared out by [`returned`], which neither loses nor makes a point.

#[cfg(test)]
mod tests;

use crate::money::{Currency, Money, MoneyError, Points};

/// How many points are worth how much money: 10.00 points for 1.00 CNY, for example.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    points_minor: i64,
    money_minor: i64,
    currency: Currency,
}

impl Rate {
    /// Ten points for one yuan: the default.
    pub const TEN_FOR_ONE_CNY: Self = Self {
        points_minor: 1_000,
        money_minor: 100,
        currency: Currency::CNY,
    };

    /// The rate at which so many minor units of points are worth so many of money; `None` unless both
    /// are above zero.
    pub fn try_new(points_minor: i64, money_minor: i64, currency: Currency) -> Option<Self> {
        let is_rate = points_minor > 0 && money_minor > 0;
        is_rate.then_some(Self {
            points_minor,
            money_minor,
            currency,
        })
    }

    /// The points' side, in minor units.
    pub fn points_minor(self) -> i64 {
        self.points_minor
    }

    /// The money's side, in minor units.
    pub fn money_minor(self) -> i64 {
        self.money_minor
    }

    /// The currency of the money.
    pub fn currency(self) -> Currency {
        self.currency
    }

    /// What `points` are worth, rounded down to the minor unit.
    ///
    /// # Errors
    /// [`MoneyError::TooLarge`].
    pub fn value_of(self, points: Points) -> Result<Money, MoneyError> {
        let value = product(points.minor(), self.money_minor)?
            .checked_div(i128::from(self.points_minor))
            .ok_or(MoneyError::TooLarge)?;
        Money::try_new(narrow(value)?, self.currency)
    }

    /// What `amount` costs in points, rounded up to the minor unit: the least that is worth it.
    ///
    /// # Errors
    /// [`MoneyError::CurrencyMismatch`], [`MoneyError::TooLarge`].
    pub fn points_for(self, amount: Money) -> Result<Points, MoneyError> {
        if amount.currency() != self.currency {
            let (left, right) = (self.currency, amount.currency());
            return Err(MoneyError::CurrencyMismatch { left, right });
        }
        let product = product(amount.amount_minor(), self.points_minor)?;
        let divisor = i128::from(self.money_minor);
        let whole = product.checked_div(divisor).ok_or(MoneyError::TooLarge)?;
        let rest = product.checked_rem(divisor).ok_or(MoneyError::TooLarge)?;
        let rounded = whole.checked_add(i128::from(rest != 0));
        Points::try_new(narrow(rounded.ok_or(MoneyError::TooLarge)?)?)
    }
}

/// The points that go back with a refund of `amount`, of a leg that paid `leg_amount` with `total`
/// points and of which `refunded_before` went back already.
///
/// All that went back until now is `total` in proportion, rounded down; this refund returns what is
/// new in it. However a leg is split, its refunds thus return `total` and no more, and the last of
/// them takes what rounding left.
///
/// # Errors
/// [`MoneyError::CurrencyMismatch`]; [`MoneyError::Negative`] if more goes back than was paid;
/// [`MoneyError::Empty`] if the leg paid nothing.
pub fn returned(
    total: Points,
    leg_amount: Money,
    refunded_before: Money,
    amount: Money,
) -> Result<Points, MoneyError> {
    let refunded_after = refunded_before.checked_add(amount)?;
    leg_amount.checked_sub(refunded_after)?;
    let until = |refunded: Money| {
        let share = product(total.minor(), refunded.amount_minor())?
            .checked_div(i128::from(leg_amount.amount_minor()))
            .ok_or(MoneyError::Empty)?;
        Points::try_new(narrow(share)?)
    };
    until(refunded_after)?.checked_sub(until(refunded_before)?)
}

fn product(left: i64, right: i64) -> Result<i128, MoneyError> {
    let product = i128::from(left).checked_mul(i128::from(right));
    product.ok_or(MoneyError::TooLarge)
}

fn narrow(value: i128) -> Result<i64, MoneyError> {
    i64::try_from(value).map_err(|_too_large| MoneyError::TooLarge)
}
