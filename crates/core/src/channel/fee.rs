//! What a gateway keeps of a payment for its service.
//!
//! Kassa computes the fee from the terms that an operator wrote down with the channel account. They are
//! what the contract says; the gateway's bills have the last word.

use std::fmt;
use std::str::FromStr;

use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;

use crate::money::{Money, MoneyError};

/// How many decimals a rate may have.
const DECIMALS: u32 = 6;
/// One, in millionths.
const ONE_PPM: u32 = 1_000_000;

/// The part of a payment that is a fee, in millionths: 6000 is 0.6 %.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct FeeRate(u32);

/// Why a text or a number is no fee rate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be a decimal below 1 with at most {DECIMALS} decimals, such as 0.006 for 0.6 %")]
pub struct FeeRateError;

impl FeeRate {
    /// The rate of so many millionths.
    ///
    /// # Errors
    /// [`FeeRateError`] unless the fee is less than the payment.
    pub fn try_new(ppm: u32) -> Result<Self, FeeRateError> {
        (ppm < ONE_PPM).then_some(Self(ppm)).ok_or(FeeRateError)
    }

    /// Millionths.
    pub fn ppm(self) -> u32 {
        self.0
    }
}

impl FromStr for FeeRate {
    type Err = FeeRateError;

    /// Reads a decimal such as `0.006`.
    fn from_str(text: &str) -> Result<Self, FeeRateError> {
        let rate = Decimal::from_str_exact(text).map_err(|_malformed| FeeRateError)?;
        let ppm = rate.checked_mul(Decimal::from(ONE_PPM));
        let whole = ppm.filter(Decimal::is_integer).and_then(|ppm| ppm.to_u32());
        Self::try_new(whole.ok_or(FeeRateError)?)
    }
}

impl fmt::Display for FeeRate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rate = Decimal::new(i64::from(self.0), DECIMALS);
        write!(f, "{}", rate.normalize())
    }
}

/// On which terms a gateway takes payments. An attempt keeps those that it was made on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct FeeTerms {
    /// The part of each payment that the gateway keeps.
    pub rate: FeeRate,
    /// Whether a refund brings its part of the fee back (Alipay, WeChat Pay) or the gateway keeps it all
    /// (Stripe, PayPal).
    pub is_returned: bool,
}

impl FeeTerms {
    /// The fee of a payment, rounded half up to the minor unit.
    ///
    /// # Errors
    /// [`MoneyError::TooLarge`]; no amount that a [`Money`] can have leads to it.
    pub fn fee_of(self, amount: Money) -> Result<Money, MoneyError> {
        let product = i128::from(amount.amount_minor()).checked_mul(i128::from(self.rate.ppm()));
        let half = i128::from(ONE_PPM / 2);
        let fee = product
            .and_then(|product| product.checked_add(half))
            .and_then(|product| product.checked_div(i128::from(ONE_PPM)))
            .and_then(|fee| i64::try_from(fee).ok())
            .ok_or(MoneyError::TooLarge)?;
        Money::try_new(fee, amount.currency())
    }

    /// What comes back of the fee of `paid` with a refund of `amount`, after refunds of `refunded_before`.
    ///
    /// What the gateway keeps is always the fee of what was not refunded, so however a payment is
    /// refunded, a full refund brings all of its fee back and no more.
    ///
    /// # Errors
    /// [`MoneyError::CurrencyMismatch`], [`MoneyError::TooLarge`].
    pub fn returned(
        self,
        paid: Money,
        refunded_before: Money,
        amount: Money,
    ) -> Result<Money, MoneyError> {
        let refunded_after = refunded_before.checked_add(amount)?;
        if !self.is_returned {
            return Ok(Money::zero(paid.currency()));
        }
        let kept_after = |refunded: Money| self.fee_of(rest(paid, refunded)?);
        kept_after(refunded_before)?.checked_sub(kept_after(refunded_after)?)
    }
}

/// What is left of a payment; nothing, if more than it was given back.
fn rest(paid: Money, refunded: Money) -> Result<Money, MoneyError> {
    match paid.checked_sub(refunded) {
        Err(MoneyError::Negative) => Ok(Money::zero(paid.currency())),
        rest => rest,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::money::Currency;

    fn cny(minor: i64) -> Money {
        Money::try_new(minor, Currency::CNY).unwrap()
    }

    fn terms(rate: &str, is_returned: bool) -> FeeTerms {
        let rate = rate.parse().unwrap();
        FeeTerms { rate, is_returned }
    }

    #[test]
    fn a_rate_is_read_and_written_as_a_decimal() {
        for (text, ppm, shown) in [
            ("0", 0, "0"),
            ("0.006", 6_000, "0.006"),
            ("0.0380", 38_000, "0.038"),
            ("0.000001", 1, "0.000001"),
            ("0.999999", 999_999, "0.999999"),
        ] {
            let rate: FeeRate = text.parse().unwrap();
            assert_eq!((rate.ppm(), rate.to_string().as_str()), (ppm, shown));
        }
        for bad in [
            "",
            "1",
            "1.5",
            "-0.006",
            "0.6%",
            "0.0000001",
            "nan",
            "0,006",
            "1e-3",
        ] {
            assert_eq!(bad.parse::<FeeRate>(), Err(FeeRateError), "{bad}");
        }
    }

    #[test]
    fn a_fee_rounds_half_up() {
        let terms = terms("0.006", true);
        for (paid, fee) in [(0, 0), (83, 0), (84, 1), (100, 1), (250, 2), (10_000, 60)] {
            assert_eq!(terms.fee_of(cny(paid)), Ok(cny(fee)), "{paid}");
        }
        // 0.006 x 2.50 = 0.015: the half goes up.
        assert_eq!(terms.fee_of(cny(250)), Ok(cny(2)));
    }

    #[test]
    fn a_gateway_may_keep_its_fee() {
        let kept = terms("0.029", false);
        assert_eq!(kept.returned(cny(1_000), cny(0), cny(1_000)), Ok(cny(0)));
    }

    #[test]
    fn more_than_was_paid_brings_back_no_more_than_the_fee() {
        let terms = terms("0.01", true);
        assert_eq!(terms.returned(cny(1_000), cny(900), cny(200)), Ok(cny(1)));
        assert_eq!(terms.returned(cny(1_000), cny(1_100), cny(200)), Ok(cny(0)));
    }

    proptest! {
        #[test]
        fn however_it_is_refunded_all_of_the_fee_comes_back_once(
            ppm in 0_u32..1_000_000,
            parts in proptest::collection::vec(1_i64..1_000_000_000, 1..12),
        ) {
            let terms = FeeTerms { rate: FeeRate::try_new(ppm).unwrap(), is_returned: true };
            let paid = cny(parts.iter().sum());
            let (mut refunded, mut returned) = (cny(0), cny(0));
            for part in parts {
                let part = cny(part);
                let back = terms.returned(paid, refunded, part).unwrap();
                returned = returned.checked_add(back).unwrap();
                refunded = refunded.checked_add(part).unwrap();
            }
            prop_assert_eq!(returned, terms.fee_of(paid).unwrap());
        }
    }
}
