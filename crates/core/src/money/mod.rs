//! Money: an integer number of minor units in one currency.
//!
//! No amount ever passes through a float. The wire form is a plain decimal such as `10.00`; more
//! decimals than the currency has are refused, never rounded.

mod currency;
mod error;
mod points;
#[cfg(test)]
mod tests;

use std::fmt;

use rust_decimal::Decimal;

pub use currency::Currency;
pub use error::MoneyError;
pub use points::{POINTS_EXPONENT, Points};

/// The longest decimal string that is looked at; the largest amount has 20 characters.
const TEXT_LENGTH_MAX: usize = 24;

/// An amount of one currency, in minor units. Never negative.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Money {
    amount_minor: i64,
    currency: Currency,
}

impl Money {
    /// An amount in minor units.
    ///
    /// # Errors
    /// [`MoneyError::Negative`] for amounts below zero.
    pub fn try_new(amount_minor: i64, currency: Currency) -> Result<Self, MoneyError> {
        if amount_minor < 0 {
            return Err(MoneyError::Negative);
        }
        Ok(Self {
            amount_minor,
            currency,
        })
    }

    /// Nothing, in `currency`.
    pub fn zero(currency: Currency) -> Self {
        Self {
            amount_minor: 0,
            currency,
        }
    }

    /// Reads a plain decimal such as `10`, `10.0` or `10.00`: digits, at most one point, at most as
    /// many decimals as the currency has. No sign, no exponent, no blanks, no leading zeros.
    ///
    /// # Errors
    /// A [`MoneyError`] that says which of these rules was broken.
    pub fn parse(text: &str, currency: Currency) -> Result<Self, MoneyError> {
        let exponent = currency.exponent();
        let too_fine = MoneyError::TooManyDecimals { currency, exponent };
        Self::try_new(parse_minor(text, exponent, too_fine)?, currency)
    }

    /// The amount in minor units, for example fen or cents.
    pub fn amount_minor(self) -> i64 {
        self.amount_minor
    }

    /// The currency.
    pub fn currency(self) -> Currency {
        self.currency
    }

    /// Whether it is nothing.
    pub fn is_zero(self) -> bool {
        self.amount_minor == 0
    }

    /// The sum.
    ///
    /// # Errors
    /// [`MoneyError::CurrencyMismatch`] and [`MoneyError::TooLarge`].
    pub fn checked_add(self, other: Self) -> Result<Self, MoneyError> {
        self.same_currency(other)?;
        let sum = self
            .amount_minor
            .checked_add(other.amount_minor)
            .ok_or(MoneyError::TooLarge)?;
        Self::try_new(sum, self.currency)
    }

    /// The difference.
    ///
    /// # Errors
    /// [`MoneyError::CurrencyMismatch`], and [`MoneyError::Negative`] if `other` is the larger.
    pub fn checked_sub(self, other: Self) -> Result<Self, MoneyError> {
        self.same_currency(other)?;
        let rest = self
            .amount_minor
            .checked_sub(other.amount_minor)
            .ok_or(MoneyError::TooLarge)?;
        Self::try_new(rest, self.currency)
    }

    /// The plain decimal without the currency: `10.00`, `500` (JPY), `1.000` (KWD).
    pub fn to_decimal_string(self) -> String {
        Decimal::new(self.amount_minor, self.currency.exponent()).to_string()
    }

    fn same_currency(self, other: Self) -> Result<(), MoneyError> {
        if self.currency == other.currency {
            Ok(())
        } else {
            Err(MoneyError::CurrencyMismatch {
                left: self.currency,
                right: other.currency,
            })
        }
    }
}

impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.to_decimal_string(), self.currency)
    }
}

/// Reads a plain decimal of at most `exponent` decimals as minor units; more is the error `too_fine`.
fn parse_minor(text: &str, exponent: u32, too_fine: MoneyError) -> Result<i64, MoneyError> {
    if text.is_empty() {
        return Err(MoneyError::Empty);
    }
    if text.len() > TEXT_LENGTH_MAX {
        return Err(MoneyError::TooLarge);
    }
    let (whole, decimals) = match text.split_once('.') {
        Some((whole, decimals)) => (whole, Some(decimals)),
        None => (text, None),
    };
    let is_digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    let leading_zero = whole.len() > 1 && whole.starts_with('0');
    if !is_digits(whole) || leading_zero || decimals.is_some_and(|d| !is_digits(d)) {
        return Err(MoneyError::NotADecimal);
    }
    let places = decimals.map_or(0, str::len);
    if u32::try_from(places).is_ok_and(|places| places > exponent) || places > TEXT_LENGTH_MAX {
        return Err(too_fine);
    }
    let amount: Decimal = text.parse().map_err(|_unreadable| MoneyError::TooLarge)?;
    Decimal::from(10_i64.checked_pow(exponent).ok_or(MoneyError::TooLarge)?)
        .checked_mul(amount)
        .and_then(|minor| i64::try_from(minor).ok())
        .ok_or(MoneyError::TooLarge)
}
