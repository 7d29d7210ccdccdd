//! Table `gateway_calls`: every call to a gateway and what came of it.

use sea_orm::entity::prelude::*;

/// A row of `gateway_calls`.
#[derive(Debug, Clone, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "gateway_calls")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: String,
    pub transaction_id: String,
    pub attempt_id: String,
    pub refund_id: Option<String>,
    pub channel_account_id: String,
    pub operation: String,
    pub outcome: String,
    #[sea_orm(column_type = "Text", nullable)]
    pub code: Option<String>,
    pub duration_ms: i64,
    /// When it was made, UTC.
    pub called_at: DateTimeUtc,
}

/// None: every query names what it reads.
#[derive(Debug, Clone, Copy, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
