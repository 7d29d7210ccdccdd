//! `[queue]`: work on its way to the workers, events on theirs to the business systems.

use std::ops::RangeInclusive;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::check::Check;
use super::error::Problem;
use super::secret::{self, SecretValue};

/// Deliveries that a consumer may hold unless configured otherwise.
pub const PREFETCH_DEFAULT: u16 = 32;
/// What `prefetch` may be.
pub const PREFETCH: RangeInclusive<u16> = 1..=1_000;
/// Messages that an embedded queue takes unless configured otherwise.
pub const DEPTH_MAX_DEFAULT: u64 = 100_000;
/// What `depth_max` may be.
pub const DEPTH_MAX: RangeInclusive<u64> = 100..=10_000_000;
/// The longest prefix, in characters.
pub const PREFIX_LENGTH_MAX: usize = 64;

/// Which queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum QueueKind {
    /// A durable queue in the database.
    Embedded,
    /// A broker: `rabbitmq` 3.10 or newer.
    Rabbitmq,
}

impl QueueKind {
    /// The word in the configuration.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Embedded => "embedded",
            Self::Rabbitmq => "rabbitmq",
        }
    }
}

/// The work queues and the event exchange.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct QueueConfig {
    /// `embedded` or `rabbitmq`. Without it: `rabbitmq` if there is an `amqp_url`.
    pub kind: Option<QueueKind>,
    /// `amqp://user:password@host/vhost` or `amqps://…`.
    pub amqp_url: Option<SecretValue>,
    /// A file that holds the URL.
    pub amqp_url_file: Option<PathBuf>,
    /// Stands before the name of every queue and exchange, so that several installations can share
    /// a broker.
    #[schemars(length(max = PREFIX_LENGTH_MAX))]
    pub prefix: String,
    /// Deliveries that one consumer may hold at a time: 1 to 1000.
    #[schemars(range(min = *PREFETCH.start(), max = *PREFETCH.end()))]
    pub prefetch: u16,
    /// Messages that each embedded queue takes before it refuses: 100 to 10 million.
    #[schemars(range(min = *DEPTH_MAX.start(), max = *DEPTH_MAX.end()))]
    pub depth_max: u64,
}

impl Default for QueueConfig {
    fn default() -> Self {
        Self {
            kind: None,
            amqp_url: None,
            amqp_url_file: None,
            prefix: String::new(),
            prefetch: PREFETCH_DEFAULT,
            depth_max: DEPTH_MAX_DEFAULT,
        }
    }
}

impl QueueConfig {
    /// The embedded queue, small.
    pub fn for_testing() -> Self {
        Self {
            prefetch: 8,
            depth_max: 10_000,
            ..Self::default()
        }
    }

    /// Which queue it is.
    pub fn kind(&self) -> QueueKind {
        match (self.kind, &self.amqp_url) {
            (Some(kind), _) => kind,
            (None, Some(_)) => QueueKind::Rabbitmq,
            (None, None) => QueueKind::Embedded,
        }
    }

    pub(super) fn resolve(&mut self, path: &str, problems: &mut Vec<Problem>) {
        let key = format!("{path}.amqp_url");
        secret::resolve(
            &mut self.amqp_url,
            self.amqp_url_file.as_deref(),
            &key,
            problems,
        );
    }

    /// Adds everything that is wrong.
    pub fn validate(&self, path: &str, problems: &mut Vec<Problem>) {
        let mut check = Check::new(path, problems);
        match (self.kind(), &self.amqp_url) {
            (QueueKind::Rabbitmq, None) => check.wrong("amqp_url", "amqp://…".to_owned()),
            (QueueKind::Embedded, Some(_)) => {
                check.wrong("kind", "rabbitmq, since there is an amqp_url".to_owned());
            }
            (QueueKind::Rabbitmq, Some(url)) => {
                let parsed = url::Url::parse(url.secret().expose());
                let amqp = parsed.is_ok_and(|url| matches!(url.scheme(), "amqp" | "amqps"));
                check.that(amqp, "amqp_url", "amqp://… or amqps://…");
            }
            (QueueKind::Embedded, None) => {}
        }
        let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
        let prefix = self.prefix.len() <= PREFIX_LENGTH_MAX && self.prefix.bytes().all(plain);
        check.that(
            prefix,
            "prefix",
            "at most 64 letters, digits and . _ - characters",
        );
        check.range("prefetch", self.prefetch, &PREFETCH);
        check.range("depth_max", self.depth_max, &DEPTH_MAX);
    }
}
