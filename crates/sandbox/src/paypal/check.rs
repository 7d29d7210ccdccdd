//! Checks of a request before its business (paypal sheet §3, §4, §7 and §11): lengths, amounts, fields.

use serde_json::Value;

use super::answer::Refusal;

/// Currencies, and their decimals at PayPal and by ISO 4217. The accounts here are of every country.
const CURRENCIES: [(&str, u32, u32); 25] = [
    ("AUD", 2, 2),
    ("BRL", 2, 2),
    ("CAD", 2, 2),
    ("CHF", 2, 2),
    ("CNY", 2, 2),
    ("CZK", 2, 2),
    ("DKK", 2, 2),
    ("EUR", 2, 2),
    ("GBP", 2, 2),
    ("HKD", 2, 2),
    ("HUF", 0, 2),
    ("ILS", 2, 2),
    ("INR", 2, 2),
    ("JPY", 0, 0),
    ("MXN", 2, 2),
    ("MYR", 2, 2),
    ("NOK", 2, 2),
    ("NZD", 2, 2),
    ("PHP", 2, 2),
    ("PLN", 2, 2),
    ("SEK", 2, 2),
    ("SGD", 2, 2),
    ("THB", 2, 2),
    ("TWD", 0, 2),
    ("USD", 2, 2),
];
/// Digits before the point.
const WHOLE_DIGITS_MAX: usize = 15;
/// Characters of notes, texts and addresses.
const NOTE_MAX: usize = 127;
const NOTE_TO_PAYER_MAX: usize = 255;
/// UNVERIFIED: the sheet names no limit of addresses.
const URL_MAX: usize = 4_000;
pub(super) const REQUEST_ID_MAX: usize = 108;

/// What an order is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Sum {
    pub(super) currency: String,
    /// In minor units of ISO 4217.
    pub(super) minor: i64,
}

/// The text at `pointer`, which may be missing.
pub(super) fn text<'a>(
    body: &'a Value,
    pointer: &str,
    length_max: usize,
) -> Result<Option<&'a str>, Refusal> {
    let Some(value) = body.pointer(pointer).filter(|value| !value.is_null()) else {
        return Ok(None);
    };
    let text = value
        .as_str()
        .ok_or_else(|| Refusal::invalid("INVALID_PARAMETER_SYNTAX", pointer))?;
    if text.is_empty() {
        return Err(Refusal::invalid("INVALID_STRING_MIN_LENGTH", pointer));
    }
    if text.chars().count() > length_max {
        return Err(Refusal::invalid("INVALID_STRING_MAX_LENGTH", pointer));
    }
    Ok(Some(text))
}

fn required<'a>(body: &'a Value, pointer: &str, length_max: usize) -> Result<&'a str, Refusal> {
    text(body, pointer, length_max)?
        .ok_or_else(|| Refusal::invalid("MISSING_REQUIRED_PARAMETER", pointer))
}

/// An amount: a decimal as text, of a currency that is taken.
pub(super) fn amount(body: &Value, pointer: &str) -> Result<Sum, Refusal> {
    let code = required(body, &format!("{pointer}/currency_code"), 3)?;
    let value = required(body, &format!("{pointer}/value"), 32)?;
    let known = CURRENCIES.iter().find(|(known, ..)| *known == code);
    let (_, decimals, exponent) =
        known.ok_or_else(|| Refusal::new("INVALID_CURRENCY_CODE", "Currency code is invalid."))?;
    let (whole, fraction) = value.split_once('.').unwrap_or((value, ""));
    let is_digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !is_digits(whole) || !is_digits(fraction) || value.ends_with('.') {
        return Err(Refusal::invalid("INVALID_PARAMETER_SYNTAX", pointer));
    }
    if *decimals == 0 && !fraction.is_empty() {
        let text = "Currency does not support decimals.";
        return Err(Refusal::new("DECIMALS_NOT_SUPPORTED", text));
    }
    if fraction.len() > 2 {
        let text =
            "If the currency supports decimals, only two decimal place precision is supported.";
        return Err(Refusal::new("DECIMAL_PRECISION", text));
    }
    if whole.len() > WHOLE_DIGITS_MAX {
        return Err(Refusal::new(
            "MAX_VALUE_EXCEEDED",
            "The value is too large.",
        ));
    }
    let places = usize::try_from(*exponent).unwrap_or_default();
    let minor: i64 = format!("{whole}{fraction:0<places$}")
        .parse()
        .map_err(|_not_a_number| Refusal::invalid("INVALID_PARAMETER_SYNTAX", pointer))?;
    if minor == 0 {
        return Err(Refusal::new(
            "CANNOT_BE_ZERO_OR_NEGATIVE",
            "Must be greater than zero.",
        ));
    }
    Ok(Sum {
        currency: code.to_owned(),
        minor,
    })
}

/// The reverse of [`amount`].
pub(super) fn written(minor: i64, currency: &str) -> String {
    let known = CURRENCIES.iter().find(|(known, ..)| *known == currency);
    match known {
        Some((_, 0, 0)) => minor.to_string(),
        Some((_, 0, _)) => (minor / 100).to_string(),
        Some(_) | None => format!("{}.{:02}", minor / 100, minor % 100),
    }
}

/// A body of a new order.
pub(super) fn order(body: &Value, has_request_id: bool) -> Result<Sum, Refusal> {
    const UNIT: &str = "/purchase_units/0";
    const CONTEXT: &str = "/payment_source/paypal/experience_context";
    if required(body, "/intent", 255)? != "CAPTURE" {
        return Err(Refusal::invalid("INVALID_PARAMETER_VALUE", "/intent"));
    }
    let units = body.get("purchase_units").and_then(Value::as_array);
    if units.map(Vec::len) != Some(1) {
        return Err(Refusal::invalid("INVALID_ARRAY_LENGTH", "/purchase_units"));
    }
    if body.get("payment_source").is_some() && !has_request_id {
        let text =
            "A PayPal-Request-Id is required if you are trying to process payment for an Order.";
        return Err(Refusal::new("PAYPAL_REQUEST_ID_REQUIRED", text));
    }
    for field in ["custom_id", "invoice_id", "description"] {
        text(body, &format!("{UNIT}/{field}"), NOTE_MAX)?;
    }
    text(body, &format!("{CONTEXT}/brand_name"), NOTE_MAX)?;
    for field in ["return_url", "cancel_url"] {
        text(body, &format!("{CONTEXT}/{field}"), URL_MAX)?;
    }
    amount(body, &format!("{UNIT}/amount"))
}

/// A body of a refund: its amount, unless it is all that is left.
pub(super) fn refund(body: &Value) -> Result<Option<Sum>, Refusal> {
    text(body, "/custom_id", NOTE_MAX)?;
    text(body, "/invoice_id", NOTE_MAX)?;
    text(body, "/note_to_payer", NOTE_TO_PAYER_MAX)?;
    match body.get("amount") {
        Some(_) => amount(body, "/amount").map(Some),
        None => Ok(None),
    }
}
