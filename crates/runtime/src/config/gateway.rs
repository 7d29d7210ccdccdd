//! `[gateway]`: calls to the gateways. Their accounts are in the database, not here.

use std::ops::RangeInclusive;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::check::Check;
use super::error::Problem;

/// How long a gateway may take unless configured otherwise.
pub const CALL_TIMEOUT_MS_DEFAULT: u64 = 8_000;
/// What `call_timeout_ms` may be.
pub const CALL_TIMEOUT_MS: RangeInclusive<u64> = 100..=60_000;

/// Calls to the gateways.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct GatewayConfig {
    /// How long a gateway may take to answer one call: 100 to 60000 ms. Less than
    /// `grpc.deadline_max_ms`.
    #[schemars(range(min = *CALL_TIMEOUT_MS.start(), max = *CALL_TIMEOUT_MS.end()))]
    pub call_timeout_ms: u64,
}

impl Default for GatewayConfig {
    fn default() -> Self {
        Self {
            call_timeout_ms: CALL_TIMEOUT_MS_DEFAULT,
        }
    }
}

impl GatewayConfig {
    /// A short time-out.
    pub fn for_testing() -> Self {
        Self {
            call_timeout_ms: 2_000,
        }
    }

    /// How long a gateway may take to answer one call.
    pub fn call_timeout(&self) -> Duration {
        Duration::from_millis(self.call_timeout_ms)
    }

    /// Adds everything that is wrong.
    pub fn validate(&self, path: &str, problems: &mut Vec<Problem>) {
        let mut check = Check::new(path, problems);
        check.range("call_timeout_ms", self.call_timeout_ms, &CALL_TIMEOUT_MS);
    }
}
