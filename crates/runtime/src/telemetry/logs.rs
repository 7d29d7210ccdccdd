//! Logs: to standard error, since standard output belongs to the commands' results.

use std::io::IsTerminal;

use tracing::Subscriber;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::{EnvFilter, Layer, fmt};

use super::error::TelemetryError;
use crate::config::{LogFormat, TelemetryConfig};

/// Libraries that log what they carry when asked for more: lapin prints the body of a returned
/// message, h2 prints header frames. No configuration opens these.
const NEVER_ABOVE: [&str; 6] = [
    "opentelemetry=warn",
    "lapin=error",
    "h2=info",
    "hyper=info",
    "reqwest=info",
    "sqlx=warn",
];

/// The configured filter, held down for libraries that would print payloads.
pub(super) fn filter(configured: &str) -> Result<EnvFilter, TelemetryError> {
    let failed = |source: tracing_subscriber::filter::ParseError| TelemetryError::LogFilter {
        source: Box::new(source),
    };
    let mut filter = EnvFilter::try_new(configured).map_err(failed)?;
    for directive in NEVER_ABOVE {
        filter = filter.add_directive(directive.parse().map_err(failed)?);
    }
    Ok(filter)
}

/// The layer that writes logs as configured.
pub(super) fn layer<S>(
    config: &TelemetryConfig,
) -> Result<Box<dyn Layer<S> + Send + Sync>, TelemetryError>
where
    S: Subscriber + for<'span> LookupSpan<'span>,
{
    let filter = filter(&config.log_filter)?;
    let terminal = std::io::stderr().is_terminal();
    let layer = if is_json(config.log_format, terminal) {
        fmt::layer()
            .json()
            .flatten_event(true)
            .with_current_span(false)
            .with_span_list(true)
            .with_writer(std::io::stderr)
            .with_filter(filter)
            .boxed()
    } else {
        fmt::layer()
            .compact()
            .with_ansi(terminal)
            .with_target(false)
            .with_writer(std::io::stderr)
            .with_filter(filter)
            .boxed()
    };
    Ok(layer)
}

/// Whether logs are JSON, given whether standard error is a terminal.
pub(super) fn is_json(format: LogFormat, terminal: bool) -> bool {
    match format {
        LogFormat::Json => true,
        LogFormat::Pretty => false,
        LogFormat::Auto => !terminal,
    }
}
