//! What we declare in the broker. Everything is durable and declared again at every connection, so
//! that a broker that was set up anew is set up again.
//!
//! | entity | kind | does |
//! | --- | --- | --- |
//! | `kassa.notifications`, `kassa.commands` | quorum queue | work; after 20 failed deliveries the broker itself moves a message to the parked queue |
//! | `….retry.<seconds>s` | quorum queue with TTL | one step of the ladder; expired messages go back to the work queue |
//! | `….parked` | quorum queue | set aside for an operator |
//! | `payment.events` | topic exchange | events; business systems bind queues of their own |
//!
//! Dead-lettering is at-least-once: the broker keeps a message until the next queue confirmed it.
//! RabbitMQ 3.10 demands `reject-publish` for that, which also makes a length limit set by policy
//! show up as a refused publish instead of a lost message.

use lapin::options::{
    ExchangeDeclareOptions, QueueDeclareOptions, QueueDeleteOptions, QueuePurgeOptions,
};
use lapin::types::{AMQPValue, FieldTable, LongString, ShortString};
use lapin::{Channel, ExchangeKind};

use super::PREFIX_BYTES_MAX;
use crate::queue::{QueueError, QueueName, RETRY_LADDER};

/// The events' exchange, before the prefix.
pub(super) const EVENTS_EXCHANGE: &str = "payment.events";
/// How often the broker delivers a message again by itself (dropped deliveries, lost consumers)
/// before it parks it.
const DELIVERY_LIMIT: i64 = 20;
/// Parked and delayed messages are never dropped for being given back; the broker of version 4
/// would do so after 20 times if nothing were said, and 3.10 knows no "never".
const DELIVERY_LIMIT_NEVER: i64 = 1_000_000_000;

/// The names of one work queue and its companions.
#[derive(Debug, Clone)]
pub(super) struct QueueNames {
    pub(super) work: ShortString,
    pub(super) parked: ShortString,
    /// One per step of the ladder: name and delay in milliseconds.
    pub(super) ladder: Vec<(ShortString, i64)>,
}

/// All names, with the prefix.
#[derive(Debug, Clone)]
pub(super) struct Topology {
    notifications: QueueNames,
    commands: QueueNames,
    pub(super) events: ShortString,
}

impl Topology {
    /// Names under `prefix`.
    ///
    /// # Errors
    /// [`QueueError::Options`] if it is longer than [`PREFIX_BYTES_MAX`] or has characters other
    /// than letters, digits, `.`, `_` and `-`.
    pub(super) fn new(prefix: &str) -> Result<Self, QueueError> {
        let is_fine = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
        if prefix.len() > PREFIX_BYTES_MAX || !prefix.bytes().all(is_fine) {
            return Err(QueueError::Options(
                "the prefix must be at most 64 letters, digits, dots, underscores and hyphens",
            ));
        }
        Ok(Self {
            notifications: QueueNames::new(prefix, QueueName::Notifications)?,
            commands: QueueNames::new(prefix, QueueName::Commands)?,
            events: name(format!("{prefix}{EVENTS_EXCHANGE}"))?,
        })
    }

    pub(super) fn of(&self, queue: QueueName) -> &QueueNames {
        match queue {
            QueueName::Notifications => &self.notifications,
            QueueName::Commands => &self.commands,
        }
    }

    /// Declares everything.
    pub(super) async fn declare(&self, channel: &Channel) -> Result<(), QueueError> {
        let options = ExchangeDeclareOptions {
            durable: true,
            ..Default::default()
        };
        let events = self.events.clone();
        channel
            .exchange_declare(events, ExchangeKind::Topic, options, FieldTable::default())
            .await
            .map_err(|error| QueueError::broker("declare exchange", error))?;
        for queue in QueueName::ALL {
            let names = self.of(*queue);
            let forever = quorum(DELIVERY_LIMIT_NEVER);
            declare_queue(channel, &names.parked, forever).await?;
            let mut work = dead_letter(quorum(DELIVERY_LIMIT), &names.parked);
            work.insert("x-overflow".into(), text("reject-publish"));
            declare_queue(channel, &names.work, work).await?;
            for (step, delay_ms) in &names.ladder {
                let mut delayed = dead_letter(quorum(DELIVERY_LIMIT_NEVER), &names.work);
                delayed.insert("x-overflow".into(), text("reject-publish"));
                delayed.insert("x-message-ttl".into(), AMQPValue::LongLongInt(*delay_ms));
                declare_queue(channel, step, delayed).await?;
            }
        }
        Ok(())
    }

