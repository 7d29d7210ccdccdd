//! Double entry: every cent and every point that moves is written twice, and the entries of a transfer
//! sum to zero per unit.
//!
//! Sign: a positive entry is a debit (what others owe us grows), a negative one a credit (what we
//! owe grows). A gateway's receivable is thus positive, an app's payable and a wallet negative. What is
//! available in a wallet is its balance, taken positive, less what is held.

mod booking;
mod cause;
mod hold;
#[cfg(test)]
mod tests;
mod unit;
mod wallet;
#[cfg(test)]
mod wallet_tests;

use std::collections::BTreeMap;

use crate::code::codes;
use crate::money::MoneyError;

pub use booking::Booking;
pub use cause::{CauseKind, TransferCause};
pub use hold::{Hold, HoldDecision, HoldFact, HoldStatus};
pub use unit::{Amount, Unit};

codes! {
    /// What an account stands for.
    LedgerAccountKind as "ledger account kind" {
        /// What a gateway collected for us and has not paid out. Owner: the channel account.
        GatewayReceivable = "GATEWAY_RECEIVABLE",
        /// What we hold for an app. Owner: the app.
        AppPayable = "APP_PAYABLE",
        /// Money whose owner is not decided: duplicates, mismatches. Owner: the channel account.
        Suspense = "SUSPENSE",
        /// What an app keeps for a user. Owner: `app/user`.
        Wallet = "WALLET",
        /// The points that an app keeps for a user. Owner: `app/user`.
        PointsWallet = "POINTS_WALLET",
        /// The points that an app has given out and that were not spent. Owner: the app.
        PointsPool = "POINTS_POOL",
        /// What points have paid for, in money. Owner: the app.
        PointsExpense = "POINTS_EXPENSE",
        /// What a gateway has kept for its service. Owner: the channel account.
        FeeExpense = "FEE_EXPENSE",
    }
}

impl LedgerAccountKind {
    /// Whether it is a user's: never overdrawn, and what is in it can be held.
    pub fn is_wallet(self) -> bool {
        match self {
            Self::Wallet | Self::PointsWallet => true,
            Self::GatewayReceivable
            | Self::AppPayable
            | Self::Suspense
            | Self::PointsPool
            | Self::PointsExpense
            | Self::FeeExpense => false,
        }
    }
}

/// Names an account: there is one per kind, owner and unit.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct LedgerAccountKey {
    /// What it stands for.
    pub kind: LedgerAccountKind,
    /// Whose it is: an app id, a channel account id, or app and user.
    pub owner: String,
    /// What it is kept in.
    pub unit: Unit,
}

/// One side of a transfer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The account.
    pub account: LedgerAccountKey,
    /// Minor units of the account's unit; positive is a debit.
    pub amount_minor: i64,
}

/// Why a transfer was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LedgerError {
    /// Fewer than two entries.
    #[error("a transfer has at least two entries")]
    TooFewEntries,
    /// An entry of nothing.
    #[error("an entry moves at least one minor unit")]
    EmptyEntry,
    /// The entries do not sum to zero in some unit.
    #[error("the entries in {0} do not sum to zero")]
    NotBalanced(Unit),
    /// Beyond what can be stored.
    #[error("the entries sum beyond the range")]
    TooLarge,
}

impl From<MoneyError> for LedgerError {
    fn from(_: MoneyError) -> Self {
        Self::TooLarge
    }
}

/// A set of entries that sum to zero per unit. Never changed once written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transfer {
    cause: TransferCause,
    entries: Vec<Entry>,
}

impl Transfer {
    /// Checks and makes a transfer.
    ///
    /// # Errors
    /// [`LedgerError`] if the entries are not a balanced transfer.
    pub fn try_new(cause: TransferCause, entries: Vec<Entry>) -> Result<Self, LedgerError> {
        if entries.len() < 2 {
            return Err(LedgerError::TooFewEntries);
        }
        let mut sums: BTreeMap<&'static str, (Unit, i64)> = BTreeMap::new();
        for entry in &entries {
            if entry.amount_minor == 0 {
                return Err(LedgerError::EmptyEntry);
            }
            let unit = entry.account.unit;
            let (_, sum) = sums.entry(unit.code()).or_insert((unit, 0));
            *sum = sum
                .checked_add(entry.amount_minor)
                .ok_or(LedgerError::TooLarge)?;
        }
        match sums.values().find(|(_, sum)| *sum != 0) {
            Some((unit, _)) => Err(LedgerError::NotBalanced(*unit)),
            None => Ok(Self { cause, entries }),
        }
    }

    /// What made it; unique in the books.
    pub fn cause(&self) -> &TransferCause {
        &self.cause
    }

    /// Its entries.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// `amount` moves: `to` is debited, `from` credited.
    fn between(
        cause: TransferCause,
        to: LedgerAccountKey,
        from: LedgerAccountKey,
        amount: Amount,
    ) -> Result<Self, LedgerError> {
        Self::try_new(cause, pair(to, from, amount)?.to_vec())
    }
}

/// The two entries by which `amount` moves: `to` is debited, `from` credited.
fn pair(
    to: LedgerAccountKey,
    from: LedgerAccountKey,
    amount: Amount,
) -> Result<[Entry; 2], LedgerError> {
    let minor = amount.minor();
    let credit = minor.checked_neg().ok_or(LedgerError::TooLarge)?;
    Ok([
        Entry {
            account: to,
            amount_minor: minor,
        },
        Entry {
            account: from,
            amount_minor: credit,
        },
    ])
}
