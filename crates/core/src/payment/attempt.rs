//! Attempts: each order placed at a gateway for a leg.

use chrono::{DateTime, Utc};

use super::{Failure, PrepayInfo};
use crate::channel::{FeeTerms, Method};
use crate::code::codes;
use crate::id::{AttemptId, ChannelAccountId, LegId, TransactionId};
use crate::money::Money;
use crate::text::{PayerId, RequestId};

/// How many orders are placed for one payment at most, the first included.
pub const ATTEMPTS_MAX: i32 = 10;

codes! {
    /// Where an attempt stands.
    AttemptStatus as "attempt status" {
        /// Written down, not yet sent.
        Prepared = "PREPARED",
        /// Sent; no answer yet.
        Sent = "SENT",
        /// The gateway has the order; the payer can pay.
        Open = "OPEN",
        /// Paid.
        Paid = "PAID",
        /// Closed unpaid.
        Closed = "CLOSED",
        /// The gateway refused it for good.
        Failed = "FAILED",
        /// Sent without a definite answer: must be queried.
        Unknown = "UNKNOWN",
    }
}

/// One order placed at a gateway for a leg. Written before the call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// Our id; its text is the request number (`out_trade_no`).
    pub id: AttemptId,
    /// The transaction.
    pub transaction_id: TransactionId,
    /// The leg.
    pub leg_id: LegId,
    /// 1 for the first.
    pub attempt_no: i32,
    /// The account that it is placed with.
    pub channel_account_id: ChannelAccountId,
    /// How the payer pays.
    pub method: Method,
    /// How much.
    pub amount: Money,
    /// What the gateway keeps of it, as the account said when it was written down.
    pub fee: FeeTerms,
    /// The gateway's id of the payer, where the method needs it.
    pub payer: Option<PayerId>,
    /// Where it stands.
    pub status: AttemptStatus,
    /// What the client needs to let the payer pay.
    pub prepay: Option<PrepayInfo>,
    /// The gateway's number of the order.
    pub gateway_transaction_id: Option<String>,
    /// Why it failed.
    pub failure: Option<Failure>,
    /// When it must no longer be payable.
    pub expires_at: DateTime<Utc>,
    /// When it was written down.
    pub created_at: DateTime<Utc>,
    /// When it last changed.
    pub updated_at: DateTime<Utc>,
    /// When the gateway is asked about it next; `None` if there is nothing left to ask.
    pub next_query_at: Option<DateTime<Utc>>,
    /// How often it was asked on schedule.
    pub query_count: i32,
    /// The retry that made it; `None` for the attempt that the payment was created with.
    pub retry: Option<RetryRequest>,
    /// Grows with every change; every update carries it.
    pub version: i64,
}

/// The caller's request to retry a payment, kept with the attempt that it made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RetryRequest {
    /// The caller's idempotency key; unique within the payment.
    pub id: RequestId,
    /// SHA-256 of the request's content.
    pub fingerprint: String,
}

impl Attempt {
    /// Our request number at the gateway.
    pub fn request_number(&self) -> String {
        self.id.to_string()
    }
}

/// What happened to an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AttemptFact {
    /// The call is about to be made.
    Sending,
    /// The gateway has the order.
    Placed,
    /// No definite answer came.
    NoAnswer,
    /// Paid.
    Paid,
    /// Closed unpaid.
    Closed,
    /// Refused or failed for good.
    Failed,
}

impl AttemptFact {
    /// Every fact, for the matrix in `docs/state-machines.md`.
    pub const ALL: [Self; 6] = [
        Self::Sending,
        Self::Placed,
        Self::NoAnswer,
        Self::Paid,
        Self::Closed,
        Self::Failed,
    ];
}

impl AttemptStatus {
    /// Where an attempt stands after a fact. Total; the same status means that nothing changes.
    ///
    /// Paid is final and beats everything: money is real even when the attempt was closed before.
    #[must_use]
    pub fn after(self, fact: AttemptFact) -> Self {
        match fact {
            AttemptFact::Paid => Self::Paid,
            AttemptFact::Sending => match self {
                Self::Prepared | Self::Sent | Self::Unknown => Self::Sent,
                Self::Open | Self::Paid | Self::Closed | Self::Failed => self,
            },
            AttemptFact::Placed => match self {
                Self::Prepared | Self::Sent | Self::Unknown => Self::Open,
                Self::Open | Self::Paid | Self::Closed | Self::Failed => self,
            },
            AttemptFact::NoAnswer => match self {
                Self::Sent => Self::Unknown,
                Self::Prepared
                | Self::Open
                | Self::Paid
                | Self::Closed
                | Self::Failed
                | Self::Unknown => self,
            },
            AttemptFact::Closed => self.unless_ended(Self::Closed),
            AttemptFact::Failed => self.unless_ended(Self::Failed),
        }
    }

    fn unless_ended(self, next: Self) -> Self {
        match self {
            Self::Prepared | Self::Sent | Self::Open | Self::Unknown => next,
            Self::Paid | Self::Closed | Self::Failed => self,
        }
    }

    /// Whether only a late payment can still change it.
    pub fn is_ended(self) -> bool {
        match self {
            Self::Paid | Self::Closed | Self::Failed => true,
            Self::Prepared | Self::Sent | Self::Open | Self::Unknown => false,
        }
    }
}
