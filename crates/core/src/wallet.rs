//! Wallets: what an app keeps for its users, in money and in points.
//!
//! A wallet is a pair of app and user. What is in it stands in the books, in one account per unit; the
//! wallet's own row says only whether anything may go out.

use std::fmt;

use chrono::{DateTime, Utc};

use crate::code::codes;
use crate::id::WalletId;
use crate::ledger::{LedgerAccountKey, LedgerAccountKind, Unit};
use crate::text::{AppId, UserId};

codes! {
    /// Whether anything may go out of a wallet.
    WalletStatus as "wallet status" {
        /// Everything is possible.
        Active = "ACTIVE",
        /// Nothing goes out; credits and refunds still come in.
        Frozen = "FROZEN",
    }
}

codes! {
    /// What was done to a wallet on request.
    WalletOperationKind as "wallet operation" {
        /// Something was put in.
        Credit = "CREDIT",
        /// Something was taken out.
        Debit = "DEBIT",
        /// Something went to another wallet of the app.
        Transfer = "TRANSFER",
    }
}

/// Names a wallet: there is one per app and user.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct WalletKey {
    /// The app that keeps it.
    pub app_id: AppId,
    /// Whose it is, as the app knows them.
    pub user_id: UserId,
}

impl WalletKey {
    /// The owner of its accounts in the books: `app/user`. Neither part can hold a slash.
    pub fn owner(&self) -> String {
        format!("{}/{}", self.app_id, self.user_id)
    }

    /// Its account in the books for a unit.
    pub fn account(&self, unit: Unit) -> LedgerAccountKey {
        let kind = match unit {
            Unit::Currency(_) => LedgerAccountKind::Wallet,
            Unit::Points => LedgerAccountKind::PointsWallet,
        };
        LedgerAccountKey {
            kind,
            owner: self.owner(),
            unit,
        }
    }
}

impl fmt::Display for WalletKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.owner())
    }
}

/// A wallet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wallet {
    /// Its id.
    pub id: WalletId,
    /// Whose it is.
    pub key: WalletKey,
    /// Whether anything may go out.
    pub status: WalletStatus,
    /// Grows with every change of this row; the books don't change it.
    pub version: i64,
    /// The sequence number of its last event; the next has one more.
    pub event_sequence: i64,
    /// When it came into being: at its first use.
    pub created_at: DateTime<Utc>,
    /// When this row last changed.
    pub updated_at: DateTime<Utc>,
}
