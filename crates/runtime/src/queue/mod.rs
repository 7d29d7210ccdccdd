//! The queues: work for the workers, events for the business systems.
//!
//! One trait, two implementations that pass one contract suite: [`rabbit`] (production) and
//! [`embedded`] (the default: a durable queue in the same database). A delivery ends in exactly one
//! way: done, retry after a delay, or parked; a delivery that is dropped without an end comes back.
//! Nothing is ever dropped.

mod codec;
pub mod embedded;
pub mod envelope;
mod error;
pub mod rabbit;

use std::time::Duration;

use async_trait::async_trait;
use kassa_core::id::EnvelopeId;

pub use codec::UNREADABLE_KIND;
pub use envelope::{Envelope, EventMessage, TraceContext};
pub use error::QueueError;

/// The work queues.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum QueueName {
    /// Verified callbacks on their way to the worker.
    Notifications,
    /// Work that a committed change asked for: submit a refund, query an order.
    Commands,
}

impl QueueName {
    /// Every queue.
    pub const ALL: &'static [Self] = &[Self::Notifications, Self::Commands];

    /// The name in the broker, in logs and in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Notifications => "kassa.notifications",
            Self::Commands => "kassa.commands",
        }
    }
}

/// The delays that a retry may have: each is a TTL queue of its own in RabbitMQ. A message is tried
/// `RETRY_LADDER.len() + 1` times over about 8 hours, then parked.
pub const RETRY_LADDER: [Duration; 9] = [
    Duration::from_secs(1),
    Duration::from_secs(5),
    Duration::from_secs(15),
    Duration::from_mins(1),
    Duration::from_mins(5),
    Duration::from_mins(15),
    Duration::from_mins(30),
    Duration::from_hours(2),
    Duration::from_hours(5),
];

/// The longest reason that is kept with a parked message, in characters; the rest is cut off.
pub const PARK_REASON_CHARS_MAX: usize = 500;

/// The delay before the next try of a message that was tried `retries` times before, or `None` when
/// the ladder is used up and it is time to park.
pub fn ladder_delay(retries: u32) -> Option<Duration> {
    usize::try_from(retries)
        .ok()
        .and_then(|step| RETRY_LADDER.get(step))
        .copied()
}

/// The first step of [`RETRY_LADDER`] that is not shorter than `delay`, or the last one.
fn ladder_step(delay: Duration) -> (usize, Duration) {
    let (mut step, mut chosen) = (0, Duration::ZERO);
    for (number, length) in RETRY_LADDER.into_iter().enumerate() {
        (step, chosen) = (number, length);
        if length >= delay {
            break;
        }
    }
    (step, chosen)
}

fn cut_reason(reason: &str) -> String {
    reason.chars().take(PARK_REASON_CHARS_MAX).collect()
}

fn count_published(queue: &'static str, result: Result<(), &QueueError>) {
    let outcome = result.err().map_or("confirmed", QueueError::outcome);
    metrics::counter!("kassa_queue_published_total", "queue" => queue, "outcome" => outcome)
        .increment(1);
}

fn count_delivery(queue: QueueName, end: &'static str) {
    metrics::counter!("kassa_queue_deliveries_total", "queue" => queue.as_str(), "end" => end)
        .increment(1);
}

fn count_reconnect(link: &'static str) {
    metrics::counter!("kassa_queue_reconnects_total", "link" => link).increment(1);
}

/// A message taken from a queue. End it with [`Delivery::done`], [`Delivery::retry_after`] or
/// [`Delivery::park`]; dropping it gives it back.
#[async_trait]
pub trait Delivery: Send + Sync + std::fmt::Debug {
    /// What was sent.
    fn envelope(&self) -> &Envelope;

    /// How often it was tried before: 0 at first.
    fn retries(&self) -> u32;

    /// It is dealt with for good. Even after `Ok` it may come once more, if the connection broke just
    /// then: handlers bear repeats.
    async fn done(self: Box<Self>) -> Result<(), QueueError>;

