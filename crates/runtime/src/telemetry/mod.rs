//! Logs, traces and metrics of a process.
//!
//! The rule: no secret, no body, no signature, no account number and no name of a person is ever a
//! log field, a span field, a metric label or part of an error text. Secrets are
//! [`kassa_core::Secret`], which prints as `[redacted]`; ids are what logs speak in. Fields are
//! dotted and fixed: `payment.id`, `attempt.no`, `channel`, `notification.key`, `queue.name`,
//! `duration_ms`. Metric labels take values from closed sets only.
//!
//! Trace ids are made and travel even when traces are sent nowhere ([`trace_context`]).

mod error;
mod logs;
pub mod metrics;
mod panics;
#[cfg(test)]
mod tests;
pub mod trace_context;
mod traces;

use std::time::Duration;

use opentelemetry::trace::TracerProvider;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tracing::Subscriber;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, Registry};

pub use error::TelemetryError;

use crate::config::TelemetryConfig;

/// How long the last traces may take to be sent when the process ends.
pub const FLUSH_TIMEOUT: Duration = Duration::from_secs(5);

/// What telemetry holds until the process ends.
#[derive(Debug)]
#[must_use = "the last traces are sent by shutdown()"]
pub struct TelemetryGuard {
    exporting: Option<SdkTracerProvider>,
}

impl TelemetryGuard {
    /// Sends what was not sent yet.
    ///
    /// # Errors
    /// [`TelemetryError::Flush`] if the collector did not take it in time.
    pub async fn shutdown(self) -> Result<(), TelemetryError> {
        let Some(provider) = self.exporting else {
            return Ok(());
        };
        // The exporter runs on this runtime, so its thread must not be kept waiting.
        let flush = move || provider.shutdown_with_timeout(FLUSH_TIMEOUT);
        match tokio::task::spawn_blocking(flush).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(source)) => Err(TelemetryError::Flush {
                source: Box::new(source),
            }),
            Err(source) => Err(TelemetryError::Flush {
                source: Box::new(source),
            }),
        }
    }
}

/// Starts logs, traces and metrics. `service_name` is used where the configuration names none.
///
/// A process has one of each: a second call (tests do that) changes nothing and succeeds.
///
/// # Errors
/// [`TelemetryError`] if the filter or the endpoint is unusable, or traces are to be sent and there
/// is no tokio runtime.
pub fn init(
    config: &TelemetryConfig,
    service_name: &str,
) -> Result<TelemetryGuard, TelemetryError> {
    metrics::handle();
    let service_name = config.service_name.as_deref().unwrap_or(service_name);
    let logs = logs::layer::<Registry>(config)?;
    let provider = traces::provider(config, service_name)?;
    let subscriber = Registry::default().with(logs).with(trace_layer(&provider));
    if subscriber.try_init().is_err() {
        return Ok(TelemetryGuard { exporting: None });
    }
    opentelemetry::global::set_text_map_propagator(TraceContextPropagator::new());
    opentelemetry::global::set_tracer_provider(provider.clone());
    panics::install();
    let exporting = config.otlp_endpoint.is_some().then_some(provider);
    Ok(TelemetryGuard { exporting })
}

/// Gives spans their trace ids. It has a filter of its own, so that a quiet log cuts no traces.
fn trace_layer<S>(provider: &SdkTracerProvider) -> impl Layer<S> + use<S>
where
    S: Subscriber + for<'span> LookupSpan<'span>,
{
    tracing_opentelemetry::layer()
        .with_tracer(provider.tracer("kassa"))
        .with_location(false)
        .with_threads(false)
        .with_tracked_inactivity(false)
        .with_filter(LevelFilter::INFO)
}
