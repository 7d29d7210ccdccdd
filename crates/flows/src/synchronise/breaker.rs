//! A breaker per channel account: a gateway that does not answer is left in peace, and asked again by one
//! question at a time until it answers.
//!
//! It guards what is asked on schedule. Callers' own requests go through, and count as well.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, TimeDelta, Utc};
use kassa_core::gateway_call::CallOutcome;
use kassa_core::id::ChannelAccountId;

/// Failures in a row that open the breaker.
const FAILURES_MAX: u32 = 5;
/// For how long it opens at first.
const PAUSE_MIN: TimeDelta = TimeDelta::seconds(30);
/// For how long it opens at most; each probe that fails doubles the pause until then.
const PAUSE_MAX: TimeDelta = TimeDelta::minutes(10);

/// The breakers of this process. Cheap to clone; clones are the same breakers.
#[derive(Debug, Clone, Default)]
pub struct Breakers(Arc<Mutex<BTreeMap<ChannelAccountId, Breaker>>>);

#[derive(Debug, Clone, Copy)]
enum Breaker {
    /// It lets everything through; so many failures came in a row.
    Closed { failures: u32 },
    /// It lets nothing through before this time; then one probe.
    Open {
        until: DateTime<Utc>,
        pause: TimeDelta,
    },
    /// A probe is on its way; if nothing is heard of it until then, another one goes.
    Probing {
        until: DateTime<Utc>,
        pause: TimeDelta,
    },
}

impl Breakers {
    /// The accounts that must not be asked now.
    pub(crate) fn open_accounts(&self, now: DateTime<Utc>) -> Vec<ChannelAccountId> {
        let breakers = self.lock();
        let is_open = |breaker: &Breaker| match breaker {
            Breaker::Closed { .. } => false,
            Breaker::Open { until, .. } | Breaker::Probing { until, .. } => is_before(now, *until),
        };
        let open = breakers.iter().filter(|(_, breaker)| is_open(breaker));
        open.map(|(account, _)| *account).collect()
    }

    /// Whether this account may be asked now. Of an open breaker whose time has come, only the first
    /// question is let through until its answer is known.
    pub(crate) fn admits(&self, account: ChannelAccountId, now: DateTime<Utc>) -> bool {
        let mut breakers = self.lock();
        let Some(breaker) = breakers.get_mut(&account) else {
            return true;
        };
        match *breaker {
            Breaker::Closed { .. } => true,
            Breaker::Open { until, pause } | Breaker::Probing { until, pause } => {
                if is_before(now, until) {
                    return false;
                }
                *breaker = Breaker::Probing {
                    until: later(now, pause),
                    pause,
                };
                true
            }
        }
    }

    /// Learns from a call; says when it opens or closes the breaker by that.
    pub(crate) fn record(
        &self,
        account: ChannelAccountId,
        outcome: CallOutcome,
        now: DateTime<Utc>,
    ) -> Option<&'static str> {
        let mut breakers = self.lock();
        let breaker = breakers
            .entry(account)
            .or_insert(Breaker::Closed { failures: 0 });
        let before = *breaker;
        *breaker = if is_success(outcome) {
            Breaker::Closed { failures: 0 }
        } else {
            failed(before, now)
        };
        let (was_open, is_open) = (is_tripped(before), is_tripped(*breaker));
        (was_open != is_open).then_some(if is_open { "opened" } else { "closed" })
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<ChannelAccountId, Breaker>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whatever it says, a gateway that says something is there.
fn is_success(outcome: CallOutcome) -> bool {
    match outcome {
        CallOutcome::Answered
        | CallOutcome::Refused
        | CallOutcome::Later
        | CallOutcome::Misconfigured => true,
        CallOutcome::NotSent | CallOutcome::Unknown => false,
    }
}

/// Whether it is not yet `until`. A clock that was set back does not prolong a pause.
fn is_before(now: DateTime<Utc>, until: DateTime<Utc>) -> bool {
    now < until && until.signed_duration_since(now) <= PAUSE_MAX
}

fn is_tripped(breaker: Breaker) -> bool {
    match breaker {
        Breaker::Closed { .. } => false,
        Breaker::Open { .. } | Breaker::Probing { .. } => true,
    }
}

fn failed(before: Breaker, now: DateTime<Utc>) -> Breaker {
    match before {
        Breaker::Closed { failures } => {
            let failures = failures.saturating_add(1);
            if failures < FAILURES_MAX {
                return Breaker::Closed { failures };
            }
            Breaker::Open {
                until: later(now, PAUSE_MIN),
                pause: PAUSE_MIN,
            }
        }
        // A caller's own request does not prolong the pause.
        Breaker::Open { until, pause } => Breaker::Open { until, pause },
        Breaker::Probing { pause, .. } => {
            let pause = pause.checked_mul(2).unwrap_or(PAUSE_MAX).min(PAUSE_MAX);
            Breaker::Open {
                until: later(now, pause),
                pause,
            }
        }
    }
}

fn later(now: DateTime<Utc>, pause: TimeDelta) -> DateTime<Utc> {
    now.checked_add_signed(pause).unwrap_or(now)
}

#[cfg(test)]
mod tests {
    use kassa_core::{Clock, IdSource};

    use super::*;

    fn account() -> ChannelAccountId {
        let clock = Clock::settable(DateTime::UNIX_EPOCH);
        ChannelAccountId::new(&IdSource::seeded(1, clock))
    }

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::seconds(seconds)
    }

    fn tripped() -> (Breakers, ChannelAccountId) {
        let (breakers, account) = (Breakers::default(), account());
        for _ in 0..FAILURES_MAX {
            assert!(breakers.admits(account, at(0)));
            breakers.record(account, CallOutcome::Unknown, at(0));
        }
        (breakers, account)
    }

    #[test]
    fn some_failures_in_a_row_open_it_and_an_answer_between_them_does_not() {
        let (breakers, account) = (Breakers::default(), account());
        for _ in 0..20 {
            for _ in 1..FAILURES_MAX {
                breakers.record(account, CallOutcome::NotSent, at(0));
            }
            breakers.record(account, CallOutcome::Refused, at(0));
        }
        assert_eq!(breakers.open_accounts(at(0)), []);
        let (breakers, account) = tripped();
        assert_eq!(breakers.open_accounts(at(29)), [account]);
        assert!(!breakers.admits(account, at(29)));
    }

    #[test]
    fn after_its_pause_one_probe_goes_and_closes_it_or_doubles_the_pause() {
        let (breakers, account) = tripped();
        assert!(breakers.admits(account, at(30)));
        assert!(!breakers.admits(account, at(30)), "one probe at a time");
        breakers.record(account, CallOutcome::Unknown, at(31));
        assert!(!breakers.admits(account, at(90)));
        assert!(breakers.admits(account, at(91)));
        breakers.record(account, CallOutcome::Answered, at(92));
        assert!(breakers.admits(account, at(92)) && breakers.admits(account, at(92)));
    }

    #[test]
    fn a_probe_of_which_nothing_is_heard_is_followed_by_another() {
        let (breakers, account) = tripped();
        assert!(breakers.admits(account, at(30)));
        assert!(!breakers.admits(account, at(59)));
        assert!(breakers.admits(account, at(60)));
    }

    #[test]
    fn one_account_does_not_open_the_breaker_of_another() {
        let (breakers, _) = tripped();
        let clock = Clock::settable(DateTime::UNIX_EPOCH);
        let other = ChannelAccountId::new(&IdSource::seeded(2, clock));
        assert!(breakers.admits(other, at(0)));
    }
}
