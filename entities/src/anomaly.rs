//! Table `anomalies`: money that did not come as agreed.

use sea_orm::entity::prelude::*;

/// A row of `anomalies`.
#[derive(Debug, Clone, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "anomalies")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: String,
    pub kind: String,
    #[sea_orm(column_type = "Text")]
    pub dedupe_key: String,
    pub channel_account_id: String,
    pub transaction_id: Option<String>,
    pub refund_id: Option<String>,
    /// JSON.
    #[sea_orm(column_type = "Text")]
    pub evidence: String,
    /// When it was made, UTC.
    pub created_at: DateTimeUtc,
    pub resolved_at: Option<DateTimeUtc>,
    #[sea_orm(column_type = "Text", nullable)]
    pub resolution: Option<String>,
    pub status: String,
    #[sea_orm(column_type = "Text", nullable)]
    pub resolved_by: Option<String>,
    #[sea_orm(column_type = "Text", nullable)]
    pub resolution_reason: Option<String>,
    /// When its money is given back without being asked.
    pub refund_due_at: Option<DateTimeUtc>,
}

/// None: every query names what it reads.
#[derive(Debug, Clone, Copy, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
