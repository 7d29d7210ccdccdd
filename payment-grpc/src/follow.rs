//! Following what changes: when a stream looks again, and when it ends.
//!
//! Streams look at the database at an interval; where events are published in the same process they
//! are woken at once. A stream ends with its token, with the deadline that its caller set, and when
//! the process drains.

use std::time::Duration;

use chrono::{DateTime, Utc};
use kassa_core::Clock;
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::task_tracker::TaskTrackerToken;

use crate::call::Call;
use crate::error::{Error, TokenProblem};
use crate::shared::Shared;
use crate::streams::StreamPlace;

/// How often a stream looks without being woken.
const POLL_INTERVAL: Duration = Duration::from_millis(500);
/// How soon it looks again after it was woken: the wake-up may come a moment before the commit that
/// it speaks of.
const QUICK_INTERVAL: Duration = Duration::from_millis(25);
/// How many such quick looks follow a wake-up.
const QUICK_LOOKS: u8 = 8;

/// When a stream looks again. Holds the stream's place and keeps the drain waiting for it.
#[derive(Debug)]
pub(crate) struct Pulse {
    events: Option<watch::Receiver<u64>>,
    stopping: CancellationToken,
    clock: Clock,
    proof_ends_at: DateTime<Utc>,
    deadline: Option<Instant>,
    quick_looks: u8,
    _place: StreamPlace,
    _in_flight: TaskTrackerToken,
}

impl Pulse {
    /// The pulse of a stream that `call` opened.
    pub(crate) fn new(shared: &Shared, call: &Call, method: &'static str) -> Result<Self, Error> {
        let place = shared.streams.place(&call.caller.app.id, method)?;
        Ok(Self {
            events: shared.events.clone(),
            stopping: shared.stopping.clone(),
            clock: shared.kassa.clock.clone(),
            proof_ends_at: call.caller.expires_at,
            deadline: call.stream_deadline,
            quick_looks: 0,
            _place: place,
            _in_flight: call.in_flight.clone(),
        })
    }

    /// Refuses to go on where the stream has to end.
    pub(crate) fn check(&self) -> Result<(), Error> {
        if self.stopping.is_cancelled() {
            return Err(Error::Stopping);
        }
        if self
            .deadline
            .is_some_and(|deadline| deadline <= Instant::now())
        {
            return Err(Error::DeadlineExceeded);
        }
        if self.clock.now() >= self.proof_ends_at {
            return Err(Error::Unauthenticated(TokenProblem::Expired));
        }
        Ok(())
    }

    /// Waits until it is time to look again.
    pub(crate) async fn wait(&mut self) -> Result<(), Error> {
        let interval = if self.quick_looks > 0 {
            QUICK_INTERVAL
        } else {
            POLL_INTERVAL
        };
        let stopping = self.stopping.clone();
        let deadline = self.deadline;
        tokio::select! {
            () = stopping.cancelled() => {}
            () = until(deadline) => {}
            () = self.woken() => self.quick_looks = QUICK_LOOKS,
            () = tokio::time::sleep(interval) => {
                self.quick_looks = self.quick_looks.saturating_sub(1);
            }
        }
        self.check()
    }

    async fn woken(&mut self) {
        if let Some(events) = &mut self.events {
            if events.changed().await.is_ok() {
                return;
            }
            self.events = None;
        }
        std::future::pending::<()>().await;
    }
}

async fn until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}
