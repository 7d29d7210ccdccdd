//! What waits, what was published, and the one order of published events.

use chrono::{DateTime, Utc};
use entities::outbox::{Column, Entity};
use entities::outbox_cursor;
use kassa_core::event::EventKind;
use kassa_core::text::AppId;
use sea_orm::sea_query::{CaseStatement, Expr, ExprTrait, Order};
use sea_orm::{
    ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect, Select,
};

use super::row::{EVENT, read_event, read_waiting};
use super::{Backlog, EventRow, OutboxRow};
use crate::store::page::page_limit;
use crate::store::row::{exactly_one, fetch_all, fetch_one, read_all, to_micros};
use crate::store::{Store, StoreError, Tx, lock_row};

/// The most rows that one call marks as published: each needs a few parameters of one statement.
pub const MARK_BATCH_MAX: usize = 1_000;

/// The id of the single row of `outbox_cursor`.
const CURSOR_ID: i16 = 1;

impl Store {
    /// Those of some shards in which anything waits to be published.
    pub async fn list_waiting_shards(&self, shards: &[i16]) -> Result<Vec<i16>, StoreError> {
        if shards.is_empty() {
            return Ok(Vec::new());
        }
        waiting_shards(shards)
            .into_tuple()
            .all(self.db())
            .await
            .map_err(|error| StoreError::query("list waiting shards of the outbox", error))
    }

    /// The oldest rows of a shard that wait to be published, in the order in which they were written;
    /// at most [`crate::store::PAGE_LIMIT_MAX`].
    pub async fn list_unpublished(
        &self,
        shard: i16,
        limit: u64,
    ) -> Result<Vec<OutboxRow>, StoreError> {
        let rows = fetch_all(self.db(), "list the outbox", unpublished(shard, limit)).await?;
        read_all(rows, read_waiting)
    }

    /// Marks rows as published, at most [`MARK_BATCH_MAX`]; the events among them get the next
    /// positions in the order of `seq`. Rows that were marked before keep what they have. Returns how
    /// many were marked now.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] for a larger batch, and whatever the database says.
    pub async fn mark_published(&self, seqs: &[i64], at: DateTime<Utc>) -> Result<u64, StoreError> {
        if seqs.is_empty() {
            return Ok(0);
        }
        if seqs.len() > MARK_BATCH_MAX {
            return Err(StoreError::Conflict {
                operation: "mark more rows than one batch holds",
            });
        }
        let tx = self.begin().await?;
        let marked = tx.mark_published_in_tx(seqs, at).await?;
        tx.commit().await?;
        Ok(marked)
    }

    /// The app's published events after a position, in order; of all kinds if none is named. At most
    /// [`crate::store::PAGE_LIMIT_MAX`].
    pub async fn list_events(
        &self,
        app: &AppId,
        after_position: i64,
        kinds: &[EventKind],
        limit: u64,
    ) -> Result<Vec<EventRow>, StoreError> {
        let query = events_of_app(app, after_position, kinds, limit);
        read_all(
            fetch_all(self.db(), "list events", query).await?,
            read_event,
        )
    }

    /// How much waits to be published, and since when.
    pub async fn outbox_backlog(&self) -> Result<Backlog, StoreError> {
        const OPERATION: &str = "measure the outbox";
        let row: Option<(i64, Option<DateTime<Utc>>)> = Entity::find()
            .select_only()
            .column_as(Column::Seq.count(), "waiting")
            .column_as(Column::CreatedAt.min(), "oldest")
            .filter(Column::PublishedAt.is_null())
            .into_tuple()
            .one(self.db())
            .await
            .map_err(|error| StoreError::query(OPERATION, error))?;
        let (waiting, oldest_created_at) = row.unwrap_or_default();
        Ok(Backlog {
            count: u64::try_from(waiting).unwrap_or_default(),
            oldest_created_at,
        })
    }
}

