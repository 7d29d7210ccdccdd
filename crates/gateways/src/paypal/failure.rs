//! What PayPal's refusals mean for us (sheet §9): the issue decides, then the name and the status, never the
//! text.

use http::StatusCode;
use kassa_core::notification::GatewayReason;

use super::wire::Refusal;
use crate::CallError;
use crate::error::reason;

/// Which call was refused: the same issue means different things.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operation {
    Place,
    Query,
    Capture,
    Refund,
}

/// What a refusal means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
    /// There is no such object, or no longer.
    NotFound(GatewayReason),
    /// The token is not taken.
    Token(GatewayReason),
    /// Of a capture: the payer has to do something first.
    NotApproved,
    /// Of a capture: it was done before.
    AlreadyCaptured,
    /// Of a capture: the money will not come.
    Declined(GatewayReason),
    /// Anything else.
    Failed(CallError),
}

/// UNVERIFIED: how a request id is refused that was used with another content.
const REQUEST_ID_TAKEN: [&str; 2] = ["DUPLICATE_REQUEST_ID", "PAYPAL_REQUEST_ID_PREVIOUSLY_USED"];
/// A call of ours under the same request id is under way.
const IN_PROGRESS: [&str; 2] = [
    "PREVIOUS_REQUEST_IN_PROGRESS",
    "ORDER_COMPLETION_IN_PROGRESS",
];

/// Sorts an answer that is not a success.
pub(super) fn verdict(operation: Operation, status: StatusCode, body: &[u8]) -> Verdict {
    let told: Refusal = serde_json::from_slice(body).unwrap_or_default();
    let detail = told.details.first();
    let issue = detail.and_then(|detail| detail.issue.as_deref());
    let issue = issue.unwrap_or_default();
    let name = told.name.as_deref().unwrap_or_default();
    let word = [issue, name].into_iter().find(|word| !word.is_empty());
    let word = word.map_or_else(|| format!("HTTP_{}", status.as_u16()), str::to_owned);
    let text = detail.and_then(|detail| detail.description.as_deref());
    let text = text.or(told.message.as_deref()).unwrap_or_default();
    let reason = reason(&word, text);
    let unknown = |what: &str| {
        Verdict::Failed(CallError::Unknown(format!(
            "{what}: http {} {word}",
            status.as_u16()
        )))
    };
    if !status.is_client_error() {
        return unknown("no definite result");
    }
    match status {
        StatusCode::UNAUTHORIZED => return Verdict::Token(reason),
        StatusCode::FORBIDDEN => return Verdict::Failed(CallError::Misconfigured(reason)),
        StatusCode::TOO_MANY_REQUESTS => return Verdict::Failed(CallError::Later(reason)),
        _ => {}
    }
    if name.is_empty() && issue.is_empty() {
        return unknown("a refusal without a name");
    }
    if REQUEST_ID_TAKEN.contains(&issue) || IN_PROGRESS.contains(&issue) {
        return unknown("another call has the same id");
    }
    if is_misconfigured(issue) {
        return Verdict::Failed(CallError::Misconfigured(reason));
    }
    match operation {
        _ if status == StatusCode::NOT_FOUND => Verdict::NotFound(reason),
        Operation::Place => Verdict::Failed(CallError::Refused(reason)),
        Operation::Query => unknown("the query was refused"),
        Operation::Capture => capture(issue, reason).unwrap_or_else(|| unknown("not captured")),
        Operation::Refund if is_later_for_refunds(issue) => {
            Verdict::Failed(CallError::Later(reason))
        }
        Operation::Refund if is_final_for_refunds(issue) || name == "INVALID_REQUEST" => {
            Verdict::Failed(CallError::Refused(reason))
        }
        Operation::Refund => unknown("unlisted refusal of a refund"),
    }
}

/// A number that was paid under before is not listed as declined: the other payment has to be found first.
fn capture(issue: &str, reason: GatewayReason) -> Option<Verdict> {
    Some(match issue {
        "ORDER_ALREADY_CAPTURED" => Verdict::AlreadyCaptured,
        "ORDER_NOT_APPROVED"
        | "PAYER_ACTION_REQUIRED"
        | "INSTRUMENT_DECLINED"
        | "REDIRECT_PAYER_FOR_ALTERNATE_FUNDING" => Verdict::NotApproved,
        "TRANSACTION_REFUSED"
        | "PAYER_CANNOT_PAY"
        | "MAX_NUMBER_OF_PAYMENT_ATTEMPTS_EXCEEDED"
        | "COMPLIANCE_VIOLATION"
        | "PAYEE_BLOCKED_TRANSACTION"
        | "PAYER_ACCOUNT_RESTRICTED"
        | "PAYER_ACCOUNT_LOCKED_OR_CLOSED"
        | "PAYEE_ACCOUNT_RESTRICTED"
        | "PAYEE_ACCOUNT_LOCKED_OR_CLOSED"
        | "TRANSACTION_LIMIT_EXCEEDED" => Verdict::Declined(reason),
        _ => return None,
    })
}

fn is_misconfigured(issue: &str) -> bool {
    matches!(issue, "PERMISSION_DENIED" | "PAYPAL_REQUEST_ID_REQUIRED")
}

/// Refused for now: nothing was done.
fn is_later_for_refunds(issue: &str) -> bool {
    matches!(
        issue,
        // Until the account is topped up.
        "PENDING_CAPTURE" | "REFUND_FAILED_INSUFFICIENT_FUNDS"
    )
}

fn is_final_for_refunds(issue: &str) -> bool {
    matches!(
        issue,
        "CAPTURE_FULLY_REFUNDED"
            | "REFUND_AMOUNT_EXCEEDED"
            | "REFUND_TIME_LIMIT_EXCEEDED"
            | "REFUND_CAPTURE_CURRENCY_MISMATCH"
            | "REFUND_NOT_ALLOWED"
            | "PARTIAL_REFUND_NOT_ALLOWED"
            | "MAX_NUMBER_OF_REFUNDS_EXCEEDED"
            | "DUPLICATE_INVOICE_ID"
            | "REFUND_NOT_PERMITTED_DUE_TO_CHARGEBACK"
            | "TRANSACTION_DISPUTED"
            | "REFUND_IS_RESTRICTED"
    )
}
