//! Calls to gateways as they are kept: who was asked what, when, for how long and with what outcome.
//! Nothing that was said is kept, so no secret can be.

use chrono::{DateTime, Utc};

use crate::code::codes;
use crate::id::{AttemptId, ChannelAccountId, GatewayCallId, RefundId, TransactionId};

codes! {
    /// What a gateway was asked to do.
    CallOperation as "gateway operation" {
        /// Place an order.
        Place = "PLACE",
        /// Tell about an order.
        Query = "QUERY",
        /// Close an order.
        Close = "CLOSE",
        /// Make a refund.
        Refund = "REFUND",
        /// Tell about a refund.
        QueryRefund = "QUERY_REFUND",
        /// Send a refund that hangs to the merchant's account.
        ApplyAbnormalRefund = "APPLY_ABNORMAL_REFUND",
    }
}

codes! {
    /// What came of a call.
    CallOutcome as "call outcome" {
        /// A definite answer.
        Answered = "ANSWERED",
        /// Refused for good.
        Refused = "REFUSED",
        /// Not taken now: to be repeated later.
        Later = "LATER",
        /// Our account is not set up for it.
        Misconfigured = "MISCONFIGURED",
        /// Nothing left this machine.
        NotSent = "NOT_SENT",
        /// Sent, and no definite answer.
        Unknown = "UNKNOWN",
    }
}

/// One call to a gateway.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GatewayCall {
    /// Our id.
    pub id: GatewayCallId,
    /// The payment.
    pub transaction_id: TransactionId,
    /// The order that it was about, or whose refund.
    pub attempt_id: AttemptId,
    /// The refund, where it was about one.
    pub refund_id: Option<RefundId>,
    /// The account that called.
    pub channel_account_id: ChannelAccountId,
    /// What was asked.
    pub operation: CallOperation,
    /// What came of it.
    pub outcome: CallOutcome,
    /// The gateway's own word for the outcome, or what the order was found as.
    pub code: Option<String>,
    /// How long it took, in milliseconds.
    pub duration_ms: i64,
    /// When it was made.
    pub called_at: DateTime<Utc>,
}
