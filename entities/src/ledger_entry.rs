//! Table `ledger_entries`: single movements of accounts; never changed.

use sea_orm::entity::prelude::*;

/// A row of `ledger_entries`.
#[derive(Debug, Clone, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "ledger_entries")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: String,
    pub transfer_id: String,
    pub account_id: String,
    pub entry_no: i32,
    pub amount_minor: i64,
    pub balance_after_minor: i64,
    /// Its number among the entries of its account, from 1; 0 for those from before they were numbered.
    pub sequence: i64,
}

/// None: every query names what it reads.
#[derive(Debug, Clone, Copy, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
