//! Table `channel_accounts`: our merchant accounts at the gateways, secrets sealed.

use sea_orm::entity::prelude::*;

/// A row of `channel_accounts`.
#[derive(Debug, Clone, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "channel_accounts")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: String,
    pub code: String,
    #[sea_orm(column_type = "Text")]
    pub display_name: String,
    pub gateway: String,
    /// JSON, as the gateway's room defines it.
    #[sea_orm(column_type = "Text")]
    pub settings: String,
    /// Sealed by the keyring, bound to this row.
    pub credentials_sealed: Vec<u8>,
    /// JSON object: field name to fingerprint.
    #[sea_orm(column_type = "Text")]
    pub fingerprints: String,
    pub amount_min_minor: Option<i64>,
    pub amount_max_minor: Option<i64>,
    pub limit_currency: Option<String>,
    /// The fee in millionths of a payment.
    pub fee_rate_ppm: i64,
    pub is_fee_returned: bool,
    /// JSON array of networks.
    #[sea_orm(column_type = "Text")]
    pub callback_cidrs: String,
    pub is_active: bool,
    /// Grows with every change.
    pub version: i64,
    /// When it was made, UTC.
    pub created_at: DateTimeUtc,
    /// When it last changed, UTC.
    pub updated_at: DateTimeUtc,
}

/// None: every query names what it reads.
#[derive(Debug, Clone, Copy, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
