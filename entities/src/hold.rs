//! Table `holds`: reservations of what is in a wallet.

use sea_orm::entity::prelude::*;

/// A row of `holds`.
#[derive(Debug, Clone, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "holds")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: String,
    pub account_id: String,
    pub amount_minor: i64,
    /// How much of it was used.
    pub posted_minor: i64,
    pub status: String,
    pub cause_kind: String,
    pub cause_id: String,
    pub transaction_id: Option<String>,
    /// When it may be voided, UTC.
    pub expires_at: DateTimeUtc,
    /// When it was made, UTC.
    pub created_at: DateTimeUtc,
    /// When it was posted or voided, UTC.
    pub ended_at: Option<DateTimeUtc>,
    /// Grows with every change.
    pub version: i64,
}

/// None: every query names what it reads.
#[derive(Debug, Clone, Copy, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
