//! The source of trace ids, and the way of traces to a collector.

use opentelemetry_otlp::{SpanExporter, WithExportConfig, WithTonicConfig, tonic_types};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{Sampler, SdkTracerProvider};

use super::FLUSH_TIMEOUT;
use super::error::TelemetryError;
use crate::config::TelemetryConfig;

/// A provider that sends to the configured collector, or makes ids only.
///
/// Without a collector no span is recorded, which costs next to nothing, but each still has its
/// ids, and a caller's wish to have its trace recorded is passed on.
pub(super) fn provider(
    config: &TelemetryConfig,
    service_name: &str,
) -> Result<SdkTracerProvider, TelemetryError> {
    let resource = Resource::builder_empty()
        .with_service_name(service_name.to_owned())
        .build();
    let provider = SdkTracerProvider::builder().with_resource(resource);
    let Some(endpoint) = &config.otlp_endpoint else {
        let sampler = Sampler::ParentBased(Box::new(Sampler::AlwaysOff));
        return Ok(provider.with_sampler(sampler).build());
    };
    if tokio::runtime::Handle::try_current().is_err() {
        return Err(TelemetryError::NoRuntime);
    }
    let sampler = Sampler::ParentBased(Box::new(Sampler::AlwaysOn));
    Ok(provider
        .with_sampler(sampler)
        .with_batch_exporter(exporter(endpoint)?)
        .build())
}

fn exporter(endpoint: &str) -> Result<SpanExporter, TelemetryError> {
    let mut builder = SpanExporter::builder()
        .with_tonic()
        .with_endpoint(endpoint)
        .with_timeout(FLUSH_TIMEOUT);
    if endpoint.starts_with("https:") {
        let tls = tonic_types::transport::ClientTlsConfig::new().with_native_roots();
        builder = builder.with_tls_config(tls);
    }
    builder.build().map_err(|source| TelemetryError::Exporter {
        source: Box::new(source),
    })
}
