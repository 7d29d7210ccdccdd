//! The hash chain: each row's hash covers the one before it and everything that the row says.

use aws_lc_rs::digest::{SHA256, digest};
use entities::audit_chain;
use entities::audit_record::{ActiveModel, Column, Entity, Model};
use sea_orm::ActiveValue::Set;
use sea_orm::sea_query::{Expr, Order};
use sea_orm::{
    ColumnTrait, ConnectionTrait, EntityTrait, PaginatorTrait, QueryFilter, QueryOrder, QuerySelect,
};

use crate::store::page::page_limit;
use crate::store::row::{exactly_one, fetch_all, fetch_one};
use crate::store::{PAGE_LIMIT_MAX, Store, StoreError, Tx, lock_row};

/// The most breaks that a report lists.
pub const AUDIT_BREAKS_MAX: usize = 100;

/// The id of the single row of `audit_chain`.
const HEAD_ID: i16 = 1;
/// What stands for the hash before the first row.
const GENESIS: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// What is wrong with a row of the chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AuditFault {
    /// A row is missing before this one.
    Gap,
    /// It does not continue the row before it.
    NotContinued,
    /// It says something else than when it was sealed.
    Edited,
    /// The chain ends before, or otherwise than, its head says.
    HeadMismatch,
}

/// A place where the chain is broken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditBreak {
    /// The position.
    pub position: i64,
    /// The row there; for a wrong end of the chain, the last row.
    pub record: Option<String>,
    /// What is wrong.
    pub fault: AuditFault,
}

/// What a walk along the chain found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditReport {
    /// How many sealed rows were checked.
    pub sealed: u64,
    /// How many rows wait to be sealed.
    pub unsealed: u64,
    /// Where the chain is broken; at most [`AUDIT_BREAKS_MAX`].
    pub breaks: Vec<AuditBreak>,
}

impl AuditReport {
    /// Whether the chain is whole.
    pub fn is_whole(&self) -> bool {
        self.breaks.is_empty()
    }
}

/// The end of the chain so far.
#[derive(Debug, Clone)]
struct Tail {
    position: i64,
    hash: String,
    record: Option<String>,
}

impl Store {
    /// Seals the oldest rows that are not sealed, at most `limit`, in one transaction; returns how
    /// many. Several processes may call it at once: they take turns.
    pub async fn seal_audit_batch(&self, limit: u64) -> Result<usize, StoreError> {
        let tx = self.begin().await?;
        let head = tx.lock_chain_head().await?;
        let query = Entity::find()
            .filter(Column::Position.is_null())
            .order_by(Column::Id, Order::Asc)
            .limit(page_limit(limit));
        let rows = fetch_all(tx.db(), "list unsealed audit records", query).await?;
        let mut position = head.last_position;
        let mut hash = head.last_hash;
        for row in &rows {
            position = position.saturating_add(1);
            let sealed = hash_of(row, position, &hash);
            tx.seal(row, position, &hash, &sealed).await?;
            hash = sealed;
        }
        if !rows.is_empty() {
            tx.move_chain_head(position, &hash).await?;
        }
        tx.commit().await?;
        Ok(rows.len())
    }

    /// Walks along the whole chain and recomputes every hash.
    pub async fn verify_audit(&self) -> Result<AuditReport, StoreError> {
        const OPERATION: &str = "verify the audit log";
        // The head is read first: rows that are sealed during the walk lie behind it.
        let head = fetch_one(
            self.db(),
            OPERATION,
            audit_chain::Entity::find_by_id(HEAD_ID),
        )
        .await?
        .ok_or_else(|| StoreError::not_found("audit chain head", HEAD_ID.to_string()))?;
        let unsealed = Entity::find()
            .filter(Column::Position.is_null())
            .count(self.db())
            .await
            .map_err(|error| StoreError::query(OPERATION, error))?;
        let mut report = AuditReport {
            sealed: 0,
            unsealed,
            breaks: Vec::new(),
        };
        let mut tail = Tail {
            position: 0,
            hash: GENESIS.to_owned(),
            record: None,
        };
        loop {
            let query = Entity::find()
                .filter(Column::Position.gt(tail.position))
                .filter(Column::Position.lte(head.last_position))
                .order_by(Column::Position, Order::Asc)
                .limit(PAGE_LIMIT_MAX);
            let rows = fetch_all(self.db(), OPERATION, query).await?;
            if rows.is_empty() {
                break;
            }
            for row in rows {
                tail = check(row, &tail, &mut report)?;
            }
        }
        if tail.position != head.last_position || tail.hash != head.last_hash {
            report.add(head.last_position, tail.record, AuditFault::HeadMismatch);
        }
        Ok(report)
    }
}

