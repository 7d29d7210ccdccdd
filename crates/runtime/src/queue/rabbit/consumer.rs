//! Consumers and deliveries of RabbitMQ.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use backon::ExponentialBackoff;
use futures_util::{FutureExt, StreamExt};
use lapin::options::{
    BasicAckOptions, BasicCancelOptions, BasicConsumeOptions, BasicGetOptions, BasicNackOptions,
    BasicQosOptions,
};
use lapin::types::FieldTable;
use lapin::{BasicProperties, Channel};
use tokio::time::timeout;

use super::link::{ANSWER_TIMEOUT, pauses};
use super::message::{self, Mark};
use super::{Shared, publish_to};
use crate::queue::codec::{self, Decoded, UNREADABLE_REASON};
use crate::queue::{
    Consumer, Delivery, Envelope, QueueError, QueueName, count_delivery, count_reconnect,
    cut_reason, ladder_step,
};

/// The name of a subscription on its channel; each channel has one.
const TAG: &str = "kassa";

/// How often a queue with our own subscription must say that it is empty. What it is just handing to
/// the subscription does not count as there, and may arrive behind the answer: the queue's leader
/// answers first and delivers then, and the broker's channel passes on an answer that it waits for
/// before a delivery that it holds. Behind the third answer nothing older can be left.
const EMPTY_ANSWERS: u32 = 3;

/// Takes messages from one queue over a channel of its own; opens another when it breaks.
#[derive(Debug)]
pub(super) struct RabbitConsumer {
    shared: Arc<Shared>,
    queue: QueueName,
    prefetch: u16,
    session: Option<Session>,
    /// Pauses between attempts while the broker is away.
    pauses: Option<ExponentialBackoff>,
}

/// One channel, and the subscription on it once [`Consumer::next`] wanted one.
#[derive(Debug)]
struct Session {
    channel: Channel,
    subscription: Option<lapin::Consumer>,
    /// Whether a subscription was asked for, perhaps without having waited for the answer.
    is_subscribed: bool,
    /// Each delivery that is out holds a clone.
    out: Arc<()>,
}

impl Drop for Session {
    /// Ends the subscription, and gives back what was sent ahead and not handed out. The client
    /// library keeps a channel open for as long as it has a subscription, so without this those
    /// messages would stay here, out of everybody's reach. Deliveries that are out keep the channel
    /// and can still be ended.
    fn drop(&mut self) {
        if !self.is_subscribed || !self.channel.status().connected() {
            return;
        }
        // Without a runtime the process is at its end, and the connection with it.
        let Ok(runtime) = tokio::runtime::Handle::try_current() else {
            return;
        };
        let (channel, subscription) = (self.channel.clone(), self.subscription.take());
        runtime.spawn(async move {
            // First no new ones, then the old ones: they would only come here again.
            let cancelled = channel.basic_cancel(TAG.into(), BasicCancelOptions::default());
            if let Err(error) = answered("cancel", cancelled).await {
                tracing::debug!(%error, "the subscription ended with its channel");
            }
            let Some(mut subscription) = subscription else {
                return;
            };
            while let Some(Ok(delivery)) = subscription.next().await {
                give_back(&channel, delivery.delivery_tag);
            }
        });
    }
}

impl RabbitConsumer {
    pub(super) fn new(shared: Arc<Shared>, queue: QueueName, prefetch: u16) -> Self {
        Self {
            shared,
            queue,
            prefetch: prefetch.max(1),
            session: None,
            pauses: None,
        }
    }

    /// Opens a channel, if none is open, so that a broker that refuses it is noticed at once.
    pub(super) async fn open(&mut self) -> Result<(), QueueError> {
        let session = self.take_session().await?;
        self.session = Some(session);
        Ok(())
    }

    /// The session, taken out: who asks the broker for something puts it back afterwards. One who
    /// stops waiting in between thereby drops the session, and the broker gives back whatever it
    /// was just handing over.
    async fn take_session(&mut self) -> Result<Session, QueueError> {
        if let Some(session) = self.session.take()
            && session.channel.status().connected()
        {
            return Ok(session);
        }
        let channel = self.shared.incoming.channel("consume").await?;
        let qos = channel.basic_qos(self.prefetch, BasicQosOptions::default());
        answered("consume", qos).await?;
        Ok(Session {
            channel,
            subscription: None,
            is_subscribed: false,
            out: Arc::new(()),
        })
    }

