//! The inbox: table `notifications`. Every verified callback is in it once, whatever the gateway
//! repeats: the unique key (channel account, notification key) is the first guard against repeats.

use chrono::{DateTime, Utc};
use entities::notification::{ActiveModel, Column, Entity, Model};
use kassa_core::id::{ChannelAccountId, NotificationId, TransactionId};
use kassa_core::notification::{CallbackRoute, Notification, NotificationStatus};
use sea_orm::ActiveValue::Set;
use sea_orm::sea_query::{OnConflict, Order};
use sea_orm::{
    ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect, Select,
};

use super::row::{RowReader, exactly_one, fetch_all, fetch_one, read_all, to_json, to_micros};
use super::{PAGE_LIMIT_MAX, Page, Store, StoreError, Tx, lock_row};

const TABLE: &str = "notifications";

/// Whether a notification was new to the inbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Inserted {
    /// It was not there; now it is.
    New,
    /// It was there. The row is locked.
    Repeat {
        /// What came of it so far.
        status: NotificationStatus,
    },
}

/// A notification in the inbox and what came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotificationRecord {
    /// What was received.
    pub notification: Notification,
    /// What came of it.
    pub status: NotificationStatus,
    /// When that was known.
    pub processed_at: Option<DateTime<Utc>>,
    /// The transaction that it speaks of.
    pub transaction_id: Option<TransactionId>,
    /// For people: why.
    pub note: Option<String>,
}

/// That a notification came and what came of it, without what it says: bodies hold payers' data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotificationTrace {
    /// Our id.
    pub id: NotificationId,
    /// The account whose keys verified it.
    pub channel_account_id: ChannelAccountId,
    /// The route that it came in by.
    pub route: CallbackRoute,
    /// The gateway's own identity of it.
    pub key: String,
    /// What came of it.
    pub status: NotificationStatus,
    /// For people: why.
    pub note: Option<String>,
    /// When it was received.
    pub received_at: DateTime<Utc>,
    /// When it was processed.
    pub processed_at: Option<DateTime<Utc>>,
}

/// Which notifications are listed; what is `None` does not matter.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NotificationFilter {
    /// Only those of this channel account.
    pub account: Option<ChannelAccountId>,
    /// Only those with this outcome.
    pub status: Option<NotificationStatus>,
    /// Only those of this transaction.
    pub transaction_id: Option<TransactionId>,
}

impl Store {
    /// The id under which a notification with this key was first put into the inbox.
    pub async fn find_notification_id(
        &self,
        account: ChannelAccountId,
        key: &str,
    ) -> Result<Option<NotificationId>, StoreError> {
        find_id(self.db(), account, key).await
    }

    /// A page of the inbox, newest first.
    pub async fn list_notifications(
        &self,
        filter: &NotificationFilter,
        page: &Page,
    ) -> Result<Vec<NotificationRecord>, StoreError> {
        let rows = fetch_all(self.db(), "list notifications", listing(filter, page)).await?;
        read_all(rows, read)
    }

    /// The notifications that speak of a payment, oldest first, at most [`PAGE_LIMIT_MAX`].
    pub async fn list_notifications_of(
        &self,
        transaction: TransactionId,
    ) -> Result<Vec<NotificationTrace>, StoreError> {
        let rows: Vec<TraceColumns> = of_payment(transaction)
            .into_tuple()
            .all(self.db())
            .await
            .map_err(|error| StoreError::query("list notifications of a payment", error))?;
        rows.into_iter().map(read_trace).collect()
    }
}

/// The columns of [`of_payment`], in its order.
type TraceColumns = (
    String,
    String,
    String,
    String,
    String,
    Option<String>,
    DateTime<Utc>,
    Option<DateTime<Utc>>,
);

impl Tx {
    /// Puts a notification into the inbox unless it is there already. While another transaction is
    /// putting the same one in, this waits for its end.
    pub async fn insert_notification_in_tx(
        &self,
        notification: &Notification,
    ) -> Result<Inserted, StoreError> {
        const OPERATION: &str = "insert a notification";
        let once = OnConflict::columns([Column::ChannelAccountId, Column::NotificationKey])
            .do_nothing()
            .to_owned();
        let rows = Entity::insert(write(notification)?)
            .on_conflict(once)
            .exec_without_returning(self.db())
            .await
            .map_err(|error| StoreError::query(OPERATION, error))?;
        if rows > 0 {
            return Ok(Inserted::New);
        }
        let query = by_key(notification.channel_account_id, &notification.key);
        let query = lock_row(query, self.db().get_database_backend());
        let row = fetch_one(self.db(), "lock a notification", query)
            .await?
            .ok_or(StoreError::Conflict {
                operation: OPERATION,
            })?;
        let status = RowReader::new(TABLE, &row.id).parse("status", &row.status)?;
        Ok(Inserted::Repeat { status })
    }

