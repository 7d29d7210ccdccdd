//! Consumers and deliveries of the embedded queue.

use std::collections::VecDeque;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use entities::queue_message::{Column, Entity};
use sea_orm::sea_query::{Expr, SimpleExpr};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

use super::claim::{self, Claimed};
use super::{Inner, LEASED, PARKED, READY, leases};
use crate::queue::{Consumer, Delivery, Envelope, QueueError, QueueName, cut_reason, ladder_step};
use crate::store::StoreError;

/// How many messages one claim takes at most.
const CLAIM_MAX: usize = 64;

/// Takes messages from one queue.
#[derive(Debug)]
pub(super) struct EmbeddedConsumer {
    inner: Arc<Inner>,
    queue: QueueName,
    /// Claimed and not handed out yet.
    buffer: VecDeque<Claimed>,
    /// A claim that was begun; it survives a caller that stopped waiting.
    claiming: Option<JoinHandle<Result<Vec<Claimed>, QueueError>>>,
    /// One for each message that may be out.
    places: Arc<Semaphore>,
    /// Whether the last look failed, so that an outage is logged once.
    is_failing: bool,
}

impl EmbeddedConsumer {
    pub(super) fn new(inner: Arc<Inner>, queue: QueueName, prefetch: u16) -> Self {
        let places = Arc::new(Semaphore::new(usize::from(prefetch.max(1))));
        let buffer = VecDeque::new();
        Self {
            inner,
            queue,
            buffer,
            claiming: None,
            places,
            is_failing: false,
        }
    }

    async fn take(&mut self) -> Result<Option<Box<dyn Delivery>>, QueueError> {
        loop {
            while let Some(claimed) = self.buffer.pop_front() {
                // One whose lease ran out while it waited here may be somebody else's by now.
                if claimed.hold.is_valid() {
                    return Ok(Some(Box::new(EmbeddedDelivery { claimed })));
                }
            }
            if self.claiming.is_none() && !self.begin_claim() {
                return Ok(None);
            }
            let Some(claiming) = self.claiming.as_mut() else {
                return Ok(None);
            };
            let claimed = claiming.await;
            self.claiming = None;
            let claimed = claimed.map_err(|_ended| QueueError::away("claim"))??;
            if claimed.is_empty() {
                return Ok(None);
            }
            self.buffer.extend(claimed);
        }
    }

    /// Begins a claim for all free places; `false` if there is none.
    fn begin_claim(&mut self) -> bool {
        let count = self.places.available_permits().min(CLAIM_MAX);
        let Ok(count) = u32::try_from(count) else {
            return false;
        };
        if count == 0 {
            return false;
        }
        let Ok(permits) = Arc::clone(&self.places).try_acquire_many_owned(count) else {
            return false;
        };
        self.claiming = Some(tokio::spawn(claim::claim(
            Arc::clone(&self.inner),
            self.queue,
            permits,
        )));
        true
    }

    fn note_outcome(&mut self, error: Option<&QueueError>) {
        match error {
            Some(error) if !self.is_failing => {
                tracing::warn!(%error, queue.name = self.queue.as_str(), "no messages can be taken");
                self.is_failing = true;
            }
            None if self.is_failing => {
                super::super::count_reconnect("embedded");
                tracing::info!(
                    queue.name = self.queue.as_str(),
                    "messages can be taken again"
                );
                self.is_failing = false;
            }
            Some(_) | None => {}
        }
    }
}

#[async_trait]
impl Consumer for EmbeddedConsumer {
    async fn next(&mut self) -> Option<Box<dyn Delivery>> {
        let inner = Arc::clone(&self.inner);
        loop {
            if inner.closing.is_cancelled() {
                return None;
            }
            // Subscribe, then look: a message that comes in between is not missed.
            let mut woken = pin!(inner.wakeup(self.queue).notified());
            woken.as_mut().enable();
            let taken = self.take().await;
            self.note_outcome(taken.as_ref().err());
            if let Ok(Some(delivery)) = taken {
                return Some(delivery);
            }
            tokio::select! {
                () = inner.closing.cancelled() => return None,
                () = woken => {}
                () = tokio::time::sleep(inner.options.poll_interval) => {}
            }
        }
    }

    async fn try_next(&mut self) -> Result<Option<Box<dyn Delivery>>, QueueError> {
        if self.inner.closing.is_cancelled() {
            return Ok(None);
        }
        self.take().await
    }
}

/// A message that is out.
#[derive(Debug)]
struct EmbeddedDelivery {
    claimed: Claimed,
}

type Change = (Column, SimpleExpr);

impl EmbeddedDelivery {
    /// Ends the delivery: `changes` on the row, or none to delete it. Only the claim that holds the
    /// message can.
    async fn end(self, end: &'static str, changes: Option<Vec<Change>>) -> Result<(), QueueError> {
        let hold = self.claimed.hold;
        let failed = |error| QueueError::store(end, error);
        let tx = hold.inner().store.begin().await.map_err(failed)?;
        let rows = match changes {
            None => Entity::delete_many()
                .filter(Column::Seq.eq(hold.seq()))
                .filter(Column::State.eq(LEASED))
                .filter(Column::Lease.eq(hold.lease()))
                .exec(tx.db())
                .await
                .map(|result| result.rows_affected),
            Some(changes) => changes
                .into_iter()
                .fold(Entity::update_many(), |update, (column, value)| {
                    update.col_expr(column, value)
                })
                .col_expr(Column::Lease, Expr::value(Option::<String>::None))
                .col_expr(
                    Column::LeaseUntil,
                    Expr::value(Option::<DateTime<Utc>>::None),
                )
                .filter(Column::Seq.eq(hold.seq()))
                .filter(Column::State.eq(LEASED))
                .filter(Column::Lease.eq(hold.lease()))
                .exec(tx.db())
                .await
                .map(|result| result.rows_affected),
        };
        let rows = rows.map_err(|error| failed(StoreError::query("end delivery", error)))?;
        tx.commit().await.map_err(failed)?;
        let queue = hold.queue();
        hold.settle();
        if rows == 0 {
            super::super::count_delivery(queue, "lost");
            return Err(QueueError::Lost {
                queue: queue.as_str(),
            });
        }
        super::super::count_delivery(queue, end);
        Ok(())
    }

    fn now(&self) -> DateTime<Utc> {
        self.claimed.hold.inner().clock.now()
    }
}

#[async_trait]
impl Delivery for EmbeddedDelivery {
    fn envelope(&self) -> &Envelope {
        &self.claimed.envelope
    }

    fn retries(&self) -> u32 {
        self.claimed.retries
    }

    async fn done(self: Box<Self>) -> Result<(), QueueError> {
        self.end("done", None).await
    }

    async fn retry_after(self: Box<Self>, delay: Duration) -> Result<(), QueueError> {
        let (_step, delay) = ladder_step(delay);
        let retries = i64::from(self.claimed.retries.saturating_add(1));
        let changes = vec![
            (Column::State, Expr::value(READY)),
            (
                Column::AvailableAt,
                Expr::value(leases::later(self.now(), delay)),
            ),
            (Column::Retries, Expr::value(retries)),
        ];
        self.end("retry", Some(changes)).await
    }

    async fn park(self: Box<Self>, reason: &str) -> Result<(), QueueError> {
        let changes = vec![
            (Column::State, Expr::value(PARKED)),
            (Column::Reason, Expr::value(cut_reason(reason))),
            (Column::ParkedAt, Expr::value(self.now())),
        ];
        self.end("park", Some(changes)).await
    }
}
