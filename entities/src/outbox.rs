//! Table `outbox`: events and commands, written with the change that they tell of.

use sea_orm::entity::prelude::*;

/// A row of `outbox`.
#[derive(Debug, Clone, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "outbox")]
pub struct Model {
    /// Order of insertion.
    #[sea_orm(primary_key)]
    pub seq: i64,
    pub id: String,
    pub destination: String,
    pub queue: Option<String>,
    /// Relays lease shards.
    pub shard: i16,
    /// The app.
    pub app_id: Option<String>,
    pub aggregate_id: String,
    pub aggregate_sequence: Option<i64>,
    pub event_kind: Option<String>,
    pub event_type: Option<String>,
    #[sea_orm(column_type = "Text", nullable)]
    pub routing_key: Option<String>,
    /// JSON: a whole CloudEvent, or an envelope.
    #[sea_orm(column_type = "Text")]
    pub payload: String,
    /// JSON object: W3C trace context.
    #[sea_orm(column_type = "Text")]
    pub trace: String,
    /// When it was made, UTC.
    pub created_at: DateTimeUtc,
    pub published_at: Option<DateTimeUtc>,
    /// Where it stands in the one order of published rows.
    pub position: Option<i64>,
}

/// None: every query names what it reads.
#[derive(Debug, Clone, Copy, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
