//! The booking rules: which transfer each change of a payment or refund makes. Those of wallets are
//! beside this file.

use super::{
    Amount, CauseKind, LedgerAccountKey, LedgerAccountKind, LedgerError, Transfer, TransferCause,
    Unit,
};
use crate::channel::FeeTerms;
use crate::id::ChannelAccountId;
use crate::money::Money;
use crate::text::AppId;

/// Who is concerned by the money of a payment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Booking {
    /// The account at the gateway that the money went into or came from.
    pub channel_account_id: ChannelAccountId,
    /// The app that it belongs to; unknown money belongs to none.
    pub app_id: AppId,
    /// How much.
    pub amount: Money,
}

impl Booking {
    /// A payment as agreed: the gateway owes us, we owe the app.
    ///
    /// # Errors
    /// [`LedgerError::EmptyEntry`] for an amount of zero.
    pub fn payment(&self, attempt_id: String) -> Result<Transfer, LedgerError> {
        let cause = TransferCause {
            kind: CauseKind::Payment,
            id: attempt_id,
        };
        self.between(cause, self.receivable(), self.payable())
    }

    /// A payment not as agreed (duplicate, mismatch): the gateway owes us, to whom is undecided.
    ///
    /// # Errors
    /// As [`Booking::payment`].
    pub fn unexpected_payment(&self, attempt_id: String) -> Result<Transfer, LedgerError> {
        let cause = TransferCause {
            kind: CauseKind::UnexpectedPayment,
            id: attempt_id,
        };
        self.between(cause, self.receivable(), self.suspense())
    }

    /// A refund: the app's money went back through the gateway.
    ///
    /// # Errors
    /// As [`Booking::payment`].
    pub fn refund(&self, refund_id: String) -> Result<Transfer, LedgerError> {
        let cause = TransferCause {
            kind: CauseKind::Refund,
            id: refund_id,
        };
        self.between(cause, self.payable(), self.receivable())
    }

    /// A refund of money that was paid a second time: it leaves suspense through the gateway, and the
    /// app's money stays.
    ///
    /// # Errors
    /// As [`Booking::payment`].
    pub fn duplicate_refund(&self, refund_id: String) -> Result<Transfer, LedgerError> {
        let cause = TransferCause {
            kind: CauseKind::Refund,
            id: refund_id,
        };
        self.between(cause, self.suspense(), self.receivable())
    }

    /// A refund that fits nothing that we know: the money went, from whom is undecided.
    ///
    /// # Errors
    /// As [`Booking::payment`].
    pub fn unexpected_refund(&self, refund_number: String) -> Result<Transfer, LedgerError> {
        let cause = TransferCause {
            kind: CauseKind::UnexpectedRefund,
            id: refund_number,
        };
        self.between(cause, self.suspense(), self.receivable())
    }

    /// What the gateway keeps of an order's money: it owes us that much less. `None` if it keeps nothing.
    ///
    /// # Errors
    /// [`LedgerError::TooLarge`].
    pub fn fee(
        &self,
        terms: FeeTerms,
        attempt_id: String,
    ) -> Result<Option<Transfer>, LedgerError> {
        let cause = TransferCause {
            kind: CauseKind::Fee,
            id: attempt_id,
        };
        let (to, from) = (self.fee_expense(), self.receivable());
        of_fee(cause, (to, from), terms.fee_of(self.amount)?)
    }

    /// What comes back of the fee of `paid` with this refund, after others of `refunded_before`. `None` if
    /// that is nothing.
    ///
    /// # Errors
    /// [`LedgerError::TooLarge`].
    pub fn fee_refund(
        &self,
        terms: FeeTerms,
        (paid, refunded_before): (Money, Money),
        refund_id: String,
    ) -> Result<Option<Transfer>, LedgerError> {
        let cause = TransferCause {
            kind: CauseKind::FeeRefund,
            id: refund_id,
        };
        let (to, from) = (self.receivable(), self.fee_expense());
        let returned = terms.returned(paid, refunded_before, self.amount)?;
        of_fee(cause, (to, from), returned)
    }

    fn between(
        &self,
        cause: TransferCause,
        to: LedgerAccountKey,
        from: LedgerAccountKey,
    ) -> Result<Transfer, LedgerError> {
        Transfer::between(cause, to, from, Amount::Money(self.amount))
    }

    fn receivable(&self) -> LedgerAccountKey {
        self.key(
            LedgerAccountKind::GatewayReceivable,
            self.channel_account_id.to_string(),
        )
    }

    fn fee_expense(&self) -> LedgerAccountKey {
        self.key(
            LedgerAccountKind::FeeExpense,
            self.channel_account_id.to_string(),
        )
    }

    fn suspense(&self) -> LedgerAccountKey {
        self.key(
            LedgerAccountKind::Suspense,
            self.channel_account_id.to_string(),
        )
    }

    fn payable(&self) -> LedgerAccountKey {
        self.key(LedgerAccountKind::AppPayable, self.app_id.to_string())
    }

    fn key(&self, kind: LedgerAccountKind, owner: String) -> LedgerAccountKey {
        LedgerAccountKey {
            kind,
            owner,
            unit: Unit::Currency(self.amount.currency()),
        }
    }
}

/// A transfer of a fee; none, if the fee is nothing.
fn of_fee(
    cause: TransferCause,
    (to, from): (LedgerAccountKey, LedgerAccountKey),
    fee: Money,
) -> Result<Option<Transfer>, LedgerError> {
    if fee.is_zero() {
        return Ok(None);
    }
    Transfer::between(cause, to, from, Amount::Money(fee)).map(Some)
}
