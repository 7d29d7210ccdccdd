//! Table `outbox_shards`: which relay holds which shard of the outbox.

use sea_orm::entity::prelude::*;

/// A row of `outbox_shards`.
#[derive(Debug, Clone, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "outbox_shards")]
pub struct Model {
    /// Relays lease shards.
    #[sea_orm(primary_key, auto_increment = false)]
    pub shard: i16,
    pub owner: Option<String>,
    pub leased_until: Option<DateTimeUtc>,
}

/// None: every query names what it reads.
#[derive(Debug, Clone, Copy, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
