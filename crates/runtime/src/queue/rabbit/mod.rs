//! RabbitMQ, 3.10 or newer, without plug-ins: quorum queues, publisher confirms, a retry ladder of
//! TTL queues. What is declared is in `topology`.
//!
//! Two connections, so that a broker that holds back publishers does not hold back
//! acknowledgements: one publishes, one consumes. Both come back by themselves; while the publishing
//! one is away, publishing fails at once. A message moves (to the ladder, to the parked queue, back)
//! by being published and confirmed there before it is acknowledged here, so it may exist twice for
//! a moment but never not at all.

mod consumer;
mod link;
mod message;
mod parked;
mod publisher;
mod topology;

use std::sync::Arc;

use crate::checkpoint::Checkpoints;
use async_trait::async_trait;
use kassa_core::id::EnvelopeId;
use kassa_core::{Clock, Secret};
use lapin::BasicProperties;
use lapin::ExchangeKind;
use lapin::options::ExchangeDeclareOptions;
use lapin::types::{FieldTable, ShortString};
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;

use self::consumer::{RabbitConsumer, answered};
use self::link::{Connector, Link};
use self::publisher::{Message, Publisher};
use self::topology::{EVENTS_EXCHANGE, Topology};
use super::{
    Consumer, Envelope, EventMessage, Parked, Queue, QueueError, QueueName, codec, count_published,
};

/// The longest prefix of names in the broker.
pub const PREFIX_BYTES_MAX: usize = 64;

/// How to reach RabbitMQ.
#[derive(Debug, Clone)]
pub struct RabbitOptions {
    /// `amqp://user:password@host:port/vhost` or `amqps://…`.
    pub url: Secret<String>,
    /// Goes before the name of every queue and exchange: several Kassas, or tests, on one broker.
    pub prefix: String,
    /// What the broker shows an operator.
    pub connection_name: String,
    /// Stamps parked messages.
    pub clock: Clock,
    /// Where tests kill processes; nothing in production.
    pub checkpoints: Checkpoints,
}

/// The queues and the event exchange in RabbitMQ. Cheap to clone; clones are the same queue.
#[derive(Debug, Clone)]
pub struct RabbitQueue {
    shared: Arc<Shared>,
}

/// What the queue, its consumers and its deliveries share.
#[derive(Debug)]
struct Shared {
    topology: Topology,
    clock: Clock,
    publisher: Publisher,
    /// The consuming connection.
    incoming: Arc<Link>,
    /// One pass over parked messages at a time.
    parked_turn: Mutex<()>,
    closing: CancellationToken,
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.closing.cancel();
    }
}

impl RabbitQueue {
    /// Connects, and declares the topology.
    ///
    /// # Errors
    /// [`QueueError::Options`] for options that cannot work; [`QueueError::Unavailable`],
    /// [`QueueError::Timeout`] or [`QueueError::Broker`] if the broker does not take part.
    pub async fn connect(options: RabbitOptions) -> Result<Self, QueueError> {
        let topology = Topology::new(&options.prefix)?;
        let connector = |side: &str| Connector {
            url: options.url.clone(),
            name: format!("{} {side}", options.connection_name),
            topology: topology.clone(),
        };
        let closing = CancellationToken::new();
        // Ends the first connection if the second one cannot be made.
        let guard = closing.clone().drop_guard();
        let outgoing = Link::open(connector("out"), "publisher", closing.clone()).await?;
        let incoming = Link::open(connector("in"), "consumer", closing.clone()).await?;
        guard.disarm();
        let shared = Shared {
            topology,
            clock: options.clock,
            publisher: Publisher::start(outgoing, &options.checkpoints),
            incoming,
            parked_turn: Mutex::new(()),
            closing,
        };
        Ok(Self {
            shared: Arc::new(shared),
        })
    }

    /// The topic exchange that business systems bind their queues to.
    pub fn events_exchange(&self) -> &str {
        self.shared.topology.events.as_str()
    }

    /// Deletes all queues under the prefix with everything in them: for tests, and for taking an
    /// installation out of service.
    ///
    /// # Errors
    /// [`QueueError`].
    pub async fn delete_everything(&self) -> Result<(), QueueError> {
        let channel = self.shared.incoming.channel("delete").await?;
        self.shared.topology.delete(&channel).await
    }

    /// Deletes all messages under the prefix and keeps the queues, which take long to make: for tests.
    ///
    /// # Errors
    /// [`QueueError`].
    pub async fn purge_everything(&self) -> Result<(), QueueError> {
        let channel = self.shared.incoming.channel("purge").await?;
        self.shared.topology.purge(&channel).await
    }