    /// Try again later: at the first step of [`RETRY_LADDER`] that is not shorter than `delay`.
    /// Counts one retry.
    async fn retry_after(self: Box<Self>, delay: Duration) -> Result<(), QueueError>;

    /// Set it aside for an operator, with the reason.
    async fn park(self: Box<Self>, reason: &str) -> Result<(), QueueError>;
}

/// A message that was set aside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parked {
    /// Where it was parked.
    pub queue: QueueName,
    /// The message.
    pub envelope: Envelope,
    /// Why.
    pub reason: String,
    /// How often it was tried.
    pub retries: u32,
    /// When it was parked.
    pub parked_at: chrono::DateTime<chrono::Utc>,
}

/// Takes deliveries from one queue.
#[async_trait]
pub trait Consumer: Send + std::fmt::Debug {
    /// The next delivery; waits for one, reconnecting with back-off if the broker goes away. `None`
    /// once the queue was closed.
    /// Cancelling the call loses nothing.
    async fn next(&mut self) -> Option<Box<dyn Delivery>>;

    /// A delivery if there is one now; waits only for the broker's own answer. `None` too while
    /// `prefetch` deliveries are out, and once the queue was closed.
    ///
    /// # Errors
    /// [`QueueError`] if the broker cannot be asked.
    async fn try_next(&mut self) -> Result<Option<Box<dyn Delivery>>, QueueError>;
}

/// The broker's side of Kassa.
#[async_trait]
pub trait Queue: Send + Sync + std::fmt::Debug {
    /// Puts a message on a work queue; returns when a durable copy is confirmed.
    ///
    /// # Errors
    /// [`QueueError`]: it may or may not be there; putting it there twice is harmless.
    async fn publish(&self, queue: QueueName, envelope: &Envelope) -> Result<(), QueueError>;

    /// Publishes events in their order; returns how many of them, from the first, are confirmed.
    ///
    /// # Errors
    /// [`QueueError`] if not even the first was.
    async fn publish_events(&self, events: &[EventMessage]) -> Result<usize, QueueError>;

    /// Starts to take messages; at most `prefetch` are out at a time.
    async fn consume(
        &self,
        queue: QueueName,
        prefetch: u16,
    ) -> Result<Box<dyn Consumer>, QueueError>;

    /// The oldest parked messages of a queue, at most `limit`.
    async fn list_parked(&self, queue: QueueName, limit: usize) -> Result<Vec<Parked>, QueueError>;

    /// Puts parked messages back on their queue, with their retries forgotten: those named, or the
    /// oldest if none is named; at most `limit`. Returns the ids that were put back.
    async fn redrive(
        &self,
        queue: QueueName,
        ids: &[EnvelopeId],
        limit: usize,
    ) -> Result<Vec<EnvelopeId>, QueueError>;

    /// How many messages wait on a queue (ready or delayed; not those out for delivery).
    async fn depth(&self, queue: QueueName) -> Result<u64, QueueError>;

    /// Asks the broker for a sign of life.
    async fn ping(&self) -> Result<(), QueueError>;

    /// Ends all consumers and closes connections; unfinished deliveries come back later.
    async fn close(&self);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_delay_is_rounded_up_to_a_step_of_the_ladder() {
        let step = |millis| ladder_step(Duration::from_millis(millis));
        assert_eq!(step(0), (0, RETRY_LADDER[0]));
        assert_eq!(step(1_000), (0, RETRY_LADDER[0]));
        assert_eq!(step(1_001), (1, RETRY_LADDER[1]));
        assert_eq!(step(u64::MAX), (8, RETRY_LADDER[8]));
    }

    #[test]
    fn the_ladder_ends_after_its_last_step() {
        assert_eq!(ladder_delay(0), Some(RETRY_LADDER[0]));
        assert_eq!(ladder_delay(8), Some(RETRY_LADDER[8]));
        assert_eq!(ladder_delay(9), None);
        assert_eq!(ladder_delay(u32::MAX), None);
    }

    #[test]
    fn a_reason_is_cut_between_characters() {
        assert_eq!(cut_reason(&"é".repeat(501)), "é".repeat(500));
    }
}
