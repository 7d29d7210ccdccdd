//! Table `points_lots`: points by when they came, and what is left of them.

use sea_orm::entity::prelude::*;

/// A row of `points_lots`.
#[derive(Debug, Clone, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "points_lots")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: String,
    pub account_id: String,
    pub amount_minor: i64,
    pub remaining_minor: i64,
    /// When the rest expires, UTC.
    pub expires_at: Option<DateTimeUtc>,
    /// When they came, UTC.
    pub created_at: DateTimeUtc,
    /// Grows with every change.
    pub version: i64,
}

/// None: every query names what it reads.
#[derive(Debug, Clone, Copy, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