    fn ensure_open(&self) -> Result<(), QueueError> {
        if self.shared.closing.is_cancelled() {
            Err(QueueError::Closed)
        } else {
            Ok(())
        }
    }

    async fn publish_envelope(
        &self,
        queue: QueueName,
        envelope: &Envelope,
    ) -> Result<(), QueueError> {
        self.ensure_open()?;
        let body = codec::encode(envelope)?;
        let to = self.shared.topology.of(queue).work.clone();
        let properties = message::work(envelope, 0);
        publish_to(&self.shared.publisher, queue, to, body, properties).await
    }

    fn event(&self, event: &EventMessage) -> Result<Message, QueueError> {
        Ok(Message {
            exchange: self.shared.topology.events.clone(),
            routing_key: message::short(&event.routing_key, "routing key")?,
            // Nobody has to listen.
            mandatory: false,
            body: event.body.clone(),
            properties: message::event(event)?,
            destination: EVENTS_EXCHANGE,
        })
    }
}

/// Publishes to one queue over the default exchange; that no queue takes it is an error.
async fn publish_to(
    publisher: &Publisher,
    queue: QueueName,
    to: ShortString,
    body: Vec<u8>,
    properties: BasicProperties,
) -> Result<(), QueueError> {
    let destination = queue.as_str();
    let exchange = ShortString::default();
    let message = Message {
        exchange,
        routing_key: to,
        mandatory: true,
        body,
        properties,
        destination,
    };
    publisher.publish(message).await
}

#[async_trait]
impl Queue for RabbitQueue {
    async fn publish(&self, queue: QueueName, envelope: &Envelope) -> Result<(), QueueError> {
        let result = self.publish_envelope(queue, envelope).await;
        count_published(queue.as_str(), result.as_ref().copied());
        result
    }

    async fn publish_events(&self, events: &[EventMessage]) -> Result<usize, QueueError> {
        self.ensure_open()?;
        let messages = events.iter().map(|event| self.event(event)).collect();
        let (confirmed, failure) = self.shared.publisher.publish_in_order(messages).await;
        for _event in 0..confirmed {
            count_published(EVENTS_EXCHANGE, Ok(()));
        }
        let Some(error) = failure else {
            return Ok(confirmed);
        };
        count_published(EVENTS_EXCHANGE, Err(&error));
        if confirmed > 0 {
            tracing::warn!(%error, confirmed, "not all events were published");
            return Ok(confirmed);
        }
        Err(error)
    }

    async fn consume(
        &self,
        queue: QueueName,
        prefetch: u16,
    ) -> Result<Box<dyn Consumer>, QueueError> {
        self.ensure_open()?;
        let mut consumer = RabbitConsumer::new(Arc::clone(&self.shared), queue, prefetch);
        if let Err(error) = consumer.open().await {
            // The broker was there when we connected; the consumer opens a channel when it is back.
            tracing::warn!(%error, queue.name = queue.as_str(), "no messages can be taken yet");
        }
        Ok(Box::new(consumer))
    }

    async fn list_parked(&self, queue: QueueName, limit: usize) -> Result<Vec<Parked>, QueueError> {
        self.ensure_open()?;
        parked::list(&self.shared, queue, limit).await
    }

    async fn redrive(
        &self,
        queue: QueueName,
        ids: &[EnvelopeId],
        limit: usize,
    ) -> Result<Vec<EnvelopeId>, QueueError> {
        self.ensure_open()?;
        parked::redrive(&self.shared, queue, ids, limit).await
    }

    async fn depth(&self, queue: QueueName) -> Result<u64, QueueError> {
        self.ensure_open()?;
        let names = self.shared.topology.of(queue);
        let channel = self.shared.incoming.channel("count").await?;
        let mut depth = 0_u64;
        for queue in std::iter::once(&names.work).chain(names.ladder.iter().map(|(step, _)| step)) {
            let ready = parked::count(&channel, queue.clone()).await?;
            depth = depth.saturating_add(u64::from(ready));
        }
        answered("close channel", channel.close(200, "OK".into())).await?;
        Ok(depth)
    }

    async fn ping(&self) -> Result<(), QueueError> {
        self.ensure_open()?;
        if !self.shared.publisher.is_up() {
            return Err(QueueError::away("ping"));
        }
        let channel = self.shared.incoming.channel("ping").await?;
        let options = ExchangeDeclareOptions {
            passive: true,
            ..Default::default()
        };
        let events = self.shared.topology.events.clone();
        let asked =
            channel.exchange_declare(events, ExchangeKind::Topic, options, FieldTable::default());
        answered("ping", asked).await?;
        answered("ping", channel.close(200, "OK".into())).await
    }

    async fn close(&self) {
        self.shared.closing.cancel();
    }
}
