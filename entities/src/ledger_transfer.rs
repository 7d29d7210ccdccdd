//! Table `ledger_transfers`: balanced sets of entries; never changed.

use sea_orm::entity::prelude::*;

/// A row of `ledger_transfers`.
#[derive(Debug, Clone, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "ledger_transfers")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: String,
    pub cause_kind: String,
    pub cause_id: String,
    pub transaction_id: Option<String>,
    /// When it was made, UTC.
    pub created_at: DateTimeUtc,
}

/// None: every query names what it reads.
#[derive(Debug, Clone, Copy, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
