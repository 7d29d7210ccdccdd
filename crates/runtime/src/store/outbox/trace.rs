//! The outbox as operators look at it: what a payment had to tell and whether it was told, and what waits.

use chrono::{DateTime, Utc};
use entities::outbox::{Column, Entity, Model};
use entities::outbox_shard;
use kassa_core::event::EventKind;
use kassa_core::id::TransactionId;
use sea_orm::sea_query::Order;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect, Select};
use serde_json::Value;

use super::OUTBOX_SHARDS;
use super::row::{COMMAND, EVENT};
use crate::store::page::page_limit;
use crate::store::row::{RowReader, fetch_all, read_all};
use crate::store::{PAGE_LIMIT_MAX, Store, StoreError};

const TABLE: &str = "outbox";

/// What a payment had to tell, and whether it was told.
#[derive(Debug, Clone, PartialEq)]
pub struct OutboxTrace {
    /// Names the row; grows.
    pub seq: i64,
    /// The event's id, or the envelope's.
    pub id: String,
    /// What it is.
    pub content: OutboxContent,
    /// When it was written.
    pub created_at: DateTime<Utc>,
    /// When it was published; `None` while it waits.
    pub published_at: Option<DateTime<Utc>>,
}

/// What an outbox row holds.
#[derive(Debug, Clone, PartialEq)]
pub enum OutboxContent {
    /// Something for the business systems.
    Event {
        /// What happened.
        kind: EventKind,
        /// Its number among the payment's events.
        sequence: i64,
        /// Where it stands in the one order of all published events.
        position: Option<i64>,
        /// The whole CloudEvent.
        payload: Value,
    },
    /// Work for the workers.
    Command {
        /// The queue's name.
        queue: String,
        /// What is to be done.
        kind: String,
    },
}

/// A row that waits to be published, and who is to do it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WaitingRow {
    /// Names the row; grows.
    pub seq: i64,
    /// The event's id, or the envelope's.
    pub id: String,
    /// The payment that it is about.
    pub transaction_id: String,
    /// The app that is to be told; none for a command.
    pub app_id: Option<String>,
    /// What happened; none for a command.
    pub event_kind: Option<String>,
    /// Its number among the payment's events; none for a command.
    pub sequence: Option<i64>,
    /// The work queue; none for an event.
    pub queue: Option<String>,
    /// Its shard: the rows of one shard are published in their order.
    pub shard: i16,
    /// When it was written.
    pub created_at: DateTime<Utc>,
}

/// Who publishes a shard's rows until when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShardLease {
    /// The shard.
    pub shard: i16,
    /// The relay.
    pub owner: String,
    /// When the lease ends unless it is renewed.
    pub leased_until: DateTime<Utc>,
}

impl Store {
    /// What a payment had to tell, in the order in which it was written, at most [`PAGE_LIMIT_MAX`].
    pub async fn list_outbox_of(
        &self,
        transaction: TransactionId,
    ) -> Result<Vec<OutboxTrace>, StoreError> {
        let rows = fetch_all(self.db(), "list the outbox", of_payment(transaction)).await?;
        read_all(rows, read)
    }

    /// What waits to be published, oldest first, at most [`PAGE_LIMIT_MAX`].
    pub async fn list_waiting(&self, limit: u64) -> Result<Vec<WaitingRow>, StoreError> {
        let rows: Vec<WaitingColumns> = waiting(limit)
            .into_tuple()
            .all(self.db())
            .await
            .map_err(|error| StoreError::query("list what waits in the outbox", error))?;
        Ok(rows.into_iter().map(read_waiting).collect())
    }

    /// The leases of shards that have not run out at `now`.
    pub async fn list_outbox_leases(
        &self,
        now: DateTime<Utc>,
    ) -> Result<Vec<ShardLease>, StoreError> {
        let query = outbox_shard::Entity::find()
            .filter(outbox_shard::Column::LeasedUntil.gt(now))
            .order_by(outbox_shard::Column::Shard, Order::Asc);
        let rows = fetch_all(self.db(), "list leases of the outbox", query).await?;
        let leases = rows.into_iter().filter_map(|row| {
            let (owner, leased_until) = row.owner.zip(row.leased_until)?;
            Some(ShardLease {
                shard: row.shard,
                owner,
                leased_until,
            })
        });
        Ok(leases.collect())
    }
}

/// The columns of [`waiting`], in its order.
type WaitingColumns = (
    i64,
    String,
    String,
    Option<String>,
    Option<String>,
    Option<i64>,
    Option<String>,
    i16,
    DateTime<Utc>,
);

pub(crate) fn of_payment(transaction: TransactionId) -> Select<Entity> {
    Entity::find()
        .filter(Column::AggregateId.eq(transaction.to_string()))
        .order_by(Column::Seq, Order::Asc)
        .limit(PAGE_LIMIT_MAX)
}

pub(crate) fn waiting(limit: u64) -> Select<Entity> {
    Entity::find()
        .select_only()
        .columns([
            Column::Seq,
            Column::Id,
            Column::AggregateId,
            Column::AppId,
            Column::EventKind,
            Column::AggregateSequence,
            Column::Queue,
            Column::Shard,
            Column::CreatedAt,
        ])
        .filter(Column::PublishedAt.is_null())
        // All of them; named, because only an index by shard knows which rows wait.
        .filter(Column::Shard.is_in(0..OUTBOX_SHARDS))
        .order_by(Column::Seq, Order::Asc)
        .limit(page_limit(limit))
}

fn read_waiting(row: WaitingColumns) -> WaitingRow {
    let (seq, id, transaction_id, app_id, event_kind, sequence, queue, shard, created_at) = row;
    WaitingRow {
        seq,
        id,
        transaction_id,
        app_id,
        event_kind,
        sequence,
        queue,
        shard,
        created_at,
    }
}

fn read(row: Model) -> Result<OutboxTrace, StoreError> {
    let seq = row.seq.to_string();
    let reader = RowReader::new(TABLE, &seq);
    let needed = |column, value: Option<String>| value.ok_or_else(|| reader.unreadable(column));
    let payload: Value = reader.json("payload", &row.payload)?;
    let content = match row.destination.as_str() {
        EVENT => OutboxContent::Event {
            kind: reader.parse("event_kind", &needed("event_kind", row.event_kind)?)?,
            sequence: row
                .aggregate_sequence
                .ok_or_else(|| reader.unreadable("aggregate_sequence"))?,
            position: row.position,
            payload,
        },
        COMMAND => OutboxContent::Command {
            queue: needed("queue", row.queue)?,
            kind: payload
                .get("kind")
                .and_then(Value::as_str)
                .unwrap_or_default()
                .to_owned(),
        },
        _ => return Err(reader.unreadable("destination")),
    };
    Ok(OutboxTrace {
        seq: row.seq,
        id: row.id,
        content,
        created_at: row.created_at,
        published_at: row.published_at,
    })
}
