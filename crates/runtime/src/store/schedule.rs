//! Questions to gateways that are due: claims of attempts and refunds by the time of their next
//! question, shared by any number of workers.

use chrono::{DateTime, Utc};
use entities::{payment_attempt, refund_transaction};
use kassa_core::id::{AttemptId, ChannelAccountId, RefundId, TransactionId};
use kassa_core::payment::{Attempt, AttemptStatus};
use kassa_core::refund::{RefundStatus, RefundTransaction};
use sea_orm::sea_query::{Expr, Order};
use sea_orm::{
    ColumnTrait, ConnectionTrait, EntityTrait, FromQueryResult, QueryFilter, QueryOrder,
    QuerySelect, Select,
};

use super::row::{RowReader, fetch_all, to_micros};
use super::{Store, StoreError, Tx, attempt, claim_rows, refund};

/// When the next question is asked, and how many were asked before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NextQuery {
    /// When; `None` for never.
    pub at: Option<DateTime<Utc>>,
    /// How many were asked.
    pub count: i32,
}

/// What has no final state on one channel account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenOf {
    /// The account.
    pub channel_account_id: ChannelAccountId,
    /// How many.
    pub count: u64,
    /// When the oldest was made.
    pub oldest_created_at: DateTime<Utc>,
}

#[derive(FromQueryResult)]
struct OpenRow {
    channel_account_id: String,
    open_count: i64,
    oldest_created_at: DateTime<Utc>,
}

impl Tx {
    /// Attempts whose next question is due at `now`, longest overdue first, at most `limit`, none of the
    /// accounts `except`. Locked until the transaction ends; those that another worker has locked are
    /// skipped. Locks no payments: end the transaction before anything else is locked.
    pub async fn claim_due_attempts_in_tx(
        &self,
        now: DateTime<Utc>,
        except: &[ChannelAccountId],
        limit: u64,
    ) -> Result<Vec<Attempt>, StoreError> {
        let query = claim_rows(
            due_attempts(now, except, limit),
            self.db().get_database_backend(),
        );
        let rows = fetch_all(self.db(), "claim due attempts", query).await?;
        Ok(read_what_can_be(rows, attempt::read_attempt))
    }

    /// Sets when an attempt is asked about next. Its version stays: nothing about it changed. One that has
    /// nothing left to ask since it was claimed is left as it is.
    pub async fn schedule_attempt_in_tx(
        &self,
        id: AttemptId,
        next: NextQuery,
    ) -> Result<(), StoreError> {
        use payment_attempt::{Column, Entity};
        Entity::update_many()
            .col_expr(Column::NextQueryAt, Expr::val(next.at.map(to_micros)))
            .col_expr(Column::QueryCount, Expr::val(next.count))
            .filter(Column::Id.eq(id.to_string()))
            .filter(Column::NextQueryAt.is_not_null())
            .exec(self.db())
            .await
            .map_err(|error| StoreError::query("schedule a question", error))?;
        Ok(())
    }

    /// The attempts of a payment that have not ended are due at `at`; the payment's lock guards them.
    pub async fn schedule_open_attempts_in_tx(
        &self,
        transaction: TransactionId,
        at: DateTime<Utc>,
    ) -> Result<(), StoreError> {
        use payment_attempt::{Column, Entity};
        Entity::update_many()
            .col_expr(Column::NextQueryAt, Expr::val(Some(to_micros(at))))
            .col_expr(Column::QueryCount, Expr::val(0))
            .filter(Column::TransactionId.eq(transaction.to_string()))
            .filter(Column::Status.is_in(open_attempts()))
            .exec(self.db())
            .await
            .map_err(|error| StoreError::query("schedule open attempts", error))?;
        Ok(())
    }

    /// As [`Tx::claim_due_attempts_in_tx`], of refunds.
    pub async fn claim_due_refunds_in_tx(
        &self,
        now: DateTime<Utc>,
        except: &[ChannelAccountId],
        limit: u64,
    ) -> Result<Vec<RefundTransaction>, StoreError> {
        let query = claim_rows(
            due_refunds(now, except, limit),
            self.db().get_database_backend(),
        );
        let rows = fetch_all(self.db(), "claim due refunds", query).await?;
        Ok(read_what_can_be(rows, refund::read))
    }

    /// As [`Tx::schedule_attempt_in_tx`], of a refund.
    pub async fn schedule_refund_in_tx(
        &self,
        id: RefundId,
        next: NextQuery,
    ) -> Result<(), StoreError> {
        use refund_transaction::{Column, Entity};
        Entity::update_many()
            .col_expr(Column::NextQueryAt, Expr::val(next.at.map(to_micros)))
            .col_expr(Column::QueryCount, Expr::val(next.count))
            .filter(Column::Id.eq(id.to_string()))
            .filter(Column::NextQueryAt.is_not_null())
            .exec(self.db())
            .await
            .map_err(|error| StoreError::query("schedule a question", error))?;
        Ok(())
    }
}

impl Store {
    /// When the next question of any kind is due; `None` if nothing is left to ask.
    pub async fn next_query_due_at(&self) -> Result<Option<DateTime<Utc>>, StoreError> {
        let attempts = fetch_all(self.db(), "find the next question", soonest_attempt()).await?;
        let refunds = fetch_all(self.db(), "find the next question", soonest_refund()).await?;
        let attempts = attempts.into_iter().filter_map(|row| row.next_query_at);
        let refunds = refunds.into_iter().filter_map(|row| row.next_query_at);
        Ok(attempts.chain(refunds).min())
    }

