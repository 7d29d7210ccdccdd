//! Unsent events: list what waits in the outbox, and publish it now.
//!
//! What is published here goes through the same relay as always: in order, from shards that no other
//! relay holds, marked after the broker confirmed.

use kassa_core::id::EventId;
use kassa_core::text::AppId;
use runtime::store::{Backlog, ShardLease, WaitingRow};
use serde_json::json;

use crate::audit::{self, Action};
use crate::{Error, Kassa, event};

/// How many rows of a shard one pass publishes.
const BATCH: u64 = 200;
/// The most passes: with the batch and the shards, far more rows than an operator waits for.
const PASSES_MAX: usize = 1_000;

/// What waits in the outbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting {
    /// The oldest rows.
    pub rows: Vec<WaitingRow>,
    /// How much waits in all.
    pub backlog: Backlog,
    /// Who holds which shards now: their rows are published by nobody else.
    pub leases: Vec<ShardLease>,
}

/// What publishing now came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Republished {
    /// How many rows were published and marked.
    pub published: usize,
    /// What waits still, and who holds it.
    pub left: Waiting,
}

/// The oldest events and commands that wait to be published.
///
/// # Errors
/// [`Error::Store`].
pub async fn list_waiting(kassa: &Kassa, limit: u64) -> Result<Waiting, Error> {
    Ok(Waiting {
        rows: kassa.store.list_waiting(limit).await?,
        backlog: kassa.store.outbox_backlog().await?,
        leases: kassa.store.list_outbox_leases(kassa.clock.now()).await?,
    })
}

/// Publishes what waits, except from shards that a living relay holds: that one does it. Audited.
///
/// # Errors
/// [`Error::Queue`] if the broker takes nothing, [`Error::Store`].
pub async fn publish_waiting(
    kassa: &Kassa,
    actor: &AppId,
    limit: u64,
) -> Result<Republished, Error> {
    // A name of its own: a shard held by this call is given back at its end.
    let owner = format!("{actor}-{}", EventId::new(&kassa.ids));
    let outcome = relay_all(kassa, &owner).await;
    kassa.store.release_outbox_shards(&owner).await?;
    let published = outcome?;
    let action = Action {
        actor: actor.as_str(),
        name: "outbox.publish",
        subject: "outbox".to_owned(),
        detail: json!({ "published": published }),
    };
    let tx = kassa.store.begin().await?;
    audit::record_in_tx(kassa, &tx, action).await?;
    tx.commit().await?;
    Ok(Republished {
        published,
        left: list_waiting(kassa, limit).await?,
    })
}

async fn relay_all(kassa: &Kassa, owner: &str) -> Result<usize, Error> {
    let mut published = 0_usize;
    for _ in 0..PASSES_MAX {
        let pass = event::relay(kassa, owner, BATCH).await?;
        published = published.saturating_add(pass.published);
        if pass.published == 0 {
            break;
        }
    }
    Ok(published)
}
