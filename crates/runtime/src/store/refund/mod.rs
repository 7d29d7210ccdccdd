//! Refund transactions: tables `refund_transactions` and `refund_legs`.

mod leg;

use entities::refund_transaction::{ActiveModel, Column, Entity, Model};
use kassa_core::id::{AttemptId, RefundId, TransactionId};
use kassa_core::refund::{RefundRoute, RefundStatus, RefundTransaction};
use kassa_core::text::{AppId, BusinessRefundId};
use sea_orm::ActiveValue::Set;
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, Select};

use super::row::{
    RowReader, exactly_one, failure_columns, fetch_all, fetch_one, minor_in, to_micros,
};
use super::{Locked, Page, Store, StoreError, Tx, lock_row};

const TABLE: &str = "refund_transactions";

/// Which refunds are listed; what is `None` does not matter.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RefundFilter {
    /// Only those of this payment.
    pub transaction_id: Option<TransactionId>,
    /// Only those that stand there.
    pub status: Option<RefundStatus>,
}

impl Store {
    /// The refund with this id.
    pub async fn find_refund(&self, id: RefundId) -> Result<Option<RefundTransaction>, StoreError> {
        self.one_refund(by_id(id)).await
    }

    /// The refund with this id if it is the app's.
    pub async fn find_refund_of_app(
        &self,
        app: &AppId,
        id: RefundId,
    ) -> Result<Option<RefundTransaction>, StoreError> {
        self.one_refund(by_id(id).filter(Column::AppId.eq(app.as_str())))
            .await
    }

    /// The refund that this request of the app made.
    pub async fn find_refund_by_business_id(
        &self,
        app: &AppId,
        id: &BusinessRefundId,
    ) -> Result<Option<RefundTransaction>, StoreError> {
        self.one_refund(by_business_id(app, id)).await
    }

    /// The refund with this number of a paid order: gateways number refunds per order.
    pub async fn find_refund_by_number(
        &self,
        attempt: AttemptId,
        number: &str,
    ) -> Result<Option<RefundTransaction>, StoreError> {
        self.one_refund(by_number(attempt, number)).await
    }

    /// A page of the app's refunds, newest first.
    pub async fn list_refunds(
        &self,
        app: &AppId,
        filter: &RefundFilter,
        page: &Page,
    ) -> Result<Vec<RefundTransaction>, StoreError> {
        let rows = fetch_all(self.db(), "list refunds", listing(app, filter, page)).await?;
        leg::read_each(self.db(), rows).await
    }

    /// The refunds of a payment, newest first, at most [`super::PAGE_LIMIT_MAX`].
    pub async fn list_refunds_of_payment(
        &self,
        transaction: TransactionId,
    ) -> Result<Vec<RefundTransaction>, StoreError> {
        let rows = fetch_all(self.db(), "list refunds", of_payment(transaction)).await?;
        leg::read_each(self.db(), rows).await
    }

    async fn one_refund(
        &self,
        query: Select<Entity>,
    ) -> Result<Option<RefundTransaction>, StoreError> {
        let row = fetch_one(self.db(), "find a refund", query).await?;
        leg::read_one(self.db(), row).await
    }
}

impl Tx {
    /// Writes a new refund. Its amount was reserved in the same transaction.
    ///
    /// # Errors
    /// [`StoreError::UniqueViolation`] if the caller's request or the refund number was seen before.
    pub async fn insert_refund_in_tx(&self, refund: &RefundTransaction) -> Result<(), StoreError> {
        Entity::insert(write(refund)?)
            .exec_without_returning(self.db())
            .await
            .map_err(|error| StoreError::query("insert a refund", error))?;
        self.insert_refund_legs(refund).await
    }

    /// Locks a refund; the lock of its payment comes first.
    ///
    /// # Errors
    /// [`StoreError::NotFound`].
    pub async fn load_refund_for_update_in_tx(
        &self,
        id: RefundId,
    ) -> Result<Locked<RefundTransaction>, StoreError> {
        self.lock_refund(by_id(id))
            .await?
            .ok_or_else(|| StoreError::not_found("refund", id))
    }

    /// The refund with this number of a paid order as this transaction sees it, not locked: for finding the payment
    /// whose row is locked first.
    pub async fn find_refund_by_number_in_tx(
        &self,
        attempt: AttemptId,
        number: &str,
    ) -> Result<Option<RefundTransaction>, StoreError> {
        let row = fetch_one(self.db(), "find a refund", by_number(attempt, number)).await?;
        leg::read_one(self.db(), row).await
    }

