//! What can happen to a payment.

use chrono::{DateTime, Utc};

use super::Failure;
use crate::money::Money;
use crate::notification::{PaymentReport, ReportedPayment};

/// What happened to a payment, whatever way it was learned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PaymentFact {
    /// The gateway has the order.
    Placed,
    /// A new order, written down and not placed yet, takes the place of the one before.
    Retried,
    /// The order was paid.
    Paid {
        /// With how much.
        amount: Money,
        /// When, by the gateway's clock.
        paid_at: Option<DateTime<Utc>>,
        /// Whether the attempt that was paid had been known as paid before.
        known: bool,
    },
    /// The order was closed at the gateway, or never got there, and cannot be paid any more.
    Closed,
    /// The gateway refused the order, or it failed, for good.
    Failed(Failure),
    /// The order is open; or the gateway does not know it (yet).
    Unpaid,
    /// Money was given back.
    Refunded {
        /// How much.
        amount: Money,
        /// How much of it had been reserved by a refund of ours: all of it, or nothing for a refund
        /// made at the gateway's console.
        reserved: Money,
    },
}

impl PaymentFact {
    /// The fact that a gateway's report states. `known`: whether the attempt was known as paid.
    pub fn from_report(report: &PaymentReport, known: bool) -> Self {
        match &report.state {
            // That it was given back as well is a refund's business.
            ReportedPayment::Paid { amount, paid_at }
            | ReportedPayment::Reversed { amount, paid_at } => Self::Paid {
                amount: *amount,
                paid_at: *paid_at,
                known,
            },
            ReportedPayment::Unpaid | ReportedPayment::NotFound => Self::Unpaid,
            ReportedPayment::Closed => Self::Closed,
            ReportedPayment::Failed(reason) => Self::Failed(Failure {
                code: reason.code.clone(),
                message: reason.message.clone(),
            }),
        }
    }
}