    /// Attempts without a final state, by account.
    pub async fn count_open_attempts(&self) -> Result<Vec<OpenOf>, StoreError> {
        use payment_attempt::{Column, Entity};
        let query = Entity::find()
            .select_only()
            .column(Column::ChannelAccountId)
            .column_as(Column::Id.count(), "open_count")
            .column_as(Column::CreatedAt.min(), "oldest_created_at")
            .filter(Column::Status.is_in(open_attempts()))
            .group_by(Column::ChannelAccountId);
        self.count_open(query).await
    }

    /// Refunds without a final state, by account.
    pub async fn count_open_refunds(&self) -> Result<Vec<OpenOf>, StoreError> {
        use refund_transaction::{Column, Entity};
        let query = Entity::find()
            .select_only()
            .column(Column::ChannelAccountId)
            .column_as(Column::Id.count(), "open_count")
            .column_as(Column::CreatedAt.min(), "oldest_created_at")
            .filter(Column::Status.is_in(open_refunds()))
            .group_by(Column::ChannelAccountId);
        self.count_open(query).await
    }

    /// Gives a question at `at` to everything that is open and has none: rows of a program that knew no
    /// questions. Says how many there were.
    pub async fn schedule_unscheduled(&self, at: DateTime<Utc>) -> Result<u64, StoreError> {
        let tx = self.begin().await?;
        let attempts = {
            use payment_attempt::{Column, Entity};
            Entity::update_many()
                .col_expr(Column::NextQueryAt, Expr::val(Some(to_micros(at))))
                .filter(Column::Status.is_in(open_attempts()))
                .filter(Column::NextQueryAt.is_null())
                .exec(tx.db())
                .await
        };
        let refunds = {
            use refund_transaction::{Column, Entity};
            Entity::update_many()
                .col_expr(Column::NextQueryAt, Expr::val(Some(to_micros(at))))
                .filter(Column::Status.is_in(open_refunds()))
                .filter(Column::NextQueryAt.is_null())
                .exec(tx.db())
                .await
        };
        let failed = |error| StoreError::query("schedule what has no question", error);
        let attempts = attempts.map_err(failed)?.rows_affected;
        let refunds = refunds.map_err(failed)?.rows_affected;
        tx.commit().await?;
        Ok(attempts.saturating_add(refunds))
    }

    async fn count_open<E: EntityTrait>(
        &self,
        query: Select<E>,
    ) -> Result<Vec<OpenOf>, StoreError> {
        let rows = query
            .into_model::<OpenRow>()
            .all(self.db())
            .await
            .map_err(|error| StoreError::query("count what is open", error))?;
        rows.into_iter()
            .map(|row| {
                let reader = RowReader::new("channel_accounts", &row.channel_account_id);
                Ok(OpenOf {
                    channel_account_id: reader
                        .parse("channel_account_id", &row.channel_account_id)?,
                    count: u64::try_from(row.open_count).unwrap_or_default(),
                    oldest_created_at: row.oldest_created_at,
                })
            })
            .collect()
    }
}

fn open_attempts() -> impl Iterator<Item = &'static str> {
    let all = AttemptStatus::ALL.iter();
    all.filter(|status| !status.is_ended())
        .map(|status| status.as_str())
}

fn open_refunds() -> impl Iterator<Item = &'static str> {
    let all = RefundStatus::ALL.iter();
    all.filter(|status| !status.is_final())
        .map(|status| status.as_str())
}

/// One row that cannot be read must not keep the others from their turn.
fn read_what_can_be<M, T>(rows: Vec<M>, read: impl Fn(M) -> Result<T, StoreError>) -> Vec<T> {
    let read = |row| read(row).inspect_err(|error| tracing::error!(%error, "a due row is left"));
    rows.into_iter().filter_map(|row| read(row).ok()).collect()
}

pub(crate) fn due_attempts(
    now: DateTime<Utc>,
    except: &[ChannelAccountId],
    limit: u64,
) -> Select<payment_attempt::Entity> {
    use payment_attempt::{Column, Entity};
    let mut query = Entity::find().filter(Column::NextQueryAt.lte(to_micros(now)));
    if !except.is_empty() {
        query = query
            .filter(Column::ChannelAccountId.is_not_in(except.iter().map(ToString::to_string)));
    }
    query
        .order_by(Column::NextQueryAt, Order::Asc)
        .order_by(Column::Id, Order::Asc)
        .limit(limit)
}

pub(crate) fn due_refunds(
    now: DateTime<Utc>,
    except: &[ChannelAccountId],
    limit: u64,
) -> Select<refund_transaction::Entity> {
    use refund_transaction::{Column, Entity};
    let mut query = Entity::find().filter(Column::NextQueryAt.lte(to_micros(now)));
    if !except.is_empty() {
        query = query
            .filter(Column::ChannelAccountId.is_not_in(except.iter().map(ToString::to_string)));
    }
    query
        .order_by(Column::NextQueryAt, Order::Asc)
        .order_by(Column::Id, Order::Asc)
        .limit(limit)
}

fn soonest_attempt() -> Select<payment_attempt::Entity> {
    use payment_attempt::{Column, Entity};
    Entity::find()
        .filter(Column::NextQueryAt.is_not_null())
        .order_by(Column::NextQueryAt, Order::Asc)
        .limit(1)
}

fn soonest_refund() -> Select<refund_transaction::Entity> {
    use refund_transaction::{Column, Entity};
    Entity::find()
        .filter(Column::NextQueryAt.is_not_null())
        .order_by(Column::NextQueryAt, Order::Asc)
        .limit(1)
}
