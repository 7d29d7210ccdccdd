//! Publishing with confirms: many callers at a time, few channels, none of them mistaken about whose
//! confirm it was.
//!
//! Each lane is one task with one channel. It takes what waits (up to [`BATCH_MAX`]), sends it
//! without waiting in between, waits for all confirms, and only then answers the callers. Two
//! properties of the client library make this necessary: publishes that start at the same time on
//! one channel may swap their delivery tags, so one task must start them; and it hands a returned
//! (unroutable) message to whichever confirm comes next, so who was returned is known only when all
//! of the batch are in, by the number that each message carries. An unroutable message would
//! otherwise now and then count as confirmed.

use std::collections::HashSet;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;
use std::time::Duration;

use lapin::options::{BasicPublishOptions, ConfirmSelectOptions};
use lapin::types::ShortString;
use lapin::{BasicProperties, Channel, Confirmation, PublisherConfirm};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, timeout, timeout_at};

use super::link::{ANSWER_TIMEOUT, Link};
use super::message;
use crate::checkpoint::{Checkpoint, Checkpoints};
use crate::queue::QueueError;

/// Lanes for work; events have one of their own, so that they stay in order.
const WORK_LANES: usize = 4;
/// How many messages one lane has under way.
const BATCH_MAX: usize = 256;
/// How many wait for a lane; the others wait for their turn to wait.
const WAITING_MAX: usize = 1_024;
/// How long a batch may take to be confirmed.
const CONFIRM_TIMEOUT: Duration = Duration::from_secs(4);
/// How long a caller waits altogether. The gateway on the other side waits about as long.
const PUBLISH_TIMEOUT: Duration = Duration::from_secs(5);

/// A message to publish.
#[derive(Debug)]
pub(super) struct Message {
    pub(super) exchange: ShortString,
    pub(super) routing_key: ShortString,
    /// Whether it is an error when no queue takes it.
    pub(super) mandatory: bool,
    pub(super) body: Vec<u8>,
    pub(super) properties: BasicProperties,
    /// Where it goes, in errors and metrics.
    pub(super) destination: &'static str,
}

/// A confirm to come.
pub(super) type Answer = oneshot::Receiver<Result<(), QueueError>>;

#[derive(Debug)]
struct Job {
    message: Message,
    reply: oneshot::Sender<Result<(), QueueError>>,
}

/// The publishing side. Cheap to share.
#[derive(Debug)]
pub(super) struct Publisher {
    link: Arc<Link>,
    work: Vec<mpsc::Sender<Job>>,
    events: mpsc::Sender<Job>,
    next: AtomicUsize,
}

impl Publisher {
    /// Starts the lanes; they end when the publisher is dropped.
    pub(super) fn start(link: Arc<Link>, checkpoints: &Checkpoints) -> Self {
        let lane = || {
            let (sender, jobs) = mpsc::channel(WAITING_MAX);
            tokio::spawn(run_lane(Arc::clone(&link), jobs, checkpoints.clone()));
            sender
        };
        let work = (0..WORK_LANES).map(|_number| lane()).collect();
        let events = lane();
        Self {
            link,
            work,
            events,
            next: AtomicUsize::new(0),
        }
    }

    pub(super) fn is_up(&self) -> bool {
        self.link.takes_messages()
    }

    /// Publishes one message; returns when it is confirmed.
    pub(super) async fn publish(&self, message: Message) -> Result<(), QueueError> {
        let begun = Instant::now();
        let number = self.next.fetch_add(1, Ordering::Relaxed) % self.work.len().max(1);
        let lane = self.work.get(number).unwrap_or(&self.events);
        let confirmed = async { confirmed(self.submit(lane, message).await?).await };
        let result =
            timeout(PUBLISH_TIMEOUT, confirmed)
                .await
                .unwrap_or(Err(QueueError::Timeout {
                    operation: "publish",
                }));
        metrics::histogram!("kassa_queue_confirm_seconds").record(begun.elapsed().as_secs_f64());
        result
    }

    /// Publishes messages in their order; returns how many from the first are confirmed, and what
    /// befell the next one.
    pub(super) async fn publish_in_order(
        &self,
        messages: Vec<Result<Message, QueueError>>,
    ) -> (usize, Option<QueueError>) {
        let deadline = Instant::now() + PUBLISH_TIMEOUT;
        let late = || QueueError::Timeout {
            operation: "publish",
        };
        let mut answers = Vec::new();
        let mut failure = None;
        for message in messages {
            let submitted = async { self.submit(&self.events, message?).await };
            match timeout_at(deadline, submitted)
                .await
                .unwrap_or_else(|_elapsed| Err(late()))
            {
                Ok(answer) => answers.push(answer),
                Err(error) => {
                    failure = Some(error);
                    break;
                }
            }
        }
        let mut count = 0;
        for answer in answers {
            match timeout_at(deadline, confirmed(answer))
                .await
                .unwrap_or_else(|_elapsed| Err(late()))
            {
                Ok(()) => count += 1,
                Err(error) => return (count, Some(error)),
            }
        }
        (count, failure)
    }

