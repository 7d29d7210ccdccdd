//! The payment state machine: one total function from state and fact to a decision.

use super::PaymentFact;
use crate::anomaly::AnomalyKind;
use crate::code::codes;
use crate::event::EventKind;
use crate::money::Money;

codes! {
    /// Where a payment stands (seed 1).
    PaymentStatus as "payment status" {
        /// Written down; the gateway has not confirmed the order yet.
        PendingCreate = "PENDING_CREATE",
        /// The payer can pay.
        PendingPayment = "PENDING_PAYMENT",
        /// Paid.
        PaidSuccess = "PAID_SUCCESS",
        /// The gateway refused; nothing was paid.
        PaidFailed = "PAID_FAILED",
        /// Closed unpaid.
        Closed = "CLOSED",
        /// Part of it was given back.
        RefundPartial = "REFUND_PARTIAL",
        /// All of it was given back.
        RefundFull = "REFUND_FULL",
    }
}

impl PaymentStatus {
    /// Whether money was taken: refunds are possible or have happened.
    pub fn is_paid(self) -> bool {
        match self {
            Self::PaidSuccess | Self::RefundPartial | Self::RefundFull => true,
            Self::PendingCreate | Self::PendingPayment | Self::PaidFailed | Self::Closed => false,
        }
    }

    /// Whether the payer may still pay as agreed.
    pub fn is_pending(self) -> bool {
        match self {
            Self::PendingCreate | Self::PendingPayment => true,
            Self::PaidSuccess
            | Self::PaidFailed
            | Self::Closed
            | Self::RefundPartial
            | Self::RefundFull => false,
        }
    }
}

/// What [`decide`] looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PaymentState {
    /// Where it stands.
    pub status: PaymentStatus,
    /// What was asked for.
    pub requested: Money,
    /// What a gateway is to collect of it; the rest is paid out of wallets with it.
    pub by_gateway: Money,
    /// What was paid.
    pub paid: Money,
    /// What was given back.
    pub refunded: Money,
    /// What refunds under way have reserved.
    pub reserved: Money,
}

/// What a fact means for a payment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Decision {
    /// It changes the payment.
    Applied(Applied),
    /// It was known already, or changes nothing.
    AlreadyApplied,
    /// It does not fit: the payment stays as it is and people are told.
    Anomalous(AnomalyKind),
}

/// A change of a payment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Applied {
    /// The state after it.
    pub state: PaymentState,
    /// What business systems are told.
    pub event: EventKind,
    /// Set when the change is real and yet not as agreed.
    pub anomaly: Option<AnomalyKind>,
}

/// Decides what a fact means. Total: every status × fact has an answer; the table is in
/// `docs/state-machines.md`. Applying the same fact again is [`Decision::AlreadyApplied`]; only
/// [`PaymentFact::Retried`] is news each time, since each stands for an order of its own.
pub fn decide(state: PaymentState, fact: &PaymentFact) -> Decision {
    match fact {
        PaymentFact::Placed => placed(state),
        PaymentFact::Retried => retried(state),
        PaymentFact::Paid { amount, known, .. } => paid(state, *amount, *known),
        PaymentFact::Closed => ended(state, PaymentStatus::Closed, EventKind::PaymentClosed),
        PaymentFact::Failed(_) => ended(state, PaymentStatus::PaidFailed, EventKind::PaymentFailed),
        PaymentFact::Unpaid => Decision::AlreadyApplied,
        PaymentFact::Refunded { amount, reserved } => refunded(state, *amount, *reserved),
    }
}

fn placed(state: PaymentState) -> Decision {
    match state.status {
        PaymentStatus::PendingCreate => applied(
            PaymentState {
                status: PaymentStatus::PendingPayment,
                ..state
            },
            EventKind::PaymentPending,
        ),
        PaymentStatus::PendingPayment
        | PaymentStatus::PaidSuccess
        | PaymentStatus::PaidFailed
        | PaymentStatus::Closed
        | PaymentStatus::RefundPartial
        | PaymentStatus::RefundFull => Decision::AlreadyApplied,
    }
}

