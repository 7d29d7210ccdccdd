//! Calls to gateways: table `gateway_calls`. Only appended to.

use entities::gateway_call::{ActiveModel, Column, Entity, Model};
use kassa_core::gateway_call::GatewayCall;
use kassa_core::id::TransactionId;
use sea_orm::ActiveValue::Set;
use sea_orm::sea_query::Order;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect, Select};

use super::row::{RowReader, fetch_all, read_all, to_micros};
use super::{PAGE_LIMIT_MAX, Store, StoreError};

const TABLE: &str = "gateway_calls";

impl Store {
    /// Writes a call down, in a transaction of its own: what came of it is written elsewhere.
    pub async fn insert_gateway_call(&self, call: &GatewayCall) -> Result<(), StoreError> {
        let row = ActiveModel {
            id: Set(call.id.to_string()),
            transaction_id: Set(call.transaction_id.to_string()),
            attempt_id: Set(call.attempt_id.to_string()),
            refund_id: Set(call.refund_id.map(|id| id.to_string())),
            channel_account_id: Set(call.channel_account_id.to_string()),
            operation: Set(call.operation.to_string()),
            outcome: Set(call.outcome.to_string()),
            code: Set(call.code.clone()),
            duration_ms: Set(call.duration_ms),
            called_at: Set(to_micros(call.called_at)),
        };
        let tx = self.begin().await?;
        Entity::insert(row)
            .exec_without_returning(tx.db())
            .await
            .map_err(|error| StoreError::query("insert a gateway call", error))?;
        tx.commit().await
    }

    /// The calls about a payment, oldest first, at most [`PAGE_LIMIT_MAX`].
    pub async fn list_gateway_calls(
        &self,
        transaction: TransactionId,
    ) -> Result<Vec<GatewayCall>, StoreError> {
        let rows = fetch_all(self.db(), "list gateway calls", of_payment(transaction)).await?;
        read_all(rows, read)
    }
}

pub(crate) fn of_payment(transaction: TransactionId) -> Select<Entity> {
    Entity::find()
        .filter(Column::TransactionId.eq(transaction.to_string()))
        .order_by(Column::CalledAt, Order::Asc)
        .order_by(Column::Id, Order::Asc)
        .limit(PAGE_LIMIT_MAX)
}

fn read(row: Model) -> Result<GatewayCall, StoreError> {
    let reader = RowReader::new(TABLE, &row.id);
    Ok(GatewayCall {
        id: reader.parse("id", &row.id)?,
        transaction_id: reader.parse("transaction_id", &row.transaction_id)?,
        attempt_id: reader.parse("attempt_id", &row.attempt_id)?,
        refund_id: reader.parse_some("refund_id", row.refund_id.as_deref())?,
        channel_account_id: reader.parse("channel_account_id", &row.channel_account_id)?,
        operation: reader.parse("operation", &row.operation)?,
        outcome: reader.parse("outcome", &row.outcome)?,
        duration_ms: row.duration_ms,
        called_at: row.called_at,
        code: row.code,
    })
}
