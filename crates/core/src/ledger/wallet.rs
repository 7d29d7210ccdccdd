//! The booking rules of wallets: which transfer each movement makes.
//!
//! | movement | debited | credited |
//! | --- | --- | --- |
//! | credit, top-up, refund to the balance | app payable | wallet |
//! | debit, refund of a top-up, payment by balance | wallet | app payable |
//! | transfer | the giver's wallet | the taker's wallet |
//! | points given | points pool | points wallet |
//! | points taken back, expired | points wallet | points pool |
//! | payment by points | points wallet; points expense | points pool; app payable |
//! | refund of points | points pool; app payable | points wallet; points expense |
//!
//! A top-up's money is booked by its gateway payment first (the gateway owes us, we owe the app), so
//! what a wallet holds is always out of what we hold for its app.

use super::{
    Amount, CauseKind, LedgerAccountKey, LedgerAccountKind, LedgerError, Transfer, TransferCause,
    Unit, pair,
};
use crate::money::{Money, Points};
use crate::text::UserId;
use crate::wallet::WalletKey;

impl WalletKey {
    /// Money or points are put in on request.
    ///
    /// # Errors
    /// [`LedgerError::EmptyEntry`] for nothing; so say all the rules here.
    pub fn credit(&self, operation_id: String, amount: Amount) -> Result<Transfer, LedgerError> {
        let kind = match amount {
            Amount::Money(_) => CauseKind::WalletCredit,
            Amount::Points(_) => CauseKind::PointsGrant,
        };
        self.put_in(kind, operation_id, amount)
    }

    /// Money or points are taken out on request.
    ///
    /// # Errors
    /// As [`WalletKey::credit`].
    pub fn debit(&self, operation_id: String, amount: Amount) -> Result<Transfer, LedgerError> {
        let kind = match amount {
            Amount::Money(_) => CauseKind::WalletDebit,
            Amount::Points(_) => CauseKind::PointsDebit,
        };
        self.take_out(kind, operation_id, amount)
    }

    /// Money or points go to another user of the same app.
    ///
    /// # Errors
    /// As [`WalletKey::credit`].
    pub fn transfer(
        &self,
        operation_id: String,
        taker: &UserId,
        amount: Amount,
    ) -> Result<Transfer, LedgerError> {
        let kind = match amount {
            Amount::Money(_) => CauseKind::WalletTransfer,
            Amount::Points(_) => CauseKind::PointsTransfer,
        };
        let taker = Self {
            app_id: self.app_id.clone(),
            user_id: taker.clone(),
        };
        let unit = amount.unit();
        let cause = TransferCause {
            kind,
            id: operation_id,
        };
        Transfer::between(cause, self.account(unit), taker.account(unit), amount)
    }

    /// A paid top-up comes in.
    ///
    /// # Errors
    /// As [`WalletKey::credit`].
    pub fn top_up(&self, attempt_id: String, amount: Money) -> Result<Transfer, LedgerError> {
        self.put_in(CauseKind::TopUp, attempt_id, amount.into())
    }

    /// A top-up is given back: it leaves the wallet, and then goes through the gateway as every refund.
    ///
    /// # Errors
    /// As [`WalletKey::credit`].
    pub fn top_up_refund(&self, refund_id: String, amount: Money) -> Result<Transfer, LedgerError> {
        self.take_out(CauseKind::TopUpRefund, refund_id, amount.into())
    }

    /// The wallet pays.
    ///
    /// # Errors
    /// As [`WalletKey::credit`].
    pub fn balance_payment(&self, leg_id: String, amount: Money) -> Result<Transfer, LedgerError> {
        self.take_out(CauseKind::BalancePayment, leg_id, amount.into())
    }

    /// Money of a payment comes into the wallet: back into the one that it was paid from, or in place
    /// of another way back.
    ///
    /// # Errors
    /// As [`WalletKey::credit`].
    pub fn balance_refund(&self, leg_id: String, amount: Money) -> Result<Transfer, LedgerError> {
        self.put_in(CauseKind::BalanceRefund, leg_id, amount.into())
    }

    /// Points pay what is worth `amount` to the app.
    ///
    /// # Errors
    /// As [`WalletKey::credit`].
    pub fn points_payment(
        &self,
        leg_id: String,
        points: Points,
        amount: Money,
    ) -> Result<Transfer, LedgerError> {
        let cause = TransferCause {
            kind: CauseKind::PointsPayment,
            id: leg_id,
        };
        let expense = self.of_app(LedgerAccountKind::PointsExpense, amount.currency().into());
        let payable = self.of_app(LedgerAccountKind::AppPayable, amount.currency().into());
        let mut entries = Vec::with_capacity(4);
        entries.extend(pair(self.points(), self.pool(), points.into())?);
        entries.extend(pair(expense, payable, amount.into())?);
        Transfer::try_new(cause, entries)
    }

    /// Points of a payment come back, and with them what they were worth. One of the two may be nothing:
    /// a part of a payment may be worth less than the smallest unit of the other.
    ///
    /// # Errors
    /// As [`WalletKey::credit`], and [`LedgerError::TooFewEntries`] if both are nothing.
    pub fn points_refund(
        &self,
        leg_id: String,
        points: Points,
        amount: Money,
    ) -> Result<Transfer, LedgerError> {
        let cause = TransferCause {
            kind: CauseKind::PointsRefund,
            id: leg_id,
        };
        let mut entries = Vec::with_capacity(4);
        if !points.is_zero() {
            entries.extend(pair(self.pool(), self.points(), points.into())?);
        }
        if !amount.is_zero() {
            let expense = self.of_app(LedgerAccountKind::PointsExpense, amount.currency().into());
            let payable = self.of_app(LedgerAccountKind::AppPayable, amount.currency().into());
            entries.extend(pair(payable, expense, amount.into())?);
        }
        Transfer::try_new(cause, entries)
    }

    /// Points expire.
    ///
    /// # Errors
    /// As [`WalletKey::credit`].
    pub fn points_expiry(&self, id: String, points: Points) -> Result<Transfer, LedgerError> {
        self.take_out(CauseKind::PointsExpiry, id, points.into())
    }

    fn put_in(&self, kind: CauseKind, id: String, amount: Amount) -> Result<Transfer, LedgerError> {
        let wallet = self.account(amount.unit());
        Transfer::between(
            TransferCause { kind, id },
            self.backing(amount),
            wallet,
            amount,
        )
    }

    fn take_out(
        &self,
        kind: CauseKind,
        id: String,
        amount: Amount,
    ) -> Result<Transfer, LedgerError> {
        let wallet = self.account(amount.unit());
        Transfer::between(
            TransferCause { kind, id },
            wallet,
            self.backing(amount),
            amount,
        )
    }

    /// What stands against a wallet in the books.
    fn backing(&self, amount: Amount) -> LedgerAccountKey {
        match amount {
            Amount::Money(money) => {
                self.of_app(LedgerAccountKind::AppPayable, money.currency().into())
            }
            Amount::Points(_) => self.pool(),
        }
    }

    fn points(&self) -> LedgerAccountKey {
        self.account(Unit::Points)
    }

    fn pool(&self) -> LedgerAccountKey {
        self.of_app(LedgerAccountKind::PointsPool, Unit::Points)
    }

    fn of_app(&self, kind: LedgerAccountKind, unit: Unit) -> LedgerAccountKey {
        LedgerAccountKey {
            kind,
            owner: self.app_id.to_string(),
            unit,
        }
    }
}