    /// Hands a message to a lane; fails at once while the broker takes none.
    async fn submit(
        &self,
        lane: &mpsc::Sender<Job>,
        message: Message,
    ) -> Result<Answer, QueueError> {
        if !self.is_up() {
            return Err(QueueError::away("publish"));
        }
        let (reply, answer) = oneshot::channel();
        lane.send(Job { message, reply })
            .await
            .map_err(|_ended| QueueError::Closed)?;
        Ok(answer)
    }
}

async fn confirmed(answer: Answer) -> Result<(), QueueError> {
    answer
        .await
        .unwrap_or_else(|_ended| Err(QueueError::away("publish")))
}

async fn run_lane(link: Arc<Link>, mut jobs: mpsc::Receiver<Job>, checkpoints: Checkpoints) {
    let mut channel = None;
    let mut batch = Vec::with_capacity(BATCH_MAX);
    while jobs.recv_many(&mut batch, BATCH_MAX).await > 0 {
        let (messages, replies): (Vec<_>, Vec<_>) =
            batch.drain(..).map(|job| (job.message, job.reply)).unzip();
        let (outcomes, kept) = publish_batch(&link, channel.take(), messages, &checkpoints).await;
        channel = kept;
        for (reply, outcome) in replies.into_iter().zip(outcomes) {
            if reply.send(outcome).is_err() {
                tracing::debug!("a publisher went away before its confirmation");
            }
        }
    }
}

/// Publishes a batch; returns an outcome for each message, and the channel if it is still good.
async fn publish_batch(
    link: &Link,
    channel: Option<Channel>,
    mut messages: Vec<Message>,
    checkpoints: &Checkpoints,
) -> (Vec<Result<(), QueueError>>, Option<Channel>) {
    let channel = match usable(link, channel).await {
        Ok(channel) => channel,
        Err(error) => {
            tracing::debug!(%error, "no channel to publish on");
            return (
                messages
                    .iter()
                    .map(|_message| Err(QueueError::away("publish")))
                    .collect(),
                None,
            );
        }
    };
    let deadline = Instant::now() + CONFIRM_TIMEOUT;
    let answers = send_all(&channel, &mut messages, deadline, checkpoints).await;
    // After a missing confirm the channel's numbers no longer tell what belongs to what.
    let is_clean = answers.iter().all(Result::is_ok);
    (judge(answers, &messages), is_clean.then_some(channel))
}

/// What the broker said to one publish.
#[derive(Debug)]
struct Flight {
    is_ack: bool,
    /// The number of a message that came back with this confirm; not always its own.
    returned: Option<i64>,
    /// Something came back that carries no number: nothing can be said for sure.
    is_unclear: bool,
}

/// Decides each publish of a batch, once all its confirms are in.
fn judge(
    answers: Vec<Result<Flight, QueueError>>,
    messages: &[Message],
) -> Vec<Result<(), QueueError>> {
    let returned: HashSet<i64> = answers
        .iter()
        .flatten()
        .filter_map(|flight| flight.returned)
        .collect();
    let decide = |(place, (answer, message)): (usize, (Result<Flight, QueueError>, &Message))| {
        let flight = answer?;
        let destination = message.destination;
        if returned.contains(&number(place)) || flight.is_unclear {
            Err(QueueError::Unroutable { destination })
        } else if flight.is_ack {
            Ok(())
        } else {
            Err(QueueError::Refused { destination })
        }
    };
    answers
        .into_iter()
        .zip(messages)
        .enumerate()
        .map(decide)
        .collect()
}

/// Messages are numbered by their place in the batch.
fn number(place: usize) -> i64 {
    i64::try_from(place).unwrap_or(i64::MAX)
}

async fn usable(link: &Link, channel: Option<Channel>) -> Result<Channel, QueueError> {
    if let Some(channel) = channel.filter(|channel| channel.status().connected()) {
        return Ok(channel);
    }
    let channel = link.channel("publish").await?;
    timeout(
        ANSWER_TIMEOUT,
        channel.confirm_select(ConfirmSelectOptions::default()),
    )
    .await
    .map_err(|_elapsed| QueueError::Timeout {
        operation: "publish",
    })?
    .map_err(|error| QueueError::broker("publish", error))?;
    Ok(channel)
}

type Sending<'a> = Pin<Box<dyn Future<Output = lapin::Result<PublisherConfirm>> + Send + 'a>>;

