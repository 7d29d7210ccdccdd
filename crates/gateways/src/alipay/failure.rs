//! What Alipay's refusals mean for us (sheet §3 and §11). Every code maps to exactly one verdict;
//! an unlisted one never lets a refund fail, since its money may have moved.

use kassa_core::notification::GatewayReason;

use super::wire::Answer;
use crate::CallError;
use crate::error::reason;

/// The call succeeded; what that means is in the business fields.
pub(super) const CODE_SUCCESS: &str = "10000";

/// The payer has to confirm in the app (`alipay.trade.pay` only).
pub(super) const CODE_WAITING: &str = "10003";

/// Which call was refused: the same code means different things.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operation {
    Place,
    Pay,
    Query,
    Close,
    Cancel,
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
    /// Anything else.
    Failed(CallError),
}

/// Sorts a refusal. What was not signed is believed only where the gateway never signs: before it
/// looked at the business of the call.
pub(super) fn verdict(operation: Operation, answer: &Answer, is_signed: bool) -> Verdict {
    let sub_code = answer.sub_code.as_deref().unwrap_or_default();
    let reason = gateway_reason(answer);
    Verdict::Failed(match answer.code.as_str() {
        "20001" | "40003" | "40006" => CallError::Misconfigured(reason),
        "40001" => CallError::Refused(reason),
        "40002" => illegal_parameter(sub_code, reason),
        "40005" => CallError::Later(reason),
        "40004" if is_signed => return business(operation, sub_code, reason),
        "40004" => unknown("unsigned refusal", &reason),
        _ => unknown("no definite result", &reason),
    })
}

fn unknown(what: &str, reason: &GatewayReason) -> CallError {
    CallError::Unknown(format!("{what}: {} {}", reason.code, reason.message))
}

fn gateway_reason(answer: &Answer) -> GatewayReason {
    let code = answer.sub_code.as_deref().filter(|code| !code.is_empty());
    let message = answer.sub_msg.as_deref().or(answer.msg.as_deref());
    reason(code.unwrap_or(&answer.code), message.unwrap_or_default())
}

/// 40002 tells of a bad signature, key or clock as well as of a bad field.
fn illegal_parameter(sub_code: &str, reason: GatewayReason) -> CallError {
    match sub_code {
        "isv.invalid-signature"
        | "isv.invalid-signature-type"
        | "isv.invalid-app-id"
        | "isv.invalid-timestamp"
        | "isv.invalid-charset"
        | "isv.invalid-method"
        | "isv.invalid-app-cert-sn"
        | "isv.invalid-cert-sn"
        | "isv.decryption-error-not-valid-encrypt-type"
        | "isv.decryption-error-not-valid-encrypt-key" => CallError::Misconfigured(reason),
        _ => CallError::Refused(reason),
    }
}

/// 40004: by the sub-code without its prefix, which varies.
fn business(operation: Operation, sub_code: &str, reason: GatewayReason) -> Verdict {
    let name = sub_code.rsplit('.').next().unwrap_or_default();
    match (operation, name) {
        (_, "SYSTEM_ERROR" | "unknow-error") => Verdict::Failed(unknown("system error", &reason)),
        (_, "ACCESS_FORBIDDEN" | "PARTNER_ERROR" | "MERCHANT_STATUS_NOT_NORMAL") => {
            Verdict::Failed(CallError::Misconfigured(reason))
        }
        (Operation::Query | Operation::RefundQuery | Operation::Cancel, "TRADE_NOT_EXIST") => {
            Verdict::NotFound
        }
        (Operation::Close, "TRADE_NOT_EXIST" | "TRADE_HAS_CLOSE") => Verdict::Closed,
        (Operation::Close | Operation::Cancel, _) => Verdict::NotClosable,
        (Operation::Place | Operation::Pay, "TRADE_HAS_SUCCESS") => {
            Verdict::Failed(unknown("the order is paid already", &reason))
        }
        (Operation::Place | Operation::Pay, _) => Verdict::Failed(CallError::Refused(reason)),
        (Operation::Refund, name) => Verdict::Failed(refund(name, reason)),
        (Operation::Query | Operation::RefundQuery, _) => {
            Verdict::Failed(unknown("the query was refused", &reason))
        }
    }
}

fn refund(name: &str, reason: GatewayReason) -> CallError {
    match name {
        "SELLER_BALANCE_NOT_ENOUGH" => CallError::Later(reason),
        "INVALID_PARAMETER"
        | "TRADE_NOT_EXIST"
        | "TRADE_HAS_CLOSE"
        | "TRADE_HAS_FINISHED"
        | "TRADE_STATUS_ERROR"
        | "REFUND_AMT_NOT_EQUAL_TOTAL"
        | "REASON_TRADE_REFUND_FEE_ERR"
        | "REFUND_FEE_ERROR"
        | "DISCORDANT_REPEAT_REQUEST"
        | "TRADE_NOT_ALLOW_REFUND"
        | "NOT_ALLOW_PARTIAL_REFUND"
        | "REASON_TRADE_BEEN_FREEZEN"
        | "REFUNDALLOC_UNAUTH_LIMIT" => CallError::Refused(reason),
        _ => unknown("unlisted refusal of a refund", &reason),
    }
}
