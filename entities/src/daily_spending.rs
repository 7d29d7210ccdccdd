//! Table `daily_spendings`: what a leg counted in a daily total, so that it counts and is released once.

use sea_orm::entity::prelude::*;

/// A row of `daily_spendings`.
#[derive(Debug, Clone, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "daily_spendings")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub leg_id: String,
    pub app_id: String,
    pub user_id: String,
    /// `BALANCE`, `POINTS` or a channel.
    pub method: String,
    /// ISO 4217 code, or `POINTS`.
    pub unit: String,
    /// ISO 8601 date.
    pub day: String,
    pub amount_minor: i64,
    /// When it was made, UTC.
    pub created_at: DateTimeUtc,
    /// When its payment ended unpaid.
    pub released_at: Option<DateTimeUtc>,
}

/// None: every query names what it reads.
#[derive(Debug, Clone, Copy, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
