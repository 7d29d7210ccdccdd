//! Holds: a reservation of what is in a wallet, posted or voided in the end.

use chrono::{DateTime, Utc};

use super::{Amount, LedgerAccountKey, TransferCause};
use crate::code::codes;
use crate::id::{HoldId, TransactionId};

codes! {
    /// Where a hold stands.
    HoldStatus as "hold status" {
        /// It reserves its amount.
        Active = "ACTIVE",
        /// It was used, whole or in part; what was not used is available again.
        Posted = "POSTED",
        /// It was given up; all of it is available again.
        Voided = "VOIDED",
    }
}

/// A reservation of what is in a wallet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hold {
    /// Its id.
    pub id: HoldId,
    /// The wallet's account.
    pub account: LedgerAccountKey,
    /// How much it reserves while it is active.
    pub amount: Amount,
    /// How much of it was used, in minor units of the account.
    pub posted_minor: i64,
    /// Where it stands.
    pub status: HoldStatus,
    /// What it was made for; unique: one cause holds once.
    pub cause: TransferCause,
    /// The payment that it belongs to.
    pub transaction_id: Option<TransactionId>,
    /// When it may be voided, if what it was made for has ended by then.
    pub expires_at: DateTime<Utc>,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When it was posted or voided.
    pub ended_at: Option<DateTime<Utc>>,
    /// Grows with every change.
    pub version: i64,
}

/// What is to become of a hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HoldFact {
    /// So much of it, in minor units, leaves the account; the rest is released.
    Post(i64),
    /// It is given up.
    Void,
}

/// What a [`HoldFact`] means for a hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum HoldDecision {
    /// It ends.
    Applied {
        /// Where it stands then.
        status: HoldStatus,
        /// How much of it was used, in minor units.
        posted_minor: i64,
    },
    /// It ended so before.
    AlreadyApplied,
    /// It ended otherwise, or does not hold so much.
    Refused,
}

impl Hold {
    /// Decides what becomes of it. Total:
    ///
    /// | | post 1 to the amount | post more, or nothing | void |
    /// | --- | --- | --- | --- |
    /// | `ACTIVE` | `POSTED` | refused | `VOIDED` |
    /// | `POSTED` | the same amount: already applied; another: refused | refused | refused |
    /// | `VOIDED` | refused | refused | already applied |
    pub fn decide(&self, fact: HoldFact) -> HoldDecision {
        match (self.status, fact) {
            (HoldStatus::Active, HoldFact::Post(minor))
                if minor > 0 && minor <= self.amount.minor() =>
            {
                HoldDecision::Applied {
                    status: HoldStatus::Posted,
                    posted_minor: minor,
                }
            }
            (HoldStatus::Active, HoldFact::Void) => HoldDecision::Applied {
                status: HoldStatus::Voided,
                posted_minor: 0,
            },
            (HoldStatus::Posted, HoldFact::Post(minor)) if minor == self.posted_minor => {
                HoldDecision::AlreadyApplied
            }
            (HoldStatus::Voided, HoldFact::Void) => HoldDecision::AlreadyApplied,
            (
                HoldStatus::Active | HoldStatus::Posted | HoldStatus::Voided,
                HoldFact::Post(_) | HoldFact::Void,
            ) => HoldDecision::Refused,
        }
    }
}
