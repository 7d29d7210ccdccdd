//! Table `payment_transactions`: the wishes to collect one amount for one business order.

use sea_orm::entity::prelude::*;

/// A row of `payment_transactions`.
#[derive(Debug, Clone, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "payment_transactions")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: String,
    /// The app.
    pub app_id: String,
    pub request_id: String,
    pub request_fingerprint: String,
    pub business_order_id: String,
    pub business_order_type: Option<String>,
    pub user_id: Option<String>,
    pub channel: String,
    pub method: String,
    /// ISO 4217 code of the row's amounts.
    pub currency: String,
    pub amount_requested_minor: i64,
    pub amount_paid_minor: i64,
    pub amount_refunded_minor: i64,
    pub amount_refund_reserved_minor: i64,
    pub status: String,
    /// Whether it keeps other transactions from its business order; never set again once cleared.
    pub occupies_order: bool,
    /// None, if no gateway takes part.
    pub current_attempt_id: Option<String>,
    #[sea_orm(column_type = "Text", nullable)]
    pub gateway_transaction_id: Option<String>,
    #[sea_orm(column_type = "Text", nullable)]
    pub error_code: Option<String>,
    #[sea_orm(column_type = "Text", nullable)]
    pub error_message: Option<String>,
    #[sea_orm(column_type = "Text")]
    pub subject: String,
    pub client_ip: Option<String>,
    #[sea_orm(column_type = "Text", nullable)]
    pub return_url: Option<String>,
    /// JSON object of the caller's own notes.
    #[sea_orm(column_type = "Text")]
    pub metadata: String,
    pub expires_at: DateTimeUtc,
    /// When it was made, UTC.
    pub created_at: DateTimeUtc,
    /// When it last changed, UTC.
    pub updated_at: DateTimeUtc,
    pub paid_at: Option<DateTimeUtc>,
    pub closed_at: Option<DateTimeUtc>,
    /// Grows with every change.
    pub version: i64,
    pub event_sequence: i64,
    /// Whether its legs say more than the row itself: some are paid out of wallets.
    pub has_internal_legs: bool,
}

/// None: every query names what it reads.
#[derive(Debug, Clone, Copy, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
