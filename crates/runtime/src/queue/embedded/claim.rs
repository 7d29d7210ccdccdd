//! Claiming: a batch of due messages becomes this process's in one transaction.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use entities::queue_message::{Column, Entity, Model};
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, Condition, EntityTrait, QueryFilter, QueryOrder, QuerySelect};
use tokio::sync::OwnedSemaphorePermit;

use super::leases::{self, Hold};
use super::{Inner, LEASED, PARKED, READY};
use crate::queue::codec::{self, Decoded, UNREADABLE_REASON};
use crate::queue::{Envelope, QueueError, QueueName};
use crate::store::{self, StoreError, Tx};

/// A message that was claimed.
#[derive(Debug)]
pub(super) struct Claimed {
    pub(super) hold: Hold,
    pub(super) envelope: Envelope,
    pub(super) retries: u32,
}

/// Claims as many due messages as `permits` stands for, oldest first.
pub(super) async fn claim(
    inner: Arc<Inner>,
    queue: QueueName,
    mut permits: OwnedSemaphorePermit,
) -> Result<Vec<Claimed>, QueueError> {
    let dropped = inner.leases.dropped();
    if dropped.is_empty() && !is_anything_due(&inner, queue).await? {
        return Ok(Vec::new());
    }
    let count = u64::try_from(permits.num_permits()).unwrap_or(u64::MAX);
    let lease = inner.ids.next().simple().to_string();
    let until = leases::lease_end(&inner);
    let tx = inner.store.begin().await.map_err(failed)?;
    leases::give_back_in_tx(tx.db(), &dropped).await?;
    end_leases_in_tx(&inner, &tx, queue).await?;
    let rows = lease_in_tx(&inner, &tx, queue, count, (&lease, until)).await?;
    let (readable, unreadable) = read(rows, inner.clock.now());
    park_unreadable_in_tx(&inner, &tx, unreadable).await?;
    tx.commit().await.map_err(failed)?;
    inner.leases.forget_dropped(&dropped);
    let hold = |(seq, envelope, retries)| {
        let permit = permits.split(1);
        let lease = (lease.clone(), until);
        let hold = Hold::new(Arc::clone(&inner), queue, seq, lease, permit);
        Claimed {
            hold,
            envelope,
            retries,
        }
    };
    Ok(readable.into_iter().map(hold).collect())
}

/// A look without locks, so that an idle queue costs no write transaction.
async fn is_anything_due(inner: &Inner, queue: QueueName) -> Result<bool, QueueError> {
    let now = inner.clock.now();
    let ready = Condition::all()
        .add(Column::State.eq(READY))
        .add(Column::AvailableAt.lte(now));
    let expired = Condition::all()
        .add(Column::State.eq(LEASED))
        .add(Column::LeaseUntil.lte(now));
    for due in [ready, expired] {
        let found = Entity::find()
            .filter(Column::Queue.eq(queue.as_str()))
            .filter(due)
            .limit(1)
            .one(inner.store.db())
            .await
            .map_err(|error| failed(StoreError::query("look for work", error)))?;
        if found.is_some() {
            return Ok(true);
        }
    }
    Ok(false)
}

async fn end_leases_in_tx(inner: &Inner, tx: &Tx, queue: QueueName) -> Result<(), QueueError> {
    Entity::update_many()
        .col_expr(Column::State, Expr::value(READY))
        .col_expr(Column::Lease, Expr::value(Option::<String>::None))
        .col_expr(
            Column::LeaseUntil,
            Expr::value(Option::<DateTime<Utc>>::None),
        )
        .filter(Column::Queue.eq(queue.as_str()))
        .filter(Column::State.eq(LEASED))
        .filter(Column::LeaseUntil.lte(inner.clock.now()))
        .exec(tx.db())
        .await
        .map_err(|error| failed(StoreError::query("end leases", error)))?;
    Ok(())
}

async fn lease_in_tx(
    inner: &Inner,
    tx: &Tx,
    queue: QueueName,
    count: u64,
    lease: (&str, DateTime<Utc>),
) -> Result<Vec<Model>, QueueError> {
    let due = Entity::find()
        .filter(Column::Queue.eq(queue.as_str()))
        .filter(Column::State.eq(READY))
        .filter(Column::AvailableAt.lte(inner.clock.now()))
        .order_by_asc(Column::AvailableAt)
        .order_by_asc(Column::Seq)
        .limit(count);
    let rows = store::claim_rows(due, inner.store.backend())
        .all(tx.db())
        .await
        .map_err(|error| failed(StoreError::query("claim messages", error)))?;
    if rows.is_empty() {
        return Ok(rows);
    }
    let (lease, until) = lease;
    Entity::update_many()
        .col_expr(Column::State, Expr::value(LEASED))
        .col_expr(Column::Lease, Expr::value(lease))
        .col_expr(Column::LeaseUntil, Expr::value(until))
        .filter(Column::Seq.is_in(rows.iter().map(|row| row.seq)))
        .exec(tx.db())
        .await
        .map_err(|error| failed(StoreError::query("lease messages", error)))?;
    Ok(rows)
}

type Readable = Vec<(i64, Envelope, u32)>;

fn read(rows: Vec<Model>, now: DateTime<Utc>) -> (Readable, Vec<i64>) {
    let (mut readable, mut unreadable) = (Vec::with_capacity(rows.len()), Vec::new());
    for row in rows {
        let retries = u32::try_from(row.retries).unwrap_or(u32::MAX);
        match codec::decode(row.body.as_bytes(), now) {
            Decoded::Readable(envelope) => readable.push((row.seq, envelope, retries)),
            Decoded::Unreadable(_) => unreadable.push(row.seq),
        }
    }
    (readable, unreadable)
}

async fn park_unreadable_in_tx(
    inner: &Inner,
    tx: &Tx,
    unreadable: Vec<i64>,
) -> Result<(), QueueError> {
    if unreadable.is_empty() {
        return Ok(());
    }
    tracing::error!(
        messages = unreadable.len(),
        "unreadable messages were parked"
    );
    Entity::update_many()
        .col_expr(Column::State, Expr::value(PARKED))
        .col_expr(Column::Lease, Expr::value(Option::<String>::None))
        .col_expr(
            Column::LeaseUntil,
            Expr::value(Option::<DateTime<Utc>>::None),
        )
        .col_expr(Column::Reason, Expr::value(UNREADABLE_REASON))
        .col_expr(Column::ParkedAt, Expr::value(inner.clock.now()))
        .filter(Column::Seq.is_in(unreadable))
        .exec(tx.db())
        .await
        .map_err(|error| failed(StoreError::query("park messages", error)))?;
    Ok(())
}

fn failed(error: StoreError) -> QueueError {
    QueueError::store("claim", error)
}
