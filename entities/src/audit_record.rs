//! Table `audit_records`: the audit log; append-only, hash-chained.

use sea_orm::entity::prelude::*;

/// A row of `audit_records`.
#[derive(Debug, Clone, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "audit_records")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: String,
    #[sea_orm(column_type = "Text")]
    pub actor: String,
    pub action: String,
    #[sea_orm(column_type = "Text")]
    pub subject: String,
    /// JSON.
    #[sea_orm(column_type = "Text")]
    pub detail: String,
    /// When it was made, UTC.
    pub created_at: DateTimeUtc,
    /// Where it stands in the one order of published rows.
    pub position: Option<i64>,
    pub previous_hash: Option<String>,
    pub hash: Option<String>,
}

/// None: every query names what it reads.
#[derive(Debug, Clone, Copy, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
