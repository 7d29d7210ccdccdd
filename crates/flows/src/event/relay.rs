//! Relays committed events and commands from the outbox to the queue.
//!
//! Each shard of the outbox is leased to one relay at a time, and a shard is published in the order
//! of its rows, so the events of one payment go out in order. A crash between publish and mark
//! repeats events, never loses or skips one.

use std::time::{Duration, Instant};

use runtime::checkpoint::Checkpoint;
use runtime::queue::{Envelope, EventMessage, QueueName, TraceContext};
use runtime::store::{Destination, OutboxRow};

use crate::{Error, Kassa};

/// How long a shard stays leased to a relay that does not renew it: for so long events and commands wait
/// when a worker dies. Longer than a pass over one shard, which the broker's time-outs bound.
const LEASE: Duration = Duration::from_secs(15);
/// A relay takes every shard that is free: one worker alone must serve them all.
const SHARDS: usize = 64;

/// What one pass of the relay did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Relayed {
    /// Shards that were looked at.
    pub shards: usize,
    /// Events and commands that were published and marked.
    pub published: usize,
}

/// One pass: leases the free shards for `owner`, publishes up to `batch` rows of each, marks them. A
/// shard that fails does not keep the others from their turn. A pass ends well within its lease.
///
/// # Errors
/// The first [`Error`] of a shard if nothing could be published.
pub async fn relay(kassa: &Kassa, owner: &str, batch: u64) -> Result<Relayed, Error> {
    let started = Instant::now();
    let now = kassa.clock.now();
    let until = now
        .checked_add_signed(chrono::TimeDelta::from_std(LEASE).map_err(Error::internal)?)
        .ok_or_else(|| Error::internal("the clock is out of range"))?;
    let leased = kassa
        .store
        .lease_outbox_shards(owner, SHARDS, now, until)
        .await?;
    let mut relayed = Relayed {
        shards: leased.len(),
        published: 0,
    };
    let mut failure = None;
    for shard in kassa.store.list_waiting_shards(&leased).await? {
        if started.elapsed() > LEASE / 2 {
            break;
        }
        match relay_shard(kassa, shard, batch).await {
            Ok(published) => relayed.published = relayed.published.saturating_add(published),
            Err(error) => failure = failure.or(Some(error)),
        }
    }
    match failure {
        Some(error) if relayed.published == 0 => Err(error),
        Some(error) => {
            tracing::warn!(%error, "a shard of the outbox could not be relayed");
            Ok(relayed)
        }
        None => Ok(relayed),
    }
}

async fn relay_shard(kassa: &Kassa, shard: i16, batch: u64) -> Result<usize, Error> {
    let rows = kassa.store.list_unpublished(shard, batch).await?;
    let mut published = Vec::with_capacity(rows.len());
    let outcome = publish(kassa, &rows, &mut published).await;
    if !published.is_empty() {
        kassa.checkpoints.reach(Checkpoint::RelayPublished).await;
    }
    if !published.is_empty() {
        kassa
            .store
            .mark_published(&published, kassa.clock.now())
            .await?;
        let count = u64::try_from(published.len()).unwrap_or_default();
        metrics::counter!("kassa_outbox_published_total").increment(count);
    }
    outcome.map(|()| published.len())
}

/// Publishes rows; `published` holds those that are confirmed even when it fails midway. Only events
/// need their order: commands go first, so that no event that is stuck holds back a refund.
async fn publish(kassa: &Kassa, rows: &[OutboxRow], published: &mut Vec<i64>) -> Result<(), Error> {
    let mut events: Vec<(i64, EventMessage)> = Vec::new();
    for row in rows {
        match &row.destination {
            Destination::Event {
                id,
                event_type,
                routing_key,
                ..
            } => {
                let message = EventMessage {
                    id: *id,
                    event_type: event_type.clone(),
                    source: kassa.settings.event_source.clone(),
                    routing_key: routing_key.clone(),
                    time: row.created_at,
                    body: serde_json::to_vec(&row.payload).map_err(Error::internal)?,
                    trace: TraceContext(row.trace.clone()),
                };
                events.push((row.seq, message));
            }
            Destination::Command { queue, .. } => {
                publish_command(kassa, row, queue).await?;
                published.push(row.seq);
            }
        }
    }
    flush(kassa, &mut events, published).await
}

async fn flush(
    kassa: &Kassa,
    events: &mut Vec<(i64, EventMessage)>,
    published: &mut Vec<i64>,
) -> Result<(), Error> {
    while !events.is_empty() {
        let messages: Vec<_> = events.iter().map(|(_, message)| message.clone()).collect();
        let confirmed = kassa.queue.publish_events(&messages).await?;
        if confirmed == 0 {
            return Err(Error::internal("the broker confirmed none of the events"));
        }
        published.extend(
            events
                .drain(..confirmed.min(messages.len()))
                .map(|(seq, _)| seq),
        );
    }
    Ok(())
}

async fn publish_command(kassa: &Kassa, row: &OutboxRow, queue: &str) -> Result<(), Error> {
    let queue = QueueName::ALL
        .iter()
        .copied()
        .find(|name| name.as_str() == queue)
        .ok_or_else(|| Error::internal(format!("no queue {queue}")))?;
    let envelope: Envelope =
        serde_json::from_value(row.payload.clone()).map_err(Error::internal)?;
    kassa.queue.publish(queue, &envelope).await?;
    Ok(())
}
