//! Points: what an app gives its users beside money.

use std::fmt;

use rust_decimal::Decimal;

use super::{MoneyError, parse_minor};

/// How many decimals points have (seed 2 writes them as `100.00`).
pub const POINTS_EXPONENT: u32 = 2;

/// A number of points, counted in hundredths. Never negative.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Points(i64);

impl Points {
    /// Points in hundredths.
    ///
    /// # Errors
    /// [`MoneyError::Negative`] for less than none.
    pub fn try_new(minor: i64) -> Result<Self, MoneyError> {
        if minor < 0 {
            return Err(MoneyError::Negative);
        }
        Ok(Self(minor))
    }

    /// None.
    pub fn zero() -> Self {
        Self(0)
    }

    /// Reads a plain decimal such as `100` or `100.00`, by the rules of [`super::Money::parse`].
    ///
    /// # Errors
    /// A [`MoneyError`] that says which of these rules was broken.
    pub fn parse(text: &str) -> Result<Self, MoneyError> {
        let exponent = POINTS_EXPONENT;
        let too_fine = MoneyError::TooManyDecimalsOfPoints { exponent };
        Self::try_new(parse_minor(text, exponent, too_fine)?)
    }

    /// The points in hundredths.
    pub fn minor(self) -> i64 {
        self.0
    }

    /// Whether there are none.
    pub fn is_zero(self) -> bool {
        self.0 == 0
    }

    /// The sum.
    ///
    /// # Errors
    /// [`MoneyError::TooLarge`].
    pub fn checked_add(self, other: Self) -> Result<Self, MoneyError> {
        let sum = self.0.checked_add(other.0).ok_or(MoneyError::TooLarge)?;
        Self::try_new(sum)
    }

    /// The difference.
    ///
    /// # Errors
    /// [`MoneyError::Negative`] if `other` is the larger.
    pub fn checked_sub(self, other: Self) -> Result<Self, MoneyError> {
        let rest = self.0.checked_sub(other.0).ok_or(MoneyError::TooLarge)?;
        Self::try_new(rest)
    }

    /// The plain decimal: `100.00`.
    pub fn to_decimal_string(self) -> String {
        Decimal::new(self.0, POINTS_EXPONENT).to_string()
    }
}

impl fmt::Display for Points {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} POINTS", self.to_decimal_string())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn points_finer_than_hundredths_are_refused() {
        assert_eq!(Points::parse("100.00").map(Points::minor), Ok(10_000));
        assert_eq!(Points::parse("100").map(Points::minor), Ok(10_000));
        assert_eq!(
            Points::parse("0.001"),
            Err(MoneyError::TooManyDecimalsOfPoints { exponent: 2 })
        );
        assert_eq!(Points::parse("-1"), Err(MoneyError::NotADecimal));
        assert_eq!(Points::parse("1e3"), Err(MoneyError::NotADecimal));
    }

    proptest! {
        #[test]
        fn every_number_of_points_reads_back_from_its_text(minor in 0..=i64::MAX) {
            let points = Points::try_new(minor).unwrap();
            prop_assert_eq!(Points::parse(&points.to_decimal_string()), Ok(points));
        }
    }
}
