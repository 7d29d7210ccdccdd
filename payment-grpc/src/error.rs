//! Why a call was refused or failed: the flows' own errors, and those of the door.

use std::collections::BTreeMap;
use std::time::Duration;

use flows::{FieldViolation, Reason};
use kassa_core::ErrorKind;
use kassa_core::app::Scope;

/// When a caller that found no room should come again.
const RETRY_BUSY: Duration = Duration::from_millis(500);
/// When a caller whose stream ended with the process should come again.
const RETRY_STOPPING: Duration = Duration::from_secs(1);

/// Why a call was refused or failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// What a flow said.
    #[error(transparent)]
    Flow(#[from] flows::Error),
    /// The message could not be read at all.
    #[error("the request could not be read: {0}")]
    Unreadable(&'static str),
    /// The caller did not prove who it is.
    #[error("the call is not authenticated: {0}")]
    Unauthenticated(TokenProblem),
    /// The caller may not do this.
    #[error("{rpc} needs the scope {scope}")]
    ScopeMissing {
        /// The method's path.
        rpc: &'static str,
        /// What the token lacks.
        scope: Scope,
    },
    /// No scope allows this method: it does not exist.
    #[error("no scope allows this method")]
    NoSuchRpc,
    /// Too many calls.
    #[error("too many calls: {limit} is used up")]
    RateLimited {
        /// Which limit.
        limit: Limit,
        /// When there is room again.
        retry_after: Duration,
    },
    /// The caller's deadline passed.
    #[error("the deadline passed before the answer was known; send the same request again")]
    DeadlineExceeded,
    /// The process drains; the stream goes on at another one.
    #[error("the server is stopping; open the stream again")]
    Stopping,
    /// A fault of ours.
    #[error("internal: {0}")]
    Broken(&'static str),
}

/// What is wrong with a token. Whatever would tell a stranger which apps and keys exist is one and
/// the same [`TokenProblem::Untrusted`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TokenProblem {
    /// There is none.
    #[error("send `authorization: Bearer <token>` once")]
    Missing,
    /// Not a token of the kind that is taken.
    #[error(
        "the token is not a JWT signed with EdDSA or RS256 that names kid, iss, sub, aud, iat and exp"
    )]
    Malformed,
    /// Unknown app, unknown key, wrong algorithm or bad signature.
    #[error("the token is not signed by a key of the app that it names")]
    Untrusted,
    /// The app is disabled.
    #[error("the app is disabled")]
    AppDisabled,
    /// For somebody else.
    #[error("the token is for another audience")]
    Audience,
    /// Too late.
    #[error("the token has expired")]
    Expired,
    /// Too early: `nbf` or `iat` is in the future.
    #[error("the token is not valid yet")]
    NotYetValid,
    /// It lives longer than is allowed.
    #[error("the token lives too long")]
    LifetimeTooLong,
}

impl TokenProblem {
    /// The word in `metadata.problem`.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Malformed => "malformed",
            Self::Untrusted => "untrusted",
            Self::AppDisabled => "app_disabled",
            Self::Audience => "audience",
            Self::Expired => "expired",
            Self::NotYetValid => "not_yet_valid",
            Self::LifetimeTooLong => "lifetime_too_long",
        }
    }
}

/// A limit that calls run into.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Limit {
    /// Calls per second of one app.
    CallsOfApp,
    /// Calls per second from one address.
    CallsOfAddress,
    /// Calls at a time in this process.
    ConcurrentCalls,
    /// Streams at a time of one app.
    StreamsOfApp,
    /// Streams at a time in this process.
    Streams,
}

impl Limit {
    /// The word in `metadata.limit` and the subject of the quota failure.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::CallsOfApp => "calls_of_app",
            Self::CallsOfAddress => "calls_of_address",
            Self::ConcurrentCalls => "concurrent_calls",
            Self::StreamsOfApp => "streams_of_app",
            Self::Streams => "streams",
        }
    }
}

impl std::fmt::Display for Limit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Error {
    /// Bad fields, all of them.
    pub(crate) fn invalid(violations: Vec<FieldViolation>) -> Self {
        Self::Flow(flows::Error::InvalidInput(violations))
    }

    /// No room for another call or stream.
    pub(crate) fn busy(limit: Limit) -> Self {
        Self::RateLimited {
            limit,
            retry_after: RETRY_BUSY,
        }
    }

    /// What it means for the caller.
    pub(crate) fn kind(&self) -> ErrorKind {
        match self {
            Self::Flow(error) => error.kind(),
            Self::Unreadable(_) => ErrorKind::InvalidInput,
            Self::Unauthenticated(_) => ErrorKind::Unauthenticated,
            Self::ScopeMissing { .. } | Self::NoSuchRpc => ErrorKind::Forbidden,
            Self::RateLimited { .. } => ErrorKind::LimitExceeded,
            Self::DeadlineExceeded => ErrorKind::Timeout,
            Self::Stopping => ErrorKind::Unavailable,
            Self::Broken(_) => ErrorKind::Internal,
        }
    }

    /// Why, in one word.
    pub(crate) fn reason(&self) -> Reason {
        match self {
            Self::Flow(error) => error.reason(),
            Self::Unreadable(_) => Reason::InvalidArgument,
            Self::Unauthenticated(_) => Reason::Unauthenticated,
            Self::ScopeMissing { .. } | Self::NoSuchRpc => Reason::ScopeMissing,
            Self::RateLimited { .. } => Reason::RateLimited,
            Self::DeadlineExceeded => Reason::DeadlineExceeded,
            Self::Stopping => Reason::ServiceUnavailable,
            Self::Broken(_) => Reason::Internal,
        }
    }

    /// When the same request may be sent again, where that helps.
    pub(crate) fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Flow(error) => error.retry_after(),
            Self::RateLimited { retry_after, .. } => Some(*retry_after),
            Self::Stopping => Some(RETRY_STOPPING),
            Self::Unreadable(_)
            | Self::Unauthenticated(_)
            | Self::ScopeMissing { .. }
            | Self::NoSuchRpc
            | Self::DeadlineExceeded
            | Self::Broken(_) => None,
        }
    }

    /// Everything dynamic in the message.
    pub(crate) fn metadata(&self) -> BTreeMap<&'static str, String> {
        let pairs = match self {
            Self::Flow(error) => return error.metadata(),
            Self::Unauthenticated(problem) => vec![("problem", problem.as_str())],
            Self::ScopeMissing { rpc, scope } => vec![("method", *rpc), ("scope", scope.as_str())],
            Self::RateLimited { limit, .. } => vec![("limit", limit.as_str())],
            Self::Unreadable(_)
            | Self::NoSuchRpc
            | Self::DeadlineExceeded
            | Self::Stopping
            | Self::Broken(_) => Vec::new(),
        };
        pairs
            .into_iter()
            .map(|(key, value)| (key, value.to_owned()))
            .collect()
    }
}
