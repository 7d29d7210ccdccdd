//! Checks of a request before its business (stripe sheet §2 to §4): key, version, fields.

use std::collections::BTreeMap;

use http::HeaderMap;

use super::answer::Refusal;
use crate::{accounts::StripeMerchant, shared::Shared};

/// A form, by the names of its fields as Stripe nests them.
pub(super) type Fields = BTreeMap<String, String>;

/// The version that the official SDKs of the sheet send.
pub(super) const API_VERSION: &str = "2026-10-28.endive";
/// Notes on one object, and characters of a note's name and text.
const METADATA_MAX: usize = 50;
const METADATA_NAME_MAX: usize = 40;
const METADATA_TEXT_MAX: usize = 500;
/// Characters of an idempotency key.
const IDEMPOTENCY_KEY_MAX: usize = 255;
/// Digits of an amount.
const AMOUNT_MAX: i64 = 99_999_999;
/// Counted in thousandths, of which the last has to be 0 (sheet §3).
const THREE_DECIMALS: [&str; 5] = ["bhd", "jod", "kwd", "omr", "tnd"];
/// Counted in hundredths, which have to be 00 (sheet §3).
const WHOLE_IN_HUNDREDTHS: [&str; 2] = ["isk", "ugx"];
/// The smallest charge, of currencies counted in hundredths (sheet §3: USD, EUR).
const AMOUNT_MIN: i64 = 50;

/// Fields of a Checkout Session that are known here.
const SESSION_FIELDS: &[&str] = &[
    "mode",
    "success_url",
    "cancel_url",
    "client_reference_id",
    "expires_at",
    "customer_email",
    "locale",
    "line_items[0][quantity]",
    "line_items[0][price_data][currency]",
    "line_items[0][price_data][unit_amount]",
    "line_items[0][price_data][product_data][name]",
    "line_items[0][price_data][product_data][description]",
    "payment_intent_data[description]",
];
const INTENT_FIELDS: &[&str] = &[
    "amount",
    "currency",
    "automatic_payment_methods[enabled]",
    "description",
    "receipt_email",
];
const REFUND_FIELDS: &[&str] = &["payment_intent", "amount", "reason"];

pub(super) fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

/// Finds the merchant whose secret key the request carries.
pub(super) fn authorize<'a>(
    shared: &'a Shared,
    headers: &HeaderMap,
) -> Result<&'a StripeMerchant, Refusal> {
    let key = header(headers, "authorization")
        .and_then(|value| value.strip_prefix("Bearer "))
        .unwrap_or_default();
    let merchant = shared
        .accounts
        .stripe_merchant_by_key(key)
        .ok_or_else(Refusal::unauthorized)?;
    let version = header(headers, "stripe-version").unwrap_or(API_VERSION);
    if version != API_VERSION {
        let message = format!("Invalid Stripe API version: {version}");
        return Err(Refusal::invalid(&message));
    }
    let idempotency_key = header(headers, "idempotency-key").unwrap_or_default();
    if idempotency_key.len() > IDEMPOTENCY_KEY_MAX {
        return Err(Refusal::invalid(
            "Idempotency keys are at most 255 characters",
        ));
    }
    Ok(merchant)
}

/// What a table says of a form: no unknown fields, notes within their bounds.
fn known(fields: &Fields, table: &[&str], notes: &[&str]) -> Result<(), Refusal> {
    let mut metadata = 0_usize;
    for (name, text) in fields {
        let note = notes
            .iter()
            .find_map(|prefix| name.strip_prefix(prefix)?.strip_suffix(']'));
        match note {
            Some(note) => {
                metadata = metadata.saturating_add(1);
                let is_long = note.chars().count() > METADATA_NAME_MAX
                    || text.chars().count() > METADATA_TEXT_MAX;
                if is_long {
                    return Err(Refusal::invalid("Metadata is too long").about(name));
                }
            }
            None if table.contains(&name.as_str()) => {}
            None => {
                let message = format!("Received unknown parameter: {name}");
                return Err(Refusal::coded("parameter_unknown", &message).about(name));
            }
        }
    }
    if metadata > METADATA_MAX.saturating_mul(notes.len()) {
        return Err(Refusal::invalid("Metadata has too many keys").about("metadata"));
    }
    Ok(())
}

fn required<'a>(fields: &'a Fields, name: &str) -> Result<&'a str, Refusal> {
    match fields.get(name).map(String::as_str) {
        None | Some("") => {
            let message = format!("Missing required param: {name}.");
            Err(Refusal::coded("parameter_missing", &message).about(name))
        }
        Some(text) => Ok(text),
    }
}

