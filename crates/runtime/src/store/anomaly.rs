//! Anomalies: table `anomalies`.

use chrono::{DateTime, Utc};
use entities::anomaly::{ActiveModel, Column, Entity, Model};
use entities::payment_transaction;
use kassa_core::anomaly::{Anomaly, AnomalyKind, AnomalyStatus, Resolution, ResolutionRequest};
use kassa_core::app::OPERATIONS_APP;
use kassa_core::id::{AnomalyId, RefundId, TransactionId};
use kassa_core::text::AppId;
use sea_orm::ActiveValue::Set;
use sea_orm::sea_query::{Expr, ExprTrait, OnConflict, Order, Query};
use sea_orm::{
    ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect, Select,
};

use super::row::{RowReader, exactly_one, fetch_all, fetch_one, read_all, to_json, to_micros};
use super::{Locked, Page, Store, StoreError, Tx, claim_rows, lock_row};

const TABLE: &str = "anomalies";

/// Which anomalies are listed; what is `None` does not matter.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AnomalyFilter {
    /// Only those that stand there.
    pub status: Option<AnomalyStatus>,
    /// Only those of this kind.
    pub kind: Option<AnomalyKind>,
    /// Only those of this payment.
    pub transaction_id: Option<TransactionId>,
    /// Only those of this app's payments; the operators' own name stands for those of no payment.
    pub app_id: Option<AppId>,
}

impl Store {
    /// The anomaly with this id.
    pub async fn find_anomaly(&self, id: AnomalyId) -> Result<Option<Anomaly>, StoreError> {
        let row = fetch_one(self.db(), "find an anomaly", by_id(id)).await?;
        row.map(read).transpose()
    }

    /// The anomalies of a payment, newest first, at most [`super::PAGE_LIMIT_MAX`].
    pub async fn list_anomalies_of(
        &self,
        transaction: TransactionId,
    ) -> Result<Vec<Anomaly>, StoreError> {
        read_all(
            fetch_all(self.db(), "list anomalies", of_payment(transaction)).await?,
            read,
        )
    }

    /// A page of all anomalies, newest first.
    pub async fn list_anomalies(
        &self,
        filter: &AnomalyFilter,
        page: &Page,
    ) -> Result<Vec<Anomaly>, StoreError> {
        let query = listing(filter, page);
        read_all(fetch_all(self.db(), "list anomalies", query).await?, read)
    }

    /// Claims open anomalies whose money is to be given back at `now`, the longest due first: each is
    /// due again only at `until`, so that nobody else looks at it meanwhile and a worker that dies
    /// delays it by no more.
    pub async fn claim_due_anomalies(
        &self,
        now: DateTime<Utc>,
        until: DateTime<Utc>,
        limit: u64,
    ) -> Result<Vec<Anomaly>, StoreError> {
        const OPERATION: &str = "claim anomalies";
        // A look without locks, so that an idle pass costs no write transaction.
        if fetch_one(self.db(), OPERATION, due(now, 1))
            .await?
            .is_none()
        {
            return Ok(Vec::new());
        }
        let tx = self.begin().await?;
        let query = claim_rows(due(now, limit), tx.db().get_database_backend());
        let claimed = read_all(fetch_all(tx.db(), OPERATION, query).await?, read)?;
        let ids = claimed.iter().map(|anomaly| anomaly.id.to_string());
        Entity::update_many()
            .col_expr(Column::RefundDueAt, Expr::value(to_micros(until)))
            .filter(Column::Id.is_in(ids))
            .exec(tx.db())
            .await
            .map_err(|error| StoreError::query(OPERATION, error))?;
        tx.commit().await?;
        Ok(claimed)
    }
}

