//! The clock as a value: everything that stamps or compares times takes one.

use std::sync::{Arc, Mutex, PoisonError};

use chrono::{DateTime, DurationRound, TimeDelta, Utc};

/// Where the time comes from. Cheap to clone; clones of a settable clock share its time.
#[derive(Debug, Clone)]
pub struct Clock(Source);

#[derive(Debug, Clone)]
enum Source {
    System,
    Settable(Arc<Mutex<DateTime<Utc>>>),
}

impl Clock {
    /// The machine's clock.
    pub fn system() -> Self {
        Self(Source::System)
    }

    /// A clock that stands still at `start` until it is set; for tests and simulations.
    pub fn settable(start: DateTime<Utc>) -> Self {
        Self(Source::Settable(Arc::new(Mutex::new(to_micros(start)))))
    }

    /// The time now, in UTC, cut to microseconds: the finest step that both databases keep.
    pub fn now(&self) -> DateTime<Utc> {
        match &self.0 {
            Source::System => to_micros(system_now()),
            Source::Settable(time) => *time.lock().unwrap_or_else(PoisonError::into_inner),
        }
    }

    /// Moves a settable clock forward (or back). The system clock does not move.
    pub fn advance(&self, by: TimeDelta) {
        if let Source::Settable(time) = &self.0 {
            let mut time = time.lock().unwrap_or_else(PoisonError::into_inner);
            *time = to_micros(time.checked_add_signed(by).unwrap_or(*time));
        }
    }

    /// Sets a settable clock. The system clock cannot be set.
    pub fn set(&self, to: DateTime<Utc>) {
        if let Source::Settable(time) = &self.0 {
            *time.lock().unwrap_or_else(PoisonError::into_inner) = to_micros(to);
        }
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the one place that reads the machine's clock"
)]
fn system_now() -> DateTime<Utc> {
    Utc::now()
}

fn to_micros(time: DateTime<Utc>) -> DateTime<Utc> {
    time.duration_trunc(TimeDelta::microseconds(1))
        .unwrap_or(time)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_settable_clock_moves_only_when_told_and_its_clones_with_it() {
        let clock = Clock::settable(DateTime::UNIX_EPOCH);
        let other = clock.clone();
        assert_eq!(clock.now(), other.now());
        clock.advance(TimeDelta::seconds(5));
        assert_eq!(other.now(), DateTime::UNIX_EPOCH + TimeDelta::seconds(5));
    }

    #[test]
    fn times_are_cut_to_microseconds() {
        let clock = Clock::settable(DateTime::UNIX_EPOCH + TimeDelta::nanoseconds(1_999));
        assert_eq!(
            clock.now(),
            DateTime::UNIX_EPOCH + TimeDelta::microseconds(1)
        );
    }
}
