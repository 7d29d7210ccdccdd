//! Parked messages: listing them, putting them back.
//!
//! A queue has no index, so every look is a pass: each message is taken, published again to the tail
//! (or back to its work queue), and acknowledged once that is confirmed. A whole pass leaves the
//! order as it was. A crash in between leaves a copy too many, which is harmless: work is idempotent. A
//! pass ends where it meets a message for the second time, and never drops one. Two processes that
//! look at the same time may each see only a part.

use std::collections::{BTreeMap, HashSet};

use kassa_core::id::EnvelopeId;
use lapin::Channel;
use lapin::message::Delivery;
use lapin::options::{BasicAckOptions, BasicGetOptions, BasicNackOptions, QueueDeclareOptions};
use lapin::types::FieldTable;

use super::consumer::answered;
use super::{Shared, message, publish_to};
use crate::queue::{Envelope, Parked, QueueError, QueueName, codec};

/// How many parked messages one pass looks at.
const PASS_MAX: u32 = 10_000;

/// What a pass does with a message.
enum Verdict {
    Keep,
    PutBack,
}

/// The oldest parked messages.
pub(super) async fn list(
    shared: &Shared,
    queue: QueueName,
    limit: usize,
) -> Result<Vec<Parked>, QueueError> {
    let _turn = shared.parked_turn.lock().await;
    list_in_turn(shared, queue, limit).await
}

async fn list_in_turn(
    shared: &Shared,
    queue: QueueName,
    limit: usize,
) -> Result<Vec<Parked>, QueueError> {
    let now = shared.clock.now();
    let mut oldest = BTreeMap::new();
    let mut place = 0_usize;
    pass(shared, queue, |envelope, delivery| {
        let mark = message::mark(&delivery.properties, now);
        let message::Mark {
            reason,
            retries,
            parked_at,
        } = mark;
        let parked = Parked {
            queue,
            envelope: envelope.clone(),
            reason,
            retries,
            parked_at,
        };
        oldest.insert((parked_at, place), parked);
        place = place.saturating_add(1);
        if oldest.len() > limit {
            oldest.pop_last();
        }
        Verdict::Keep
    })
    .await?;
    Ok(oldest.into_values().collect())
}

/// Puts parked messages back: those named, or the oldest.
pub(super) async fn redrive(
    shared: &Shared,
    queue: QueueName,
    ids: &[EnvelopeId],
    limit: usize,
) -> Result<Vec<EnvelopeId>, QueueError> {
    let _turn = shared.parked_turn.lock().await;
    let mut wanted: HashSet<EnvelopeId> = if ids.is_empty() {
        let oldest = list_in_turn(shared, queue, limit).await?;
        oldest
            .into_iter()
            .map(|parked| parked.envelope.id)
            .collect()
    } else {
        ids.iter().copied().collect()
    };
    let mut put_back = Vec::new();
    pass(shared, queue, |envelope, _delivery| {
        if put_back.len() < limit && wanted.remove(&envelope.id) {
            put_back.push(envelope.id);
            Verdict::PutBack
        } else {
            Verdict::Keep
        }
    })
    .await?;
    Ok(put_back)
}

/// Looks at each parked message once.
async fn pass(
    shared: &Shared,
    queue: QueueName,
    mut look: impl FnMut(&Envelope, &Delivery) -> Verdict + Send,
) -> Result<(), QueueError> {
    let names = shared.topology.of(queue);
    let channel = shared.incoming.channel("look at parked messages").await?;
    let mut seen = HashSet::new();
    for _number in 0..count(&channel, names.parked.clone()).await?.min(PASS_MAX) {
        let asked = channel.basic_get(names.parked.clone(), BasicGetOptions::default());
        let Some(received) = answered("get", asked).await? else {
            break;
        };
        let delivery = received.delivery;
        let envelope = codec::decode(&delivery.data, shared.clock.now()).into_envelope();
        let tag = delivery.delivery_tag;
        // A message that was looked at before: this pass has come round, or another process moves the
        // same messages. Which of both cannot be told, so it stays where it is.
        if !seen.insert(envelope.id) {
            let options = BasicNackOptions {
                requeue: true,
                ..BasicNackOptions::default()
            };
            answered("give back", channel.basic_nack(tag, options)).await?;
            break;
        }
        let (to, properties) = match look(&envelope, &delivery) {
            Verdict::Keep => (&names.parked, delivery.properties.clone()),
            Verdict::PutBack => (&names.work, message::work(&envelope, 0)),
        };
        let body = delivery.data.clone();
        publish_to(&shared.publisher, queue, to.clone(), body, properties).await?;
        answered(
            "acknowledge",
            channel.basic_ack(tag, BasicAckOptions::default()),
        )
        .await?;
    }
    answered("close channel", channel.close(200, "OK".into())).await
}

/// How many messages are ready on a queue.
pub(super) async fn count(
    channel: &Channel,
    queue: lapin::types::ShortString,
) -> Result<u32, QueueError> {
    let options = QueueDeclareOptions {
        passive: true,
        ..QueueDeclareOptions::durable()
    };
    let declared = channel.queue_declare(queue, options, FieldTable::default());
    Ok(answered("count", declared).await?.message_count())
}
