//! `[grpc]`: the API for business systems.

use std::net::{Ipv4Addr, SocketAddr};
use std::ops::RangeInclusive;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::check::Check;
use super::error::Problem;
use super::tls::TlsFiles;

/// The port unless configured otherwise.
pub const PORT_DEFAULT: u16 = 50_051;
/// The longest deadline unless configured otherwise.
pub const DEADLINE_MAX_MS_DEFAULT: u64 = 30_000;
/// What `deadline_max_ms` may be.
pub const DEADLINE_MAX_MS: RangeInclusive<u64> = 100..=300_000;
/// Calls at a time unless configured otherwise.
pub const CONCURRENCY_MAX_DEFAULT: u32 = 256;
/// What `concurrency_max` may be.
pub const CONCURRENCY_MAX: RangeInclusive<u32> = 1..=65_536;
/// The largest message unless configured otherwise.
pub const MESSAGE_BYTES_MAX_DEFAULT: u32 = 1024 * 1024;
/// What `message_bytes_max` may be.
pub const MESSAGE_BYTES_MAX: RangeInclusive<u32> = 1024..=16 * 1024 * 1024;
/// Calls per second and caller unless configured otherwise.
pub const RATE_LIMIT_PER_SECOND_DEFAULT: u32 = 500;
/// Calls that a caller may make at once unless configured otherwise.
pub const RATE_LIMIT_BURST_DEFAULT: u32 = 1_000;
/// What both rate limits may be.
pub const RATE_LIMIT: RangeInclusive<u32> = 1..=1_000_000;

/// The gRPC API.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct GrpcConfig {
    /// Address and port; port 0 takes a free one.
    pub listen: SocketAddr,
    /// TLS, and mTLS with `client_ca_file`.
    pub tls: TlsFiles,
    /// The longest deadline a call gets, also when it asks for none: 100 to 300000 ms.
    #[schemars(range(min = *DEADLINE_MAX_MS.start(), max = *DEADLINE_MAX_MS.end()))]
    pub deadline_max_ms: u64,
    /// Calls at a time in this process: 1 to 65536.
    #[schemars(range(min = *CONCURRENCY_MAX.start(), max = *CONCURRENCY_MAX.end()))]
    pub concurrency_max: u32,
    /// The largest request, in bytes: 1 KiB to 16 MiB.
    #[schemars(range(min = *MESSAGE_BYTES_MAX.start(), max = *MESSAGE_BYTES_MAX.end()))]
    pub message_bytes_max: u32,
    /// Calls per second that one caller may make at this process: 1 to 1 million.
    #[schemars(range(min = *RATE_LIMIT.start(), max = *RATE_LIMIT.end()))]
    pub rate_limit_per_second: u32,
    /// Calls that one caller may make at once; not less than `rate_limit_per_second`.
    #[schemars(range(min = *RATE_LIMIT.start(), max = *RATE_LIMIT.end()))]
    pub rate_limit_burst: u32,
    /// Whether the server describes itself (grpc.reflection), for grpcurl.
    pub reflection: bool,
}

impl Default for GrpcConfig {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, PORT_DEFAULT)),
            tls: TlsFiles::default(),
            deadline_max_ms: DEADLINE_MAX_MS_DEFAULT,
            concurrency_max: CONCURRENCY_MAX_DEFAULT,
            message_bytes_max: MESSAGE_BYTES_MAX_DEFAULT,
            rate_limit_per_second: RATE_LIMIT_PER_SECOND_DEFAULT,
            rate_limit_burst: RATE_LIMIT_BURST_DEFAULT,
            reflection: true,
        }
    }
}

impl GrpcConfig {
    /// A free port.
    pub fn for_testing() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            ..Self::default()
        }
    }

    /// The longest deadline.
    pub fn deadline_max(&self) -> Duration {
        Duration::from_millis(self.deadline_max_ms)
    }

    /// Adds everything that is wrong.
    pub fn validate(&self, path: &str, problems: &mut Vec<Problem>) {
        self.tls.validate(&format!("{path}.tls"), problems);
        let mut check = Check::new(path, problems);
        check.range("deadline_max_ms", self.deadline_max_ms, &DEADLINE_MAX_MS);
        check.range("concurrency_max", self.concurrency_max, &CONCURRENCY_MAX);
        check.range(
            "message_bytes_max",
            self.message_bytes_max,
            &MESSAGE_BYTES_MAX,
        );
        check.range(
            "rate_limit_per_second",
            self.rate_limit_per_second,
            &RATE_LIMIT,
        );
        check.range("rate_limit_burst", self.rate_limit_burst, &RATE_LIMIT);
        let burst = self.rate_limit_burst >= self.rate_limit_per_second;
        check.that(
            burst,
            "rate_limit_burst",
            "not less than rate_limit_per_second",
        );
    }
}
