//! Payment transactions: table `payment_transactions`.

mod reserve;
mod row;

use chrono::{DateTime, Utc};
use entities::payment_transaction::{Column, Entity, Model};
use kassa_core::channel::Channel;
use kassa_core::id::TransactionId;
use kassa_core::payment::{Attempt, Leg, PaymentStatus, PaymentTransaction};
use kassa_core::text::{AppId, BusinessOrderId, RequestId, UserId};
use sea_orm::sea_query::Order;
use sea_orm::{
    ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect, Select,
};

use super::row::{exactly_one, fetch_all, fetch_one, read_all};
use super::{Locked, Page, Store, StoreError, Tx, leg, lock_row};

/// How many transactions of one business order are listed.
pub const PAYMENTS_OF_ORDER_MAX: u64 = 50;

/// Which transactions are listed; what is `None` does not matter.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PaymentFilter {
    /// Only those that stand there.
    pub status: Option<PaymentStatus>,
    /// Only those of this channel.
    pub channel: Option<Channel>,
    /// Only those of this order.
    pub business_order_id: Option<BusinessOrderId>,
    /// Only those of this user.
    pub user_id: Option<UserId>,
    /// Only those made at this time or later.
    pub created_from: Option<DateTime<Utc>>,
    /// Only those made before this time.
    pub created_to: Option<DateTime<Utc>>,
}

impl Store {
    /// The transaction with this id.
    pub async fn find_payment(
        &self,
        id: TransactionId,
    ) -> Result<Option<PaymentTransaction>, StoreError> {
        let row = fetch_one(self.db(), "find a payment", by_id(id)).await?;
        read_one(self.db(), row).await
    }

    /// The transaction with this id if it is the app's.
    pub async fn find_payment_of_app(
        &self,
        app: &AppId,
        id: TransactionId,
    ) -> Result<Option<PaymentTransaction>, StoreError> {
        let query = by_id(id).filter(Column::AppId.eq(app.as_str()));
        let row = fetch_one(self.db(), "find a payment", query).await?;
        read_one(self.db(), row).await
    }

    /// The transaction that this request of the app made.
    pub async fn find_payment_by_request(
        &self,
        app: &AppId,
        request: &RequestId,
    ) -> Result<Option<PaymentTransaction>, StoreError> {
        let row = fetch_one(self.db(), "find a payment", by_request(app, request)).await?;
        read_one(self.db(), row).await
    }

    /// The transaction that keeps others from this business order: open, or paid as agreed.
    pub async fn find_occupying_payment(
        &self,
        app: &AppId,
        order: &BusinessOrderId,
    ) -> Result<Option<PaymentTransaction>, StoreError> {
        let row = fetch_one(self.db(), "find a payment", occupying(app, order)).await?;
        read_one(self.db(), row).await
    }

    /// The transactions of a business order, newest first, at most [`PAYMENTS_OF_ORDER_MAX`].
    pub async fn list_payments_of_order(
        &self,
        app: &AppId,
        order: &BusinessOrderId,
    ) -> Result<Vec<PaymentTransaction>, StoreError> {
        let filter = PaymentFilter {
            business_order_id: Some(order.clone()),
            ..PaymentFilter::default()
        };
        self.list_payments(app, &filter, &Page::first(PAYMENTS_OF_ORDER_MAX))
            .await
    }

    /// The transactions of every business order with this id that one of `apps` has, newest first, at
    /// most [`PAYMENTS_OF_ORDER_MAX`]: for operators, who are told an order and not whose it is.
    pub async fn list_payments_of_order_of_any(
        &self,
        apps: &[AppId],
        order: &BusinessOrderId,
    ) -> Result<Vec<PaymentTransaction>, StoreError> {
        let rows = fetch_all(self.db(), "list payments", of_order_of_any(apps, order)).await?;
        read_each(self.db(), rows).await
    }

    /// A page of the app's transactions, newest first.
    pub async fn list_payments(
        &self,
        app: &AppId,
        filter: &PaymentFilter,
        page: &Page,
    ) -> Result<Vec<PaymentTransaction>, StoreError> {
        let rows = fetch_all(self.db(), "list payments", listing(app, filter, page)).await?;
        read_each(self.db(), rows).await
    }
}

impl Tx {
    /// Writes a new transaction with its legs and, if a gateway takes part, its first attempt. It
    /// occupies its business order.
    ///
    /// # Errors
    /// [`StoreError::UniqueViolation`] if the request was seen before or the order is occupied.
    pub async fn insert_payment_in_tx(
        &self,
        payment: &PaymentTransaction,
        legs: &[Leg],
        attempt: Option<&Attempt>,
    ) -> Result<(), StoreError> {
        Entity::insert(row::write(payment)?)
            .exec_without_returning(self.db())
            .await
            .map_err(|error| StoreError::query("insert a payment", error))?;
        for leg in legs {
            self.insert_leg_in_tx(leg).await?;
        }
        match attempt {
            Some(attempt) => self.insert_attempt_in_tx(attempt).await,
            None => Ok(()),
        }
    }

