//! The refund state machine: one total function from status and fact to a decision.

use crate::anomaly::AnomalyKind;
use crate::code::codes;
use crate::event::EventKind;
use crate::money::Money;
use crate::notification::ReportedRefund;
use crate::payment::Failure;

codes! {
    /// Where a refund stands (seed 1).
    RefundStatus as "refund status" {
        /// Reserved; the gateway has not accepted it yet.
        Pending = "PENDING",
        /// Accepted by the gateway; the money is under way.
        Processing = "PROCESSING",
        /// Given back.
        Success = "SUCCESS",
        /// It will not be given back by this refund; the reservation was released.
        Failed = "FAILED",
    }
}

impl RefundStatus {
    /// Whether nothing more is expected.
    pub fn is_final(self) -> bool {
        match self {
            Self::Success | Self::Failed => true,
            Self::Pending | Self::Processing => false,
        }
    }
}

/// What happened to a refund, whatever way it was learned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RefundFact {
    /// The gateway accepted it.
    Processing,
    /// The payer has, or will certainly get, the money. With the amount where the gateway says it.
    Succeeded(Option<Money>),
    /// It will not happen.
    Failed(Failure),
    /// It hangs and needs people.
    Abnormal,
    /// The gateway does not know it: it never arrived, and may be submitted again.
    NotFound,
}

impl RefundFact {
    /// The fact that a gateway's report states.
    pub fn from_report(report: &ReportedRefund) -> Self {
        match report {
            ReportedRefund::Processing => Self::Processing,
            ReportedRefund::Succeeded { amount, .. } => Self::Succeeded(*amount),
            ReportedRefund::Failed(reason) => Self::Failed(Failure {
                code: reason.code.clone(),
                message: reason.message.clone(),
            }),
            ReportedRefund::Abnormal(_) => Self::Abnormal,
            ReportedRefund::NotFound => Self::NotFound,
        }
    }
}

/// What a fact means for a refund.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Decision {
    /// It changes the refund.
    Applied {
        /// The status after it.
        status: RefundStatus,
        /// What business systems are told.
        event: EventKind,
        /// Set when the change is real and yet not as agreed.
        anomaly: Option<AnomalyKind>,
    },
    /// It was known already, or changes nothing.
    AlreadyApplied,
    /// It does not fit: the refund stays as it is and people are told.
    Anomalous(AnomalyKind),
}

/// Decides what a fact means for a refund of `requested`. Total; the table is in
/// `docs/state-machines.md`.
pub fn decide(status: RefundStatus, requested: Money, fact: &RefundFact) -> Decision {
    match fact {
        RefundFact::Processing => processing(status),
        RefundFact::Succeeded(amount) => succeeded(status, requested, *amount),
        RefundFact::Failed(_) => failed(status),
        RefundFact::Abnormal => abnormal(status),
        RefundFact::NotFound => Decision::AlreadyApplied,
    }
}

fn processing(status: RefundStatus) -> Decision {
    match status {
        RefundStatus::Pending => applied(RefundStatus::Processing, EventKind::RefundProcessing),
        RefundStatus::Processing | RefundStatus::Success | RefundStatus::Failed => {
            Decision::AlreadyApplied
        }
    }
}

fn succeeded(status: RefundStatus, requested: Money, amount: Option<Money>) -> Decision {
    if status == RefundStatus::Success {
        return Decision::AlreadyApplied;
    }
    if amount.is_some_and(|amount| amount != requested) {
        return Decision::Anomalous(AnomalyKind::RefundAmountMismatch);
    }
    match status {
        RefundStatus::Pending | RefundStatus::Processing => {
            applied(RefundStatus::Success, EventKind::RefundSucceeded)
        }
        RefundStatus::Failed => Decision::Applied {
            status: RefundStatus::Success,
            event: EventKind::RefundSucceeded,
            anomaly: Some(AnomalyKind::RefundAfterFailure),
        },
        RefundStatus::Success => Decision::AlreadyApplied,
    }
}

fn failed(status: RefundStatus) -> Decision {
    match status {
        RefundStatus::Pending | RefundStatus::Processing => {
            applied(RefundStatus::Failed, EventKind::RefundFailed)
        }
        RefundStatus::Success => Decision::Anomalous(AnomalyKind::RefundReversed),
        RefundStatus::Failed => Decision::AlreadyApplied,
    }
}

fn abnormal(status: RefundStatus) -> Decision {
    match status {
        RefundStatus::Pending => Decision::Applied {
            status: RefundStatus::Processing,
            event: EventKind::RefundProcessing,
            anomaly: Some(AnomalyKind::RefundAbnormal),
        },
        RefundStatus::Processing | RefundStatus::Success | RefundStatus::Failed => {
            Decision::Anomalous(AnomalyKind::RefundAbnormal)
        }
    }
}

fn applied(status: RefundStatus, event: EventKind) -> Decision {
    Decision::Applied {
        status,
        event,
        anomaly: None,
    }
}