impl Tx {
    /// Writes an anomaly unless the same finding was written before; says whether it was new.
    pub async fn insert_anomaly_in_tx(&self, anomaly: &Anomaly) -> Result<bool, StoreError> {
        let row = ActiveModel {
            id: Set(anomaly.id.to_string()),
            kind: Set(anomaly.kind.to_string()),
            dedupe_key: Set(anomaly.dedupe_key.clone()),
            channel_account_id: Set(anomaly.channel_account_id.to_string()),
            transaction_id: Set(anomaly.transaction_id.map(|id| id.to_string())),
            refund_id: Set(anomaly.refund_id.map(|id| id.to_string())),
            evidence: Set(to_json(TABLE, "evidence", &anomaly.evidence)?),
            created_at: Set(to_micros(anomaly.created_at)),
            ..changes(anomaly)
        };
        let rows = Entity::insert(row)
            .on_conflict(
                OnConflict::column(Column::DedupeKey)
                    .do_nothing()
                    .to_owned(),
            )
            .exec_without_returning(self.db())
            .await
            .map_err(|error| StoreError::query("insert an anomaly", error))?;
        Ok(rows > 0)
    }

    /// Locks an anomaly; the lock of its payment comes first.
    ///
    /// # Errors
    /// [`StoreError::NotFound`].
    pub async fn load_anomaly_for_update_in_tx(
        &self,
        id: AnomalyId,
    ) -> Result<Locked<Anomaly>, StoreError> {
        self.lock_anomaly(by_id(id))
            .await?
            .ok_or_else(|| StoreError::not_found("anomaly", id))
    }

    /// Locks the open anomaly of this kind that is about a refund, if there is one.
    pub async fn find_open_anomaly_of_refund_for_update_in_tx(
        &self,
        refund: RefundId,
        kind: AnomalyKind,
    ) -> Result<Option<Locked<Anomaly>>, StoreError> {
        self.lock_anomaly(open_of_refund(refund, kind)).await
    }

    /// Locks the open anomalies of this kind of a payment.
    pub async fn list_open_anomalies_for_update_in_tx(
        &self,
        transaction: TransactionId,
        kind: AnomalyKind,
    ) -> Result<Vec<Locked<Anomaly>>, StoreError> {
        let query = of_payment(transaction)
            .filter(Column::Kind.eq(kind.as_str()))
            .filter(is_open());
        let query = lock_row(query, self.db().get_database_backend());
        let rows = fetch_all(self.db(), "lock anomalies", query).await?;
        read_all(rows, |row| read(row).map(Locked::new))
    }

    /// Writes what became of a locked anomaly. One that was dealt with stays as it is.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] if it is not open any more.
    pub async fn update_anomaly_in_tx(
        &self,
        locked: Locked<Anomaly>,
        new: &Anomaly,
    ) -> Result<(), StoreError> {
        const OPERATION: &str = "update an anomaly";
        let old = locked.into_inner();
        let result = Entity::update_many()
            .set(changes(new))
            .filter(Column::Id.eq(old.id.to_string()))
            .filter(is_open())
            .exec(self.db())
            .await
            .map_err(|error| StoreError::query(OPERATION, error))?;
        exactly_one(result.rows_affected, OPERATION)
    }

    async fn lock_anomaly(
        &self,
        query: Select<Entity>,
    ) -> Result<Option<Locked<Anomaly>>, StoreError> {
        let query = lock_row(query, self.db().get_database_backend());
        let row = fetch_one(self.db(), "lock an anomaly", query).await?;
        row.map(|row| read(row).map(Locked::new)).transpose()
    }
}

pub(crate) fn by_id(id: AnomalyId) -> Select<Entity> {
    Entity::find_by_id(id.to_string())
}

pub(crate) fn of_payment(transaction: TransactionId) -> Select<Entity> {
    let query = Entity::find().filter(Column::TransactionId.eq(transaction.to_string()));
    Page::default().apply(query, Column::CreatedAt, Column::Id)
}

pub(crate) fn open_of_refund(refund: RefundId, kind: AnomalyKind) -> Select<Entity> {
    Entity::find()
        .filter(Column::RefundId.eq(refund.to_string()))
        .filter(Column::Kind.eq(kind.as_str()))
        .filter(is_open())
        .limit(1)
}

