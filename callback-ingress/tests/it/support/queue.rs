//! A queue that confirms, fails, or waits until it is told to confirm.

use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use kassa_core::id::EnvelopeId;
use kassa_core::notification::{NOTIFICATION_KIND, NotificationMessage};
use runtime::queue::{Consumer, Envelope, EventMessage, Parked, Queue, QueueError, QueueName};
use tokio::sync::Semaphore;

/// What publishing does.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Confirms at once.
    #[default]
    Confirm,
    /// The broker is away.
    Fail,
    /// Confirms once [`FakeQueue::release`] lets it.
    Hold,
}

/// Remembers what was confirmed.
#[derive(Debug)]
pub(crate) struct FakeQueue {
    mode: Mutex<Mode>,
    confirmed: Mutex<Vec<(QueueName, Envelope)>>,
    arrivals: Semaphore,
    gate: Semaphore,
}

impl Default for FakeQueue {
    fn default() -> Self {
        Self {
            mode: Mutex::default(),
            confirmed: Mutex::default(),
            arrivals: Semaphore::new(0),
            gate: Semaphore::new(0),
        }
    }
}

impl FakeQueue {
    pub(crate) fn set(&self, mode: Mode) {
        *self.mode.lock().unwrap_or_else(PoisonError::into_inner) = mode;
    }

    /// Waits until a message has come, confirmed or not.
    pub(crate) async fn arrival(&self) {
        self.arrivals.acquire().await.expect("open").forget();
    }

    /// Confirms one message that waits.
    pub(crate) fn release(&self) {
        self.gate.add_permits(1);
    }

    /// What was confirmed on a queue, in order.
    pub(crate) fn confirmed(&self, queue: QueueName) -> Vec<Envelope> {
        let confirmed = self
            .confirmed
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        confirmed
            .iter()
            .filter(|(q, _)| *q == queue)
            .map(|(_, e)| e.clone())
            .collect()
    }

    /// The confirmed notifications with their bodies.
    pub(crate) fn notifications(&self) -> Vec<(NotificationMessage, Vec<u8>)> {
        let envelopes = self.confirmed(QueueName::Notifications);
        envelopes.iter().map(read_notification).collect()
    }
}

/// The notification in an envelope, with its body.
pub(crate) fn read_notification(envelope: &Envelope) -> (NotificationMessage, Vec<u8>) {
    assert_eq!(envelope.kind, NOTIFICATION_KIND);
    let message: NotificationMessage =
        serde_json::from_value(envelope.payload.clone()).expect("a notification");
    let body = STANDARD.decode(&message.body).expect("a body in base64");
    (message, body)
}

#[async_trait]
impl Queue for FakeQueue {
    async fn publish(&self, queue: QueueName, envelope: &Envelope) -> Result<(), QueueError> {
        let mode = *self.mode.lock().unwrap_or_else(PoisonError::into_inner);
        self.arrivals.add_permits(1);
        match mode {
            Mode::Confirm => {}
            Mode::Fail => {
                return Err(QueueError::Unavailable {
                    operation: "publish",
                    source: None,
                });
            }
            Mode::Hold => self.gate.acquire().await.expect("open").forget(),
        }
        let mut confirmed = self
            .confirmed
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        confirmed.push((queue, envelope.clone()));
        Ok(())
    }

    async fn publish_events(&self, _events: &[EventMessage]) -> Result<usize, QueueError> {
        Err(QueueError::Closed)
    }

    async fn consume(&self, _: QueueName, _: u16) -> Result<Box<dyn Consumer>, QueueError> {
        Err(QueueError::Closed)
    }

    async fn list_parked(&self, _: QueueName, _: usize) -> Result<Vec<Parked>, QueueError> {
        Ok(Vec::new())
    }

    async fn redrive(
        &self,
        _: QueueName,
        _: &[EnvelopeId],
        _: usize,
    ) -> Result<Vec<EnvelopeId>, QueueError> {
        Ok(Vec::new())
    }

    async fn depth(&self, _: QueueName) -> Result<u64, QueueError> {
        Ok(0)
    }

    async fn ping(&self) -> Result<(), QueueError> {
        Ok(())
    }

    async fn close(&self) {}
}
