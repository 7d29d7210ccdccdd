//! The closed set of error kinds. Every error of every crate answers with one of them, and only the
//! transport turns a kind into a status code.

/// What an error means for the caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// The request itself is wrong and will be wrong again.
    InvalidInput,
    /// The named thing does not exist, or not for this caller.
    NotFound,
    /// A thing with this identity exists already.
    AlreadyExists,
    /// Somebody else changed the same thing at the same time; the whole operation may be repeated.
    Conflict,
    /// The thing is in a state in which this is not possible.
    FailedPrecondition,
    /// The caller did not prove who it is.
    Unauthenticated,
    /// The caller may not do this.
    Forbidden,
    /// A rate or size limit was reached.
    LimitExceeded,
    /// Something that is needed is away for now; the same request may be repeated.
    Unavailable,
    /// The deadline passed before the answer was known; the same request may be repeated.
    Timeout,
    /// A fault of ours.
    Internal,
}

impl ErrorKind {
    /// Whether the same request may simply be sent again.
    pub fn is_retryable(self) -> bool {
        match self {
            Self::Conflict | Self::Unavailable | Self::Timeout | Self::LimitExceeded => true,
            Self::InvalidInput
            | Self::NotFound
            | Self::AlreadyExists
            | Self::FailedPrecondition
            | Self::Unauthenticated
            | Self::Forbidden
            | Self::Internal => false,
        }
    }

    /// The word used in logs and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::InvalidInput => "invalid_input",
            Self::NotFound => "not_found",
            Self::AlreadyExists => "already_exists",
            Self::Conflict => "conflict",
            Self::FailedPrecondition => "failed_precondition",
            Self::Unauthenticated => "unauthenticated",
            Self::Forbidden => "forbidden",
            Self::LimitExceeded => "limit_exceeded",
            Self::Unavailable => "unavailable",
            Self::Timeout => "timeout",
            Self::Internal => "internal",
        }
    }
}
