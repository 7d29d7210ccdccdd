//! Every limit of the ingress, by name.

use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;
use runtime::config::IngressConfig;

/// How long the broker may take to confirm. WeChat Pay waits 5 s for its acknowledgement
/// (`wechat_v3.md` §10), so the failure must be told before that.
pub const PUBLISH_TIMEOUT: Duration = Duration::from_secs(4);
/// How long the return page waits for the database, and for the broker to take its query command.
pub const LOOKUP_TIMEOUT: Duration = Duration::from_secs(2);
/// How long a TLS handshake may take.
pub const TLS_HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a connection may live; it is then closed after the request in progress.
pub const CONNECTION_AGE_MAX: Duration = Duration::from_mins(5);
/// How many requests one connection may carry.
pub const REQUESTS_PER_CONNECTION_MAX: u32 = 10_000;
/// How long requests in progress may take to end once the ingress is told to stop.
pub const DRAIN_TIMEOUT: Duration = Duration::from_secs(10);

/// What the ingress is told: the configuration's values, and the limits that need no configuring.
#[derive(Debug, Clone)]
pub struct IngressOptions {
    /// Where to listen; port 0 takes a free one.
    pub listen: SocketAddr,
    /// TLS, unless a proxy ends it.
    pub tls: Option<TlsIdentity>,
    /// The largest body, in bytes.
    pub body_bytes_max: usize,
    /// Request line and headers together, in bytes; not less than 8192.
    pub headers_bytes_max: usize,
    /// The number of headers.
    pub header_count_max: usize,
    /// How long the head of a request may take to arrive, and then again its body. An idle connection
    /// is closed after it.
    pub read_timeout: Duration,
    /// Connections at a time; further ones wait in the backlog.
    pub connections_max: usize,
    /// Requests per second from one address.
    pub rate_limit_per_second: NonZeroU32,
    /// Requests that one address may send at once.
    pub rate_limit_burst: NonZeroU32,
    /// Networks of proxies whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<IpNet>,
    /// [`PUBLISH_TIMEOUT`].
    pub publish_timeout: Duration,
    /// [`LOOKUP_TIMEOUT`].
    pub lookup_timeout: Duration,
    /// [`TLS_HANDSHAKE_TIMEOUT`].
    pub tls_handshake_timeout: Duration,
    /// [`CONNECTION_AGE_MAX`].
    pub connection_age_max: Duration,
    /// [`REQUESTS_PER_CONNECTION_MAX`].
    pub requests_per_connection_max: u32,
    /// [`DRAIN_TIMEOUT`].
    pub drain_timeout: Duration,
}

/// The files of a TLS identity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsIdentity {
    /// The certificate chain, PEM, the own certificate first.
    pub cert_file: PathBuf,
    /// The private key, PEM.
    pub key_file: PathBuf,
}

impl From<&IngressConfig> for IngressOptions {
    fn from(config: &IngressConfig) -> Self {
        let tls = config.tls.identity().map(|(cert, key)| TlsIdentity {
            cert_file: cert.to_owned(),
            key_file: key.to_owned(),
        });
        Self {
            listen: config.listen,
            tls,
            body_bytes_max: to_usize(config.body_bytes_max),
            headers_bytes_max: to_usize(config.headers_bytes_max),
            header_count_max: usize::from(config.header_count_max),
            read_timeout: config.read_timeout(),
            connections_max: to_usize(config.connections_max),
            rate_limit_per_second: at_least_one(config.rate_limit_per_second),
            rate_limit_burst: at_least_one(config.rate_limit_burst),
            trusted_proxies: config.trusted_proxies.clone(),
            publish_timeout: PUBLISH_TIMEOUT,
            lookup_timeout: LOOKUP_TIMEOUT,
            tls_handshake_timeout: TLS_HANDSHAKE_TIMEOUT,
            connection_age_max: CONNECTION_AGE_MAX,
            requests_per_connection_max: REQUESTS_PER_CONNECTION_MAX,
            drain_timeout: DRAIN_TIMEOUT,
        }
    }
}

fn to_usize(number: u32) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

fn at_least_one(number: u32) -> NonZeroU32 {
    NonZeroU32::new(number).unwrap_or(NonZeroU32::MIN)
}
