//! Taking messages in. Publishers that come at the same time share one transaction, so that one
//! write to the disk confirms them all.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex as StdMutex, MutexGuard, PoisonError};

use chrono::{DateTime, Utc};
use entities::queue_message::{ActiveModel, Column, Entity};
use sea_orm::ActiveValue::{NotSet, Set};
use sea_orm::{ColumnTrait, EntityTrait, PaginatorTrait, QueryFilter};
use tokio::sync::{Mutex, Semaphore, oneshot};

use super::{Inner, READY};
use crate::queue::{Envelope, QueueError, QueueName, codec};
use crate::store::{StoreError, Tx};

/// How many messages one transaction takes.
const BATCH_MAX: usize = 256;
/// How many messages are taken before the queue is counted again.
const ALLOWANCE_MAX: u64 = 256;
/// How many publishers may wait; the others wait for their turn to wait.
const WAITING_MAX: usize = 4_096;

/// Messages that wait to be written.
#[derive(Debug)]
pub(super) struct Intake {
    waiting: StdMutex<VecDeque<Waiting>>,
    places: Semaphore,
    /// Held while a batch is written; knows how many more messages each queue takes before it has
    /// to be counted.
    turn: Mutex<HashMap<QueueName, u64>>,
}

#[derive(Debug)]
struct Waiting {
    queue: QueueName,
    envelope_id: String,
    body: String,
    reply: oneshot::Sender<Result<(), QueueError>>,
}

impl Intake {
    pub(super) fn new() -> Self {
        Self {
            waiting: StdMutex::new(VecDeque::new()),
            places: Semaphore::new(WAITING_MAX),
            turn: Mutex::new(HashMap::new()),
        }
    }

    fn waiting(&self) -> MutexGuard<'_, VecDeque<Waiting>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take_batch(&self) -> Vec<Waiting> {
        let mut waiting = self.waiting();
        let count = waiting.len().min(BATCH_MAX);
        waiting.drain(..count).collect()
    }
}

/// Puts a message on a queue; returns when it is committed.
pub(super) async fn publish(
    inner: &Arc<Inner>,
    queue: QueueName,
    envelope: &Envelope,
) -> Result<(), QueueError> {
    inner.ensure_open()?;
    let body = codec::encode(envelope)?;
    // The encoder writes UTF-8 only.
    let body = String::from_utf8_lossy(&body).into_owned();
    let _place = inner
        .intake
        .places
        .acquire()
        .await
        .map_err(|_closed| QueueError::Closed)?;
    let (reply, answer) = oneshot::channel();
    let envelope_id = envelope.id.to_string();
    inner.intake.waiting().push_back(Waiting {
        queue,
        envelope_id,
        body,
        reply,
    });
    // A task of its own: a publisher that goes away must not take the others' batch with it.
    let writer = Arc::clone(inner);
    tokio::spawn(async move { write_waiting(&writer).await });
    answer
        .await
        .unwrap_or_else(|_gone| Err(QueueError::away("publish")))
}

async fn write_waiting(inner: &Inner) {
    let mut allowances = inner.intake.turn.lock().await;
    loop {
        let batch = inner.intake.take_batch();
        if batch.is_empty() {
            return;
        }
        write_batch(inner, &mut allowances, batch).await;
    }
}

async fn write_batch(inner: &Inner, allowances: &mut HashMap<QueueName, u64>, batch: Vec<Waiting>) {
    let (accepted, refused) = match insert(inner, allowances, &batch).await {
        Ok(refused) => (true, refused),
        Err(error) => {
            tracing::warn!(%error, messages = batch.len(), "messages were not taken");
            (false, Vec::new())
        }
    };
    let mut refused = refused.into_iter().peekable();
    for (number, message) in batch.into_iter().enumerate() {
        let is_refused = refused.next_if_eq(&number).is_some();
        let result = if !accepted {
            Err(QueueError::away("publish"))
        } else if is_refused {
            let limit = inner.options.messages_max;
            Err(QueueError::Full {
                queue: message.queue.as_str(),
                limit,
            })
        } else {
            inner.wakeup(message.queue).notify_waiters();
            Ok(())
        };
        if message.reply.send(result).is_err() {
            tracing::debug!("a publisher went away before its confirmation");
        }
    }
}

/// Writes a batch; returns the places in it of the messages for which there is no room.
async fn insert(
    inner: &Inner,
    allowances: &mut HashMap<QueueName, u64>,
    batch: &[Waiting],
) -> Result<Vec<usize>, QueueError> {
    let tx = inner
        .store
        .begin()
        .await
        .map_err(|error| QueueError::store("publish", error))?;
    refresh_allowances(inner, &tx, allowances, batch).await?;
    let now = inner.clock.now();
    let (mut rows, mut refused) = (Vec::with_capacity(batch.len()), Vec::new());
    for (number, message) in batch.iter().enumerate() {
        if take_allowance(allowances, message.queue) {
            rows.push(row(message, now));
        } else {
            refused.push(number);
        }
    }
    if rows.is_empty() {
        return Ok(refused);
    }
    Entity::insert_many(rows)
        .exec_without_returning(tx.db())
        .await
        .map_err(|error| QueueError::store("publish", StoreError::query("insert", error)))?;
    tx.commit()
        .await
        .map_err(|error| QueueError::store("publish", error))?;
    Ok(refused)
}

fn row(message: &Waiting, now: DateTime<Utc>) -> ActiveModel {
    ActiveModel {
        seq: NotSet,
        queue: Set(message.queue.as_str().to_owned()),
        envelope_id: Set(message.envelope_id.clone()),
        body: Set(message.body.clone()),
        state: Set(READY.to_owned()),
        available_at: Set(now),
        lease: Set(None),
        lease_until: Set(None),
        retries: Set(0),
        reason: Set(None),
        parked_at: Set(None),
        enqueued_at: Set(now),
    }
}

/// Counts the queues whose allowance is smaller than what the batch brings.
async fn refresh_allowances(
    inner: &Inner,
    tx: &Tx,
    allowances: &mut HashMap<QueueName, u64>,
    batch: &[Waiting],
) -> Result<(), QueueError> {
    for queue in QueueName::ALL {
        let needed = batch
            .iter()
            .filter(|message| message.queue == *queue)
            .count();
        let needed = u64::try_from(needed).unwrap_or(u64::MAX);
        if needed == 0
            || allowances
                .get(queue)
                .is_some_and(|allowance| *allowance >= needed)
        {
            continue;
        }
        let held = Entity::find()
            .filter(Column::Queue.eq(queue.as_str()))
            .count(tx.db())
            .await
            .map_err(|error| QueueError::store("publish", StoreError::query("count", error)))?;
        let room = inner.options.messages_max.saturating_sub(held);
        allowances.insert(*queue, room.min(needed.max(ALLOWANCE_MAX)));
    }
    Ok(())
}

fn take_allowance(allowances: &mut HashMap<QueueName, u64>, queue: QueueName) -> bool {
    match allowances.get_mut(&queue) {
        Some(allowance) if *allowance > 0 => {
            *allowance -= 1;
            true
        }
        _ => false,
    }
}
