//! What WeChat Pay's refusals mean for us (sheet §4). Refusals are never signed; the status and
//! the code decide, never the text.

use http::StatusCode;
use kassa_core::notification::GatewayReason;

use super::wire::Refusal;
use crate::CallError;
use crate::error::reason;

/// Which call was refused: the same code means different things.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operation {
    Place,
    CodePay,
    Query,
    Close,
    Reverse,
    Refund,
    RefundQuery,
    AbnormalRefund,
    Certificates,
}

/// UNVERIFIED: the codes that refuse a payer's code for good. The sheet knows none of code pay's own (§14): these are
/// those of every call (§4) and those of API v2's call of the same kind (`wechat_v2.md` §5), in either spelling.
/// Any other may have taken the money: it is unknown.
const CODE_PAY_REFUSALS: &[&str] = &[
    "PARAM_ERROR",
    "INVALID_REQUEST",
    "RULE_LIMIT",
    "TRADE_ERROR",
    "USER_ACCOUNT_ABNORMAL",
    "ORDER_CLOSED",
    "ORDERCLOSED",
    "ORDER_REVERSED",
    "ORDERREVERSED",
    "NOT_ENOUGH",
    "NOTENOUGH",
    "NOTSUPORTCARD",
    "AUTHCODEEXPIRE",
    "AUTH_CODE_EXPIRED",
    "AUTH_CODE_ERROR",
    "AUTH_CODE_INVALID",
    "BUYER_MISMATCH",
    "LACK_PARAMS",
];
/// UNVERIFIED: the refusals that say that the payer is entering a password. The sheet has it as a state of an answer
/// that is no refusal (§5); API v2 has it as a code.
const PAYING: &[&str] = &["USERPAYING", "USER_PAYING"];

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

/// Sorts an answer that is not a success.
pub(super) fn verdict(operation: Operation, status: StatusCode, body: &[u8]) -> Verdict {
    let refusal: Refusal = serde_json::from_slice(body).unwrap_or_default();
    let code = refusal.code.as_str();
    let name = if code.is_empty() {
        format!("HTTP_{}", status.as_u16())
    } else {
        code.to_owned()
    };
    let reason = reason(&name, &refusal.message);
    let unknown = |what: &str| {
        Verdict::Failed(CallError::Unknown(format!(
            "{what}: http {} {name}",
            status.as_u16()
        )))
    };
    if !status.is_client_error() {
        return unknown("no definite result");
    }
    let error = match (operation, code) {
        (_, "SYSTEM_ERROR" | "BANK_ERROR" | "BANKERROR" | "SYSTEMERROR") => {
            return unknown("system error");
        }
        (Operation::CodePay, _) => return of_code(status, reason),
        (Operation::Query | Operation::Reverse, "ORDER_NOT_EXIST")
        | (Operation::RefundQuery, "RESOURCE_NOT_EXISTS") => {
            return Verdict::NotFound;
        }
        (Operation::Close, "ORDER_NOT_EXIST" | "ORDER_CLOSED") => return Verdict::Closed,
        // The payer is about to pay: it can be reversed in a moment.
        (Operation::Reverse, code) if PAYING.contains(&code) => CallError::Later(reason),
        (
            Operation::Refund | Operation::AbnormalRefund,
            "FREQUENCY_LIMITED" | "RATELIMIT_EXCEEDED",
        ) => {
            return unknown("rate limit");
        }
        (Operation::Refund | Operation::AbnormalRefund, _)
            if status == StatusCode::TOO_MANY_REQUESTS =>
        {
            return unknown("rate limit");
        }
        (_, "FREQUENCY_LIMITED" | "RATELIMIT_EXCEEDED" | "NOT_ENOUGH") => CallError::Later(reason),
        (_, _) if status == StatusCode::TOO_MANY_REQUESTS => CallError::Later(reason),
        (_, code) if is_about_account(code) => CallError::Misconfigured(reason),
        // No code at all: a route that is not there, or something between WeChat and us, which says
        // nothing about what became of an order or refund.
        (Operation::Place | Operation::Refund | Operation::AbnormalRefund, "") => {
            return unknown("a refusal without a code");
        }
        (_, "") => CallError::Misconfigured(reason),
        (Operation::Place, "ORDERPAID" | "ORDER_PAID") => {
            return unknown("the order is paid already");
        }
        (Operation::Place | Operation::Certificates, _) | (Operation::Close, "PARAM_ERROR") => {
            CallError::Refused(reason)
        }
        (Operation::Close | Operation::Reverse, _) => return Verdict::NotClosable,
        (Operation::Refund | Operation::AbnormalRefund, code) if is_final_for_refunds(code) => {
            CallError::Refused(reason)
        }
        (Operation::Refund | Operation::AbnormalRefund, _) => {
            return unknown("unlisted refusal of a refund");
        }
        (Operation::Query | Operation::RefundQuery, _) => {
            return unknown("the query was refused");
        }
    };
    Verdict::Failed(error)
}

/// Sorts the refusal of a payer's code. It is sent once, and what it came to is only known where the refusal is.
fn of_code(status: StatusCode, reason: GatewayReason) -> Verdict {
    let code = reason.code.as_str();
    Verdict::Failed(if PAYING.contains(&code) {
        return Verdict::Waiting;
    } else if CODE_PAY_REFUSALS.contains(&code) {
        CallError::Refused(reason)
    } else if is_about_account(code) {
        CallError::Misconfigured(reason)
    } else {
        CallError::Unknown(format!(
            "unlisted refusal of a payer's code: http {} {code}",
            status.as_u16()
        ))
    })
}

fn is_about_account(code: &str) -> bool {
    matches!(
        code,
        "SIGN_ERROR" | "NO_AUTH" | "APPID_MCHID_NOT_MATCH" | "MCH_NOT_EXISTS"
    )
}

fn is_final_for_refunds(code: &str) -> bool {
    matches!(
        code,
        "PARAM_ERROR"
            | "INVALID_REQUEST"
            | "RESOURCE_NOT_EXISTS"
            | "ORDER_NOT_EXIST"
            | "USER_ACCOUNT_ABNORMAL"
            | "TRADE_ERROR"
            | "RULE_LIMIT"
            | "TRADE_OVERDUE"
            | "REFUND_FEE_MISMATCH"
    )
}
