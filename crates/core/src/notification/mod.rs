//! What gateways tell us, in our words: reports of payments and refunds, whatever way they came.
//!
//! A callback, a query's answer and a call's own answer all become the same reports; the state
//! machines of [`crate::payment`] and [`crate::refund`] decide what a report changes.

mod envelope;

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use crate::channel::GatewayName;
use crate::code::codes;
use crate::id::{ChannelAccountId, NotificationId};
use crate::money::Money;

pub use envelope::{NOTIFICATION_KIND, NotificationMessage};

codes! {
    /// Which callback route a notification came in by.
    CallbackRoute as "callback route" {
        /// `/callbacks/{channel}/{account}/payment`.
        Payment = "PAYMENT",
        /// `/callbacks/{channel}/{account}/refund`.
        Refund = "REFUND",
    }
}

codes! {
    /// What came of a notification.
    NotificationStatus as "notification status" {
        /// In the inbox, not yet applied.
        Received = "RECEIVED",
        /// It changed the books.
        Applied = "APPLIED",
        /// What it says was known already.
        AlreadyApplied = "ALREADY_APPLIED",
        /// It did not fit what we know; an anomaly was opened.
        Anomalous = "ANOMALOUS",
        /// A kind of notification that means nothing to us.
        Ignored = "IGNORED",
    }
}

/// A callback whose signature was verified at the door.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notification {
    /// Our id.
    pub id: NotificationId,
    /// The account whose keys verified it.
    pub channel_account_id: ChannelAccountId,
    /// The gateway of that account.
    pub gateway: GatewayName,
    /// The route that it came in by.
    pub route: CallbackRoute,
    /// The gateway's own identity of the notification; unique per account, the same on its repeats.
    pub key: String,
    /// The headers that carry meaning, names in lower case.
    pub headers: BTreeMap<String, String>,
    /// The body as received.
    pub body: Vec<u8>,
    /// When it was received.
    pub received_at: DateTime<Utc>,
}

/// What a gateway says about one order of ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PaymentReport {
    /// Our request number for the order.
    pub request_number: String,
    /// The gateway's number for it, once it has one.
    pub gateway_transaction_id: Option<String>,
    /// What became of it.
    pub state: ReportedPayment,
}

/// What became of an order at the gateway.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReportedPayment {
    /// It was paid, whole or not: the amount is checked against ours.
    Paid {
        /// What the order was for, as the gateway knows it.
        amount: Money,
        /// When, by the gateway's clock, where it says so.
        paid_at: Option<DateTime<Utc>>,
    },
    /// It was paid, and the gateway gave all of it back because the order was cancelled.
    Reversed {
        /// What it was paid with, and what was given back.
        amount: Money,
        /// When it was paid, by the gateway's clock, where it says so.
        paid_at: Option<DateTime<Utc>>,
    },
    /// It is open and nobody has paid yet.
    Unpaid,
    /// It was closed without payment.
    Closed,
    /// It failed for good.
    Failed(GatewayReason),
    /// The gateway knows no such order (yet).
    NotFound,
}

/// What a gateway says about one refund.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefundReport {
    /// Our request number for the paid order.
    pub request_number: String,
    /// The refund's request number; ours, or one that the gateway's console made up.
    pub refund_number: String,
    /// The gateway's number for the refund, where it has one.
    pub gateway_refund_id: Option<String>,
    /// What became of it.
    pub state: ReportedRefund,
}

/// What became of a refund at the gateway.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReportedRefund {
    /// Accepted, money under way.
    Processing,
    /// The payer has, or will certainly get, the money.
    Succeeded {
        /// This refund's amount, where the gateway says it.
        amount: Option<Money>,
        /// The order's refunds so far, where the gateway says only that (Alipay's `refund_fee`).
        refunded_total: Option<Money>,
        /// When, by the gateway's clock, where it says so.
        refunded_at: Option<DateTime<Utc>>,
    },
    /// It will not happen.
    Failed(GatewayReason),
    /// It hangs and needs people (WeChat `ABNORMAL`).
    Abnormal(GatewayReason),
    /// The gateway knows no such refund: it never arrived.
    NotFound,
}

/// A refund that the payer asked the gateway for, and that the gateway asks about before it makes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefundQuestion {
    /// Our request number for the paid order.
    pub request_number: String,
    /// The gateway's number for the refund that it would make: the same each time it asks.
    pub gateway_refund_id: String,
    /// How much it would give back, where the gateway says it.
    pub amount: Option<Money>,
}

/// What a gateway says about a payer's dispute of a payment: a complaint, a chargeback, money taken back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DisputeReport {
    /// Our request number for the paid order.
    pub request_number: String,
    /// The gateway's number for the dispute.
    pub gateway_dispute_id: String,
    /// How much is disputed, where the gateway says it.
    pub amount: Option<Money>,
    /// Where it stands.
    pub state: ReportedDispute,
    /// The gateway's word for why.
    pub reason: String,
}

/// Where a dispute stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReportedDispute {
    /// The payer disputes the payment; people must answer the gateway.
    Open,
    /// The money is gone.
    Lost,
    /// The money stays.
    Won,
}

/// A gateway's own words for why something failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GatewayReason {
    /// The gateway's code.
    pub code: String,
    /// The gateway's text.
    pub message: String,
}
