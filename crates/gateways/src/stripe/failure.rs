//! What Stripe's refusals mean for us (sheet §10): the code decides, then the status, never the text.

use http::{HeaderMap, StatusCode};

use super::wire::Refusal;
use crate::CallError;
use crate::error::reason;

/// Stripe's own opinion on a repetition; it beats the table.
const SHOULD_RETRY: &str = "stripe-should-retry";

/// Which call was refused: the same code means different things.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operation {
    Place,
    Query,
    Close,
    Refund,
    RefundQuery,
}

/// What a refusal means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The order cannot be closed in its state.
    NotClosable,
    /// Anything else.
    Failed(CallError),
}

/// Sorts an answer that is not a success.
pub(super) fn verdict(
    operation: Operation,
    status: StatusCode,
    headers: &HeaderMap,
    body: &[u8],
) -> Verdict {
    let error = serde_json::from_slice::<Refusal>(body)
        .unwrap_or_default()
        .error;
    let code = error.code.as_deref().unwrap_or_default();
    let kind = error.kind.as_deref().unwrap_or_default();
    let word = error
        .decline_code
        .as_deref()
        .filter(|word| !word.is_empty());
    let name = [word.unwrap_or_default(), code, kind]
        .into_iter()
        .find(|word| !word.is_empty())
        .map_or_else(|| format!("HTTP_{}", status.as_u16()), str::to_owned);
    let reason = reason(&name, error.message.as_deref().unwrap_or_default());
    let unknown = |what: &str| {
        Verdict::Failed(CallError::Unknown(format!(
            "{what}: http {} {name}",
            status.as_u16()
        )))
    };
    if !status.is_client_error() || kind == "api_error" {
        return unknown("no definite result");
    }
    if headers
        .get(SHOULD_RETRY)
        .is_some_and(|value| value == "true")
    {
        return Verdict::Failed(CallError::Later(reason));
    }
    let is_account = matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN)
        || is_misconfigured(code);
    let error = match operation {
        _ if is_account => CallError::Misconfigured(reason),
        // The same key: a call of ours is under way, or an order under it has another content.
        _ if code == "idempotency_key_in_use" || kind == "idempotency_error" => {
            return unknown("another call has the same key");
        }
        _ if status == StatusCode::TOO_MANY_REQUESTS || is_later(code) => CallError::Later(reason),
        _ if code.is_empty() && kind.is_empty() => return unknown("a refusal without a code"),
        // The ids are Stripe's own: what is not there is in the other world.
        Operation::Query | Operation::RefundQuery if code == "resource_missing" => {
            CallError::Misconfigured(reason)
        }
        Operation::Query | Operation::RefundQuery => return unknown("the query was refused"),
        Operation::Close => return Verdict::NotClosable,
        Operation::Place => CallError::Refused(reason),
        Operation::Refund if is_final_for_refunds(code) => CallError::Refused(reason),
        Operation::Refund => return unknown("unlisted refusal of a refund"),
    };
    Verdict::Failed(error)
}

fn is_misconfigured(code: &str) -> bool {
    matches!(
        code,
        "api_key_expired"
            | "livemode_mismatch"
            | "testmode_charges_only"
            | "capability_not_active"
            | "country_unsupported"
    )
}

/// Refused for now: nothing was done.
fn is_later(code: &str) -> bool {
    matches!(
        code,
        "lock_timeout"
            | "rate_limit"
            | "processing_error"
            | "payment_method_provider_timeout"
            // Of a refund: until the account is topped up.
            | "balance_insufficient"
    )
}

fn is_final_for_refunds(code: &str) -> bool {
    matches!(
        code,
        "charge_already_refunded"
            | "charge_not_refundable"
            | "charge_disputed"
            | "refund_disputed_payment"
            | "amount_too_small"
            | "amount_too_large"
            | "payment_intent_unexpected_state"
            | "intent_invalid_state"
            | "resource_missing"
            | "parameter_missing"
            | "parameter_unknown"
            | "parameter_invalid_empty"
            | "parameter_invalid_integer"
            | "parameter_invalid_string_blank"
            | "parameter_invalid_string_empty"
            | "parameters_exclusive"
            | "invalid_charge_amount"
    )
}
