//! The audit log: table `audit_records`. Rows are only ever added; the database refuses more.
//!
//! A hash chain over them is sealed afterwards in batches ([`Store::seal_audit_batch`]), so that an
//! audited action never waits for another one's. The head of the chain is kept beside it
//! (`audit_chain`): cutting off the newest rows is noticed too.

mod chain;

use chrono::{DateTime, Utc};
use entities::audit_record::{ActiveModel, Column, Entity, Model};
use kassa_core::id::AuditId;
use sea_orm::ActiveValue::Set;
use sea_orm::sea_query::Order;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect, Select};
use serde_json::Value;

use super::row::{RowReader, fetch_all, read_all, to_json, to_micros};
use super::{PAGE_LIMIT_MAX, Page, Store, StoreError, Tx};

pub use chain::{AUDIT_BREAKS_MAX, AuditBreak, AuditFault, AuditReport};

const TABLE: &str = "audit_records";

/// Something that was done.
#[derive(Debug, Clone, PartialEq)]
pub struct NewAudit {
    /// Its id.
    pub id: AuditId,
    /// Who did it: an app, or an operator.
    pub actor: String,
    /// What was done, for example `channel_account.disable`.
    pub action: &'static str,
    /// To what.
    pub subject: String,
    /// More about it. Holds no secrets.
    pub detail: Value,
    /// When.
    pub at: DateTime<Utc>,
}

/// A row of the audit log.
#[derive(Debug, Clone, PartialEq)]
pub struct AuditRecord {
    /// Its id.
    pub id: AuditId,
    /// Who did it.
    pub actor: String,
    /// What was done.
    pub action: String,
    /// To what.
    pub subject: String,
    /// More about it.
    pub detail: Value,
    /// When.
    pub created_at: DateTime<Utc>,
    /// Where it stands in the chain, once sealed.
    pub position: Option<i64>,
    /// Its hash, once sealed.
    pub hash: Option<String>,
}

impl Store {
    /// A page of the audit log, newest first.
    pub async fn list_audit(&self, page: &Page) -> Result<Vec<AuditRecord>, StoreError> {
        let query = page.apply(Entity::find(), Column::CreatedAt, Column::Id);
        read_all(
            fetch_all(self.db(), "list the audit log", query).await?,
            read,
        )
    }

    /// What was done to these subjects, oldest first, at most [`PAGE_LIMIT_MAX`].
    pub async fn list_audit_of(&self, subjects: &[String]) -> Result<Vec<AuditRecord>, StoreError> {
        let rows = fetch_all(self.db(), "list what was done", of_subjects(subjects)).await?;
        read_all(rows, read)
    }
}

pub(crate) fn of_subjects(subjects: &[String]) -> Select<Entity> {
    Entity::find()
        .filter(Column::Subject.is_in(subjects))
        .order_by(Column::CreatedAt, Order::Asc)
        .order_by(Column::Id, Order::Asc)
        .limit(PAGE_LIMIT_MAX)
}

impl Tx {
    /// Writes down what this transaction does.
    pub async fn append_audit_in_tx(&self, audit: &NewAudit) -> Result<(), StoreError> {
        let row = ActiveModel {
            id: Set(audit.id.to_string()),
            actor: Set(audit.actor.clone()),
            action: Set(audit.action.to_owned()),
            subject: Set(audit.subject.clone()),
            detail: Set(to_json(TABLE, "detail", &audit.detail)?),
            created_at: Set(to_micros(audit.at)),
            position: Set(None),
            previous_hash: Set(None),
            hash: Set(None),
        };
        Entity::insert(row)
            .exec_without_returning(self.db())
            .await
            .map_err(|error| StoreError::query("append to the audit log", error))?;
        Ok(())
    }
}

fn read(row: Model) -> Result<AuditRecord, StoreError> {
    let reader = RowReader::new(TABLE, &row.id);
    Ok(AuditRecord {
        id: reader.parse("id", &row.id)?,
        detail: reader.json("detail", &row.detail)?,
        actor: row.actor,
        action: row.action,
        subject: row.subject,
        created_at: row.created_at,
        position: row.position,
        hash: row.hash,
    })
}
