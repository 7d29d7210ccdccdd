//! How a process starts, tells whether it is ready, drains and ends.
//!
//! Two tokens: *soft* says "take nothing new, finish what you have"; *hard* says "stop now".
//! SIGTERM or SIGINT (or a task that panicked) turns soft on; a second signal, or the drain
//! time-out, turns hard on. Tasks started with [`Lifecycle::spawn`] watch the soft token themselves; under the hard
//! one they are dropped at their next await. What is dropped was not acknowledged, and so comes
//! back.
//!
//! The admin server ([`admin::serve`]) outlives the tasks: it answers "not ready" while they drain.

pub mod admin;
mod readiness;
mod signals;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::FutureExt;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use readiness::{CHECK_TIMEOUT, CheckError, CheckState, Readiness, ReadyFlag, ReadyReport};
pub use signals::Signals;

use crate::telemetry::metrics::{TASK_PANICS, TASKS_RUNNING};

/// How long tasks may take to notice the hard token, before the process ends without them.
pub const HARD_TIMEOUT: Duration = Duration::from_secs(5);

/// The life of a process. Cheap to clone. When the last clone goes, everything is stopped hard.
#[derive(Debug, Clone)]
pub struct Lifecycle(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    tokens: Tokens,
    tracker: TaskTracker,
    tasks: Tasks,
    readiness: Readiness,
    drain_timeout: Duration,
}

/// Cancelled when dropped, so that tests leave nothing running.
#[derive(Debug)]
struct Tokens {
    soft: CancellationToken,
    hard: CancellationToken,
    ended: CancellationToken,
}

impl Drop for Tokens {
    fn drop(&mut self) {
        self.soft.cancel();
        self.hard.cancel();
        self.ended.cancel();
    }
}

/// What tasks are running and which ended badly, by name.
#[derive(Debug, Clone, Default)]
struct Tasks(Arc<Mutex<TaskCounts>>);

#[derive(Debug, Default)]
struct TaskCounts {
    running: BTreeMap<&'static str, usize>,
    cut_off: BTreeMap<&'static str, usize>,
    panicked: BTreeMap<&'static str, usize>,
}

/// How the end of a process went: tasks by name and number.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DrainReport {
    /// Whether the drain time-out passed.
    pub timed_out: bool,
    /// Tasks that were dropped before they had finished.
    pub cut_off: BTreeMap<&'static str, usize>,
    /// Tasks that panicked, at any time.
    pub panicked: BTreeMap<&'static str, usize>,
    /// Tasks that did not even stop when dropped was asked for: they block their thread.
    pub stuck: BTreeMap<&'static str, usize>,
}

impl DrainReport {
    /// Whether every task finished by itself.
    pub fn is_clean(&self) -> bool {
        !self.timed_out
            && self.cut_off.is_empty()
            && self.panicked.is_empty()
            && self.stuck.is_empty()
    }
}

impl Lifecycle {
    /// A process that may take `drain_timeout` to finish its work in the end.
    pub fn new(drain_timeout: Duration) -> Self {
        let tokens = Tokens {
            soft: CancellationToken::new(),
            hard: CancellationToken::new(),
            ended: CancellationToken::new(),
        };
        let readiness = Readiness::new(tokens.soft.clone());
        Self(Arc::new(Inner {
            tokens,
            tracker: TaskTracker::new(),
            tasks: Tasks::default(),
            readiness,
            drain_timeout,
        }))
    }

    /// "Take nothing new, finish what you have." Cancelling it begins the end.
    pub fn soft(&self) -> &CancellationToken {
        &self.0.tokens.soft
    }

    /// "Stop now."
    pub fn hard(&self) -> &CancellationToken {
        &self.0.tokens.hard
    }

    /// Cancelled once the drain is over; for what must outlive the tasks.
    pub(crate) fn ended(&self) -> &CancellationToken {
        &self.0.tokens.ended
    }

    /// Whether the process can do its work.
    pub fn ready(&self) -> &Readiness {
        &self.0.readiness
    }

