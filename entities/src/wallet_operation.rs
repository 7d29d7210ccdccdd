//! Table `wallet_operations`: credits, debits and transfers as they were asked for; never changed.

use sea_orm::entity::prelude::*;

/// A row of `wallet_operations`.
#[derive(Debug, Clone, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "wallet_operations")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: String,
    pub app_id: String,
    pub request_id: String,
    pub request_fingerprint: String,
    pub kind: String,
    pub user_id: String,
    /// Who gets it; transfers only.
    pub counterpart_user_id: Option<String>,
    /// ISO 4217 code, or `POINTS`.
    pub unit: String,
    pub amount_minor: i64,
    /// What was available in the wallet after it.
    pub available_after_minor: i64,
    pub reason: String,
    /// Who asked.
    pub actor: String,
    /// When it was done, UTC.
    pub created_at: DateTimeUtc,
}

/// None: every query names what it reads.
#[derive(Debug, Clone, Copy, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
