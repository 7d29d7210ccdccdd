//! Whether the process can do its work: named checks, and flags that its parts set.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::join_all;
use serde::Serialize;
use tokio_util::sync::CancellationToken;

use crate::telemetry::metrics::READY;

/// How long one check may take before it counts as failed.
pub const CHECK_TIMEOUT: Duration = Duration::from_secs(2);
/// The name under which a drain shows.
const DRAINING: &str = "draining";

/// Why a check failed; for the log, not for the answer.
pub type CheckError = Box<dyn std::error::Error + Send + Sync>;

type CheckFuture = Pin<Box<dyn Future<Output = Result<(), CheckError>> + Send>>;
type CheckFn = Arc<dyn Fn() -> CheckFuture + Send + Sync>;

/// The checks of a process. Cheap to clone.
#[derive(Clone)]
pub struct Readiness {
    checks: Arc<Mutex<BTreeMap<&'static str, Check>>>,
    soft: CancellationToken,
    timeout: Duration,
}

impl std::fmt::Debug for Readiness {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let checks = self.checks.lock().unwrap_or_else(PoisonError::into_inner);
        f.debug_struct("Readiness")
            .field("checks", &checks.keys())
            .finish_non_exhaustive()
    }
}

struct Check {
    run: CheckFn,
    last: Option<CheckState>,
}

/// What came of a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum CheckState {
    /// It holds.
    Ok,
    /// It does not; the log says why.
    Failing,
    /// It did not answer within [`CHECK_TIMEOUT`].
    TimedOut,
}

/// The answer to "are you ready?".
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ReadyReport {
    /// Whether all checks hold.
    pub ready: bool,
    /// Each check by name. While the process drains, `draining` is one that fails.
    pub checks: BTreeMap<&'static str, CheckState>,
}

/// A check that a part of the process sets itself, for example "accounts loaded".
#[derive(Debug, Clone)]
pub struct ReadyFlag(Arc<AtomicBool>);

impl ReadyFlag {
    /// Says whether it holds.
    pub fn set(&self, ready: bool) {
        self.0.store(ready, Ordering::Release);
    }

    /// Whether it holds.
    pub fn is_set(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

#[derive(Debug, thiserror::Error)]
#[error("not yet")]
struct NotYet;

impl Readiness {
    pub(super) fn new(soft: CancellationToken) -> Self {
        Self {
            checks: Arc::default(),
            soft,
            timeout: CHECK_TIMEOUT,
        }
    }

    #[cfg(test)]
    pub(super) fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Adds a check that is run whenever readiness is asked for. A check of the same name is
    /// replaced.
    pub fn check<C, F>(&self, name: &'static str, check: C)
    where
        C: Fn() -> F + Send + Sync + 'static,
        F: Future<Output = Result<(), CheckError>> + Send + 'static,
    {
        let run: CheckFn = Arc::new(move || Box::pin(check()));
        let mut checks = self.checks.lock().unwrap_or_else(PoisonError::into_inner);
        checks.insert(name, Check { run, last: None });
    }

    /// Adds a check that holds once the flag is set.
    pub fn flag(&self, name: &'static str) -> ReadyFlag {
        let flag = ReadyFlag(Arc::default());
        let seen = flag.clone();
        self.check(name, move || {
            let ready = seen.is_set();
            async move { if ready { Ok(()) } else { Err(NotYet.into()) } }
        });
        flag
    }

    /// Runs all checks, side by side, each with its time-out.
    pub async fn report(&self) -> ReadyReport {
        let checks: Vec<(&'static str, CheckFn)> = {
            let checks = self.checks.lock().unwrap_or_else(PoisonError::into_inner);
            checks
                .iter()
                .map(|(name, check)| (*name, Arc::clone(&check.run)))
                .collect()
        };
        let states = join_all(checks.into_iter().map(|(name, run)| self.run(name, run))).await;
        let mut states: BTreeMap<_, _> = states.into_iter().collect();
        if self.soft.is_cancelled() {
            states.insert(DRAINING, CheckState::Failing);
        }
        let ready = states.values().all(|state| *state == CheckState::Ok);
        ReadyReport {
            ready,
            checks: states,
        }
    }

    async fn run(&self, name: &'static str, run: CheckFn) -> (&'static str, CheckState) {
        let (state, why) = match tokio::time::timeout(self.timeout, run()).await {
            Ok(Ok(())) => (CheckState::Ok, None),
            Ok(Err(error)) => (CheckState::Failing, Some(error)),
            Err(_elapsed) => (CheckState::TimedOut, None),
        };
        metrics::gauge!(READY, "check" => name).set(if state == CheckState::Ok {
            1.0
        } else {
            0.0
        });
        if self.is_news(name, state) {
            match (state, why) {
                (CheckState::Ok, _) => tracing::info!(check = name, "a readiness check holds"),
                (CheckState::Failing | CheckState::TimedOut, Some(error)) => {
                    tracing::warn!(check = name, error = %chain(&*error), "not ready");
                }
                (CheckState::Failing | CheckState::TimedOut, None) => {
                    tracing::warn!(check = name, "not ready: no answer in time");
                }
            }
        }
        (name, state)
    }

    /// Whether the state differs from the last one; changes are logged, repeats are not.
    fn is_news(&self, name: &'static str, state: CheckState) -> bool {
        let mut checks = self.checks.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(check) = checks.get_mut(name) else {
            return false;
        };
        let news = check.last != Some(state);
        check.last = Some(state);
        news
    }
}

/// An error with its sources, in one line.
fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let links = std::iter::successors(Some(error), |error| error.source());
    links
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(": ")
}
