//! The refund transaction itself.

use chrono::{DateTime, Utc};

use super::RefundStatus;
use crate::channel::Channel;
use crate::code::codes;
use crate::id::{
    AnomalyId, AttemptId, ChannelAccountId, LegId, RefundId, RefundLegId, TransactionId,
};
use crate::money::{Money, Points};
use crate::payment::Failure;
use crate::text::{AppId, BusinessRefundId, RefundReason};

/// One refund of a paid transaction (seed 1: `RefundTransaction`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefundTransaction {
    /// Our id; its text is the refund's request number at the gateway.
    pub id: RefundId,
    /// The business system that asked; that of the payment.
    pub app_id: AppId,
    /// The payment.
    pub original_transaction_id: TransactionId,
    /// The leg that it gives back: the gateway's, if that is one of several.
    pub leg_id: LegId,
    /// The part that goes back through a gateway; `None` if all of it goes to wallets.
    pub route: Option<RefundRoute>,
    /// What it gives back of which leg, in the legs' order. Empty for a refund that only gives back,
    /// through its gateway, what a gateway alone was paid.
    pub legs: Vec<RefundLeg>,
    /// The caller's own refund request; its idempotency key. A refund made at the gateway's console
    /// has none.
    pub business_refund_id: Option<BusinessRefundId>,
    /// SHA-256 of the request's content.
    pub request_fingerprint: String,
    /// The refund's number at the gateway: the text of `id`, or the console's own.
    pub refund_number: String,
    /// What is to be given back.
    pub amount_requested: Money,
    /// What was given back: nothing, or what was requested.
    pub amount_refunded: Money,
    /// Where it stands.
    pub status: RefundStatus,
    /// Why, for the payer.
    pub reason: Option<RefundReason>,
    /// The gateway's number of the refund.
    pub gateway_refund_id: Option<String>,
    /// Why it failed.
    pub failure: Option<Failure>,
    /// Whether it may have reached the gateway: set before the call. From then on it is queried
    /// before it is submitted again.
    pub submitted_at: Option<DateTime<Utc>>,
    /// When it was asked for.
    pub created_at: DateTime<Utc>,
    /// When it last changed.
    pub updated_at: DateTime<Utc>,
    /// When it was given back, by the gateway's clock where that is known.
    pub refunded_at: Option<DateTime<Utc>>,
    /// When the gateway is asked about it next; `None` if there is nothing left to ask.
    pub next_query_at: Option<DateTime<Utc>>,
    /// How often it was asked on schedule.
    pub query_count: i32,
    /// Which money it gives back.
    pub source: RefundSource,
    /// The anomaly whose money it gives back, where it was made for one.
    pub anomaly_id: Option<AnomalyId>,
    /// Grows with every change; every update carries it.
    pub version: i64,
}

/// The way back through a gateway.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RefundRoute {
    /// The paid attempt.
    pub attempt_id: AttemptId,
    /// The account that was paid into.
    pub channel_account_id: ChannelAccountId,
    /// How much of the refund goes this way.
    pub amount: Money,
}

/// What a refund gives back of one leg. All legs of a refund succeed or fail together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefundLeg {
    /// Our id.
    pub id: RefundLegId,
    /// The payment's leg.
    pub leg_id: LegId,
    /// Its number in the payment.
    pub leg_no: i32,
    /// What it was paid through.
    pub channel: Channel,
    /// How much.
    pub amount: Money,
    /// How many points came back: known when the refund has succeeded.
    pub points: Option<Points>,
    /// Where it goes.
    pub destination: RefundDestination,
}

codes! {
    /// Where a part of a refund goes.
    RefundDestination as "refund destination" {
        /// Where it came from.
        Original = "ORIGINAL",
        /// To the payer's balance.
        Balance = "BALANCE",
    }
}

impl RefundTransaction {
    /// What it gives back through `attempt`; nothing if that is not its way.
    pub fn goes_through(&self, attempt: AttemptId) -> Option<Money> {
        let route = self.route.filter(|route| route.attempt_id == attempt)?;
        Some(route.amount)
    }
}

codes! {
    /// Which money a refund gives back.
    RefundSource as "refund source" {
        /// What the transaction was paid with: it counts against what is refundable.
        Payment = "PAYMENT",
        /// What was paid beside what pays the transaction, and is in suspense: a second time, or the
        /// gateway's part of a mixed payment after that had ended. Nothing of the payment is touched.
        Duplicate = "DUPLICATE",
    }
}
