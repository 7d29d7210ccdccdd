//! The durable queue in the store's own database: nothing else to install, the same contract as
//! RabbitMQ. Owns the table `queue_messages`.
//!
//! A message is `ready` until a consumer claims it, `leased` while it is out, and `parked` when it
//! was set aside; ending it well deletes it. A lease belongs to one claim: only its id can end the
//! message, so a holder that was too slow cannot end what another one holds by now. The leases of a
//! living process are renewed; those of a dead one run out, and the message comes back.
//!
//! Events need no delivery here: the outbox is the log that readers follow, so publishing them only
//! wakes those who wait in [`EmbeddedQueue::events_published`].

mod claim;
mod consumer;
mod intake;
mod leases;
mod parked;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use entities::queue_message::{Column, Entity};
use kassa_core::id::EnvelopeId;
use kassa_core::{Clock, IdSource};
use sea_orm::{ColumnTrait, EntityTrait, PaginatorTrait, QueryFilter};
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

use self::consumer::EmbeddedConsumer;
use self::intake::Intake;
use self::leases::Leases;
use super::{Consumer, Envelope, EventMessage, Parked, Queue, QueueError, QueueName};
use crate::store::{Store, StoreError};

/// State of a message that waits, perhaps for its time.
const READY: &str = "ready";
/// State of a message that is out for delivery.
const LEASED: &str = "leased";
/// State of a message that was set aside.
const PARKED: &str = "parked";

/// Settings of the embedded queue.
#[derive(Debug, Clone)]
pub struct EmbeddedOptions {
    /// How many messages a queue may hold, parked ones included. Each further process that
    /// publishes into the same database may go over it by 256.
    pub messages_max: u64,
    /// How long a message stays away after the process that held it died.
    pub lease: Duration,
    /// How often a waiting consumer looks without being woken: for messages whose time has come and
    /// those that another process published.
    pub poll_interval: Duration,
}

impl Default for EmbeddedOptions {
    fn default() -> Self {
        Self {
            messages_max: 100_000,
            lease: Duration::from_secs(30),
            poll_interval: Duration::from_millis(250),
        }
    }
}

/// The durable queue in the store's database. Cheap to clone; clones are the same queue.
#[derive(Debug, Clone)]
pub struct EmbeddedQueue {
    inner: Arc<Inner>,
}

/// What the queue, its consumers and its deliveries share.
#[derive(Debug)]
struct Inner {
    store: Store,
    clock: Clock,
    ids: IdSource,
    options: EmbeddedOptions,
    notifications: Notify,
    commands: Notify,
    events: watch::Sender<u64>,
    intake: Intake,
    leases: Leases,
    renewing: AtomicBool,
    closing: CancellationToken,
}

impl Inner {
    /// What wakes the consumers of a queue.
    fn wakeup(&self, queue: QueueName) -> &Notify {
        match queue {
            QueueName::Notifications => &self.notifications,
            QueueName::Commands => &self.commands,
        }
    }

    fn ensure_open(&self) -> Result<(), QueueError> {
        if self.closing.is_cancelled() {
            Err(QueueError::Closed)
        } else {
            Ok(())
        }
    }
}

impl EmbeddedQueue {
    /// A queue in `store`, whose schema must be up to date.
    pub fn new(store: Store, clock: Clock, ids: IdSource, options: EmbeddedOptions) -> Self {
        let inner = Inner {
            store,
            clock,
            ids,
            options,
            notifications: Notify::new(),
            commands: Notify::new(),
            events: watch::Sender::new(0),
            intake: Intake::new(),
            leases: Leases::default(),
            renewing: AtomicBool::new(false),
            closing: CancellationToken::new(),
        };
        Self {
            inner: Arc::new(inner),
        }
    }

    /// Makes waiting consumers look again now: after a settable clock was moved.
    pub fn wake(&self) {
        for queue in QueueName::ALL {
            self.inner.wakeup(*queue).notify_waiters();
        }
    }

    /// Changes whenever events were published; the events themselves are in the outbox.
    pub fn events_published(&self) -> watch::Receiver<u64> {
        self.inner.events.subscribe()
    }
}

#[async_trait]
impl Queue for EmbeddedQueue {
    async fn publish(&self, queue: QueueName, envelope: &Envelope) -> Result<(), QueueError> {
        let result = intake::publish(&self.inner, queue, envelope).await;
        super::count_published(queue.as_str(), result.as_ref().copied());
        result
    }

    async fn publish_events(&self, events: &[EventMessage]) -> Result<usize, QueueError> {
        self.inner.ensure_open()?;
        if !events.is_empty() {
            self.inner
                .events
                .send_modify(|count| *count = count.wrapping_add(1));
        }
        Ok(events.len())
    }

    async fn consume(
        &self,
        queue: QueueName,
        prefetch: u16,
    ) -> Result<Box<dyn Consumer>, QueueError> {
        self.inner.ensure_open()?;
        if !self.inner.renewing.swap(true, Ordering::Relaxed) {
            tokio::spawn(leases::renew(Arc::downgrade(&self.inner)));
        }
        Ok(Box::new(EmbeddedConsumer::new(
            Arc::clone(&self.inner),
            queue,
            prefetch,
        )))
    }

    async fn list_parked(&self, queue: QueueName, limit: usize) -> Result<Vec<Parked>, QueueError> {
        parked::list(&self.inner, queue, limit).await
    }

    async fn redrive(
        &self,
        queue: QueueName,
        ids: &[EnvelopeId],
        limit: usize,
    ) -> Result<Vec<EnvelopeId>, QueueError> {
        self.inner.ensure_open()?;
        let redriven = parked::redrive(&self.inner, queue, ids, limit).await?;
        self.inner.wakeup(queue).notify_waiters();
        Ok(redriven)
    }

    async fn depth(&self, queue: QueueName) -> Result<u64, QueueError> {
        Entity::find()
            .filter(Column::Queue.eq(queue.as_str()))
            .filter(Column::State.eq(READY))
            .count(self.inner.store.db())
            .await
            .map_err(|error| QueueError::store("depth", StoreError::query("count queue", error)))
    }

    async fn ping(&self) -> Result<(), QueueError> {
        self.inner.ensure_open()?;
        self.inner
            .store
            .ping()
            .await
            .map_err(|error| QueueError::store("ping", error))
    }

    async fn close(&self) {
        self.inner.closing.cancel();
        self.wake();
        leases::flush(&self.inner).await;
    }
}