    /// The next delivery of the subscription, which is made if need be.
    async fn receive(&mut self) -> Result<Option<Box<dyn Delivery>>, QueueError> {
        let mut session = self.take_session().await?;
        if session.subscription.is_none() {
            let work = self.shared.topology.of(self.queue).work.clone();
            let (options, arguments) = (BasicConsumeOptions::default(), FieldTable::default());
            session.is_subscribed = true;
            let subscribing = session
                .channel
                .basic_consume(work, TAG.into(), options, arguments);
            session.subscription = Some(answered("consume", subscribing).await?);
        }
        let session = self.session.insert(session);
        let Some(subscription) = session.subscription.as_mut() else {
            return Err(QueueError::away("consume"));
        };
        let failure = match subscription.next().await {
            Some(Ok(delivery)) => return Ok(self.accept(delivery).await),
            Some(Err(error)) => QueueError::broker("consume", error),
            None => QueueError::away("consume"),
        };
        self.session = None;
        Err(failure)
    }

    /// Makes a delivery of a message; one that is not ours is parked instead.
    async fn accept(&self, received: lapin::message::Delivery) -> Option<Box<dyn Delivery>> {
        let session = self.session.as_ref()?;
        let decoded = codec::decode(&received.data, self.shared.clock.now());
        let is_readable = matches!(decoded, Decoded::Readable(_));
        let delivery = Box::new(RabbitDelivery {
            shared: Arc::clone(&self.shared),
            channel: session.channel.clone(),
            tag: received.delivery_tag,
            queue: self.queue,
            envelope: decoded.into_envelope(),
            retries: message::retries(&received.properties),
            is_ended: false,
            _out: Arc::clone(&session.out),
        });
        if is_readable {
            return Some(delivery);
        }
        tracing::error!(
            queue.name = self.queue.as_str(),
            "an unreadable message is parked"
        );
        if let Err(error) = delivery.park(UNREADABLE_REASON).await {
            tracing::warn!(%error, queue.name = self.queue.as_str(), "not parked: it comes again");
        }
        None
    }

    /// Waits before the next attempt.
    async fn pause(&mut self, error: &QueueError) {
        let is_first = self.pauses.is_none();
        if is_first {
            tracing::warn!(%error, queue.name = self.queue.as_str(), "no messages can be taken");
        }
        let pause = self.pauses.get_or_insert_with(pauses).next();
        tokio::time::sleep(pause.unwrap_or_default()).await;
    }

    fn note_success(&mut self) {
        if self.pauses.take().is_some() {
            count_reconnect("consumer");
            tracing::info!(
                queue.name = self.queue.as_str(),
                "messages can be taken again"
            );
        }
    }

    /// One message of the subscription that is here already.
    async fn buffered(&mut self) -> Option<Box<dyn Delivery>> {
        loop {
            let subscription = self.session.as_mut()?.subscription.as_mut()?;
            let received = subscription.next().now_or_never()??.ok()?;
            if let Some(delivery) = self.accept(received).await {
                return Some(delivery);
            }
        }
    }
}

#[async_trait]
impl Consumer for RabbitConsumer {
    async fn next(&mut self) -> Option<Box<dyn Delivery>> {
        let closing = self.shared.closing.clone();
        let receive = async {
            loop {
                match self.receive().await {
                    Ok(Some(delivery)) => {
                        self.note_success();
                        return delivery;
                    }
                    Ok(None) => {}
                    Err(error) => self.pause(&error).await,
                }
            }
        };
        tokio::select! {
            biased;
            () = closing.cancelled() => None,
            delivery = receive => Some(delivery),
        }
    }

    async fn try_next(&mut self) -> Result<Option<Box<dyn Delivery>>, QueueError> {
        if self.shared.closing.is_cancelled() {
            return Ok(None);
        }
        self.open().await?;
        if let Some(delivery) = self.buffered().await {
            return Ok(Some(delivery));
        }
        let mut empty_answers = 0;
        loop {
            let session = self.take_session().await?;
            if Arc::strong_count(&session.out) > usize::from(self.prefetch) {
                self.session = Some(session);
                return Ok(None);
            }
            let answers_needed = if session.is_subscribed {
                EMPTY_ANSWERS
            } else {
                1
            };
            let work = self.shared.topology.of(self.queue).work.clone();
            let asked = session.channel.basic_get(work, BasicGetOptions::default());
            let received = answered("get", asked).await?;
            self.session = Some(session);
            let delivery = if let Some(received) = received {
                self.accept(received.delivery).await
            } else {
                empty_answers += 1;
                self.buffered().await
            };
            if delivery.is_some() || empty_answers >= answers_needed {
                return Ok(delivery);
            }
        }
    }
}

