//! Table `password_codes`: the one-time code of a user for one purpose; a new one takes its place.

use sea_orm::entity::prelude::*;

/// A row of `password_codes`.
#[derive(Debug, Clone, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "password_codes")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub password_id: String,
    #[sea_orm(primary_key, auto_increment = false)]
    pub purpose: String,
    /// A keyed digest of the code.
    pub code_mac: Vec<u8>,
    /// Tries in vain.
    pub tries: i32,
    pub expires_at: DateTimeUtc,
    pub used_at: Option<DateTimeUtc>,
    /// When it was made, UTC.
    pub created_at: DateTimeUtc,
}

/// None: every query names what it reads.
#[derive(Debug, Clone, Copy, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
