//! Table `daily_totals`: what a user spent by one method on one day of the app's time zone.

use sea_orm::entity::prelude::*;

/// A row of `daily_totals`.
#[derive(Debug, Clone, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "daily_totals")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub app_id: String,
    #[sea_orm(primary_key, auto_increment = false)]
    pub user_id: String,
    /// `BALANCE`, `POINTS` or a channel.
    #[sea_orm(primary_key, auto_increment = false)]
    pub method: String,
    /// ISO 4217 code, or `POINTS`.
    #[sea_orm(primary_key, auto_increment = false)]
    pub unit: String,
    /// ISO 8601 date.
    #[sea_orm(primary_key, auto_increment = false)]
    pub day: String,
    pub used_minor: i64,
}

/// None: every query names what it reads.
#[derive(Debug, Clone, Copy, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
