//! `[ingress]`: the door for gateways and payers.

use std::net::{Ipv4Addr, SocketAddr};
use std::ops::RangeInclusive;
use std::time::Duration;

use ipnet::IpNet;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::check::{self, Check};
use super::error::Problem;
use super::tls::TlsFiles;

/// The port unless configured otherwise.
pub const PORT_DEFAULT: u16 = 8_080;
/// The largest body unless configured otherwise, in bytes.
pub const BODY_BYTES_MAX_DEFAULT: u32 = 64 * 1024;
/// What `body_bytes_max` may be; a larger body would not fit an envelope.
pub const BODY_BYTES_MAX: RangeInclusive<u32> = 1024..=64 * 1024;
/// All headers together unless configured otherwise, in bytes.
pub const HEADERS_BYTES_MAX_DEFAULT: u32 = 16 * 1024;
/// What `headers_bytes_max` may be.
pub const HEADERS_BYTES_MAX: RangeInclusive<u32> = 8 * 1024..=64 * 1024;
/// The number of headers unless configured otherwise.
pub const HEADER_COUNT_MAX_DEFAULT: u16 = 64;
/// What `header_count_max` may be.
pub const HEADER_COUNT_MAX: RangeInclusive<u16> = 16..=256;
/// How long a request may take to arrive unless configured otherwise.
pub const READ_TIMEOUT_MS_DEFAULT: u64 = 5_000;
/// What `read_timeout_ms` may be.
pub const READ_TIMEOUT_MS: RangeInclusive<u64> = 100..=60_000;
/// Connections at a time unless configured otherwise.
pub const CONNECTIONS_MAX_DEFAULT: u32 = 1_024;
/// What `connections_max` may be.
pub const CONNECTIONS_MAX: RangeInclusive<u32> = 1..=65_536;
/// Requests per second and address unless configured otherwise. A gateway sends from few addresses,
/// so this is far above what a person needs.
pub const RATE_LIMIT_PER_SECOND_DEFAULT: u32 = 2_000;
/// Requests that an address may send at once unless configured otherwise.
pub const RATE_LIMIT_BURST_DEFAULT: u32 = 4_000;
/// What both rate limits may be.
pub const RATE_LIMIT: RangeInclusive<u32> = 1..=1_000_000;
/// Proxies that may be trusted.
pub const TRUSTED_PROXIES_MAX: usize = 64;
/// How old the accounts in memory may be unless configured otherwise.
pub const ACCOUNT_REFRESH_MS_DEFAULT: u64 = 5_000;
/// What `account_refresh_ms` may be.
pub const ACCOUNT_REFRESH_MS: RangeInclusive<u64> = 100..=300_000;

/// The callback ingress and the payer's return page.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct IngressConfig {
    /// Address and port; port 0 takes a free one.
    pub listen: SocketAddr,
    /// How gateways and payers reach this: the beginning of all callback and return URLs. `https`,
    /// or `http` for a loopback host.
    pub public_base_url: String,
    /// TLS; leave it out where a proxy ends TLS.
    pub tls: TlsFiles,
    /// The largest body, in bytes: 1 KiB to 64 KiB.
    #[schemars(range(min = *BODY_BYTES_MAX.start(), max = *BODY_BYTES_MAX.end()))]
    pub body_bytes_max: u32,
    /// All headers together, in bytes: 8 KiB to 64 KiB.
    #[schemars(range(min = *HEADERS_BYTES_MAX.start(), max = *HEADERS_BYTES_MAX.end()))]
    pub headers_bytes_max: u32,
    /// The number of headers: 16 to 256.
    #[schemars(range(min = *HEADER_COUNT_MAX.start(), max = *HEADER_COUNT_MAX.end()))]
    pub header_count_max: u16,
    /// How long a request may take to arrive: 100 to 60000 ms.
    #[schemars(range(min = *READ_TIMEOUT_MS.start(), max = *READ_TIMEOUT_MS.end()))]
    pub read_timeout_ms: u64,
    /// Connections at a time: 1 to 65536.
    #[schemars(range(min = *CONNECTIONS_MAX.start(), max = *CONNECTIONS_MAX.end()))]
    pub connections_max: u32,
    /// Requests per second from one address: 1 to 1 million.
    #[schemars(range(min = *RATE_LIMIT.start(), max = *RATE_LIMIT.end()))]
    pub rate_limit_per_second: u32,
    /// Requests that one address may send at once; not less than `rate_limit_per_second`.
    #[schemars(range(min = *RATE_LIMIT.start(), max = *RATE_LIMIT.end()))]
    pub rate_limit_burst: u32,
    /// Networks of proxies whose `X-Forwarded-For` is believed, such as `10.0.0.0/8`; at most 64.
    #[schemars(with = "Vec<String>", length(max = TRUSTED_PROXIES_MAX))]
    pub trusted_proxies: Vec<IpNet>,
    /// How old the channel accounts in memory may be: 100 to 300000 ms.
    #[schemars(range(min = *ACCOUNT_REFRESH_MS.start(), max = *ACCOUNT_REFRESH_MS.end()))]
    pub account_refresh_ms: u64,
}

