//! A message on the embedded queue.

use sea_orm::entity::prelude::*;

/// One row of `queue_messages`.
#[derive(Debug, Clone, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "queue_messages")]
pub struct Model {
    /// The order in which messages came.
    #[sea_orm(primary_key)]
    pub seq: i64,
    /// The queue's name.
    pub queue: String,
    /// The envelope's id; may occur more than once, as a message may be published twice.
    pub envelope_id: String,
    /// The envelope as JSON.
    #[sea_orm(column_type = "Text")]
    pub body: String,
    /// `ready`, `leased` or `parked`.
    pub state: String,
    /// Not to be taken before this time.
    pub available_at: DateTimeUtc,
    /// Who holds it: the id of the claim that took it. Only this claim may end it.
    pub lease: Option<String>,
    /// When the claim runs out.
    pub lease_until: Option<DateTimeUtc>,
    /// How often it was tried before.
    pub retries: i64,
    /// Why it was parked.
    #[sea_orm(column_type = "Text", nullable)]
    pub reason: Option<String>,
    /// When it was parked.
    pub parked_at: Option<DateTimeUtc>,
    /// When it was published.
    pub enqueued_at: DateTimeUtc,
}

/// No relations: a message stands for itself.
#[derive(Debug, Clone, Copy, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
