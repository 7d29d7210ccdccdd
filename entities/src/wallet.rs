//! Table `wallets`: what an app keeps for a user; what is in it stands in the books.

use sea_orm::entity::prelude::*;

/// A row of `wallets`.
#[derive(Debug, Clone, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "wallets")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: String,
    pub app_id: String,
    pub user_id: String,
    pub status: String,
    /// Grows with every change.
    pub version: i64,
    pub event_sequence: i64,
    /// When it was made, UTC.
    pub created_at: DateTimeUtc,
    /// When it last changed, UTC.
    pub updated_at: DateTimeUtc,
}

/// None: every query names what it reads.
#[derive(Debug, Clone, Copy, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
