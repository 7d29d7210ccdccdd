use std::io::{self, Write};
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex};

use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;
use tracing::{Span, info_span};
use tracing_subscriber::fmt::MakeWriter;

use super::*;
use crate::config::LogFormat;
use crate::queue::envelope::TraceContext;

const TRACEPARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

/// Runs `body` where spans get trace ids and none are sent, as without a collector.
fn traced<T>(body: impl FnOnce() -> T) -> T {
    let provider = traces::provider(&TelemetryConfig::for_testing(), "test").unwrap();
    let subscriber = Registry::default().with(trace_layer(&provider));
    tracing::subscriber::with_default(subscriber, body)
}

fn trace_id(context: &TraceContext) -> String {
    context
        .traceparent()
        .unwrap()
        .split('-')
        .nth(1)
        .unwrap()
        .to_owned()
}

#[test]
fn a_span_has_a_trace_id_even_when_traces_are_sent_nowhere() {
    traced(|| {
        let span = info_span!("rpc");
        let context = span.in_scope(trace_context::current);
        assert_eq!(context, trace_context::of(&span));
        assert_eq!(context.traceparent().unwrap().len(), 55);
    });
}

#[test]
fn a_child_span_is_in_the_trace_of_its_parent() {
    traced(|| {
        let outer = info_span!("rpc");
        let inner = outer.in_scope(|| info_span!("db"));
        let (outer, inner) = (trace_context::of(&outer), trace_context::of(&inner));
        assert_eq!(trace_id(&outer), trace_id(&inner));
        assert_ne!(outer, inner);
    });
}

#[test]
fn a_callers_trace_goes_on_and_keeps_its_sampling() {
    traced(|| {
        let span = info_span!("rpc");
        let caller = trace_context::from_headers([
            ("Accept", "*/*"),
            ("TraceParent", TRACEPARENT),
            ("tracestate", "vendor=1"),
        ]);
        trace_context::set_parent(&span, &caller);
        let ours = trace_context::of(&span);
        assert_eq!(trace_id(&ours), trace_id(&caller));
        assert!(ours.traceparent().unwrap().ends_with("-01"));
        assert_eq!(
            ours.0.get("tracestate").map(String::as_str),
            Some("vendor=1")
        );
        assert_ne!(ours, caller);
    });
}

#[test]
fn a_linked_span_keeps_a_trace_of_its_own() {
    traced(|| {
        let cause = trace_context::from_traceparent(TRACEPARENT);
        let span = info_span!("task");
        trace_context::link(&span, &cause);
        assert_ne!(trace_id(&trace_context::of(&span)), trace_id(&cause));
    });
}

#[test]
fn a_malformed_traceparent_is_no_context() {
    let zeros = "00-00000000000000000000000000000000-b7ad6b7169203331-01";
    for header in ["", "00", "garbage", zeros, &"0".repeat(10_000)] {
        assert!(
            trace_context::from_traceparent(header).is_empty(),
            "{header}"
        );
    }
    assert!(trace_context::from_headers([("tracestate", "a=b")]).is_empty());
}

#[test]
fn an_overlong_tracestate_is_left_out() {
    let long = format!("a={}", "x".repeat(trace_context::TRACESTATE_BYTES_MAX));
    let context =
        trace_context::from_headers([("traceparent", TRACEPARENT), ("tracestate", &long)]);
    assert_eq!(context, trace_context::from_traceparent(TRACEPARENT));
}

#[test]
fn there_is_no_context_outside_of_a_span() {
    traced(|| assert!(trace_context::current().is_empty()));
    assert!(trace_context::of(&Span::none()).is_empty());
}

#[tokio::test]
async fn telemetry_can_be_started_many_times() {
    for _ in 0..3 {
        let guard = init(&TelemetryConfig::for_testing(), "test").unwrap();
        assert!(guard.shutdown().await.is_ok());
    }
    let context = info_span!("after").in_scope(trace_context::current);
    assert!(
        !context.is_empty(),
        "ids go on after a shutdown that had nothing to send"
    );
}