    /// Starts a task that the drain waits for. If it panics, the process begins to end: better a
    /// restart than a process that lacks one of its parts.
    ///
    /// `task` should not own a clone of this lifecycle, only of its tokens.
    pub fn spawn<F>(&self, name: &'static str, task: F) -> JoinHandle<()>
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let running = self.0.tasks.start(name);
        let (soft, hard) = (self.soft().clone(), self.hard().clone());
        self.0.tracker.spawn(async move {
            let end = tokio::select! {
                biased;
                ended = AssertUnwindSafe(task).catch_unwind() => match ended {
                    Ok(()) => End::Finished,
                    Err(_payload) => End::Panicked,
                },
                () = hard.cancelled() => End::CutOff,
            };
            if end == End::Panicked {
                tracing::error!(task.name = name, "a task panicked; the process drains");
                soft.cancel();
            }
            running.end(end);
        })
    }

    /// Waits for SIGTERM or SIGINT, or for the soft token, then drains.
    ///
    /// # Errors
    /// If the system does not let signals be listened to.
    pub async fn run_until_signal(&self) -> std::io::Result<DrainReport> {
        let signals = Signals::install()?;
        Ok(self.run_until(signals).await)
    }

    /// As [`Lifecycle::run_until_signal`], with signals listened to since earlier.
    pub async fn run_until(&self, mut signals: Signals) -> DrainReport {
        tokio::select! {
            signal = signals.next() => tracing::info!(signal, "draining"),
            () = self.soft().cancelled() => tracing::info!("draining"),
        }
        self.drain_unless(async {
            let signal = signals.next().await;
            tracing::warn!(signal, "a second signal: stopping at once");
        })
        .await
    }

    /// Turns soft on, waits for the tasks, turns hard on when the time-out passes.
    pub async fn drain(&self) -> DrainReport {
        self.drain_unless(std::future::pending()).await
    }

    async fn drain_unless(&self, impatience: impl Future<Output = ()>) -> DrainReport {
        self.soft().cancel();
        self.0.tracker.close();
        let mut timed_out = false;
        tokio::select! {
            biased;
            () = self.0.tracker.wait() => {}
            () = impatience => {}
            () = tokio::time::sleep(self.0.drain_timeout) => {
                timed_out = true;
                tracing::warn!(tasks = ?self.0.tasks.running(), "the drain took too long");
            }
            () = self.hard().cancelled() => {}
        }
        self.hard().cancel();
        let stopped = tokio::time::timeout(HARD_TIMEOUT, self.0.tracker.wait()).await;
        if stopped.is_err() {
            tracing::error!(tasks = ?self.0.tasks.running(), "tasks do not stop");
        }
        self.ended().cancel();
        self.0.tasks.report(timed_out)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Finished,
    CutOff,
    Panicked,
}

/// Counts a task as running until it is ended or dropped.
struct Running {
    tasks: Tasks,
    name: &'static str,
    end: End,
}

impl Tasks {
    fn start(&self, name: &'static str) -> Running {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        add(&mut counts.running, name);
        metrics::gauge!(TASKS_RUNNING, "task" => name).increment(1.0);
        // A task that the runtime drops, or whose handle is aborted, is cut off.
        Running {
            tasks: self.clone(),
            name,
            end: End::CutOff,
        }
    }

    fn running(&self) -> BTreeMap<&'static str, usize> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .running
            .clone()
    }

    fn report(&self, timed_out: bool) -> DrainReport {
        let counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        DrainReport {
            timed_out,
            cut_off: counts.cut_off.clone(),
            panicked: counts.panicked.clone(),
            stuck: counts.running.clone(),
        }
    }
}

impl Running {
    fn end(mut self, end: End) {
        self.end = end;
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let mut counts = self.tasks.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = counts.running.get_mut(self.name) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                counts.running.remove(self.name);
            }
        }
        match self.end {
            End::Finished => {}
            End::CutOff => add(&mut counts.cut_off, self.name),
            End::Panicked => {
                add(&mut counts.panicked, self.name);
                metrics::counter!(TASK_PANICS, "task" => self.name).increment(1);
            }
        }
        metrics::gauge!(TASKS_RUNNING, "task" => self.name).decrement(1.0);
    }
}

fn add(counts: &mut BTreeMap<&'static str, usize>, name: &'static str) {
    let count = counts.entry(name).or_default();
    *count = count.saturating_add(1);
}
