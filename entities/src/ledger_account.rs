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
    /// ISO 4217 code of the row's amounts.
    pub currency: String,
    pub balance_minor: i64,
    /// Grows with every change.
    pub version: i64,
}

/// None: every query names what it reads.
#[derive(Debug, Clone, Copy, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
