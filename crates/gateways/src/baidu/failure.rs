//! What Baidu's refusals mean for us (sheet §9). Nothing that Baidu answers is signed. Each listed code
//! has one verdict per call; an unlisted one never lets a refund fail, since its money may have moved.

use super::wire::Answer;
use crate::CallError;
use crate::error::reason;

/// The access token is wrong or over (codes of Baidu's open platform; the sheet lists none, unverified).
const TOKEN_CODES: [i64; 2] = [110, 111];
/// Too many calls (codes of Baidu's open platform, unverified).
const LIMIT_CODES: [i64; 4] = [4, 17, 18, 19];
/// Not allowed (code of Baidu's open platform, unverified).
const PERMISSION_CODE: i64 = 6;
/// Order or appKey not found (sheet §9). Unverified: that a query of an order which the payer has not
/// brought to the cashier is answered so.
const NOT_FOUND: i64 = 10002;

/// Which call was refused: the same code means different things.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operation {
    Query,
    Close,
    Refund,
    RefundQuery,
}

/// What a refusal means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The order, or the refund, is not there.
    NotFound,
    /// The order cannot be cancelled in its state.
    NotClosable,
    /// The access token is not taken: another may be.
    Token(CallError),
    /// Anything else.
    Failed(CallError),
}

/// Sorts a refusal.
pub(super) fn verdict(operation: Operation, answer: &Answer<'_>) -> Verdict {
    match (answer.error_code, answer.errno) {
        (Some(code), _) => {
            let text = answer.error_msg.as_deref().unwrap_or_default();
            of_gateway(code, text)
        }
        (None, Some(code)) => {
            let text = answer.msg.as_deref().unwrap_or_default();
            of_service(operation, code, text)
        }
        (None, None) => Verdict::Failed(CallError::Unknown("an answer without a code".to_owned())),
    }
}

/// The gateway refuses before the service has seen the call.
fn of_gateway(code: i64, text: &str) -> Verdict {
    let reason = reason(&code.to_string(), text);
    if TOKEN_CODES.contains(&code) {
        return Verdict::Token(CallError::Misconfigured(reason));
    }
    Verdict::Failed(if LIMIT_CODES.contains(&code) {
        CallError::Later(reason)
    } else if code == PERMISSION_CODE {
        CallError::Misconfigured(reason)
    } else {
        CallError::Unknown(format!("gateway error {code}"))
    })
}

fn of_service(operation: Operation, code: i64, text: &str) -> Verdict {
    let reason = reason(&code.to_string(), text);
    let unknown = |what: &str| Verdict::Failed(CallError::Unknown(format!("{what}: {code}")));
    let error = match (operation, code) {
        (_, 10000 | 930 | 970 | 5_010_005 | 6_010_007) => CallError::Misconfigured(reason),
        (_, 5_010_003) => CallError::Later(reason),
        // 10003 is also told when the enterprise's balance is short of a refund.
        (
            _,
            10003 | 4_010_001 | 4_010_003 | 4_010_007 | 5_010_002 | 5_010_004 | 6_010_008
            | 7_010_001,
        ) => return unknown("system error"),
        (Operation::Query | Operation::Close | Operation::RefundQuery, NOT_FOUND) => {
            return Verdict::NotFound;
        }
        (Operation::Close, _) => return Verdict::NotClosable,
        (Operation::Refund, 10001 | NOT_FOUND | 4_010_002 | 4_010_004 | 4_010_006 | 5_010_001) => {
            CallError::Refused(reason)
        }
        (Operation::Refund, _) => return unknown("unlisted refusal of a refund"),
        (Operation::Query | Operation::RefundQuery, _) => {
            return unknown("the query was refused");
        }
    };
    Verdict::Failed(error)
}