/// Waits for the broker's answer, but not for ever.
pub(super) async fn answered<T>(
    operation: &'static str,
    answer: impl Future<Output = lapin::Result<T>>,
) -> Result<T, QueueError> {
    timeout(ANSWER_TIMEOUT, answer)
        .await
        .map_err(|_elapsed| QueueError::Timeout { operation })?
        .map_err(|error| QueueError::broker(operation, error))
}

/// Puts the refusal of a delivery in line; nothing needs to be waited for. If the channel is gone,
/// the broker gives the message back by itself.
fn give_back(channel: &Channel, tag: u64) {
    let options = BasicNackOptions {
        requeue: true,
        multiple: false,
    };
    if let Some(Err(error)) = channel.basic_nack(tag, options).now_or_never() {
        tracing::debug!(%error, "the broker gives the message back by itself");
    }
}

/// A message that is out.
#[derive(Debug)]
struct RabbitDelivery {
    shared: Arc<Shared>,
    channel: Channel,
    tag: u64,
    queue: QueueName,
    envelope: Envelope,
    retries: u32,
    is_ended: bool,
    _out: Arc<()>,
}

/// How long a delivery is held that the broker did not let us move (a memory or disk alarm).
const RETURN_PAUSE: Duration = Duration::from_secs(10);

impl RabbitDelivery {
    /// Acknowledges: the message is gone from its queue.
    async fn acknowledge(mut self, end: &'static str) -> Result<(), QueueError> {
        let queue = self.queue;
        if !self.channel.status().connected() {
            return Err(QueueError::Lost {
                queue: queue.as_str(),
            });
        }
        self.is_ended = true;
        let acknowledged = self.channel.basic_ack(self.tag, BasicAckOptions::default());
        answered(end, acknowledged).await?;
        count_delivery(queue, end);
        Ok(())
    }

    /// Publishes the message elsewhere, and only then acknowledges it here.
    async fn move_to(
        self,
        end: &'static str,
        to: lapin::types::ShortString,
        properties: BasicProperties,
    ) -> Result<(), QueueError> {
        let body = codec::encode_any_size(&self.envelope)?;
        let moved = publish_to(&self.shared.publisher, self.queue, to, body, properties).await;
        if moved.is_err() {
            // Dropping it now would bring it back at once, and the broker parks what comes back too
            // often.
            tokio::time::sleep(RETURN_PAUSE).await;
        }
        moved?;
        self.acknowledge(end).await
    }
}

#[async_trait]
impl Delivery for RabbitDelivery {
    fn envelope(&self) -> &Envelope {
        &self.envelope
    }

    fn retries(&self) -> u32 {
        self.retries
    }

    async fn done(self: Box<Self>) -> Result<(), QueueError> {
        self.acknowledge("done").await
    }

    async fn retry_after(self: Box<Self>, delay: Duration) -> Result<(), QueueError> {
        let names = self.shared.topology.of(self.queue);
        let (step, _delay) = ladder_step(delay);
        let to = names
            .ladder
            .get(step)
            .map_or(&names.work, |(name, _delay)| name)
            .clone();
        let properties = message::work(&self.envelope, self.retries.saturating_add(1));
        self.move_to("retry", to, properties).await
    }

    async fn park(self: Box<Self>, reason: &str) -> Result<(), QueueError> {
        let mark = Mark {
            reason: cut_reason(reason),
            retries: self.retries,
            parked_at: self.shared.clock.now(),
        };
        let to = self.shared.topology.of(self.queue).parked.clone();
        let properties = message::parked(&self.envelope, &mark);
        self.move_to("park", to, properties).await
    }
}

impl Drop for RabbitDelivery {
    fn drop(&mut self) {
        if !self.is_ended {
            count_delivery(self.queue, "returned");
            give_back(&self.channel, self.tag);
        }
    }
}
