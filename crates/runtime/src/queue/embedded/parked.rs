//! Parked messages: listing them, putting them back.

use chrono::{DateTime, Utc};
use entities::queue_message::{Column, Entity, Model};
use kassa_core::id::EnvelopeId;
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect, Select};

use super::{Inner, PARKED, READY};
use crate::queue::{Parked, QueueError, QueueName, codec};
use crate::store::{self, StoreError};

/// How many parked messages one call lists or puts back at most.
const LIST_MAX: u64 = 10_000;

/// The oldest parked messages.
pub(super) async fn list(
    inner: &Inner,
    queue: QueueName,
    limit: usize,
) -> Result<Vec<Parked>, QueueError> {
    let rows = oldest(queue, limit)
        .all(inner.store.db())
        .await
        .map_err(|error| {
            QueueError::store("list parked", StoreError::query("list parked", error))
        })?;
    let now = inner.clock.now();
    Ok(rows
        .into_iter()
        .map(|row| parked(queue, row, now))
        .collect())
}

/// Puts parked messages back, oldest first: those named, or any.
pub(super) async fn redrive(
    inner: &Inner,
    queue: QueueName,
    ids: &[EnvelopeId],
    limit: usize,
) -> Result<Vec<EnvelopeId>, QueueError> {
    let failed = |error| QueueError::store("redrive", error);
    let tx = inner.store.begin().await.map_err(failed)?;
    let mut query = oldest(queue, limit);
    if !ids.is_empty() {
        query = query.filter(Column::EnvelopeId.is_in(ids.iter().map(ToString::to_string)));
    }
    let rows = store::lock_row(query, inner.store.backend())
        .all(tx.db())
        .await
        .map_err(|error| failed(StoreError::query("find parked", error)))?;
    if rows.is_empty() {
        return Ok(Vec::new());
    }
    let now = inner.clock.now();
    Entity::update_many()
        .col_expr(Column::State, Expr::value(READY))
        .col_expr(Column::AvailableAt, Expr::value(now))
        .col_expr(Column::Retries, Expr::value(0_i64))
        .col_expr(Column::Reason, Expr::value(Option::<String>::None))
        .col_expr(Column::ParkedAt, Expr::value(Option::<DateTime<Utc>>::None))
        .filter(Column::Seq.is_in(rows.iter().map(|row| row.seq)))
        .filter(Column::State.eq(PARKED))
        .exec(tx.db())
        .await
        .map_err(|error| failed(StoreError::query("put back", error)))?;
    tx.commit().await.map_err(failed)?;
    Ok(rows
        .into_iter()
        .map(|row| parked(queue, row, now).envelope.id)
        .collect())
}

fn oldest(queue: QueueName, limit: usize) -> Select<Entity> {
    Entity::find()
        .filter(Column::Queue.eq(queue.as_str()))
        .filter(Column::State.eq(PARKED))
        .order_by_asc(Column::ParkedAt)
        .order_by_asc(Column::Seq)
        .limit(u64::try_from(limit).unwrap_or(LIST_MAX).min(LIST_MAX))
}

fn parked(queue: QueueName, row: Model, now: DateTime<Utc>) -> Parked {
    let mut envelope = codec::decode(row.body.as_bytes(), now).into_envelope();
    // An unreadable body gets an id made from it; the row still knows the one it came with.
    if let Ok(id) = row.envelope_id.parse() {
        envelope.id = id;
    }
    Parked {
        queue,
        envelope,
        reason: row.reason.unwrap_or_default(),
        retries: u32::try_from(row.retries).unwrap_or(u32::MAX),
        parked_at: row.parked_at.unwrap_or(row.enqueued_at),
    }
}
