//! Attempts: table `payment_attempts`.

use entities::payment_attempt;
use kassa_core::id::{AttemptId, TransactionId};
use kassa_core::payment::{Attempt, RetryRequest};
use kassa_core::text::RequestId;
use sea_orm::ActiveValue::Set;
use sea_orm::sea_query::Order;
use sea_orm::{
    ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect, Select,
};

use super::row::{
    RowReader, exactly_one, failure_columns, fetch_all, fetch_one, read_all, to_json, to_micros,
};
use super::{Locked, PAGE_LIMIT_MAX, Store, StoreError, Tx, lock_row};

const ATTEMPTS: &str = "payment_attempts";

impl Store {
    /// The attempt with this id; its text is the request number.
    pub async fn find_attempt(&self, id: AttemptId) -> Result<Option<Attempt>, StoreError> {
        let row = fetch_one(self.db(), "find an attempt", by_id(id)).await?;
        row.map(read_attempt).transpose()
    }

    /// The attempts of a transaction, oldest first.
    pub async fn list_attempts(
        &self,
        transaction: TransactionId,
    ) -> Result<Vec<Attempt>, StoreError> {
        let rows = fetch_all(self.db(), "list attempts", of_transaction(transaction)).await?;
        let mut attempts = read_all(rows, read_attempt)?;
        // Two of the same moment are told apart by their number only.
        attempts.sort_by_key(|attempt| attempt.attempt_no);
        Ok(attempts)
    }
}

impl Tx {
    /// Writes a new attempt, before the call that it stands for.
    pub async fn insert_attempt_in_tx(&self, attempt: &Attempt) -> Result<(), StoreError> {
        payment_attempt::Entity::insert(write_attempt(attempt)?)
            .exec_without_returning(self.db())
            .await
            .map_err(|error| StoreError::query("insert an attempt", error))?;
        Ok(())
    }

    /// Locks an attempt; the lock of its transaction comes first.
    ///
    /// # Errors
    /// [`StoreError::NotFound`].
    pub async fn load_attempt_for_update_in_tx(
        &self,
        id: AttemptId,
    ) -> Result<Locked<Attempt>, StoreError> {
        self.find_attempt_for_update_in_tx(id)
            .await?
            .ok_or_else(|| StoreError::not_found("attempt", id))
    }

    /// The attempt with this id as this transaction sees it, not locked: for finding the payment whose
    /// row is locked first.
    pub async fn find_attempt_in_tx(&self, id: AttemptId) -> Result<Option<Attempt>, StoreError> {
        let row = fetch_one(self.db(), "find an attempt", by_id(id)).await?;
        row.map(read_attempt).transpose()
    }

    /// The attempt that this retry of the payment made. The lock of its transaction guards it: who has
    /// it and finds none is the first.
    pub async fn find_attempt_of_retry_in_tx(
        &self,
        transaction: TransactionId,
        request: &RequestId,
    ) -> Result<Option<Attempt>, StoreError> {
        let row = fetch_one(self.db(), "find a retry", of_retry(transaction, request)).await?;
        row.map(read_attempt).transpose()
    }

    /// Locks an attempt if there is one with this id.
    pub async fn find_attempt_for_update_in_tx(
        &self,
        id: AttemptId,
    ) -> Result<Option<Locked<Attempt>>, StoreError> {
        let query = lock_row(by_id(id), self.db().get_database_backend());
        let row = fetch_one(self.db(), "lock an attempt", query).await?;
        row.map(|row| read_attempt(row).map(Locked::new))
            .transpose()
    }

    /// Writes what became of a locked attempt; returns it with its new version.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] if the row has another version than the locked one.
    pub async fn update_attempt_in_tx(
        &self,
        locked: Locked<Attempt>,
        new: Attempt,
    ) -> Result<Attempt, StoreError> {
        const OPERATION: &str = "update an attempt";
        let old = locked.into_inner();
        let updated = Attempt {
            version: old.version.saturating_add(1),
            ..new
        };
        let result = payment_attempt::Entity::update_many()
            .set(attempt_changes(&updated)?)
            .filter(payment_attempt::Column::Id.eq(updated.id.to_string()))
            .filter(payment_attempt::Column::Id.eq(old.id.to_string()))
            .filter(payment_attempt::Column::Version.eq(old.version))
            .exec(self.db())
            .await
            .map_err(|error| StoreError::query(OPERATION, error))?;
        exactly_one(result.rows_affected, OPERATION)?;
        Ok(updated)
    }
}

pub(crate) fn by_id(id: AttemptId) -> Select<payment_attempt::Entity> {
    payment_attempt::Entity::find_by_id(id.to_string())
}

