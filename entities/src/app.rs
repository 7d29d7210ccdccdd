//! Table `apps`: the business systems that call Kassa.

use sea_orm::entity::prelude::*;

/// A row of `apps`.
#[derive(Debug, Clone, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "apps")]
pub struct Model {
    /// The app.
    #[sea_orm(primary_key, auto_increment = false)]
    pub app_id: String,
    #[sea_orm(column_type = "Text")]
    pub display_name: String,
    /// JSON array of scope words.
    #[sea_orm(column_type = "Text")]
    pub scopes: String,
    /// JSON array of public keys.
    #[sea_orm(column_type = "Text")]
    pub keys: String,
    /// JSON array of channel account ids.
    #[sea_orm(column_type = "Text")]
    pub channel_accounts: String,
    pub is_active: bool,
    /// JSON of the policies.
    #[sea_orm(column_type = "Text")]
    pub policies: String,
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
