//! Trace context on its way: out of a request's headers, into an envelope, onto the worker's span.
//!
//! A worker's span is *linked* to the trace that sent the message, not its child: it may run hours
//! later, and several times.

use std::collections::{BTreeMap, HashMap};

use opentelemetry::Context;
use opentelemetry::propagation::TextMapPropagator;
use opentelemetry::trace::{SpanContext, TraceContextExt};
use opentelemetry_sdk::propagation::TraceContextPropagator;
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt;

use crate::queue::envelope::TraceContext;

/// The header that names trace and span.
pub const TRACEPARENT: &str = "traceparent";
/// The header with other systems' own words about the trace.
pub const TRACESTATE: &str = "tracestate";
/// The longest `tracestate` that is passed on, in bytes: what the W3C recommendation asks for. A
/// longer one is left out.
pub const TRACESTATE_BYTES_MAX: usize = 512;

/// The trace context of the current span; empty outside of any.
pub fn current() -> TraceContext {
    of(&Span::current())
}

/// The trace context of a span, for what is sent on its behalf.
pub fn of(span: &Span) -> TraceContext {
    let mut carrier = HashMap::new();
    TraceContextPropagator::new().inject_context(&span.context(), &mut carrier);
    carrier.retain(|name, value| {
        !value.is_empty() && (name != TRACESTATE || value.len() <= TRACESTATE_BYTES_MAX)
    });
    TraceContext(BTreeMap::from_iter(carrier))
}

/// The trace context in a request's headers, in any order and letter case; empty if there is none
/// or it is malformed.
pub fn from_headers<'a>(headers: impl IntoIterator<Item = (&'a str, &'a str)>) -> TraceContext {
    let mut found = TraceContext::default();
    for (name, value) in headers {
        let known = if name.eq_ignore_ascii_case(TRACEPARENT) {
            TRACEPARENT
        } else if name.eq_ignore_ascii_case(TRACESTATE) && value.len() <= TRACESTATE_BYTES_MAX {
            TRACESTATE
        } else {
            continue;
        };
        found.0.insert(known.to_owned(), value.to_owned());
    }
    if span_context(&found).is_some() {
        found
    } else {
        TraceContext::default()
    }
}

/// The trace context of a `traceparent` alone, as outbox rows keep it; empty if it is malformed.
pub fn from_traceparent(traceparent: &str) -> TraceContext {
    from_headers([(TRACEPARENT, traceparent)])
}

/// Makes `span` a child of the caller's span. To be called before the span is entered; without
/// effect for an empty or malformed context.
pub fn set_parent(span: &Span, parent: &TraceContext) {
    let Some(remote) = span_context(parent) else {
        return;
    };
    let context = Context::new().with_remote_span_context(remote);
    if let Err(error) = span.set_parent(context) {
        tracing::debug!(error = %error, "a span kept its own parent");
    }
}

/// Links `span` to the trace that caused it.
pub fn link(span: &Span, cause: &TraceContext) {
    if let Some(remote) = span_context(cause) {
        span.add_link(remote);
    }
}

fn span_context(trace: &TraceContext) -> Option<SpanContext> {
    let carrier: HashMap<String, String> = trace
        .0
        .iter()
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    let context = TraceContextPropagator::new().extract_with_context(&Context::new(), &carrier);
    let remote = context.span().span_context().clone();
    remote.is_valid().then_some(remote)
}
