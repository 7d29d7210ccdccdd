//! Money that did not come as agreed. An anomaly never changes what is paid by itself: it tells
//! people, with the evidence.

use chrono::{DateTime, Utc};

use crate::code::codes;
use crate::id::{AnomalyId, AttemptId, ChannelAccountId, RefundId, TransactionId};

codes! {
    /// In which way money did not come as agreed.
    AnomalyKind as "anomaly kind" {
        /// Paid after the transaction was closed or had failed. The money is real and was booked.
        LatePayment = "LATE_PAYMENT",
        /// A second attempt of a paid transaction was paid too. The money is in suspense.
        DuplicatePayment = "DUPLICATE_PAYMENT",
        /// Reported paid with another amount than asked for. Nothing was marked paid or booked.
        AmountMismatch = "AMOUNT_MISMATCH",
        /// Paid in another currency. Nothing was marked paid.
        CurrencyMismatch = "CURRENCY_MISMATCH",
        /// The notification names another merchant account, or an order of another account.
        AccountMismatch = "ACCOUNT_MISMATCH",
        /// A verified notification for an order that we never placed.
        UnknownOrder = "UNKNOWN_ORDER",
        /// The gateway closed or reversed an order that it had reported paid.
        ReversedByGateway = "REVERSED_BY_GATEWAY",
        /// A refund that we did not ask for: made at the gateway's console. It was booked.
        ExternalRefund = "EXTERNAL_REFUND",
        /// A refund beyond what is refundable as we know it. The money is in suspense.
        RefundBeyondPaid = "REFUND_BEYOND_PAID",
        /// A refund of a transaction that was never paid.
        RefundWithoutPayment = "REFUND_WITHOUT_PAYMENT",
        /// A refund settled with another amount than asked for.
        RefundAmountMismatch = "REFUND_AMOUNT_MISMATCH",
        /// A refund hangs at the gateway and needs people.
        RefundAbnormal = "REFUND_ABNORMAL",
        /// A refund that had failed succeeded after all. It was booked.
        RefundAfterFailure = "REFUND_AFTER_FAILURE",
        /// A refund that had succeeded is reported failed.
        RefundReversed = "REFUND_REVERSED",
        /// The payer disputes the payment at the gateway, or the gateway took its money back. Nothing was
        /// booked.
        Dispute = "DISPUTE",
        /// The gateway asks whether it may give back what the payer asked it for, and people are to decide.
        /// Nothing has moved, and nothing was booked.
        RefundAsked = "REFUND_ASKED",
    }
}

impl AnomalyKind {
    /// Whether it stands for money that can be given back to the payer.
    pub fn is_refundable(self) -> bool {
        matches!(self, Self::LatePayment | Self::DuplicatePayment)
    }
}

/// One anomaly, with its evidence.
#[derive(Debug, Clone, PartialEq)]
pub struct Anomaly {
    /// Our id.
    pub id: AnomalyId,
    /// What kind.
    pub kind: AnomalyKind,
    /// Unique: the same finding, told again, is the same anomaly.
    pub dedupe_key: String,
    /// The account that it was found on.
    pub channel_account_id: ChannelAccountId,
    /// The transaction, where there is one.
    pub transaction_id: Option<TransactionId>,
    /// The refund, where there is one.
    pub refund_id: Option<RefundId>,
    /// What was expected and what was found. Holds no secrets.
    pub evidence: serde_json::Value,
    /// When it was found.
    pub created_at: DateTime<Utc>,
    /// When its money is given back without anybody asking; `None` if it waits for people.
    pub refund_due_at: Option<DateTime<Utc>>,
    /// What was asked for and is not settled: a refund that is under way. The action follows from the
    /// kind.
    pub requested: Option<ResolutionRequest>,
    /// How it was dealt with; `None` while it is open.
    pub resolution: Option<Resolution>,
}

codes! {
    /// Where an anomaly stands.
    AnomalyStatus as "anomaly status" {
        /// It waits for people, or for its automatic refund.
        Open = "OPEN",
        /// It was dealt with.
        Resolved = "RESOLVED",
    }
}

codes! {
    /// What was done about an anomaly.
    ResolutionAction as "resolution" {
        /// Things stay as they are; an automatic refund that was due is not made.
        Accept = "ACCEPT",
        /// The money was given back.
        Refund = "REFUND",
        /// A refund that hung at the gateway was sent to the merchant's account instead.
        RefundToMerchant = "REFUND_TO_MERCHANT",
        /// It settled by itself: the refund that hung succeeded or failed after all.
        Settled = "SETTLED",
    }
}

/// Who wants an anomaly to be dealt with by a refund that is under way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResolutionRequest {
    /// An app, or `kassa` for what the app's policy asks for.
    pub by: String,
    /// Why, in the words of whoever asked.
    pub reason: String,
}

/// How an anomaly was dealt with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resolution {
    /// What was done.
    pub action: ResolutionAction,
    /// Who did it: an app, or `kassa` for what the app's policy asked for.
    pub by: String,
    /// Why, in the words of whoever did it.
    pub reason: String,
    /// When.
    pub at: DateTime<Utc>,
}

impl Anomaly {
    /// The order that it is about, where its evidence names one of ours.
    pub fn attempt_id(&self) -> Option<AttemptId> {
        let named = self.evidence.get("attempt_id")?.as_str()?;
        named.parse().ok()
    }

    /// Where it stands.
    pub fn status(&self) -> AnomalyStatus {
        match self.resolution {
            None => AnomalyStatus::Open,
            Some(_) => AnomalyStatus::Resolved,
        }
    }
}
