//! The outbox: table `outbox`. Rows are written in the transaction of the change that they tell of;
//! relays publish them later, each from the shards that it leases.
//!
//! All rows of one payment transaction are in one shard, written under the lock of its row, so their
//! `seq` is their order. A published event also gets a `position`: one gap-free order over all shards,
//! given under a lock, so that a reader who has seen position n has seen every event before it.

mod publish;
mod row;
mod shard;
mod trace;

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use kassa_core::event::EventKind;
use kassa_core::id::{EnvelopeId, EventId, TransactionId};
use kassa_core::text::AppId;
use sea_orm::EntityTrait;
use serde_json::Value;

use entities::outbox::Entity;

use super::{StoreError, Tx};

pub use migrations::OUTBOX_SHARDS;
pub use publish::MARK_BATCH_MAX;
pub use trace::{OutboxContent, OutboxTrace, ShardLease, WaitingRow};

#[cfg(test)]
pub(crate) use publish::{events_of_app, unpublished, waiting_shards};
#[cfg(test)]
pub(crate) use trace::{of_payment, waiting};

/// An event that a change has to tell.
#[derive(Debug, Clone, PartialEq)]
pub struct NewEvent {
    /// The CloudEvent's id.
    pub id: EventId,
    /// Who is told.
    pub app_id: AppId,
    /// The payment that it is about.
    pub aggregate: TransactionId,
    /// Its number among the payment's events, from 1 without gaps.
    pub sequence: i64,
    /// What happened.
    pub kind: EventKind,
    /// The topic.
    pub routing_key: String,
    /// The whole CloudEvent.
    pub payload: Value,
    /// The trace that it belongs to.
    pub trace: BTreeMap<String, String>,
    /// When it happened.
    pub created_at: DateTime<Utc>,
}

/// Work that a change asks for.
#[derive(Debug, Clone, PartialEq)]
pub struct NewCommand {
    /// The queue that it goes to.
    pub queue: &'static str,
    /// The whole envelope.
    pub envelope: Value,
    /// The envelope's id.
    pub id: EnvelopeId,
    /// The payment that it is about.
    pub aggregate: TransactionId,
    /// When it was asked for.
    pub created_at: DateTime<Utc>,
}

/// A row that waits to be published.
#[derive(Debug, Clone, PartialEq)]
pub struct OutboxRow {
    /// Names the row; grows.
    pub seq: i64,
    /// Where it goes.
    pub destination: Destination,
    /// The whole CloudEvent, or the whole envelope.
    pub payload: Value,
    /// The trace that it belongs to; a command carries its own in the envelope.
    pub trace: BTreeMap<String, String>,
    /// When it was written.
    pub created_at: DateTime<Utc>,
}

/// Where an outbox row goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Destination {
    /// To the business systems.
    Event {
        /// The CloudEvent's id.
        id: EventId,
        /// The app that is told.
        app_id: AppId,
        /// The CloudEvent's type.
        event_type: String,
        /// The topic.
        routing_key: String,
    },
    /// To the workers.
    Command {
        /// The envelope's id.
        id: EnvelopeId,
        /// The queue's name.
        queue: String,
    },
}

/// A published event.
#[derive(Debug, Clone, PartialEq)]
pub struct EventRow {
    /// Where it stands in the one order of all published events, from 1.
    pub position: i64,
    /// The CloudEvent's id.
    pub id: EventId,
    /// Who is told.
    pub app_id: AppId,
    /// The payment that it is about.
    pub aggregate: TransactionId,
    /// Its number among the payment's events.
    pub sequence: i64,
    /// What happened.
    pub kind: EventKind,
    /// The CloudEvent's type.
    pub event_type: String,
    /// The topic.
    pub routing_key: String,
    /// The whole CloudEvent.
    pub payload: Value,
    /// The trace that it belongs to.
    pub trace: BTreeMap<String, String>,
    /// When it happened.
    pub created_at: DateTime<Utc>,
}

/// What waits to be published.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backlog {
    /// How many rows.
    pub count: u64,
    /// When the oldest was written.
    pub oldest_created_at: Option<DateTime<Utc>>,
}

impl Tx {
    /// Writes an event. The caller holds the lock of the payment's row, which keeps the order.
    ///
    /// # Errors
    /// [`StoreError::UniqueViolation`] if the payment has an event with this number.
    pub async fn append_event_in_tx(&self, event: &NewEvent) -> Result<(), StoreError> {
        Entity::insert(row::write_event(event)?)
            .exec_without_returning(self.db())
            .await
            .map_err(|error| StoreError::query("append an event", error))?;
        Ok(())
    }

    /// Writes a command.
    pub async fn append_command_in_tx(&self, command: &NewCommand) -> Result<(), StoreError> {
        Entity::insert(row::write_command(command)?)
            .exec_without_returning(self.db())
            .await
            .map_err(|error| StoreError::query("append a command", error))?;
        Ok(())
    }
}

/// The shard of a payment: by the random end of its id, so they fill evenly.
pub(crate) fn shard_of(aggregate: TransactionId) -> i16 {
    let [.., last] = *aggregate.as_uuid().as_bytes();
    i16::from(last).rem_euclid(OUTBOX_SHARDS)
}