    /// Locks a transaction. Take this lock before those of its attempts and refunds.
    ///
    /// # Errors
    /// [`StoreError::NotFound`].
    pub async fn load_payment_for_update_in_tx(
        &self,
        id: TransactionId,
    ) -> Result<Locked<PaymentTransaction>, StoreError> {
        let query = lock_row(by_id(id), self.db().get_database_backend());
        let row = fetch_one(self.db(), "lock a payment", query)
            .await?
            .ok_or_else(|| StoreError::not_found("payment", id))?;
        let payment = read_one(self.db(), Some(row)).await?;
        payment
            .map(Locked::new)
            .ok_or_else(|| StoreError::not_found("payment", id))
    }

    /// Writes what became of a locked transaction; returns it with its new version. A transaction
    /// that ended unpaid gives its business order free and never takes it back. Its legs, where it
    /// carries them, are written with it. What the caller asked
    /// for once and for all (order, amount, subject, metadata …) is not written again.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] if the row has another version than the locked one.
    pub async fn update_payment_in_tx(
        &self,
        locked: Locked<PaymentTransaction>,
        new: PaymentTransaction,
    ) -> Result<PaymentTransaction, StoreError> {
        const OPERATION: &str = "update a payment";
        let old = locked.into_inner();
        let version = old.version.saturating_add(1);
        let updated = PaymentTransaction { version, ..new };
        let result = Entity::update_many()
            .set(row::changes(&updated)?)
            .filter(Column::Id.eq(updated.id.to_string()))
            .filter(Column::Id.eq(old.id.to_string()))
            .filter(Column::Version.eq(old.version))
            .exec(self.db())
            .await
            .map_err(|error| StoreError::query(OPERATION, error))?;
        exactly_one(result.rows_affected, OPERATION)?;
        for (before, leg) in old.legs.iter().zip(&updated.legs) {
            if before != leg {
                self.update_leg_in_tx(leg).await?;
            }
        }
        Ok(updated)
    }
}

/// The transaction of a row, with the legs that say more than the row.
async fn read_one<C: ConnectionTrait>(
    db: &C,
    row: Option<Model>,
) -> Result<Option<PaymentTransaction>, StoreError> {
    let payments = read_each(db, row.into_iter().collect()).await?;
    Ok(payments.into_iter().next())
}

async fn read_each<C: ConnectionTrait>(
    db: &C,
    rows: Vec<Model>,
) -> Result<Vec<PaymentTransaction>, StoreError> {
    let with_legs: Vec<String> = rows
        .iter()
        .filter(|row| row.has_internal_legs)
        .map(|row| row.id.clone())
        .collect();
    let mut payments = read_all(rows, row::read)?;
    if with_legs.is_empty() {
        return Ok(payments);
    }
    for found in leg::list(db, &with_legs).await? {
        let owner = payments.iter_mut().find(|it| it.id == found.transaction_id);
        if let Some(payment) = owner {
            payment.legs.push(found);
        }
    }
    Ok(payments)
}

pub(crate) fn by_id(id: TransactionId) -> Select<Entity> {
    Entity::find_by_id(id.to_string())
}

pub(crate) fn of_order_of_any(apps: &[AppId], order: &BusinessOrderId) -> Select<Entity> {
    Entity::find()
        .filter(Column::AppId.is_in(apps.iter().map(AppId::as_str)))
        .filter(Column::BusinessOrderId.eq(order.as_str()))
        .order_by(Column::CreatedAt, Order::Desc)
        .order_by(Column::Id, Order::Desc)
        .limit(PAYMENTS_OF_ORDER_MAX)
}

pub(crate) fn by_request(app: &AppId, request: &RequestId) -> Select<Entity> {
    Entity::find()
        .filter(Column::AppId.eq(app.as_str()))
        .filter(Column::RequestId.eq(request.as_str()))
}

pub(crate) fn occupying(app: &AppId, order: &BusinessOrderId) -> Select<Entity> {
    // The bare column, as the partial index has it: `occupies_order = $n` would not use the index.
    Entity::find()
        .filter(Column::AppId.eq(app.as_str()))
        .filter(Column::BusinessOrderId.eq(order.as_str()))
        .filter(Column::OccupiesOrder.into_expr())
}

pub(crate) fn listing(app: &AppId, filter: &PaymentFilter, page: &Page) -> Select<Entity> {
    let mut query = Entity::find().filter(Column::AppId.eq(app.as_str()));
    if let Some(status) = filter.status {
        query = query.filter(Column::Status.eq(status.as_str()));
    }
    if let Some(channel) = filter.channel {
        query = query.filter(Column::Channel.eq(channel.as_str()));
    }
    if let Some(order) = &filter.business_order_id {
        query = query.filter(Column::BusinessOrderId.eq(order.as_str()));
    }
    if let Some(user) = &filter.user_id {
        query = query.filter(Column::UserId.eq(user.as_str()));
    }
    if let Some(from) = filter.created_from {
        query = query.filter(Column::CreatedAt.gte(from));
    }
    if let Some(to) = filter.created_to {
        query = query.filter(Column::CreatedAt.lt(to));
    }
    page.apply(query, Column::CreatedAt, Column::Id)
}