    /// The refunds of a paid order as this transaction sees them; whoever holds the lock of its payment
    /// sees them all.
    pub async fn list_refunds_of_attempt_in_tx(
        &self,
        attempt: AttemptId,
    ) -> Result<Vec<RefundTransaction>, StoreError> {
        let rows = fetch_all(self.db(), "list refunds", of_attempt(attempt)).await?;
        leg::read_each(self.db(), rows).await
    }

    /// Locks the refund with this number of a paid order, if there is one.
    pub async fn find_refund_by_number_for_update_in_tx(
        &self,
        attempt: AttemptId,
        number: &str,
    ) -> Result<Option<Locked<RefundTransaction>>, StoreError> {
        self.lock_refund(by_number(attempt, number)).await
    }

    /// Writes what became of a locked refund and its legs; returns it with its new version.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] if the row has another version than the locked one.
    pub async fn update_refund_in_tx(
        &self,
        locked: Locked<RefundTransaction>,
        new: RefundTransaction,
    ) -> Result<RefundTransaction, StoreError> {
        const OPERATION: &str = "update a refund";
        let old = locked.into_inner();
        let updated = RefundTransaction {
            version: old.version.saturating_add(1),
            ..new
        };
        let result = Entity::update_many()
            .set(changes(&updated)?)
            .filter(Column::Id.eq(updated.id.to_string()))
            .filter(Column::Id.eq(old.id.to_string()))
            .filter(Column::Version.eq(old.version))
            .exec(self.db())
            .await
            .map_err(|error| StoreError::query(OPERATION, error))?;
        exactly_one(result.rows_affected, OPERATION)?;
        for (before, leg) in old.legs.iter().zip(&updated.legs) {
            if before != leg {
                self.update_refund_leg(leg).await?;
            }
        }
        Ok(updated)
    }

    async fn lock_refund(
        &self,
        query: Select<Entity>,
    ) -> Result<Option<Locked<RefundTransaction>>, StoreError> {
        let query = lock_row(query, self.db().get_database_backend());
        let row = fetch_one(self.db(), "lock a refund", query).await?;
        Ok(leg::read_one(self.db(), row).await?.map(Locked::new))
    }
}

pub(crate) fn by_id(id: RefundId) -> Select<Entity> {
    Entity::find_by_id(id.to_string())
}

pub(crate) fn by_business_id(app: &AppId, id: &BusinessRefundId) -> Select<Entity> {
    Entity::find()
        .filter(Column::AppId.eq(app.as_str()))
        .filter(Column::BusinessRefundId.eq(id.as_str()))
}

pub(crate) fn by_number(attempt: AttemptId, number: &str) -> Select<Entity> {
    Entity::find()
        .filter(Column::AttemptId.eq(attempt.to_string()))
        .filter(Column::RefundNumber.eq(number))
}

pub(crate) fn of_attempt(attempt: AttemptId) -> Select<Entity> {
    let query = Entity::find().filter(Column::AttemptId.eq(attempt.to_string()));
    Page::default().apply(query, Column::CreatedAt, Column::Id)
}

pub(crate) fn of_payment(transaction: TransactionId) -> Select<Entity> {
    let query = Entity::find().filter(Column::OriginalTransactionId.eq(transaction.to_string()));
    Page::default().apply(query, Column::CreatedAt, Column::Id)
}

pub(crate) fn listing(app: &AppId, filter: &RefundFilter, page: &Page) -> Select<Entity> {
    let mut query = Entity::find().filter(Column::AppId.eq(app.as_str()));
    if let Some(transaction) = filter.transaction_id {
        query = query.filter(Column::OriginalTransactionId.eq(transaction.to_string()));
    }
    if let Some(status) = filter.status {
        query = query.filter(Column::Status.eq(status.as_str()));
    }
    page.apply(query, Column::CreatedAt, Column::Id)
}

