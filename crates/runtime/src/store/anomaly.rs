//! Anomalies: table `anomalies`.

use entities::anomaly::{ActiveModel, Column, Entity, Model};
use kassa_core::anomaly::{Anomaly, Resolution};
use kassa_core::id::TransactionId;
use sea_orm::ActiveValue::Set;
use sea_orm::sea_query::OnConflict;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, Select};

use super::row::{RowReader, fetch_all, read_all, to_json, to_micros};
use super::{Page, Store, StoreError, Tx};

const TABLE: &str = "anomalies";

impl Store {
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
    pub async fn list_anomalies(&self, page: &Page) -> Result<Vec<Anomaly>, StoreError> {
        let query = page.apply(Entity::find(), Column::CreatedAt, Column::Id);
        read_all(fetch_all(self.db(), "list anomalies", query).await?, read)
    }
}

impl Tx {
    /// Writes an anomaly unless the same finding was written before; says whether it was new.
    pub async fn insert_anomaly_in_tx(&self, anomaly: &Anomaly) -> Result<bool, StoreError> {
        let resolution = anomaly.resolution.as_ref();
        let row = ActiveModel {
            id: Set(anomaly.id.to_string()),
            kind: Set(anomaly.kind.to_string()),
            dedupe_key: Set(anomaly.dedupe_key.clone()),
            channel_account_id: Set(anomaly.channel_account_id.to_string()),
            transaction_id: Set(anomaly.transaction_id.map(|id| id.to_string())),
            refund_id: Set(anomaly.refund_id.map(|id| id.to_string())),
            evidence: Set(to_json(TABLE, "evidence", &anomaly.evidence)?),
            created_at: Set(to_micros(anomaly.created_at)),
            status: Set(anomaly.status().to_string()),
            refund_due_at: Set(anomaly.refund_due_at.map(to_micros)),
            resolved_at: Set(resolution.map(|resolution| to_micros(resolution.at))),
            resolution: Set(resolution.map(|resolution| resolution.action.to_string())),
            resolved_by: Set(resolution.map(|resolution| resolution.by.clone())),
            resolution_reason: Set(resolution.map(|resolution| resolution.reason.clone())),
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
}

pub(crate) fn of_payment(transaction: TransactionId) -> Select<Entity> {
    let query = Entity::find().filter(Column::TransactionId.eq(transaction.to_string()));
    Page::default().apply(query, Column::CreatedAt, Column::Id)
}

fn read(row: Model) -> Result<Anomaly, StoreError> {
    let reader = RowReader::new(TABLE, &row.id);
    Ok(Anomaly {
        id: reader.parse("id", &row.id)?,
        kind: reader.parse("kind", &row.kind)?,
        channel_account_id: reader.parse("channel_account_id", &row.channel_account_id)?,
        transaction_id: reader.parse_some("transaction_id", row.transaction_id.as_deref())?,
        refund_id: reader.parse_some("refund_id", row.refund_id.as_deref())?,
        evidence: reader.json("evidence", &row.evidence)?,
        created_at: row.created_at,
        refund_due_at: row.refund_due_at,
        resolution: read_resolution(&reader, &row)?,
        dedupe_key: row.dedupe_key,
    })
}

fn read_resolution(reader: &RowReader<'_>, row: &Model) -> Result<Option<Resolution>, StoreError> {
    let (Some(action), Some(at)) = (row.resolution.as_deref(), row.resolved_at) else {
        return Ok(None);
    };
    Ok(Some(Resolution {
        action: reader.parse("resolution", action)?,
        by: row.resolved_by.clone().unwrap_or_default(),
        reason: row.resolution_reason.clone().unwrap_or_default(),
        at,
    }))
}
