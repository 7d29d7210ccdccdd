//! Metrics: recorded with the `metrics` macros, rendered for Prometheus at `/metrics`.
//!
//! Names end in their unit; labels take values from closed sets (a queue, a gateway, an outcome),
//! never ids.

use std::sync::OnceLock;

use metrics::{Unit, describe_counter, describe_gauge, describe_histogram};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};

/// Upper bounds of durations, in seconds: from a row read in the cache to a gateway's time-out.
pub const DURATION_BUCKETS_SECONDS: [f64; 16] = [
    0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0,
    60.0,
];

/// Messages published on a work queue. Labels `queue`, `outcome`.
pub const QUEUE_PUBLISHED: &str = "kassa_queue_published_total";
/// From publishing to the broker's confirm. Label `queue`.
pub const QUEUE_CONFIRM_SECONDS: &str = "kassa_queue_confirm_seconds";
/// Deliveries by how they ended. Labels `queue`, `end`.
pub const QUEUE_DELIVERIES: &str = "kassa_queue_deliveries_total";
/// Connections to the broker that had to be made anew.
pub const QUEUE_RECONNECTS: &str = "kassa_queue_reconnects_total";
/// Whether a readiness check holds: 1 or 0. Label `check`.
pub const READY: &str = "kassa_ready";
/// Tasks of the process that are running. Label `task`.
pub const TASKS_RUNNING: &str = "kassa_tasks_running";
/// Tasks that panicked. Label `task`.
pub const TASK_PANICS: &str = "kassa_task_panics_total";

/// The recorder's handle. The first call installs the recorder; every call returns the same handle.
pub fn handle() -> &'static PrometheusHandle {
    static HANDLE: OnceLock<PrometheusHandle> = OnceLock::new();
    HANDLE.get_or_init(|| {
        let builder = PrometheusBuilder::new();
        let seconds = Matcher::Suffix("_seconds".to_owned());
        let builder = match builder.set_buckets_for_metric(seconds, &DURATION_BUCKETS_SECONDS) {
            Ok(builder) => builder,
            // Only an empty list is refused.
            Err(error) => {
                tracing::error!(error = %error, "durations are summed without buckets");
                PrometheusBuilder::new()
            }
        };
        let recorder = builder.build_recorder();
        let handle = recorder.handle();
        if metrics::set_global_recorder(recorder).is_err() {
            tracing::error!("another metrics recorder is installed; /metrics stays empty");
        }
        describe();
        handle
    })
}

/// All metrics in Prometheus' text form.
pub fn render() -> String {
    handle().render()
}

/// Says what each metric of the machinery means. The crates above describe their own.
fn describe() {
    describe_counter!(
        QUEUE_PUBLISHED,
        "messages published on a work queue, by outcome"
    );
    describe_histogram!(
        QUEUE_CONFIRM_SECONDS,
        Unit::Seconds,
        "from publishing to the confirm"
    );
    describe_counter!(QUEUE_DELIVERIES, "deliveries, by how they ended");
    describe_counter!(
        QUEUE_RECONNECTS,
        "connections to the broker that were made anew"
    );
    describe_gauge!(READY, "whether a readiness check holds: 1 or 0");
    describe_gauge!(TASKS_RUNNING, "tasks of the process that are running");
    describe_counter!(TASK_PANICS, "tasks that panicked");
}