impl Default for IngressConfig {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, PORT_DEFAULT)),
            public_base_url: format!("http://{}:{PORT_DEFAULT}", Ipv4Addr::LOCALHOST),
            tls: TlsFiles::default(),
            body_bytes_max: BODY_BYTES_MAX_DEFAULT,
            headers_bytes_max: HEADERS_BYTES_MAX_DEFAULT,
            header_count_max: HEADER_COUNT_MAX_DEFAULT,
            read_timeout_ms: READ_TIMEOUT_MS_DEFAULT,
            connections_max: CONNECTIONS_MAX_DEFAULT,
            rate_limit_per_second: RATE_LIMIT_PER_SECOND_DEFAULT,
            rate_limit_burst: RATE_LIMIT_BURST_DEFAULT,
            trusted_proxies: Vec::new(),
            account_refresh_ms: ACCOUNT_REFRESH_MS_DEFAULT,
        }
    }
}

impl IngressConfig {
    /// A free port, a short read time-out.
    pub fn for_testing() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            read_timeout_ms: 500,
            account_refresh_ms: 100,
            ..Self::default()
        }
    }

    /// How long a request may take to arrive.
    pub fn read_timeout(&self) -> Duration {
        Duration::from_millis(self.read_timeout_ms)
    }

    /// How old the accounts in memory may be.
    pub fn account_refresh(&self) -> Duration {
        Duration::from_millis(self.account_refresh_ms)
    }

    /// The public URL of a path that begins with `/`.
    pub fn public_url(&self, path: &str) -> String {
        format!("{}{path}", self.public_base_url.trim_end_matches('/'))
    }

    /// Adds everything that is wrong.
    pub fn validate(&self, path: &str, problems: &mut Vec<Problem>) {
        self.tls.validate(&format!("{path}.tls"), problems);
        let mut check = Check::new(path, problems);
        let no_mtls = self.tls.client_ca_file.is_none();
        check.that(
            no_mtls,
            "tls.client_ca_file",
            "nothing: gateways and payers show no certificate",
        );
        self.validate_public_base_url(&mut check);
        check.range("body_bytes_max", self.body_bytes_max, &BODY_BYTES_MAX);
        check.range(
            "headers_bytes_max",
            self.headers_bytes_max,
            &HEADERS_BYTES_MAX,
        );
        check.range("header_count_max", self.header_count_max, &HEADER_COUNT_MAX);
        check.range("read_timeout_ms", self.read_timeout_ms, &READ_TIMEOUT_MS);
        check.range("connections_max", self.connections_max, &CONNECTIONS_MAX);
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
        let proxies = self.trusted_proxies.len() <= TRUSTED_PROXIES_MAX;
        check.that(proxies, "trusted_proxies", "at most 64 networks");
        check.range(
            "account_refresh_ms",
            self.account_refresh_ms,
            &ACCOUNT_REFRESH_MS,
        );
    }

    fn validate_public_base_url(&self, check: &mut Check<'_>) {
        let Some(url) = check::web_url(&self.public_base_url) else {
            let expected = "https://host[:port][/path] without user, query and fragment";
            check.wrong("public_base_url", expected.to_owned());
            return;
        };
        let safe = url.scheme() == "https" || check::is_loopback(&url);
        check.that(
            safe,
            "public_base_url",
            "https, since the host is not a loopback address",
        );
    }
}