enum Sent<'a> {
    Under(Sending<'a>),
    Over(lapin::Result<PublisherConfirm>),
}

/// Sends all messages, then waits for all confirms.
async fn send_all(
    channel: &Channel,
    messages: &mut [Message],
    deadline: Instant,
    checkpoints: &Checkpoints,
) -> Vec<Result<Flight, QueueError>> {
    let mut sent = Vec::with_capacity(messages.len());
    for (place, message) in messages.iter_mut().enumerate() {
        let properties = std::mem::take(&mut message.properties);
        let mut sending: Sending<'_> = Box::pin(send(channel, message, properties, number(place)));
        // The first poll puts the message in line; what is left is waiting for the socket. Polling
        // here, one after the other, keeps the order.
        let first =
            std::future::poll_fn(|context| Poll::Ready(sending.as_mut().poll(context))).await;
        sent.push(match first {
            Poll::Ready(result) => Sent::Over(result),
            Poll::Pending => Sent::Under(sending),
        });
    }
    checkpoints.reach(Checkpoint::PublishSent).await;
    let mut flights = Vec::with_capacity(sent.len());
    for sent in sent {
        let confirmed = async {
            let confirm = match sent {
                Sent::Over(result) => result?,
                Sent::Under(sending) => sending.await?,
            };
            confirm.await
        };
        flights.push(match timeout_at(deadline, confirmed).await {
            Ok(Ok(confirmation)) => Ok(flight(confirmation)),
            Ok(Err(error)) => Err(QueueError::broker("publish", error)),
            Err(_elapsed) => Err(QueueError::Timeout {
                operation: "publish",
            }),
        });
    }
    flights
}

async fn send(
    channel: &Channel,
    message: &Message,
    properties: BasicProperties,
    number: i64,
) -> lapin::Result<PublisherConfirm> {
    let properties = if message.mandatory {
        message::with_publish_no(properties, number)
    } else {
        properties
    };
    let options = BasicPublishOptions {
        mandatory: message.mandatory,
        immediate: false,
    };
    let (exchange, routing_key) = (message.exchange.clone(), message.routing_key.clone());
    channel
        .basic_publish(exchange, routing_key, options, &message.body, properties)
        .await
}

fn flight(confirmation: Confirmation) -> Flight {
    let is_ack = confirmation.is_ack();
    let back = confirmation.take_message();
    let returned = back
        .as_ref()
        .and_then(|back| message::publish_no(&back.delivery.properties));
    Flight {
        is_ack,
        returned,
        is_unclear: back.is_some() && returned.is_none(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn messages(count: usize) -> Vec<Message> {
        let message = |_place| Message {
            exchange: ShortString::default(),
            routing_key: ShortString::default(),
            mandatory: true,
            body: Vec::new(),
            properties: BasicProperties::default(),
            destination: "kassa.commands",
        };
        (0..count).map(message).collect()
    }

    fn ack(returned: Option<i64>) -> Flight {
        Flight {
            is_ack: true,
            returned,
            is_unclear: false,
        }
    }

    #[test]
    fn a_message_whose_return_came_with_the_confirm_of_another_is_not_confirmed() {
        for carrier in 0..3 {
            let answers = (0..3)
                .map(|place| Ok(ack((place == carrier).then_some(1))))
                .collect();
            let outcomes = judge(answers, &messages(3));
            assert!(
                outcomes[0].is_ok() && outcomes[2].is_ok(),
                "carried by {carrier}"
            );
            let returned = outcomes[1].as_ref().unwrap_err();
            assert!(
                matches!(returned, QueueError::Unroutable { .. }),
                "carried by {carrier}"
            );
        }
    }

    #[test]
    fn a_confirm_with_a_return_that_names_nobody_confirms_nothing() {
        let unclear = Ok(Flight {
            is_ack: true,
            returned: None,
            is_unclear: true,
        });
        let outcomes = judge(vec![unclear, Ok(ack(None))], &messages(2));
        assert!(matches!(outcomes[0], Err(QueueError::Unroutable { .. })));
        assert!(outcomes[1].is_ok());
    }

    #[test]
    fn a_refusal_and_a_missing_confirm_are_errors_of_their_own_message_only() {
        let refused = Ok(Flight {
            is_ack: false,
            returned: None,
            is_unclear: false,
        });
        let late = Err(QueueError::Timeout {
            operation: "publish",
        });
        let outcomes = judge(vec![refused, Ok(ack(None)), late], &messages(3));
        assert!(matches!(outcomes[0], Err(QueueError::Refused { .. })));
        assert!(outcomes[1].is_ok());
        assert!(matches!(outcomes[2], Err(QueueError::Timeout { .. })));
    }
}
