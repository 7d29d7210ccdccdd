//! Legs: which method pays how much of a payment.

use super::PaymentStatus;
use crate::channel::{Channel, Method};
use crate::code::codes;
use crate::id::{HoldId, LegId, TransactionId};
use crate::money::{Money, MoneyError, Points};
use crate::points::Rate;

/// How many legs a payment has at most: one gateway, the balance, the points.
pub const LEGS_MAX: usize = 3;

codes! {
    /// Where a leg stands.
    LegStatus as "leg status" {
        /// Not paid. What an internal leg pays with is held.
        Pending = "PENDING",
        /// Paid.
        Paid = "PAID",
        /// It will not be paid.
        Ended = "ENDED",
    }
}

impl LegStatus {
    /// Where the legs of a payment in this status stand: they are paid, and end, together.
    pub fn of(status: PaymentStatus) -> Self {
        match status {
            PaymentStatus::PendingCreate | PaymentStatus::PendingPayment => Self::Pending,
            PaymentStatus::PaidSuccess
            | PaymentStatus::RefundPartial
            | PaymentStatus::RefundFull => Self::Paid,
            PaymentStatus::PaidFailed | PaymentStatus::Closed => Self::Ended,
        }
    }
}

/// The part of a transaction that one method pays.
///
/// Invariant, held here and by a constraint: `amount_refunded + amount_refund_reserved <= amount`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leg {
    /// Our id.
    pub id: LegId,
    /// The transaction.
    pub transaction_id: TransactionId,
    /// 1 for the first.
    pub leg_no: i32,
    /// What the payer pays through.
    pub channel: Channel,
    /// How.
    pub method: Method,
    /// This leg's share of the amount.
    pub amount: Money,
    /// The points that it is paid with; only a leg of [`Channel::Points`] has them.
    pub points: Option<LegPoints>,
    /// What is held in the wallet until the payment is paid or ends; the same hold all along.
    pub hold_id: Option<HoldId>,
    /// Where it stands.
    pub status: LegStatus,
    /// What was given back of it. Kept only in a payment with internal legs: otherwise the leg is
    /// the whole of the payment, which has the same amounts.
    pub amount_refunded: Money,
    /// What refunds under way have reserved of it. Kept as `amount_refunded`.
    pub amount_refund_reserved: Money,
}

/// What a leg of points is paid with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LegPoints {
    /// How many.
    pub points: Points,
    /// What they were worth when the payment was created.
    pub rate: Rate,
}

impl Leg {
    /// Its amount less what was given back and what is reserved.
    ///
    /// # Errors
    /// [`MoneyError`] if the row breaks its own invariant.
    pub fn amount_refundable(&self) -> Result<Money, MoneyError> {
        self.amount
            .checked_sub(self.amount_refunded)?
            .checked_sub(self.amount_refund_reserved)
    }

    /// A refund that had reserved `amount` of it failed.
    ///
    /// # Errors
    /// [`MoneyError`] if so much is not reserved.
    pub fn release(&mut self, amount: Money) -> Result<(), MoneyError> {
        self.amount_refund_reserved = self.amount_refund_reserved.checked_sub(amount)?;
        Ok(())
    }

    /// A refund gave back `amount` of it, which had reserved `reserved`: all of that or nothing.
    ///
    /// # Errors
    /// [`MoneyError`] if that does not fit beside the other reservations; nothing is changed then.
    pub fn give_back(&mut self, amount: Money, reserved: Money) -> Result<(), MoneyError> {
        let others = self.amount_refund_reserved.checked_sub(reserved)?;
        let refunded = self.amount_refunded.checked_add(amount)?;
        self.amount.checked_sub(refunded)?.checked_sub(others)?;
        self.amount_refunded = refunded;
        self.amount_refund_reserved = others;
        Ok(())
    }
}
