//! What UnionPay's refusals mean for us (sheet §10). Every code maps to exactly one verdict; an unlisted
//! one never lets anything fail, since money may have moved.

use kassa_core::notification::GatewayReason;

use crate::CallError;
use crate::error::reason;

/// The call was taken; what that means is in the other fields.
pub(super) const CODES_SUCCESS: [&str; 2] = ["00", "A6"];
/// Refusals that are believed without a signature: the message itself is at fault, so that UnionPay did
/// nothing with it. Whether such answers are signed is UNVERIFIED.
const BELIEVED_UNSIGNED: [&str; 7] = ["10", "11", "13", "14", "30", "31", "32"];

/// Which call was refused: the same code means different things.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operation {
    Place,
    Query,
    Refund,
    RefundQuery,
}

/// What a refusal means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The order, or the refund, is not there.
    NotFound,
    /// Anything else.
    Failed(CallError),
}

/// Sorts a refusal by its `respCode`.
pub(super) fn verdict(operation: Operation, code: &str, message: &str, is_signed: bool) -> Verdict {
    let reason = reason(code, message);
    if !is_signed && !BELIEVED_UNSIGNED.contains(&code) {
        return Verdict::Failed(unknown("an unsigned answer", &reason));
    }
    Verdict::Failed(match code {
        "11" | "30" | "31" | "32" | "33" | "38" | "43" | "44" => CallError::Misconfigured(reason),
        "02" | "06" | "37" | "39" | "98" => CallError::Later(reason),
        "34" if matches!(operation, Operation::Query | Operation::RefundQuery) => {
            return Verdict::NotFound;
        }
        "01" | "10" | "13" | "14" | "34" | "35" | "36" | "40" | "41" | "45" | "46" | "60"
        | "61" | "62" | "63" | "64" | "65" | "66" | "67" | "68" | "69" | "70" | "71" | "72"
        | "73" | "74" | "75" | "76" | "77" | "78" | "79" | "80" | "82" => {
            business(operation, reason)
        }
        // 03, 04, 05: in progress. 12: an earlier call with the same number arrived. 42: paid late.
        // 99 and the unlisted ones say nothing.
        _ => unknown("no definite result", &reason),
    })
}

/// A question that was refused says nothing about what was asked.
fn business(operation: Operation, reason: GatewayReason) -> CallError {
    match operation {
        Operation::Place | Operation::Refund => CallError::Refused(reason),
        Operation::Query | Operation::RefundQuery => unknown("the query was refused", &reason),
    }
}

fn unknown(what: &str, reason: &GatewayReason) -> CallError {
    CallError::Unknown(format!("{what}: {} {}", reason.code, reason.message))
}
