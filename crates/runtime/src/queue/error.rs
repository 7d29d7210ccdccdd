//! Errors of the queues.

use kassa_core::ErrorKind;

use super::envelope::ENVELOPE_BYTES_MAX;
use crate::store::StoreError;

/// What went wrong with a message or the broker.
#[derive(Debug, thiserror::Error)]
pub enum QueueError {
    /// The broker did not take part: the operation may or may not have happened, and may be
    /// repeated.
    #[error("the broker is away during {operation}")]
    Unavailable {
        /// What was being done.
        operation: &'static str,
        /// Why, if the broker or the network said.
        #[source]
        source: Option<Box<lapin::Error>>,
    },
    /// The broker was silent for too long: the operation may or may not have happened.
    #[error("the broker did not answer {operation} in time")]
    Timeout {
        /// What was being done.
        operation: &'static str,
    },
    /// The queue holds as many messages as it may.
    #[error("queue {queue} is full: it may hold {limit} messages")]
    Full {
        /// The queue's name.
        queue: &'static str,
        /// How many it may hold.
        limit: u64,
    },
    /// The message is larger than any that we send.
    #[error("a message of {bytes} bytes is too large: at most {ENVELOPE_BYTES_MAX} are taken")]
    TooLarge {
        /// Its size.
        bytes: usize,
    },
    /// No queue is bound to where the message was sent.
    #[error("no queue takes messages for {destination}")]
    Unroutable {
        /// Where it was sent.
        destination: &'static str,
    },
    /// The broker took the message and then said that it could not keep it.
    #[error("the broker refused a message for {destination}")]
    Refused {
        /// Where it was sent.
        destination: &'static str,
    },
    /// The delivery came to an end before: its lease ran out or its channel broke. The message
    /// comes, or came, back.
    #[error("the delivery on {queue} is no longer ours")]
    Lost {
        /// The queue's name.
        queue: &'static str,
    },
    /// The queue was closed.
    #[error("the queue is closed")]
    Closed,
    /// The options cannot work.
    #[error("unusable queue options: {0}")]
    Options(&'static str),
    /// The message cannot be written as JSON.
    #[error("a message cannot be encoded")]
    Encode(#[source] serde_json::Error),
    /// A field of an event is longer than the protocol carries.
    #[error("the {field} of an event is too long")]
    InvalidEvent {
        /// The field.
        field: &'static str,
    },
    /// The broker said no.
    #[error("the broker refused {operation}")]
    Broker {
        /// What was being done.
        operation: &'static str,
        /// What it said.
        #[source]
        source: Box<lapin::Error>,
    },
    /// The database under the embedded queue failed.
    #[error("the queue's database failed during {operation}")]
    Store {
        /// What was being done.
        operation: &'static str,
        /// Why.
        #[source]
        source: StoreError,
    },
}

impl QueueError {
    /// The broker is away, and nothing more is known.
    pub(crate) fn away(operation: &'static str) -> Self {
        Self::Unavailable {
            operation,
            source: None,
        }
    }

    /// Wraps what the broker, or the way to it, said to `operation`.
    pub(crate) fn broker(operation: &'static str, error: lapin::Error) -> Self {
        if error.is_amqp_error() {
            Self::Broker {
                operation,
                source: Box::new(error),
            }
        } else {
            Self::Unavailable {
                operation,
                source: Some(Box::new(error)),
            }
        }
    }

    /// Wraps what the store said to `operation`.
    pub(crate) fn store(operation: &'static str, source: StoreError) -> Self {
        Self::Store { operation, source }
    }

    /// What it means for the caller.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Unavailable { .. }
            | Self::Full { .. }
            | Self::Unroutable { .. }
            | Self::Refused { .. }
            | Self::Closed => ErrorKind::Unavailable,
            Self::Timeout { .. } => ErrorKind::Timeout,
            Self::TooLarge { .. } | Self::InvalidEvent { .. } => ErrorKind::InvalidInput,
            Self::Lost { .. } => ErrorKind::Conflict,
            Self::Options(_) => ErrorKind::FailedPrecondition,
            Self::Encode(_) | Self::Broker { .. } => ErrorKind::Internal,
            Self::Store { source, .. } => source.kind(),
        }
    }

    /// The word used in metrics.
    pub(crate) fn outcome(&self) -> &'static str {
        match self {
            Self::Unavailable { .. } => "unavailable",
            Self::Timeout { .. } => "timeout",
            Self::Full { .. } => "full",
            Self::TooLarge { .. } | Self::InvalidEvent { .. } | Self::Encode(_) => "invalid",
            Self::Unroutable { .. } => "unroutable",
            Self::Refused { .. } => "refused",
            Self::Lost { .. } => "lost",
            Self::Closed => "closed",
            Self::Options(_) | Self::Broker { .. } | Self::Store { .. } => "failed",
        }
    }
}
