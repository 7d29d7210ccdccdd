//! Why an amount was refused.

use super::Currency;

/// Why an amount was refused. The text is meant for the caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MoneyError {
    /// No amount was given.
    #[error("must not be empty")]
    Empty,
    /// Not a plain decimal.
    #[error("must be a plain decimal such as 10.00: digits and at most one point")]
    NotADecimal,
    /// Finer than the currency's smallest unit.
    #[error("has too many decimals: {currency} has {exponent}")]
    TooManyDecimals {
        /// The currency.
        currency: Currency,
        /// Its number of decimals.
        exponent: u32,
    },
    /// Finer than points are counted.
    #[error("has too many decimals: points have {exponent}")]
    TooManyDecimalsOfPoints {
        /// Their number of decimals.
        exponent: u32,
    },
    /// Below zero.
    #[error("must not be negative")]
    Negative,
    /// Beyond what can be stored.
    #[error("is too large")]
    TooLarge,
    /// Two currencies in one calculation.
    #[error("currencies differ: {left} and {right}")]
    CurrencyMismatch {
        /// One side.
        left: Currency,
        /// The other side.
        right: Currency,
    },
    /// Not an ISO 4217 currency in use.
    #[error("is not an ISO 4217 currency code")]
    UnknownCurrency,
}
