//! Leases that this process holds: kept alive while it lives, given back when a delivery is dropped.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use chrono::{DateTime, TimeDelta, Utc};
use entities::queue_message::{Column, Entity};
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::MissedTickBehavior;

use super::{Inner, LEASED, READY};
use crate::queue::{QueueError, QueueName};
use crate::store::StoreError;

/// Leases are renewed this many times within their length.
const RENEWALS_PER_LEASE: u32 = 3;

/// The leases of this process.
#[derive(Debug, Default)]
pub(super) struct Leases(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// Messages that are out, by their number.
    held: BTreeMap<i64, Held>,
    /// Messages whose delivery was dropped; the next claim gives them back. Bounded by what was
    /// out.
    dropped: BTreeSet<(i64, String)>,
}

#[derive(Debug)]
struct Held {
    lease: String,
    until: DateTime<Utc>,
}

impl Leases {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What was dropped and is not given back yet.
    pub(super) fn dropped(&self) -> Vec<(i64, String)> {
        self.state().dropped.iter().cloned().collect()
    }

    /// Forgets what was given back.
    pub(super) fn forget_dropped(&self, given_back: &[(i64, String)]) {
        let mut state = self.state();
        for entry in given_back {
            state.dropped.remove(entry);
        }
    }

    fn held(&self) -> BTreeSet<String> {
        self.state()
            .held
            .values()
            .map(|held| held.lease.clone())
            .collect()
    }

    fn extend(&self, leases: &BTreeSet<String>, until: DateTime<Utc>) {
        for held in self.state().held.values_mut() {
            if leases.contains(&held.lease) {
                held.until = until;
            }
        }
    }
}

/// One message that this process holds. Dropping it gives the message back unless it was settled.
#[derive(Debug)]
pub(super) struct Hold {
    inner: Arc<Inner>,
    queue: QueueName,
    seq: i64,
    lease: String,
    settled: bool,
    permit: Option<OwnedSemaphorePermit>,
}

impl Hold {
    pub(super) fn new(
        inner: Arc<Inner>,
        queue: QueueName,
        seq: i64,
        lease: (String, DateTime<Utc>),
        permit: Option<OwnedSemaphorePermit>,
    ) -> Self {
        let (lease, until) = lease;
        inner.leases.state().held.insert(
            seq,
            Held {
                lease: lease.clone(),
                until,
            },
        );
        Self {
            inner,
            queue,
            seq,
            lease,
            settled: false,
            permit,
        }
    }

    pub(super) fn inner(&self) -> &Arc<Inner> {
        &self.inner
    }

    pub(super) fn queue(&self) -> QueueName {
        self.queue
    }

    pub(super) fn seq(&self) -> i64 {
        self.seq
    }

    pub(super) fn lease(&self) -> &str {
        &self.lease
    }

    /// Whether the lease has not run out.
    pub(super) fn is_valid(&self) -> bool {
        let now = self.inner.clock.now();
        self.inner
            .leases
            .state()
            .held
            .get(&self.seq)
            .is_some_and(|held| held.lease == self.lease && held.until > now)
    }

    /// The message was ended in the database: there is nothing to give back.
    pub(super) fn settle(mut self) {
        self.settled = true;
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        {
            let mut state = self.inner.leases.state();
            if state
                .held
                .get(&self.seq)
                .is_some_and(|held| held.lease == self.lease)
            {
                state.held.remove(&self.seq);
            }
            if !self.settled {
                state.dropped.insert((self.seq, self.lease.clone()));
            }
        }
        if !self.settled {
            crate::queue::count_delivery(self.queue, "returned");
        }
        drop(self.permit.take());
        self.inner.wakeup(self.queue).notify_waiters();
        // After closing nobody claims any more, so nobody else would give it back.
        if !self.settled
            && self.inner.closing.is_cancelled()
            && let Ok(runtime) = tokio::runtime::Handle::try_current()
        {
            let inner = Arc::clone(&self.inner);
            runtime.spawn(async move { flush(&inner).await });
        }
    }
}

/// Makes dropped messages ready again, where the lease is still theirs.
pub(super) async fn give_back_in_tx(
    db: &impl ConnectionTrait,
    dropped: &[(i64, String)],
) -> Result<(), QueueError> {
    for (seq, lease) in dropped {
        Entity::update_many()
            .col_expr(Column::State, Expr::value(READY))
            .col_expr(Column::Lease, Expr::value(Option::<String>::None))
            .col_expr(
                Column::LeaseUntil,
                Expr::value(Option::<DateTime<Utc>>::None),
            )
            .filter(Column::Seq.eq(*seq))
            .filter(Column::State.eq(LEASED))
            .filter(Column::Lease.eq(lease.as_str()))
            .exec(db)
            .await
            .map_err(|error| {
                QueueError::store("give back", StoreError::query("release lease", error))
            })?;
    }
    Ok(())
}

/// Gives dropped messages back at once. A failure is logged: the leases run out by themselves.
pub(super) async fn flush(inner: &Inner) {
    let dropped = inner.leases.dropped();
    if dropped.is_empty() {
        return;
    }
    let given_back = async {
        let tx = inner
            .store
            .begin()
            .await
            .map_err(|error| QueueError::store("give back", error))?;
        give_back_in_tx(tx.db(), &dropped).await?;
        tx.commit()
            .await
            .map_err(|error| QueueError::store("give back", error))
    };
    match given_back.await {
        Ok(()) => inner.leases.forget_dropped(&dropped),
        Err(error) => tracing::warn!(%error, "unfinished messages come back when their lease ends"),
    }
}

/// Renews the leases of this process until the queue is closed or gone.
pub(super) async fn renew(inner: Weak<Inner>) {
    let Some((every, closing)) = inner.upgrade().map(|inner| {
        (
            inner.options.lease / RENEWALS_PER_LEASE,
            inner.closing.clone(),
        )
    }) else {
        return;
    };
    let mut ticks = tokio::time::interval(every.max(std::time::Duration::from_millis(1)));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = closing.cancelled() => return,
            _ = ticks.tick() => {}
        }
        let Some(inner) = inner.upgrade() else { return };
        if let Err(error) = renew_once(&inner).await {
            tracing::warn!(%error, "leases of messages were not renewed");
        }
    }
}

async fn renew_once(inner: &Inner) -> Result<(), QueueError> {
    let leases = inner.leases.held();
    if leases.is_empty() {
        return Ok(());
    }
    let until = lease_end(inner);
    let tx = inner
        .store
        .begin()
        .await
        .map_err(|error| QueueError::store("renew", error))?;
    Entity::update_many()
        .col_expr(Column::LeaseUntil, Expr::value(until))
        .filter(Column::State.eq(LEASED))
        .filter(Column::Lease.is_in(leases.iter().cloned()))
        .exec(tx.db())
        .await
        .map_err(|error| QueueError::store("renew", StoreError::query("renew leases", error)))?;
    tx.commit()
        .await
        .map_err(|error| QueueError::store("renew", error))?;
    inner.leases.extend(&leases, until);
    Ok(())
}

/// When a lease that begins now ends.
pub(super) fn lease_end(inner: &Inner) -> DateTime<Utc> {
    later(inner.clock.now(), inner.options.lease)
}

/// `from` plus `by`, or the end of time.
pub(super) fn later(from: DateTime<Utc>, by: std::time::Duration) -> DateTime<Utc> {
    TimeDelta::from_std(by)
        .ok()
        .and_then(|by| from.checked_add_signed(by))
        .unwrap_or(DateTime::<Utc>::MAX_UTC)
}