pub(crate) fn of_retry(
    transaction: TransactionId,
    request: &RequestId,
) -> Select<payment_attempt::Entity> {
    payment_attempt::Entity::find()
        .filter(payment_attempt::Column::TransactionId.eq(transaction.to_string()))
        .filter(payment_attempt::Column::RequestId.eq(request.as_str()))
}

pub(crate) fn of_transaction(transaction: TransactionId) -> Select<payment_attempt::Entity> {
    payment_attempt::Entity::find()
        .filter(payment_attempt::Column::TransactionId.eq(transaction.to_string()))
        .order_by(payment_attempt::Column::CreatedAt, Order::Asc)
        .order_by(payment_attempt::Column::Id, Order::Asc)
        .limit(PAGE_LIMIT_MAX)
}

pub(super) fn read_attempt(row: payment_attempt::Model) -> Result<Attempt, StoreError> {
    let reader = RowReader::new(ATTEMPTS, &row.id);
    let currency = reader.parse("currency", &row.currency)?;
    Ok(Attempt {
        id: reader.parse("id", &row.id)?,
        transaction_id: reader.parse("transaction_id", &row.transaction_id)?,
        leg_id: reader.parse("leg_id", &row.leg_id)?,
        attempt_no: row.attempt_no,
        channel_account_id: reader.parse("channel_account_id", &row.channel_account_id)?,
        method: reader.parse("method", &row.method)?,
        amount: reader.money("amount_minor", row.amount_minor, currency)?,
        fee: reader.fee(row.fee_rate_ppm, row.is_fee_returned)?,
        payer: reader.text_some("payer_id", row.payer_id.as_deref())?,
        status: reader.parse("status", &row.status)?,
        prepay: row
            .prepay
            .as_deref()
            .map(|json| reader.json("prepay", json))
            .transpose()?,
        gateway_transaction_id: row.gateway_transaction_id,
        failure: reader.failure(row.error_code, row.error_message)?,
        expires_at: row.expires_at,
        created_at: row.created_at,
        updated_at: row.updated_at,
        next_query_at: row.next_query_at,
        query_count: row.query_count,
        retry: read_retry(&reader, row.request_id, row.request_fingerprint)?,
        version: row.version,
    })
}

fn read_retry(
    reader: &RowReader<'_>,
    id: Option<String>,
    fingerprint: Option<String>,
) -> Result<Option<RetryRequest>, StoreError> {
    let Some((id, fingerprint)) = id.zip(fingerprint) else {
        return Ok(None);
    };
    let id = reader.text("request_id", &id)?;
    Ok(Some(RetryRequest { id, fingerprint }))
}

/// A whole new row.
fn write_attempt(attempt: &Attempt) -> Result<payment_attempt::ActiveModel, StoreError> {
    Ok(payment_attempt::ActiveModel {
        id: Set(attempt.id.to_string()),
        transaction_id: Set(attempt.transaction_id.to_string()),
        leg_id: Set(attempt.leg_id.to_string()),
        attempt_no: Set(attempt.attempt_no),
        channel_account_id: Set(attempt.channel_account_id.to_string()),
        request_number: Set(attempt.request_number()),
        method: Set(attempt.method.to_string()),
        amount_minor: Set(attempt.amount.amount_minor()),
        currency: Set(attempt.amount.currency().to_string()),
        fee_rate_ppm: Set(attempt.fee.rate.ppm().into()),
        is_fee_returned: Set(attempt.fee.is_returned),
        payer_id: Set(attempt.payer.as_ref().map(ToString::to_string)),
        request_id: Set(attempt.retry.as_ref().map(|retry| retry.id.to_string())),
        request_fingerprint: Set(retry_fingerprint(attempt)),
        created_at: Set(to_micros(attempt.created_at)),
        ..attempt_changes(attempt)?
    })
}

fn retry_fingerprint(attempt: &Attempt) -> Option<String> {
    let retry = attempt.retry.as_ref();
    retry.map(|retry| retry.fingerprint.clone())
}

/// The columns that may change after the first write.
fn attempt_changes(attempt: &Attempt) -> Result<payment_attempt::ActiveModel, StoreError> {
    let prepay = attempt.prepay.as_ref();
    let (error_code, error_message) = failure_columns(attempt.failure.as_ref());
    Ok(payment_attempt::ActiveModel {
        status: Set(attempt.status.to_string()),
        prepay: Set(prepay
            .map(|prepay| to_json(ATTEMPTS, "prepay", prepay))
            .transpose()?),
        gateway_transaction_id: Set(attempt.gateway_transaction_id.clone()),
        error_code: Set(error_code),
        error_message: Set(error_message),
        expires_at: Set(to_micros(attempt.expires_at)),
        updated_at: Set(to_micros(attempt.updated_at)),
        next_query_at: Set(attempt.next_query_at.map(to_micros)),
        query_count: Set(attempt.query_count),
        version: Set(attempt.version),
        ..payment_attempt::ActiveModel::default()
    })
}
