//! Table `refund_legs`: what a refund gives back of which leg.

use sea_orm::entity::prelude::*;

/// A row of `refund_legs`.
#[derive(Debug, Clone, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "refund_legs")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: String,
    pub refund_id: String,
    /// The payment's leg.
    pub leg_id: String,
    pub leg_no: i32,
    pub channel: String,
    pub amount_minor: i64,
    /// ISO 4217 code of the row's amounts.
    pub currency: String,
    /// Hundredths of points that came back.
    pub points_minor: Option<i64>,
    pub destination: String,
}

/// None: every query names what it reads.
#[derive(Debug, Clone, Copy, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