/// A row without its legs.
pub(super) fn read(row: Model) -> Result<RefundTransaction, StoreError> {
    let reader = RowReader::new(TABLE, &row.id);
    let currency = reader.parse("currency", &row.currency)?;
    let money = |column, minor| reader.money(column, minor, currency);
    Ok(RefundTransaction {
        id: reader.parse("id", &row.id)?,
        app_id: reader.text("app_id", &row.app_id)?,
        original_transaction_id: reader
            .parse("original_transaction_id", &row.original_transaction_id)?,
        leg_id: reader.parse("leg_id", &row.leg_id)?,
        route: read_route(&reader, &row)?,
        legs: Vec::new(),
        business_refund_id: reader
            .text_some("business_refund_id", row.business_refund_id.as_deref())?,
        request_fingerprint: row.request_fingerprint,
        refund_number: row.refund_number,
        amount_requested: money("amount_requested_minor", row.amount_requested_minor)?,
        amount_refunded: money("amount_refunded_minor", row.amount_refunded_minor)?,
        status: reader.parse("status", &row.status)?,
        reason: reader.text_some("reason", row.reason.as_deref())?,
        gateway_refund_id: row.gateway_refund_id,
        failure: reader.failure(row.error_code, row.error_message)?,
        submitted_at: row.submitted_at,
        created_at: row.created_at,
        updated_at: row.updated_at,
        refunded_at: row.refunded_at,
        next_query_at: row.next_query_at,
        query_count: row.query_count,
        source: reader.parse("source", &row.source)?,
        anomaly_id: reader.parse_some("anomaly_id", row.anomaly_id.as_deref())?,
        version: row.version,
    })
}

fn read_route(reader: &RowReader<'_>, row: &Model) -> Result<Option<RefundRoute>, StoreError> {
    let (attempt, account) = (row.attempt_id.as_deref(), row.channel_account_id.as_deref());
    let Some((attempt, account)) = attempt.zip(account) else {
        return Ok(None);
    };
    let minor = row
        .gateway_amount_minor
        .unwrap_or(row.amount_requested_minor);
    let currency = reader.parse("currency", &row.currency)?;
    Ok(Some(RefundRoute {
        attempt_id: reader.parse("attempt_id", attempt)?,
        channel_account_id: reader.parse("channel_account_id", account)?,
        amount: reader.money("gateway_amount_minor", minor, currency)?,
    }))
}

/// A whole new row.
fn write(refund: &RefundTransaction) -> Result<ActiveModel, StoreError> {
    let business_refund_id = refund.business_refund_id.as_ref();
    let route = refund.route.as_ref();
    Ok(ActiveModel {
        id: Set(refund.id.to_string()),
        app_id: Set(refund.app_id.to_string()),
        original_transaction_id: Set(refund.original_transaction_id.to_string()),
        leg_id: Set(refund.leg_id.to_string()),
        attempt_id: Set(route.map(|route| route.attempt_id.to_string())),
        channel_account_id: Set(route.map(|route| route.channel_account_id.to_string())),
        gateway_amount_minor: Set(route.map(|route| route.amount.amount_minor())),
        has_legs: Set(!refund.legs.is_empty()),
        business_refund_id: Set(business_refund_id.map(ToString::to_string)),
        request_fingerprint: Set(refund.request_fingerprint.clone()),
        refund_number: Set(refund.refund_number.clone()),
        amount_requested_minor: Set(refund.amount_requested.amount_minor()),
        currency: Set(refund.amount_requested.currency().to_string()),
        reason: Set(refund.reason.as_ref().map(ToString::to_string)),
        created_at: Set(to_micros(refund.created_at)),
        source: Set(refund.source.to_string()),
        ..changes(refund)?
    })
}

/// The columns that may change after the first write.
fn changes(refund: &RefundTransaction) -> Result<ActiveModel, StoreError> {
    let currency = refund.amount_requested.currency();
    let (error_code, error_message) = failure_columns(refund.failure.as_ref());
    Ok(ActiveModel {
        amount_refunded_minor: Set(minor_in(
            currency,
            TABLE,
            "amount_refunded_minor",
            refund.amount_refunded,
        )?),
        status: Set(refund.status.to_string()),
        gateway_refund_id: Set(refund.gateway_refund_id.clone()),
        error_code: Set(error_code),
        error_message: Set(error_message),
        submitted_at: Set(refund.submitted_at.map(to_micros)),
        updated_at: Set(to_micros(refund.updated_at)),
        refunded_at: Set(refund.refunded_at.map(to_micros)),
        next_query_at: Set(refund.next_query_at.map(to_micros)),
        query_count: Set(refund.query_count),
        anomaly_id: Set(refund.anomaly_id.map(|id| id.to_string())),
        version: Set(refund.version),
        ..ActiveModel::default()
    })
}
