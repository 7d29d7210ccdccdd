//! Table `notifications`: the inbox: every verified callback, once.

use sea_orm::entity::prelude::*;

/// A row of `notifications`.
#[derive(Debug, Clone, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "notifications")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: String,
    pub channel_account_id: String,
    pub gateway: String,
    pub route: String,
    /// The gateway's own identity of the notification.
    #[sea_orm(column_type = "Text")]
    pub notification_key: String,
    /// JSON object, names in lower case.
    #[sea_orm(column_type = "Text")]
    pub headers: String,
    pub body: Vec<u8>,
    pub received_at: DateTimeUtc,
    pub processed_at: Option<DateTimeUtc>,
    pub status: String,
    pub transaction_id: Option<String>,
    #[sea_orm(column_type = "Text", nullable)]
    pub note: Option<String>,
}

/// None: every query names what it reads.
#[derive(Debug, Clone, Copy, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