pub(crate) fn due(now: DateTime<Utc>, limit: u64) -> Select<Entity> {
    Entity::find()
        .filter(Column::RefundDueAt.lte(to_micros(now)))
        .order_by(Column::RefundDueAt, Order::Asc)
        .order_by(Column::Id, Order::Asc)
        .limit(super::page::page_limit(limit))
}

pub(crate) fn listing(filter: &AnomalyFilter, page: &Page) -> Select<Entity> {
    let mut query = Entity::find();
    if let Some(status) = filter.status {
        query = query.filter(Column::Status.eq(status.as_str()));
    }
    if let Some(kind) = filter.kind {
        query = query.filter(Column::Kind.eq(kind.as_str()));
    }
    if let Some(transaction) = filter.transaction_id {
        query = query.filter(Column::TransactionId.eq(transaction.to_string()));
    }
    match &filter.app_id {
        Some(app) if app.as_str() == OPERATIONS_APP => {
            query = query.filter(Column::TransactionId.is_null());
        }
        Some(app) => query = query.filter(Expr::exists(payment_of(app))),
        None => {}
    }
    page.apply(query, Column::CreatedAt, Column::Id)
}

/// The anomaly's payment, if it is the app's.
fn payment_of(app: &AppId) -> sea_orm::sea_query::SelectStatement {
    use payment_transaction::Column as Payment;
    let of_anomaly = Expr::col((payment_transaction::Entity, Payment::Id))
        .equals((Entity, Column::TransactionId));
    let of_app = Expr::col((payment_transaction::Entity, Payment::AppId)).eq(app.as_str());
    Query::select()
        .expr(Expr::val(1))
        .from(payment_transaction::Entity)
        .and_where(of_anomaly)
        .and_where(of_app)
        .to_owned()
}

fn is_open() -> Expr {
    Column::Status.eq(AnomalyStatus::Open.as_str())
}

/// The columns that may change after the first write. Who asked for a refund that is under way, and who
/// dealt with it in the end, share their columns.
fn changes(anomaly: &Anomaly) -> ActiveModel {
    let resolution = anomaly.resolution.as_ref();
    let requested = anomaly.requested.as_ref();
    let by = resolution
        .map(|resolution| &resolution.by)
        .or(requested.map(|requested| &requested.by));
    let reason = resolution
        .map(|resolution| &resolution.reason)
        .or(requested.map(|requested| &requested.reason));
    ActiveModel {
        status: Set(anomaly.status().to_string()),
        refund_due_at: Set(anomaly.refund_due_at.map(to_micros)),
        resolved_at: Set(resolution.map(|resolution| to_micros(resolution.at))),
        resolution: Set(resolution.map(|resolution| resolution.action.to_string())),
        resolved_by: Set(by.cloned()),
        resolution_reason: Set(reason.cloned()),
        ..ActiveModel::default()
    }
}

fn read(row: Model) -> Result<Anomaly, StoreError> {
    let reader = RowReader::new(TABLE, &row.id);
    let by = row.resolved_by.unwrap_or_default();
    let reason = row.resolution_reason.unwrap_or_default();
    let (requested, resolution) = match (row.resolution.as_deref(), row.resolved_at) {
        (Some(action), Some(at)) => {
            let action = reader.parse("resolution", action)?;
            let resolution = Resolution {
                action,
                by,
                reason,
                at,
            };
            (None, Some(resolution))
        }
        _ if by.is_empty() => (None, None),
        _ => (Some(ResolutionRequest { by, reason }), None),
    };
    Ok(Anomaly {
        id: reader.parse("id", &row.id)?,
        kind: reader.parse("kind", &row.kind)?,
        channel_account_id: reader.parse("channel_account_id", &row.channel_account_id)?,
        transaction_id: reader.parse_some("transaction_id", row.transaction_id.as_deref())?,
        refund_id: reader.parse_some("refund_id", row.refund_id.as_deref())?,
        evidence: reader.json("evidence", &row.evidence)?,
        created_at: row.created_at,
        refund_due_at: row.refund_due_at,
        requested,
        resolution,
        dedupe_key: row.dedupe_key,
    })
}
