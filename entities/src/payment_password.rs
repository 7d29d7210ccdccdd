//! Table `payment_passwords`: a user's payment password, its tries, and what codes were asked for.

use sea_orm::entity::prelude::*;

/// A row of `payment_passwords`.
#[derive(Debug, Clone, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "payment_passwords")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: String,
    pub app_id: String,
    pub user_id: String,
    /// The Argon2id hash, sealed; none while no password is set.
    pub hash_sealed: Option<Vec<u8>>,
    /// Tries in vain since the last right one.
    pub tries: i32,
    pub locked_until: Option<DateTimeUtc>,
    /// Codes asked for since `code_requests_since`.
    pub code_requests: i32,
    pub code_requests_since: Option<DateTimeUtc>,
    pub code_requested_at: Option<DateTimeUtc>,
    /// How many events told of it.
    pub event_sequence: i64,
    /// Grows with every change.
    pub version: i64,
    /// When it was made, UTC.
    pub created_at: DateTimeUtc,
    /// When it was last changed, UTC.
    pub updated_at: DateTimeUtc,
}

/// None: every query names what it reads.
#[derive(Debug, Clone, Copy, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
