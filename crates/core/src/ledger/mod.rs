//! Double entry: every cent that moves is written twice, and the entries of a transfer sum to zero
//! per currency.
//!
//! Sign: a positive entry is a debit (what others owe us grows), a negative one a credit (what we
//! owe grows). A gateway's receivable is thus positive, an app's payable negative.

mod booking;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use crate::code::codes;
use crate::money::{Currency, Money, MoneyError};

pub use booking::{Booking, CauseKind, TransferCause};

codes! {
    /// What an account stands for.
    LedgerAccountKind as "ledger account kind" {
        /// What a gateway collected for us and has not paid out. Owner: the channel account.
        GatewayReceivable = "GATEWAY_RECEIVABLE",
        /// What we hold for an app. Owner: the app.
        AppPayable = "APP_PAYABLE",
        /// Money whose owner is not decided: duplicates, mismatches. Owner: the channel account.
        Suspense = "SUSPENSE",
    }
}

/// Names an account: there is one per kind, owner and currency.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct LedgerAccountKey {
    /// What it stands for.
    pub kind: LedgerAccountKind,
    /// Whose it is: an app id or a channel account id.
    pub owner: String,
    /// Its currency.
    pub currency: Currency,
}

/// One side of a transfer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The account.
    pub account: LedgerAccountKey,
    /// Minor units of the account's currency; positive is a debit.
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
    /// The entries do not sum to zero in some currency.
    #[error("the entries in {0} do not sum to zero")]
    NotBalanced(Currency),
    /// Beyond what can be stored.
    #[error("the entries sum beyond the range")]
    TooLarge,
}

impl From<MoneyError> for LedgerError {
    fn from(_: MoneyError) -> Self {
        Self::TooLarge
    }
}

/// A set of entries that sum to zero per currency. Never changed once written.
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
        let mut sums: BTreeMap<&'static str, (Currency, i64)> = BTreeMap::new();
        for entry in &entries {
            if entry.amount_minor == 0 {
                return Err(LedgerError::EmptyEntry);
            }
            let currency = entry.account.currency;
            let (_, sum) = sums.entry(currency.code()).or_insert((currency, 0));
            *sum = sum
                .checked_add(entry.amount_minor)
                .ok_or(LedgerError::TooLarge)?;
        }
        match sums.values().find(|(_, sum)| *sum != 0) {
            Some((currency, _)) => Err(LedgerError::NotBalanced(*currency)),
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
        amount: Money,
    ) -> Result<Self, LedgerError> {
        let minor = amount.amount_minor();
        let credit = minor.checked_neg().ok_or(LedgerError::TooLarge)?;
        Self::try_new(
            cause,
            vec![
                Entry {
                    account: to,
                    amount_minor: minor,
                },
                Entry {
                    account: from,
                    amount_minor: credit,
                },
            ],
        )
    }
}
