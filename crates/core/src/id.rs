//! Ids. Ours are 32 lowercase hex characters of a UUIDv7: they sort by time and fit the order-number
//! rule of every gateway. Ids that callers choose are in [`crate::text`].

use std::fmt;
use std::str::FromStr;
use std::sync::{Arc, Mutex, PoisonError};

use rand::rngs::StdRng;
use rand::{RngCore, SeedableRng};
use serde::{Deserialize, Serialize};
use uuid::{Builder, Uuid};

use crate::clock::Clock;

/// A string that is not one of our ids: 32 lowercase hex characters were expected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an id: expected 32 lowercase hexadecimal characters")]
pub struct InvalidId;

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident),+ $(,)?) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(Uuid);

        impl $name {
            /// A new id from `source`.
            pub fn new(source: &IdSource) -> Self {
                Self(source.next())
            }

            /// The id of a raw UUID; for reading rows and for ids derived from other data.
            pub fn from_uuid(uuid: Uuid) -> Self {
                Self(uuid)
            }

            /// The raw UUID.
            pub fn as_uuid(&self) -> Uuid {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.simple().fmt(f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.simple().fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;

            fn from_str(text: &str) -> Result<Self, InvalidId> {
                parse(text).map(Self)
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidId;

            fn try_from(text: String) -> Result<Self, InvalidId> {
                parse(&text).map(Self)
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> Self {
                id.to_string()
            }
        }
    )+};
}

ids! {
    /// A payment transaction.
    TransactionId,
    /// A leg of a transaction.
    LegId,
    /// One order placed at a gateway for a leg. Its text form is the request number.
    AttemptId,
    /// A refund transaction. Its text form is the refund's request number at the gateway.
    RefundId,
    /// What a refund gives back of one leg.
    RefundLegId,
    /// A channel account.
    ChannelAccountId,
    /// A verified callback in the inbox.
    NotificationId,
    /// An event in the outbox.
    EventId,
    /// A user's payment password.
    PasswordId,
    /// A ledger account.
    LedgerAccountId,
    /// A ledger transfer.
    TransferId,
    /// A reservation of wallet money.
    HoldId,
    /// A wallet.
    WalletId,
    /// Points that came together.
    PointsLotId,
    /// A credit, debit or transfer that was asked for.
    WalletOperationId,
    /// An anomaly.
    AnomalyId,
    /// A call to a gateway.
    GatewayCallId,
    /// An entry of the audit log.
    AuditId,
    /// A message on a queue.
    EnvelopeId,
}

fn parse(text: &str) -> Result<Uuid, InvalidId> {
    let well_formed = text.len() == 32
        && text
            .bytes()
            .all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
    if !well_formed {
        return Err(InvalidId);
    }
    Uuid::try_parse(text).map_err(|_malformed| InvalidId)
}

/// Where new ids and random bytes come from. Cheap to clone; clones share the randomness, so a
/// seeded source repeats a whole run.
#[derive(Clone)]
pub struct IdSource {
    clock: Clock,
    random: Arc<Mutex<StdRng>>,
}

impl fmt::Debug for IdSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IdSource")
            .field("clock", &self.clock)
            .finish_non_exhaustive()
    }
}

impl IdSource {
    /// Random ids, stamped with `clock`; seeded from the operating system.
    pub fn system(clock: Clock) -> Self {
        Self {
            clock,
            random: Arc::new(Mutex::new(StdRng::from_os_rng())),
        }
    }

    /// The same ids for the same `seed` and clock; for tests and simulations.
    pub fn seeded(seed: u64, clock: Clock) -> Self {
        Self {
            clock,
            random: Arc::new(Mutex::new(StdRng::seed_from_u64(seed))),
        }
    }

    /// The next UUIDv7.
    pub fn next(&self) -> Uuid {
        let millis = u64::try_from(self.clock.now().timestamp_millis()).unwrap_or_default();
        Builder::from_unix_timestamp_millis(millis, &self.random_bytes()).into_uuid()
    }

    /// Random bytes from a cryptographically strong generator.
    pub fn random_bytes<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        self.random
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .fill_bytes(&mut bytes);
        bytes
    }
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, TimeDelta};

    use super::*;

    #[test]
    fn an_id_is_32_lowercase_hex_characters_and_reads_back() {
        let id = TransactionId::new(&IdSource::system(Clock::system()));
        let text = id.to_string();
        assert_eq!(text.len(), 32);
        assert_eq!(text.parse(), Ok(id));
    }

    #[test]
    fn ids_sort_by_time() {
        let clock = Clock::settable(DateTime::UNIX_EPOCH + TimeDelta::days(20_000));
        let source = IdSource::seeded(1, clock.clone());
        let first = TransactionId::new(&source);
        clock.advance(TimeDelta::milliseconds(1));
        assert!(first < TransactionId::new(&source));
    }

    #[test]
    fn a_seed_repeats_its_ids() {
        let ids = |seed| {
            let source = IdSource::seeded(seed, Clock::settable(DateTime::UNIX_EPOCH));
            [TransactionId::new(&source), TransactionId::new(&source)]
        };
        assert_eq!(ids(7), ids(7));
        assert_ne!(ids(7), ids(8));
    }

    #[test]
    fn anything_but_32_lowercase_hex_characters_is_refused() {
        for text in [
            "",
            "0",
            "G0000000000000000000000000000000",
            &"A".repeat(32),
            &"0".repeat(33),
        ] {
            assert_eq!(text.parse::<TransactionId>(), Err(InvalidId), "{text}");
        }
    }
}
