//! Amounts as Stripe counts them (sheet §3): integers of a unit that is not always ISO 4217's, and
//! currencies in lower case.

use kassa_core::money::{Currency, Money};

/// Counted whole at Stripe.
const ZERO_DECIMALS: &[&str] = &[
    "BIF", "CLP", "DJF", "GNF", "JPY", "KMF", "KRW", "MGA", "PYG", "RWF", "VND", "VUV", "XAF",
    "XOF", "XPF",
];
/// Counted in thousandths, of which the last is always 0: card networks settle two decimals.
const THREE_DECIMALS: &[&str] = &["BHD", "JOD", "KWD", "OMR", "TND"];
/// Counted in hundredths that are always 00, although nothing smaller than one exists.
const WHOLE_IN_HUNDREDTHS: &[&str] = &["ISK", UGX];
/// UNVERIFIED: Stripe lists it among the currencies without decimals and among those counted in hundredths
/// alike. The special rule is followed here, and the currency is not among those that the room takes.
const UGX: &str = "UGX";

/// The largest number that Stripe takes of most currencies: eight digits of its own units. It takes more of a
/// few, which is not made use of.
const WIRE_MAX: i64 = 99_999_999;

/// An amount that Stripe does not count so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("stripe does not count such an amount of this currency")]
pub(in crate::stripe) struct NotCounted;

/// How many decimals Stripe counts of a currency.
fn exponent(code: &str) -> u32 {
    if ZERO_DECIMALS.contains(&code) {
        0
    } else if THREE_DECIMALS.contains(&code) {
        3
    } else {
        2
    }
}

/// Whether Stripe takes this number of its own units.
fn is_whole(code: &str, wire: i64) -> bool {
    let step = if WHOLE_IN_HUNDREDTHS.contains(&code) {
        100
    } else if THREE_DECIMALS.contains(&code) {
        10
    } else {
        1
    };
    wire.checked_rem(step) == Some(0)
}

/// What Stripe is told.
pub(in crate::stripe) fn to_wire(amount: Money) -> Result<i64, NotCounted> {
    let code = amount.currency().code();
    let minor = amount.amount_minor();
    let (ours, theirs) = (amount.currency().exponent(), exponent(code));
    let wire = scaled(minor, ours, theirs).ok_or(NotCounted)?;
    if wire <= WIRE_MAX && is_whole(code, wire) {
        Ok(wire)
    } else {
        Err(NotCounted)
    }
}

/// What Stripe told.
pub(in crate::stripe) fn from_wire(wire: i64, currency: &str) -> Result<Money, NotCounted> {
    let currency: Currency = currency
        .to_ascii_uppercase()
        .parse()
        .map_err(|_unknown| NotCounted)?;
    let theirs = exponent(currency.code());
    let minor = scaled(wire, theirs, currency.exponent()).ok_or(NotCounted)?;
    Money::try_new(minor, currency).map_err(|_negative| NotCounted)
}

/// `amount` of `from` decimals in `to` decimals; `None` if something would be lost.
fn scaled(amount: i64, from: u32, to: u32) -> Option<i64> {
    let factor = 10_i64.checked_pow(from.abs_diff(to))?;
    if to >= from {
        return amount.checked_mul(factor);
    }
    (amount.checked_rem(factor) == Some(0)).then(|| amount.checked_div(factor))?
}
