//! Table `ledger_accounts`: accounts with their balances.

use sea_orm::entity::prelude::*;

/// A row of `ledger_accounts`.
#[derive(Debug, Clone, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "ledger_accounts")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: String,
    pub kind: String,
    pub owner: String,
    /// What it is kept in: an ISO 4217 code, or `POINTS`.
    pub unit: String,
    pub balance_minor: i64,
    /// What of a wallet is reserved.
    pub held_minor: i64,
    /// How many entries are numbered: the `sequence` of the last.
    pub entry_count: i64,
    /// Grows with every change.
    pub version: i64,
}

/// None: every query names what it reads.
#[derive(Debug, Clone, Copy, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
