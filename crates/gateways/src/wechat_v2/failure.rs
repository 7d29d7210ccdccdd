//! What WeChat Pay's refusals mean for us (sheet §4 and §5). Each listed code has one verdict per call;
//! an unlisted one never lets a refund fail, since its money may have moved.

use super::wire::{Message, field};
use crate::CallError;
use crate::error::reason;

/// Our word for `return_code` FAIL, which comes without a code.
const RETURN_FAIL: &str = "RETURN_FAIL";

/// Which call was refused: the same code means different things.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operation {
    Place,
    Micropay,
    Query,
    Close,
    Reverse,
    Refund,
    RefundQuery,
}

/// What a refusal means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The order, or the refund, is not there.
    NotFound,
    /// The order cannot be paid any more.
    Closed,
    /// The order cannot be closed in its state.
    NotClosable,
    /// The payer has to enter a password.
    Waiting,
    /// Anything else.
    Failed(CallError),
}

/// Sorts `return_code` FAIL: the request itself was not understood or not signed well. It is not
/// signed and has no code, so it decides nothing about a refund, nor about a payer's code that was sent; an
/// order whose parameters nobody was given cannot be paid.
pub(super) fn unsigned(operation: Operation, answer: &Message) -> Verdict {
    let message = answer.get(field::RETURN_MSG).unwrap_or_default();
    Verdict::Failed(match operation {
        Operation::Refund | Operation::Micropay => {
            CallError::Unknown(format!("{RETURN_FAIL}: {message}"))
        }
        Operation::Place
        | Operation::Query
        | Operation::Close
        | Operation::Reverse
        | Operation::RefundQuery => CallError::Misconfigured(reason(RETURN_FAIL, message)),
    })
}

/// Sorts `result_code` FAIL, whose signature holds.
pub(super) fn signed(operation: Operation, answer: &Message) -> Verdict {
    let code = answer.get(field::ERR_CODE).unwrap_or_default();
    let text = answer.get(field::ERR_CODE_DES).unwrap_or_default();
    let reason = reason(code, text);
    let unknown = |what: &str| Verdict::Failed(CallError::Unknown(format!("{what}: {code}")));
    let error = match (operation, code) {
        (_, "SYSTEMERROR" | "BANKERROR" | "BIZERR_NEED_RETRY") => return unknown("system error"),
        (
            _,
            "NOAUTH"
            | "APPID_NOT_EXIST"
            | "MCHID_NOT_EXIST"
            | "APPID_MCHID_NOT_MATCH"
            | "SIGNERROR",
        ) => CallError::Misconfigured(reason),
        // A payer who is about to pay can be reversed in a moment.
        (_, "FREQUENCY_LIMITED" | "FREQUENCY_LIMIT" | "INVALID_REQ_TOO_MUCH")
        | (Operation::Reverse, "USERPAYING")
        | (Operation::Refund, "NOTENOUGH") => CallError::Later(reason),
        (Operation::Query | Operation::Close | Operation::Reverse, "ORDERNOTEXIST")
        | (Operation::RefundQuery, "REFUNDNOTEXIST") => return Verdict::NotFound,
        (Operation::Close, "ORDERCLOSED") => return Verdict::Closed,
        (Operation::Micropay, "USERPAYING") => return Verdict::Waiting,
        (Operation::Close | Operation::Reverse, _) => return Verdict::NotClosable,
        (Operation::Place | Operation::Micropay, "ORDERPAID") => {
            return unknown("the order is paid already");
        }
        (Operation::Place | Operation::Micropay, _) => CallError::Refused(reason),
        (Operation::Refund, code) if is_final_for_refunds(code) => CallError::Refused(reason),
        (Operation::Refund, _) => return unknown("unlisted refusal of a refund"),
        (Operation::Query | Operation::RefundQuery, _) => {
            return unknown("the query was refused");
        }
    };
    Verdict::Failed(error)
}

fn is_final_for_refunds(code: &str) -> bool {
    matches!(
        code,
        "TRADE_OVERDUE"
            | "USER_ACCOUNT_ABNORMAL"
            | "INVALID_TRANSACTIONID"
            | "PARAM_ERROR"
            | "REFUND_FEE_MISMATCH"
            | "ERROR"
            | "INVALID_REQUEST"
    )
}
