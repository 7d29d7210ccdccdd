//! What accounts are kept in: a currency, or points.

use std::fmt;
use std::str::FromStr;

use crate::money::{Currency, Money, MoneyError, POINTS_EXPONENT, Points};

/// The word for points where a currency code stands for money. Four letters or more: no ISO 4217 code
/// can be the same.
const POINTS_CODE: &str = "POINTS";

/// What an account is kept in. Transfers balance per unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Unit {
    /// Money of one currency.
    Currency(Currency),
    /// Points.
    Points,
}

impl Unit {
    /// `CNY`, …, or `POINTS`.
    pub fn code(self) -> &'static str {
        match self {
            Self::Currency(currency) => currency.code(),
            Self::Points => POINTS_CODE,
        }
    }

    /// How many decimals it has.
    pub fn exponent(self) -> u32 {
        match self {
            Self::Currency(currency) => currency.exponent(),
            Self::Points => POINTS_EXPONENT,
        }
    }
}

impl From<Currency> for Unit {
    fn from(currency: Currency) -> Self {
        Self::Currency(currency)
    }
}

impl FromStr for Unit {
    type Err = MoneyError;

    fn from_str(code: &str) -> Result<Self, MoneyError> {
        if code == POINTS_CODE {
            return Ok(Self::Points);
        }
        code.parse().map(Self::Currency)
    }
}

impl fmt::Display for Unit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

/// How much of something: money or points. Never negative.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Amount {
    /// Money.
    Money(Money),
    /// Points.
    Points(Points),
}

impl Amount {
    /// An amount in minor units of `unit`.
    ///
    /// # Errors
    /// [`MoneyError::Negative`] for amounts below zero.
    pub fn of(unit: Unit, minor: i64) -> Result<Self, MoneyError> {
        match unit {
            Unit::Currency(currency) => Money::try_new(minor, currency).map(Self::Money),
            Unit::Points => Points::try_new(minor).map(Self::Points),
        }
    }

    /// What it is counted in.
    pub fn unit(self) -> Unit {
        match self {
            Self::Money(money) => Unit::Currency(money.currency()),
            Self::Points(_) => Unit::Points,
        }
    }

    /// How much, in minor units.
    pub fn minor(self) -> i64 {
        match self {
            Self::Money(money) => money.amount_minor(),
            Self::Points(points) => points.minor(),
        }
    }

    /// The plain decimal without the unit: `10.00`.
    pub fn to_decimal_string(self) -> String {
        match self {
            Self::Money(money) => money.to_decimal_string(),
            Self::Points(points) => points.to_decimal_string(),
        }
    }

    /// Whether it is nothing.
    pub fn is_zero(self) -> bool {
        self.minor() == 0
    }
}

impl From<Money> for Amount {
    fn from(money: Money) -> Self {
        Self::Money(money)
    }
}

impl From<Points> for Amount {
    fn from(points: Points) -> Self {
        Self::Points(points)
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Money(money) => money.fmt(f),
            Self::Points(points) => points.fmt(f),
        }
    }
}
