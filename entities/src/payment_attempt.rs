//! Table `payment_attempts`: the orders placed at gateways.

use sea_orm::entity::prelude::*;

/// A row of `payment_attempts`.
#[derive(Debug, Clone, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "payment_attempts")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: String,
    pub transaction_id: String,
    pub leg_id: String,
    pub attempt_no: i32,
    pub channel_account_id: String,
    /// Text of `id`: our number at the gateway.
    pub request_number: String,
    pub method: String,
    pub amount_minor: i64,
    /// ISO 4217 code of the row's amounts.
    pub currency: String,
    /// The fee in millionths of the amount.
    pub fee_rate_ppm: i64,
    pub is_fee_returned: bool,
    #[sea_orm(column_type = "Text", nullable)]
    pub payer_id: Option<String>,
    pub status: String,
    /// JSON of the prepay info.
    #[sea_orm(column_type = "Text", nullable)]
    pub prepay: Option<String>,
    #[sea_orm(column_type = "Text", nullable)]
    pub gateway_transaction_id: Option<String>,
    #[sea_orm(column_type = "Text", nullable)]
    pub error_code: Option<String>,
    #[sea_orm(column_type = "Text", nullable)]
    pub error_message: Option<String>,
    pub expires_at: DateTimeUtc,
    /// When it was made, UTC.
    pub created_at: DateTimeUtc,
    /// When it last changed, UTC.
    pub updated_at: DateTimeUtc,
    /// Grows with every change.
    pub version: i64,
    /// When the gateway is asked next; never, if there is nothing left to ask.
    pub next_query_at: Option<DateTimeUtc>,
    pub query_count: i32,
    /// The retry that made it.
    pub request_id: Option<String>,
    pub request_fingerprint: Option<String>,
}

/// None: every query names what it reads.
#[derive(Debug, Clone, Copy, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
