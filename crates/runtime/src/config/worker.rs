//! `[worker]`: background work.

use std::ops::RangeInclusive;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::check::Check;
use super::error::Problem;

/// Messages worked on at a time unless configured otherwise.
pub const CONCURRENCY_DEFAULT: u16 = 16;
/// What `concurrency` may be.
pub const CONCURRENCY: RangeInclusive<u16> = 1..=512;
/// Events taken from the outbox at a time unless configured otherwise.
pub const RELAY_BATCH_DEFAULT: u16 = 100;
/// What `relay_batch` may be.
pub const RELAY_BATCH: RangeInclusive<u16> = 1..=1_000;
/// How often the outbox is looked at without being woken, unless configured otherwise.
pub const RELAY_POLL_MS_DEFAULT: u64 = 500;
/// What `relay_poll_ms` may be.
pub const RELAY_POLL_MS: RangeInclusive<u64> = 10..=60_000;

/// Background work.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct WorkerConfig {
    /// Messages worked on at a time, per queue: 1 to 512.
    #[schemars(range(min = *CONCURRENCY.start(), max = *CONCURRENCY.end()))]
    pub concurrency: u16,
    /// Events taken from the outbox at a time: 1 to 1000.
    #[schemars(range(min = *RELAY_BATCH.start(), max = *RELAY_BATCH.end()))]
    pub relay_batch: u16,
    /// How often the outbox is looked at without being woken: 10 to 60000 ms.
    #[schemars(range(min = *RELAY_POLL_MS.start(), max = *RELAY_POLL_MS.end()))]
    pub relay_poll_ms: u64,
}

impl Default for WorkerConfig {
    fn default() -> Self {
        Self {
            concurrency: CONCURRENCY_DEFAULT,
            relay_batch: RELAY_BATCH_DEFAULT,
            relay_poll_ms: RELAY_POLL_MS_DEFAULT,
        }
    }
}

impl WorkerConfig {
    /// Little concurrency, short waits.
    pub fn for_testing() -> Self {
        Self {
            concurrency: 4,
            relay_batch: 10,
            relay_poll_ms: 20,
        }
    }

    /// How often the outbox is looked at without being woken.
    pub fn relay_poll(&self) -> Duration {
        Duration::from_millis(self.relay_poll_ms)
    }

    /// Adds everything that is wrong.
    pub fn validate(&self, path: &str, problems: &mut Vec<Problem>) {
        let mut check = Check::new(path, problems);
        check.range("concurrency", self.concurrency, &CONCURRENCY);
        check.range("relay_batch", self.relay_batch, &RELAY_BATCH);
        check.range("relay_poll_ms", self.relay_poll_ms, &RELAY_POLL_MS);
    }
}
