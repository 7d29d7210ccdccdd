//! Amounts as PayPal writes them (sheet §3): decimals as text, and no decimals for three currencies, two of
//! which have some by ISO 4217.

use kassa_core::money::{Currency, Money};

use super::wire::Amount;

/// Written whole at PayPal.
const ZERO_DECIMALS: &[&str] = &["HUF", "JPY", "TWD"];
/// Decimals of all others. There is no currency of three.
const DECIMALS: u32 = 2;
/// The largest amount has so many digits before its point, whatever the currency (sheet §3).
const WHOLE_DIGITS_MAX: usize = 15;
/// The longest amount (sheet §3).
const LENGTH_MAX: usize = 32;

/// An amount that PayPal does not write so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("paypal does not take such an amount of this currency")]
pub(super) struct NotWritten;

fn decimals(currency: Currency) -> Result<u32, NotWritten> {
    if ZERO_DECIMALS.contains(&currency.code()) {
        Ok(0)
    } else if currency.exponent() > DECIMALS {
        Err(NotWritten)
    } else {
        Ok(DECIMALS)
    }
}

/// What PayPal is told.
#[cfg_attr(
    not(feature = "client"),
    expect(dead_code, reason = "what only verifies tells nothing")
)]
pub(super) fn to_wire(amount: Money) -> Result<Amount, NotWritten> {
    let currency = amount.currency();
    let text = amount.to_decimal_string();
    let value = with_decimals(&text, decimals(currency)?).ok_or(NotWritten)?;
    let whole = value.split('.').next().unwrap_or_default();
    if whole.len() > WHOLE_DIGITS_MAX {
        return Err(NotWritten);
    }
    Ok(Amount {
        currency_code: currency.code().to_owned(),
        value,
    })
}

/// What PayPal told. Amounts are compared as numbers, not as text: zeros at the end mean nothing.
pub(super) fn from_wire(amount: &Amount) -> Result<Money, NotWritten> {
    let currency: Currency = amount
        .currency_code
        .parse()
        .map_err(|_unknown| NotWritten)?;
    let text = &amount.value;
    if text.len() > LENGTH_MAX || text.ends_with('.') {
        return Err(NotWritten);
    }
    // `.5` is an amount, too.
    let text = if text.starts_with('.') {
        format!("0{text}")
    } else {
        text.clone()
    };
    let text = with_decimals(&text, decimals(currency)?).ok_or(NotWritten)?;
    let text = with_decimals(&text, currency.exponent()).ok_or(NotWritten)?;
    Money::parse(&text, currency).map_err(|_not_an_amount| NotWritten)
}

/// The same number with exactly so many decimals; `None` if it has more.
fn with_decimals(text: &str, places: u32) -> Option<String> {
    let places = usize::try_from(places).ok()?;
    let (whole, decimals) = text.split_once('.').unwrap_or((text, ""));
    let decimals = decimals.trim_end_matches('0');
    if decimals.len() > places {
        return None;
    }
    if places == 0 {
        return Some(whole.to_owned());
    }
    Some(format!("{whole}.{decimals:0<places$}"))
}
