//! Errors of telemetry.

use kassa_core::ErrorKind;

type Source = Box<dyn std::error::Error + Send + Sync>;

/// What went wrong when telemetry was started or ended.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// The log filter is not one.
    #[error("the log filter is not usable")]
    LogFilter {
        /// Why.
        #[source]
        source: Source,
    },
    /// No exporter could be made for the endpoint.
    #[error("the trace exporter could not be made")]
    Exporter {
        /// Why.
        #[source]
        source: Source,
    },
    /// Traces are to be sent, but there is no tokio runtime to send them on.
    #[error("sending traces needs a tokio runtime")]
    NoRuntime,
    /// The last traces were not taken in time.
    #[error("the last traces were not sent")]
    Flush {
        /// Why.
        #[source]
        source: Source,
    },
}

impl TelemetryError {
    /// What it means for the caller.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::LogFilter { .. } | Self::Exporter { .. } => ErrorKind::InvalidInput,
            Self::NoRuntime => ErrorKind::Internal,
            Self::Flush { .. } => ErrorKind::Unavailable,
        }
    }
}