fn integer(fields: &Fields, name: &str) -> Result<i64, Refusal> {
    let text = required(fields, name)?;
    text.parse().map_err(|_not_a_number| {
        let message = format!("Invalid integer: {text}");
        Refusal::coded("parameter_invalid_integer", &message).about(name)
    })
}

/// The zeros at the end that some currencies need; `field` is where the number stands.
pub(super) fn zeros(wire: i64, currency: &str, field: &str) -> Result<(), Refusal> {
    let step = if THREE_DECIMALS.contains(&currency) {
        10
    } else if WHOLE_IN_HUNDREDTHS.contains(&currency) {
        100
    } else {
        1
    };
    if wire.checked_rem(step) == Some(0) {
        return Ok(());
    }
    let message = format!("Invalid amount: must be divisible by {step} in {currency}");
    Err(Refusal::invalid(&message).about(field))
}

/// Amount and currency: lower case, within Stripe's digits.
fn amount(fields: &Fields, amount: &str, currency: &str) -> Result<(i64, String), Refusal> {
    let code = required(fields, currency)?;
    if code.len() != 3 || !code.bytes().all(|byte| byte.is_ascii_lowercase()) {
        return Err(Refusal::invalid(&format!("Invalid currency: {code}")).about(currency));
    }
    let wire = integer(fields, amount)?;
    if wire > AMOUNT_MAX {
        return Err(
            Refusal::coded("amount_too_large", "Amount must be no more than 99999999")
                .about(amount),
        );
    }
    if wire < 0 || (wire < AMOUNT_MIN && matches!(code, "usd" | "eur")) {
        return Err(
            Refusal::coded("amount_too_small", "Amount must be at least 50 cents").about(amount),
        );
    }
    zeros(wire, code, amount)?;
    Ok((wire, code.to_owned()))
}

/// A session's form; its amount and currency.
pub(super) fn session(fields: &Fields, now: i64) -> Result<(i64, String), Refusal> {
    const NOTES: &[&str] = &["metadata[", "payment_intent_data[metadata]["];
    const REFERENCE_MAX: usize = 200;
    const END_MIN_S: i64 = 30 * 60;
    const END_MAX_S: i64 = 24 * 3600;
    known(fields, SESSION_FIELDS, NOTES)?;
    if required(fields, "mode")? != "payment" {
        return Err(Refusal::invalid("The sandbox knows mode=payment only").about("mode"));
    }
    required(fields, "success_url")?;
    required(fields, "line_items[0][price_data][product_data][name]")?;
    if integer(fields, "line_items[0][quantity]")? != 1 {
        let refusal = Refusal::invalid("The sandbox knows a quantity of 1 only");
        return Err(refusal.about("line_items[0][quantity]"));
    }
    let reference = fields.get("client_reference_id").map_or("", String::as_str);
    if reference.chars().count() > REFERENCE_MAX {
        let refusal = Refusal::invalid("Invalid string: must be at most 200 characters");
        return Err(refusal.about("client_reference_id"));
    }
    if fields.contains_key("expires_at") {
        let left = integer(fields, "expires_at")?.saturating_sub(now);
        if !(END_MIN_S..=END_MAX_S).contains(&left) {
            let message = "The `expires_at` timestamp must be between 30 minutes and 24 hours \
                           from Checkout Session creation.";
            return Err(Refusal::invalid(message).about("expires_at"));
        }
    }
    amount(
        fields,
        "line_items[0][price_data][unit_amount]",
        "line_items[0][price_data][currency]",
    )
}

/// An intent's form; its amount and currency.
pub(super) fn intent(fields: &Fields) -> Result<(i64, String), Refusal> {
    known(fields, INTENT_FIELDS, &["metadata["])?;
    amount(fields, "amount", "currency")
}

/// A refund's form: the intent, and the amount unless it is all that is left.
pub(super) fn refund(fields: &Fields) -> Result<(&str, Option<i64>), Refusal> {
    const REASONS: [&str; 3] = ["duplicate", "fraudulent", "requested_by_customer"];
    known(fields, REFUND_FIELDS, &["metadata["])?;
    let reason = fields.get("reason").map(String::as_str);
    if reason.is_some_and(|reason| !REASONS.contains(&reason)) {
        return Err(Refusal::invalid("Invalid reason").about("reason"));
    }
    let amount = match fields.get("amount") {
        Some(_) => Some(integer(fields, "amount")?),
        None => None,
    };
    Ok((required(fields, "payment_intent")?, amount))
}