    /// Deletes all messages.
    pub(super) async fn purge(&self, channel: &Channel) -> Result<(), QueueError> {
        for queue in QueueName::ALL {
            let names = self.of(*queue);
            let ladder = names.ladder.iter().map(|(step, _delay)| step);
            for queue in [&names.work, &names.parked].into_iter().chain(ladder) {
                channel
                    .queue_purge(queue.clone(), QueuePurgeOptions::default())
                    .await
                    .map_err(|error| QueueError::broker("purge queue", error))?;
            }
        }
        Ok(())
    }

    /// Deletes everything, messages included.
    pub(super) async fn delete(&self, channel: &Channel) -> Result<(), QueueError> {
        for queue in QueueName::ALL {
            let names = self.of(*queue);
            let ladder = names.ladder.iter().map(|(step, _delay)| step);
            for queue in [&names.work, &names.parked].into_iter().chain(ladder) {
                channel
                    .queue_delete(queue.clone(), QueueDeleteOptions::default())
                    .await
                    .map_err(|error| QueueError::broker("delete queue", error))?;
            }
        }
        channel
            .exchange_delete(
                self.events.clone(),
                lapin::options::ExchangeDeleteOptions::default(),
            )
            .await
            .map_err(|error| QueueError::broker("delete exchange", error))
    }
}

impl QueueNames {
    fn new(prefix: &str, queue: QueueName) -> Result<Self, QueueError> {
        let work = format!("{prefix}{}", queue.as_str());
        let mut ladder = Vec::with_capacity(RETRY_LADDER.len());
        for delay in RETRY_LADDER {
            let millis = i64::try_from(delay.as_millis())
                .map_err(|_too_long| QueueError::Options("a step of the ladder is too long"))?;
            ladder.push((name(format!("{work}.retry.{}s", delay.as_secs()))?, millis));
        }
        Ok(Self {
            parked: name(format!("{work}.parked"))?,
            work: name(work)?,
            ladder,
        })
    }
}

fn name(text: String) -> Result<ShortString, QueueError> {
    ShortString::try_new(text).map_err(|_too_long| QueueError::Options("a name is too long"))
}

async fn declare_queue(
    channel: &Channel,
    queue: &ShortString,
    arguments: FieldTable,
) -> Result<(), QueueError> {
    channel
        .queue_declare(queue.clone(), QueueDeclareOptions::durable(), arguments)
        .await
        .map(|_queue| ())
        .map_err(|error| QueueError::broker("declare queue", error))
}

fn quorum(delivery_limit: i64) -> FieldTable {
    let mut arguments = FieldTable::default();
    arguments.insert("x-queue-type".into(), text("quorum"));
    arguments.insert(
        "x-delivery-limit".into(),
        AMQPValue::LongLongInt(delivery_limit),
    );
    arguments
}

/// To another queue, over the default exchange.
fn dead_letter(mut arguments: FieldTable, to: &ShortString) -> FieldTable {
    arguments.insert("x-dead-letter-exchange".into(), text(""));
    arguments.insert("x-dead-letter-routing-key".into(), text(to.as_str()));
    arguments.insert("x-dead-letter-strategy".into(), text("at-least-once"));
    arguments
}

fn text(text: &str) -> AMQPValue {
    AMQPValue::LongString(LongString::from(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_carry_the_prefix_and_the_delay() {
        let topology = Topology::new("t1.").unwrap();
        let names = topology.of(QueueName::Commands);
        assert_eq!(names.work.as_str(), "t1.kassa.commands");
        assert_eq!(names.parked.as_str(), "t1.kassa.commands.parked");
        assert_eq!(names.ladder[0].0.as_str(), "t1.kassa.commands.retry.1s");
        assert_eq!(names.ladder[0].1, 1_000);
        assert_eq!(names.ladder[8].0.as_str(), "t1.kassa.commands.retry.18000s");
        assert_eq!(topology.events.as_str(), "t1.payment.events");
    }

    #[test]
    fn a_prefix_that_is_no_name_is_refused() {
        for prefix in ["a b", "ü", "a/b", &"x".repeat(65)] {
            assert!(
                matches!(Topology::new(prefix), Err(QueueError::Options(_))),
                "{prefix}"
            );
        }
    }
}