impl Tx {
    async fn mark_published_in_tx(
        &self,
        seqs: &[i64],
        at: DateTime<Utc>,
    ) -> Result<u64, StoreError> {
        const OPERATION: &str = "mark outbox rows as published";
        let last = self.lock_cursor().await?;
        let waiting: Vec<(i64, String)> = Entity::find()
            .select_only()
            .columns([Column::Seq, Column::Destination])
            .filter(Column::Seq.is_in(seqs.iter().copied()))
            .filter(Column::PublishedAt.is_null())
            .order_by(Column::Seq, Order::Asc)
            .into_tuple()
            .all(self.db())
            .await
            .map_err(|error| StoreError::query(OPERATION, error))?;
        if waiting.is_empty() {
            return Ok(0);
        }
        let mut position = last;
        let mut positions = CaseStatement::new();
        for (seq, destination) in &waiting {
            if destination == EVENT {
                position = position.saturating_add(1);
                positions = positions.case(Expr::col(Column::Seq).eq(*seq), Expr::val(position));
            }
        }
        let mut update = Entity::update_many()
            .col_expr(Column::PublishedAt, Expr::val(to_micros(at)))
            .filter(Column::Seq.is_in(waiting.iter().map(|(seq, _)| *seq)))
            .filter(Column::PublishedAt.is_null());
        if position > last {
            update = update.col_expr(Column::Position, positions.into());
        }
        let result = update
            .exec(self.db())
            .await
            .map_err(|error| StoreError::query(OPERATION, error))?;
        if u64::try_from(waiting.len()).ok() != Some(result.rows_affected) {
            return Err(StoreError::Conflict {
                operation: OPERATION,
            });
        }
        if position > last {
            self.move_cursor(position).await?;
        }
        Ok(result.rows_affected)
    }

    /// Locks the cursor: positions are given, and become visible, one batch after the other.
    async fn lock_cursor(&self) -> Result<i64, StoreError> {
        let query = lock_row(
            outbox_cursor::Entity::find_by_id(CURSOR_ID),
            self.db().get_database_backend(),
        );
        fetch_one(self.db(), "lock the outbox cursor", query)
            .await?
            .map(|cursor| cursor.last_position)
            .ok_or_else(|| StoreError::not_found("outbox cursor", CURSOR_ID.to_string()))
    }

    async fn move_cursor(&self, position: i64) -> Result<(), StoreError> {
        const OPERATION: &str = "move the outbox cursor";
        let result = outbox_cursor::Entity::update_many()
            .col_expr(outbox_cursor::Column::LastPosition, Expr::val(position))
            .filter(outbox_cursor::Column::Id.eq(CURSOR_ID))
            .exec(self.db())
            .await
            .map_err(|error| StoreError::query(OPERATION, error))?;
        exactly_one(result.rows_affected, OPERATION)
    }
}

pub(crate) fn waiting_shards(shards: &[i16]) -> Select<Entity> {
    Entity::find()
        .select_only()
        .column(Column::Shard)
        .filter(Column::Shard.is_in(shards.iter().copied()))
        .filter(Column::PublishedAt.is_null())
        .distinct()
        .order_by(Column::Shard, Order::Asc)
}

pub(crate) fn unpublished(shard: i16, limit: u64) -> Select<Entity> {
    Entity::find()
        .filter(Column::Shard.eq(shard))
        .filter(Column::PublishedAt.is_null())
        .order_by(Column::Seq, Order::Asc)
        .limit(page_limit(limit))
}

pub(crate) fn events_of_app(
    app: &AppId,
    after_position: i64,
    kinds: &[EventKind],
    limit: u64,
) -> Select<Entity> {
    let query = Entity::find()
        .filter(Column::AppId.eq(app.as_str()))
        .filter(Column::Position.gt(after_position))
        .order_by(Column::Position, Order::Asc)
        .limit(page_limit(limit));
    if kinds.is_empty() {
        return query;
    }
    query.filter(Column::EventKind.is_in(kinds.iter().map(|kind| kind.as_str())))
}