impl Tx {
    async fn lock_chain_head(&self) -> Result<audit_chain::Model, StoreError> {
        let query = lock_row(
            audit_chain::Entity::find_by_id(HEAD_ID),
            self.db().get_database_backend(),
        );
        fetch_one(self.db(), "lock the audit chain head", query)
            .await?
            .ok_or_else(|| StoreError::not_found("audit chain head", HEAD_ID.to_string()))
    }

    async fn move_chain_head(&self, position: i64, hash: &str) -> Result<(), StoreError> {
        const OPERATION: &str = "move the audit chain head";
        let result = audit_chain::Entity::update_many()
            .col_expr(audit_chain::Column::LastPosition, Expr::val(position))
            .col_expr(audit_chain::Column::LastHash, Expr::val(hash))
            .filter(audit_chain::Column::Id.eq(HEAD_ID))
            .exec(self.db())
            .await
            .map_err(|error| StoreError::query(OPERATION, error))?;
        exactly_one(result.rows_affected, OPERATION)
    }

    async fn seal(
        &self,
        row: &Model,
        position: i64,
        previous_hash: &str,
        hash: &str,
    ) -> Result<(), StoreError> {
        const OPERATION: &str = "seal an audit record";
        let changes = ActiveModel {
            position: Set(Some(position)),
            previous_hash: Set(Some(previous_hash.to_owned())),
            hash: Set(Some(hash.to_owned())),
            ..ActiveModel::default()
        };
        let result = Entity::update_many()
            .set(changes)
            .filter(Column::Id.eq(row.id.as_str()))
            .filter(Column::Position.is_null())
            .exec(self.db())
            .await
            .map_err(|error| StoreError::query(OPERATION, error))?;
        exactly_one(result.rows_affected, OPERATION)
    }
}

impl AuditReport {
    fn add(&mut self, position: i64, record: Option<String>, fault: AuditFault) {
        if self.breaks.len() < AUDIT_BREAKS_MAX {
            self.breaks.push(AuditBreak {
                position,
                record,
                fault,
            });
        }
    }
}

fn check(row: Model, tail: &Tail, report: &mut AuditReport) -> Result<Tail, StoreError> {
    let unreadable = |column| StoreError::unreadable(super::TABLE, column, &row.id);
    let position = row.position.ok_or_else(|| unreadable("position"))?;
    let previous = row
        .previous_hash
        .as_deref()
        .ok_or_else(|| unreadable("previous_hash"))?;
    let hash = row.hash.clone().ok_or_else(|| unreadable("hash"))?;
    report.sealed = report.sealed.saturating_add(1);
    if position != tail.position.saturating_add(1) {
        report.add(position, Some(row.id.clone()), AuditFault::Gap);
    } else if previous != tail.hash {
        report.add(position, Some(row.id.clone()), AuditFault::NotContinued);
    }
    if hash_of(&row, position, previous) != hash {
        report.add(position, Some(row.id.clone()), AuditFault::Edited);
    }
    Ok(Tail {
        position,
        hash,
        record: Some(row.id),
    })
}

/// SHA-256 of a JSON array of strings: unambiguous whatever the texts hold.
fn hash_of(row: &Model, position: i64, previous_hash: &str) -> String {
    let position = position.to_string();
    let created_at = row.created_at.timestamp_micros().to_string();
    let canonical = serde_json::Value::from(vec![
        previous_hash,
        &position,
        &row.id,
        &row.actor,
        &row.action,
        &row.subject,
        &row.detail,
        &created_at,
    ])
    .to_string();
    hex::encode(digest(&SHA256, canonical.as_bytes()))
}
