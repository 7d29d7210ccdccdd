//! Table `refund_transactions`: money to give back.

use sea_orm::entity::prelude::*;

/// A row of `refund_transactions`.
#[derive(Debug, Clone, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "refund_transactions")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: String,
    /// The app.
    pub app_id: String,
    pub original_transaction_id: String,
    pub leg_id: String,
    /// None, if no gateway takes part.
    pub attempt_id: Option<String>,
    pub channel_account_id: Option<String>,
    pub business_refund_id: Option<String>,
    pub request_fingerprint: String,
    pub refund_number: String,
    pub amount_requested_minor: i64,
    pub amount_refunded_minor: i64,
    /// ISO 4217 code of the row's amounts.
    pub currency: String,
    pub status: String,
    #[sea_orm(column_type = "Text", nullable)]
    pub reason: Option<String>,
    #[sea_orm(column_type = "Text", nullable)]
    pub gateway_refund_id: Option<String>,
    #[sea_orm(column_type = "Text", nullable)]
    pub error_code: Option<String>,
    #[sea_orm(column_type = "Text", nullable)]
    pub error_message: Option<String>,
    pub submitted_at: Option<DateTimeUtc>,
    /// When it was made, UTC.
    pub created_at: DateTimeUtc,
    /// When it last changed, UTC.
    pub updated_at: DateTimeUtc,
    pub refunded_at: Option<DateTimeUtc>,
    /// Grows with every change.
    pub version: i64,
    /// When the gateway is asked next; never, if there is nothing left to ask.
    pub next_query_at: Option<DateTimeUtc>,
    pub query_count: i32,
    pub source: String,
    /// The anomaly whose money it gives back.
    pub anomaly_id: Option<String>,
    /// What of it goes through a gateway; NULL of a row that is older than parts.
    pub gateway_amount_minor: Option<i64>,
    /// Whether it has rows in `refund_legs`.
    pub has_legs: bool,
}

/// None: every query names what it reads.
#[derive(Debug, Clone, Copy, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