    /// The id under which a notification with this key was first put into the inbox.
    pub async fn find_notification_id_in_tx(
        &self,
        account: ChannelAccountId,
        key: &str,
    ) -> Result<Option<NotificationId>, StoreError> {
        find_id(self.db(), account, key).await
    }

    /// Writes what came of a notification.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] if it is not in the inbox.
    pub async fn finish_notification_in_tx(
        &self,
        id: NotificationId,
        status: NotificationStatus,
        transaction: Option<TransactionId>,
        note: Option<&str>,
        at: DateTime<Utc>,
    ) -> Result<(), StoreError> {
        const OPERATION: &str = "finish a notification";
        let changes = ActiveModel {
            status: Set(status.to_string()),
            transaction_id: Set(transaction.map(|id| id.to_string())),
            note: Set(note.map(ToOwned::to_owned)),
            processed_at: Set(Some(to_micros(at))),
            ..ActiveModel::default()
        };
        let result = Entity::update_many()
            .set(changes)
            .filter(Column::Id.eq(id.to_string()))
            .exec(self.db())
            .await
            .map_err(|error| StoreError::query(OPERATION, error))?;
        exactly_one(result.rows_affected, OPERATION)
    }
}

async fn find_id<C: ConnectionTrait>(
    db: &C,
    account: ChannelAccountId,
    key: &str,
) -> Result<Option<NotificationId>, StoreError> {
    let row = fetch_one(db, "find a notification", by_key(account, key)).await?;
    row.map(|row| RowReader::new(TABLE, &row.id).parse("id", &row.id))
        .transpose()
}

pub(crate) fn by_key(account: ChannelAccountId, key: &str) -> Select<Entity> {
    Entity::find()
        .filter(Column::ChannelAccountId.eq(account.to_string()))
        .filter(Column::NotificationKey.eq(key))
}

pub(crate) fn listing(filter: &NotificationFilter, page: &Page) -> Select<Entity> {
    let mut query = Entity::find();
    if let Some(account) = filter.account {
        query = query.filter(Column::ChannelAccountId.eq(account.to_string()));
    }
    if let Some(status) = filter.status {
        query = query.filter(Column::Status.eq(status.as_str()));
    }
    if let Some(transaction) = filter.transaction_id {
        query = query.filter(Column::TransactionId.eq(transaction.to_string()));
    }
    page.apply(query, Column::ReceivedAt, Column::Id)
}

pub(crate) fn of_payment(transaction: TransactionId) -> Select<Entity> {
    Entity::find()
        .select_only()
        .columns([
            Column::Id,
            Column::ChannelAccountId,
            Column::Route,
            Column::NotificationKey,
            Column::Status,
            Column::Note,
            Column::ReceivedAt,
            Column::ProcessedAt,
        ])
        .filter(Column::TransactionId.eq(transaction.to_string()))
        .order_by(Column::ReceivedAt, Order::Asc)
        .order_by(Column::Id, Order::Asc)
        .limit(PAGE_LIMIT_MAX)
}

fn read_trace(row: TraceColumns) -> Result<NotificationTrace, StoreError> {
    let (id, account, route, key, status, note, received_at, processed_at) = row;
    let reader = RowReader::new(TABLE, &id);
    Ok(NotificationTrace {
        id: reader.parse("id", &id)?,
        channel_account_id: reader.parse("channel_account_id", &account)?,
        route: reader.parse("route", &route)?,
        key,
        status: reader.parse("status", &status)?,
        note,
        received_at,
        processed_at,
    })
}

fn read(row: Model) -> Result<NotificationRecord, StoreError> {
    let reader = RowReader::new(TABLE, &row.id);
    Ok(NotificationRecord {
        notification: Notification {
            id: reader.parse("id", &row.id)?,
            channel_account_id: reader.parse("channel_account_id", &row.channel_account_id)?,
            gateway: reader.parse("gateway", &row.gateway)?,
            route: reader.parse("route", &row.route)?,
            headers: reader.json("headers", &row.headers)?,
            key: row.notification_key,
            body: row.body,
            received_at: row.received_at,
        },
        status: reader.parse("status", &row.status)?,
        processed_at: row.processed_at,
        transaction_id: reader.parse_some("transaction_id", row.transaction_id.as_deref())?,
        note: row.note,
    })
}

fn write(notification: &Notification) -> Result<ActiveModel, StoreError> {
    Ok(ActiveModel {
        id: Set(notification.id.to_string()),
        channel_account_id: Set(notification.channel_account_id.to_string()),
        gateway: Set(notification.gateway.to_string()),
        route: Set(notification.route.to_string()),
        notification_key: Set(notification.key.clone()),
        headers: Set(to_json(TABLE, "headers", &notification.headers)?),
        body: Set(notification.body.clone()),
        received_at: Set(to_micros(notification.received_at)),
        processed_at: Set(None),
        status: Set(NotificationStatus::Received.to_string()),
        transaction_id: Set(None),
        note: Set(None),
    })
}
