//! `[admin]`: health, readiness and metrics of a process, and how it ends.

use std::net::{Ipv4Addr, SocketAddr};
use std::ops::RangeInclusive;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::check::Check;
use super::error::Problem;

/// How long work in progress may take to end unless configured otherwise: less than the 30 s that
/// orchestrators commonly give.
pub const DRAIN_TIMEOUT_MS_DEFAULT: u64 = 25_000;
/// What `drain_timeout_ms` may be.
pub const DRAIN_TIMEOUT_MS: RangeInclusive<u64> = 0..=600_000;

/// Health, readiness and metrics, and how the process ends.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct AdminConfig {
    /// Address and port of `/healthz`, `/readyz` and `/metrics`; port 0 takes a free one. Not for
    /// the public.
    pub listen: SocketAddr,
    /// How long work in progress may take to end after SIGTERM, before it is cut off: 0 to 600000
    /// ms.
    #[schemars(range(min = *DRAIN_TIMEOUT_MS.start(), max = *DRAIN_TIMEOUT_MS.end()))]
    pub drain_timeout_ms: u64,
}

impl Default for AdminConfig {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            drain_timeout_ms: DRAIN_TIMEOUT_MS_DEFAULT,
        }
    }
}

impl AdminConfig {
    /// A free port, a short drain.
    pub fn for_testing() -> Self {
        Self {
            drain_timeout_ms: 5_000,
            ..Self::default()
        }
    }

    /// How long work in progress may take to end.
    pub fn drain_timeout(&self) -> Duration {
        Duration::from_millis(self.drain_timeout_ms)
    }

    /// Adds everything that is wrong.
    pub fn validate(&self, path: &str, problems: &mut Vec<Problem>) {
        let mut check = Check::new(path, problems);
        check.range("drain_timeout_ms", self.drain_timeout_ms, &DRAIN_TIMEOUT_MS);
    }
}