/// Whether a payment that is not pending is refused or answered is for the flow to say; its state
/// stays in any case.
fn retried(state: PaymentState) -> Decision {
    match state.status {
        PaymentStatus::PendingCreate | PaymentStatus::PendingPayment => applied(
            PaymentState {
                status: PaymentStatus::PendingCreate,
                ..state
            },
            EventKind::PaymentRetried,
        ),
        PaymentStatus::PaidSuccess
        | PaymentStatus::PaidFailed
        | PaymentStatus::Closed
        | PaymentStatus::RefundPartial
        | PaymentStatus::RefundFull => Decision::AlreadyApplied,
    }
}

fn paid(state: PaymentState, amount: Money, known: bool) -> Decision {
    if amount.currency() != state.requested.currency() {
        return Decision::Anomalous(AnomalyKind::CurrencyMismatch);
    }
    if amount != state.by_gateway {
        return Decision::Anomalous(AnomalyKind::AmountMismatch);
    }
    if known {
        return Decision::AlreadyApplied;
    }
    let after = PaymentState {
        status: PaymentStatus::PaidSuccess,
        paid: state.requested,
        ..state
    };
    match state.status {
        PaymentStatus::PendingCreate | PaymentStatus::PendingPayment => {
            applied(after, EventKind::PaymentSucceeded)
        }
        // What wallets were to pay is not held any more: the part that came pays nothing.
        PaymentStatus::PaidFailed | PaymentStatus::Closed
            if state.by_gateway != state.requested =>
        {
            Decision::Anomalous(AnomalyKind::LatePayment)
        }
        PaymentStatus::PaidFailed | PaymentStatus::Closed => Decision::Applied(Applied {
            state: after,
            event: EventKind::PaymentSucceeded,
            anomaly: Some(AnomalyKind::LatePayment),
        }),
        PaymentStatus::PaidSuccess | PaymentStatus::RefundPartial | PaymentStatus::RefundFull => {
            Decision::Anomalous(AnomalyKind::DuplicatePayment)
        }
    }
}

fn ended(state: PaymentState, status: PaymentStatus, event: EventKind) -> Decision {
    match state.status {
        PaymentStatus::PendingCreate | PaymentStatus::PendingPayment => {
            applied(PaymentState { status, ..state }, event)
        }
        PaymentStatus::PaidFailed | PaymentStatus::Closed | PaymentStatus::RefundFull => {
            Decision::AlreadyApplied
        }
        // A gateway that has given everything back may call the order closed (Alipay does) before
        // our own refund is settled: with refunds under way that is no news.
        PaymentStatus::PaidSuccess | PaymentStatus::RefundPartial if !state.reserved.is_zero() => {
            Decision::AlreadyApplied
        }
        PaymentStatus::PaidSuccess | PaymentStatus::RefundPartial => {
            Decision::Anomalous(AnomalyKind::ReversedByGateway)
        }
    }
}

fn refunded(state: PaymentState, amount: Money, reserved: Money) -> Decision {
    match state.status {
        PaymentStatus::PendingCreate
        | PaymentStatus::PendingPayment
        | PaymentStatus::PaidFailed
        | PaymentStatus::Closed => Decision::Anomalous(AnomalyKind::RefundWithoutPayment),
        PaymentStatus::PaidSuccess | PaymentStatus::RefundPartial | PaymentStatus::RefundFull => {
            give_back(state, amount, reserved)
                .unwrap_or(Decision::Anomalous(AnomalyKind::RefundBeyondPaid))
        }
    }
}

/// `None` if the refund does not fit into what is refundable beside the other reservations.
fn give_back(state: PaymentState, amount: Money, reserved: Money) -> Option<Decision> {
    let refunded = state.refunded.checked_add(amount).ok()?;
    let other_reservations = state.reserved.checked_sub(reserved).ok()?;
    let taken = refunded.checked_add(other_reservations).ok()?;
    state.paid.checked_sub(taken).ok()?;
    let status = if refunded == state.paid {
        PaymentStatus::RefundFull
    } else {
        PaymentStatus::RefundPartial
    };
    let after = PaymentState {
        status,
        refunded,
        reserved: other_reservations,
        ..state
    };
    Some(applied(after, EventKind::PaymentRefunded))
}

fn applied(state: PaymentState, event: EventKind) -> Decision {
    Decision::Applied(Applied {
        state,
        event,
        anomaly: None,
    })
}
