//! The story: a head, and entries in the order in which things happened.

use chrono::{DateTime, Utc};
use kassa_core::Money;
use kassa_core::anomaly::{Anomaly, AnomalyKind, Resolution};
use kassa_core::channel::Method;
use kassa_core::gateway_call::GatewayCall;
use kassa_core::id::{AnomalyId, AttemptId, RefundId};
use kassa_core::payment::{AttemptStatus, PaymentTransaction};
use kassa_core::refund::{RefundSource, RefundStatus};
use runtime::store::{AuditRecord, NotificationTrace, OutboxContent, OutboxTrace, TransferRecord};

/// The whole life of one payment.
#[derive(Debug, Clone, PartialEq)]
pub struct Story {
    /// As it stands.
    pub payment: PaymentTransaction,
    /// What can still be given back.
    pub amount_refundable: Money,
    /// The orders placed at gateways, in their order.
    pub attempts: Vec<AttemptLine>,
    /// The refunds, oldest first.
    pub refunds: Vec<RefundLine>,
    /// What did not come as agreed and was not dealt with, oldest first.
    pub anomalies_open: Vec<Anomaly>,
    /// How many events were not published yet.
    pub events_waiting: usize,
    /// When a gateway is asked next about any part of it; `None` if there is nothing left to ask.
    pub next_query_at: Option<DateTime<Utc>>,
    /// Whether there is more of some kind than a story holds.
    pub is_cut: bool,
    /// By time; what happened at the same time stands in the order in which one causes the other.
    pub entries: Vec<Entry>,
}

/// An attempt in a story's head.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttemptLine {
    /// Its id, which is its number at the gateway.
    pub id: AttemptId,
    /// 1 for the first.
    pub attempt_no: i32,
    /// Code of the channel account.
    pub account: String,
    /// How the payer pays.
    pub method: Method,
    /// Where it stands.
    pub status: AttemptStatus,
    /// When the gateway is asked about it next.
    pub next_query_at: Option<DateTime<Utc>>,
}

/// A refund in a story's head.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefundLine {
    /// Its id.
    pub id: RefundId,
    /// Its number in this story: 1 for the oldest.
    pub refund_no: usize,
    /// How much.
    pub amount: Money,
    /// Which money it gives back.
    pub source: RefundSource,
    /// Where it stands.
    pub status: RefundStatus,
    /// When the gateway is asked about it next.
    pub next_query_at: Option<DateTime<Utc>>,
}

/// Something that happened.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// When, by our clock.
    pub at: DateTime<Utc>,
    /// What.
    pub what: What,
}

/// What happened.
#[derive(Debug, Clone, PartialEq)]
pub enum What {
    /// Somebody asked for something, and it was written down.
    Request(AuditRecord),
    /// Something came into being.
    Begun {
        /// What.
        subject: Subject,
        /// In which state.
        status: &'static str,
        /// More about it.
        details: Vec<(&'static str, String)>,
    },
    /// A refund was about to be sent: from here on it may have reached the gateway.
    Submitted {
        /// The refund's number in this story.
        refund_no: usize,
    },
    /// A gateway was called.
    Call {
        /// The call.
        call: GatewayCall,
        /// Code of the channel account.
        account: String,
        /// The attempt that it was about, or whose refund.
        attempt_no: i32,
        /// The refund that it was about.
        refund_no: Option<usize>,
    },
    /// A verified callback came.
    Notification {
        /// That it came, and what came of it.
        notification: NotificationTrace,
        /// Code of the channel account.
        account: String,
    },
    /// Something changed.
    Transition {
        /// What.
        subject: Subject,
        /// Its state before, where that is known.
        from: Option<&'static str>,
        /// Its state after.
        to: &'static str,
        /// More about it.
        details: Vec<(&'static str, String)>,
    },
    /// Money was booked; accounts of channel accounts are named by their codes.
    Transfer(TransferRecord),
    /// Money did not come as agreed.
    Anomaly {
        /// With its evidence.
        anomaly: Anomaly,
        /// Code of the channel account.
        account: String,
    },
    /// An anomaly was dealt with.
    Resolution {
        /// The anomaly.
        anomaly_id: AnomalyId,
        /// What kind.
        kind: AnomalyKind,
        /// How.
        resolution: Resolution,
    },
    /// An event for the business systems, or work for the workers.
    Told(OutboxTrace),
}

/// What a change is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subject {
    /// The payment.
    Payment,
    /// The attempt with this number.
    Attempt(i32),
    /// The refund with this number in the story.
    Refund(usize),
}

/// The kinds of entries that readers tell apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EntryKind {
    /// Somebody asked for something.
    Request,
    /// A gateway was called.
    Call,
    /// A verified callback came.
    Notification,
    /// The payment, an attempt or a refund came into being or changed.
    Transition,
    /// Money was booked.
    Transfer,
    /// Money did not come as agreed.
    Anomaly,
    /// An anomaly was dealt with.
    Resolution,
    /// An event for the business systems.
    Event,
    /// Work for the workers.
    Command,
}

impl EntryKind {
    /// Every kind.
    pub const ALL: [Self; 9] = [
        Self::Request,
        Self::Call,
        Self::Notification,
        Self::Transition,
        Self::Transfer,
        Self::Anomaly,
        Self::Resolution,
        Self::Event,
        Self::Command,
    ];

    /// Its word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Request => "request",
            Self::Call => "call",
            Self::Notification => "notification",
            Self::Transition => "transition",
            Self::Transfer => "transfer",
            Self::Anomaly => "anomaly",
            Self::Resolution => "resolution",
            Self::Event => "event",
            Self::Command => "command",
        }
    }
}

impl What {
    /// What readers call it.
    pub fn kind(&self) -> EntryKind {
        match self {
            Self::Request(_) => EntryKind::Request,
            Self::Begun { .. } | Self::Submitted { .. } | Self::Transition { .. } => {
                EntryKind::Transition
            }
            Self::Call { .. } => EntryKind::Call,
            Self::Notification { .. } => EntryKind::Notification,
            Self::Transfer(_) => EntryKind::Transfer,
            Self::Anomaly { .. } => EntryKind::Anomaly,
            Self::Resolution { .. } => EntryKind::Resolution,
            Self::Told(row) => match row.content {
                OutboxContent::Event { .. } => EntryKind::Event,
                OutboxContent::Command { .. } => EntryKind::Command,
            },
        }
    }

    /// Which of two entries of the same time comes first: the cause. A request is written down, what is
    /// written down is sent, what a gateway says changes something, a change is booked and told.
    pub(super) fn rank(&self) -> u8 {
        match self {
            Self::Request(_) => 0,
            Self::Begun { .. } => 1,
            Self::Submitted { .. } => 2,
            Self::Call { .. } => 3,
            Self::Notification { .. } => 4,
            Self::Transition { .. } => 5,
            Self::Transfer(_) => 6,
            Self::Anomaly { .. } => 7,
            Self::Resolution { .. } => 8,
            Self::Told(_) => 9,
        }
    }
}