#[tokio::test]
async fn a_span_below_the_log_filter_still_has_a_trace_id() {
    let config = TelemetryConfig {
        log_filter: "off".to_owned(),
        ..TelemetryConfig::for_testing()
    };
    let provider = traces::provider(&config, "test").unwrap();
    let logs = logs::layer::<Registry>(&config).unwrap();
    let subscriber = Registry::default().with(logs).with(trace_layer(&provider));
    tracing::subscriber::with_default(subscriber, || {
        assert!(
            !info_span!("rpc")
                .in_scope(trace_context::current)
                .is_empty()
        );
    });
}

#[test]
fn sending_traces_without_a_runtime_is_refused() {
    let config = TelemetryConfig {
        otlp_endpoint: Some("http://127.0.0.1:4317".to_owned()),
        ..TelemetryConfig::for_testing()
    };
    assert!(matches!(
        traces::provider(&config, "test"),
        Err(TelemetryError::NoRuntime)
    ));
}

/// A listener stands in for the collector; what it gets is looked at as bytes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn spans_are_sent_to_the_configured_collector_when_telemetry_ends() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let config = TelemetryConfig {
        otlp_endpoint: Some(format!("http://{}", listener.local_addr().unwrap())),
        ..TelemetryConfig::for_testing()
    };
    let provider = traces::provider(&config, "kassa-probe").unwrap();
    let subscriber = Registry::default().with(trace_layer(&provider));
    tracing::subscriber::with_default(subscriber, || info_span!("settle-probe").in_scope(|| {}));
    let ending = tokio::spawn(
        TelemetryGuard {
            exporting: Some(provider),
        }
        .shutdown(),
    );
    let (mut stream, _peer) = listener.accept().await.unwrap();
    let mut received = Vec::new();
    while !(contains(&received, b"kassa-probe") && contains(&received, b"settle-probe")) {
        assert_ne!(
            stream.read_buf(&mut received).await.unwrap(),
            0,
            "closed before all was sent"
        );
    }
    drop((stream, listener));
    assert!(matches!(
        ending.await.unwrap(),
        Ok(()) | Err(TelemetryError::Flush { .. })
    ));
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

#[test]
fn a_bad_log_filter_is_refused() {
    let config = TelemetryConfig {
        log_filter: "=[".to_owned(),
        ..TelemetryConfig::for_testing()
    };
    assert!(matches!(
        logs::layer::<Registry>(&config),
        Err(TelemetryError::LogFilter { .. })
    ));
}

#[test]
fn auto_is_for_people_on_a_terminal_and_json_elsewhere() {
    assert!(!logs::is_json(LogFormat::Auto, true));
    assert!(logs::is_json(LogFormat::Auto, false));
    assert!(logs::is_json(LogFormat::Json, true));
    assert!(!logs::is_json(LogFormat::Pretty, false));
}

#[test]
fn a_panic_message_made_at_run_time_is_not_logged() {
    let made: Box<dyn std::any::Any + Send> = Box::new("body: 6222…".to_owned());
    assert_eq!(
        panics::message(made.as_ref()),
        "[not shown: made at run time]"
    );
    let written: Box<dyn std::any::Any + Send> = Box::new("no lane");
    assert_eq!(panics::message(written.as_ref()), "no lane");
}

#[test]
fn metrics_are_rendered_with_buckets_and_one_recorder() {
    assert!(std::ptr::eq(metrics::handle(), metrics::handle()));
    ::metrics::counter!(metrics::QUEUE_RECONNECTS).increment(2);
    ::metrics::histogram!("kassa_test_seconds").record(0.003);
    let text = metrics::render();
    assert!(
        text.contains("kassa_test_seconds_bucket{le=\"0.005\"} 1"),
        "{text}"
    );
    assert!(
        text.contains("# TYPE kassa_queue_reconnects_total counter"),
        "{text}"
    );
}

#[derive(Clone, Default)]
struct Buffer(Arc<Mutex<Vec<u8>>>);

impl Write for Buffer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Buffer {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

#[test]
fn a_secret_in_a_log_field_is_redacted() {
    let buffer = Buffer::default();
    let subscriber = tracing_subscriber::fmt()
        .with_writer(buffer.clone())
        .finish();
    tracing::subscriber::with_default(subscriber, || {
        let secret = kassa_core::Secret::new("hunter2".to_owned());
        tracing::info!(key = %secret, other = ?secret, "made a key");
    });
    let text = String::from_utf8(buffer.0.lock().unwrap().clone()).unwrap();
    assert!(
        text.contains("[redacted]") && !text.contains("hunter2"),
        "{text}"
    );
}
