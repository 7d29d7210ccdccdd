//! `[synchronise]`: asking gateways about what has no final state yet.

use std::ops::RangeInclusive;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::check::Check;
use super::error::Problem;

/// Orders and refunds claimed at a time unless configured otherwise.
pub const BATCH_DEFAULT: u16 = 50;
/// What `batch` may be.
pub const BATCH: RangeInclusive<u16> = 1..=1_000;
/// Questions asked at a time unless configured otherwise.
pub const CONCURRENCY_DEFAULT: u16 = 8;
/// What `concurrency` may be.
pub const CONCURRENCY: RangeInclusive<u16> = 1..=256;
/// How often due questions are looked for unless configured otherwise.
pub const POLL_MS_DEFAULT: u64 = 1_000;
/// What `poll_ms` may be.
pub const POLL_MS: RangeInclusive<u64> = 10..=60_000;
/// What `time_divisor` may be.
pub const TIME_DIVISOR: RangeInclusive<u32> = 1..=1_000;
/// How long late and duplicate money is kept unless configured otherwise.
pub const REFUND_DELAY_SECS_DEFAULT: u64 = 600;
/// What `refund_delay_secs` may be: up to a week.
pub const REFUND_DELAY_SECS: RangeInclusive<u64> = 0..=604_800;

/// Asking gateways about what has no final state yet.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct SynchroniseConfig {
    /// Orders and refunds that a worker claims at a time: 1 to 1000.
    #[schemars(range(min = *BATCH.start(), max = *BATCH.end()))]
    pub batch: u16,
    /// Questions that a worker asks at a time: 1 to 256.
    #[schemars(range(min = *CONCURRENCY.start(), max = *CONCURRENCY.end()))]
    pub concurrency: u16,
    /// How often a worker looks for due questions: 10 to 60000 ms.
    #[schemars(range(min = *POLL_MS.start(), max = *POLL_MS.end()))]
    pub poll_ms: u64,
    /// Every pause between two questions is divided by this: 1 to 1000. For trials; gateways limit how
    /// often they may be asked.
    #[schemars(range(min = *TIME_DIVISOR.start(), max = *TIME_DIVISOR.end()))]
    pub time_divisor: u32,
    /// How long late and duplicate money is kept before it is given back by an app's policy: 0 to
    /// 604800 seconds.
    #[schemars(range(min = *REFUND_DELAY_SECS.start(), max = *REFUND_DELAY_SECS.end()))]
    pub refund_delay_secs: u64,
}

impl Default for SynchroniseConfig {
    fn default() -> Self {
        Self {
            batch: BATCH_DEFAULT,
            concurrency: CONCURRENCY_DEFAULT,
            poll_ms: POLL_MS_DEFAULT,
            time_divisor: *TIME_DIVISOR.start(),
            refund_delay_secs: REFUND_DELAY_SECS_DEFAULT,
        }
    }
}

impl SynchroniseConfig {
    /// The default, looking often.
    pub fn for_testing() -> Self {
        Self {
            poll_ms: 20,
            ..Self::default()
        }
    }

    /// How often a worker looks for due questions.
    pub fn poll(&self) -> Duration {
        Duration::from_millis(self.poll_ms)
    }

    /// How long late and duplicate money is kept.
    pub fn refund_delay(&self) -> Duration {
        Duration::from_secs(self.refund_delay_secs)
    }

    /// Adds everything that is wrong.
    pub fn validate(&self, path: &str, problems: &mut Vec<Problem>) {
        let mut check = Check::new(path, problems);
        check.range("batch", self.batch, &BATCH);
        check.range("concurrency", self.concurrency, &CONCURRENCY);
        check.range("poll_ms", self.poll_ms, &POLL_MS);
        check.range("time_divisor", self.time_divisor, &TIME_DIVISOR);
        check.range(
            "refund_delay_secs",
            self.refund_delay_secs,
            &REFUND_DELAY_SECS,
        );
    }
}
