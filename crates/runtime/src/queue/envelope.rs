//! What travels on the queues.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use kassa_core::id::{EnvelopeId, EventId};
use serde::{Deserialize, Serialize};

/// The largest envelope that is taken, in bytes of JSON: a callback body of 64 KiB in base64, and
/// room for headers.
pub const ENVELOPE_BYTES_MAX: usize = 128 * 1024;

/// A message on a work queue, as JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Envelope {
    /// Identity of the message; the same on redelivery.
    pub id: EnvelopeId,
    /// What it is, for example `notification.v1` or `refund.submit.v1`.
    pub kind: String,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// The trace that it belongs to.
    #[serde(default, skip_serializing_if = "TraceContext::is_empty")]
    pub trace: TraceContext,
    /// The content; its form is fixed by `kind`.
    pub payload: serde_json::Value,
}

/// W3C trace context, carried with every message and linked where it is worked on.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TraceContext(pub BTreeMap<String, String>);

impl TraceContext {
    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The `traceparent` header, if there is one.
    pub fn traceparent(&self) -> Option<&str> {
        self.0.get("traceparent").map(String::as_str)
    }
}

/// An event on its way to the business systems: a CloudEvent in structured JSON mode.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventMessage {
    /// The CloudEvent's `id`.
    pub id: EventId,
    /// The CloudEvent's `type`.
    pub event_type: String,
    /// The CloudEvent's `source`.
    pub source: String,
    /// The topic: `<app_id>.<payment|refund>.<what>.<business_order_type>`.
    pub routing_key: String,
    /// When it happened.
    pub time: DateTime<Utc>,
    /// The whole CloudEvent as JSON.
    pub body: Vec<u8>,
    /// The trace that it belongs to.
    pub trace: TraceContext,
}
