//! Table `payment_legs`: the part of a transaction that one method pays.

use sea_orm::entity::prelude::*;

/// A row of `payment_legs`.
#[derive(Debug, Clone, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "payment_legs")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: String,
    pub transaction_id: String,
    pub leg_no: i32,
    pub channel: String,
    pub method: String,
    pub amount_minor: i64,
    /// ISO 4217 code of the row's amounts.
    pub currency: String,
    pub status: String,
    /// Hundredths of points; only of a leg that is paid with points.
    pub points_minor: Option<i64>,
    /// The rate of the points: so many hundredths of points …
    pub rate_points_minor: Option<i64>,
    /// … are worth so many minor units of the row's currency.
    pub rate_money_minor: Option<i64>,
    pub hold_id: Option<String>,
    pub amount_refunded_minor: i64,
    pub amount_refund_reserved_minor: i64,
}

/// None: every query names what it reads.
#[derive(Debug, Clone, Copy, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
