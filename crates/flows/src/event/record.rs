//! Writes an event into the outbox, in the transaction of the change.

use kassa_core::event::EventKind;
use kassa_core::id::EventId;
use kassa_core::payment::PaymentTransaction;
use kassa_core::refund::RefundTransaction;
use runtime::queue::TraceContext;
use runtime::store::{NewEvent, Tx};
use runtime::telemetry::trace_context;
use serde_json::{Value, json};

use crate::{Error, Kassa, resource};

/// Writes an event about a payment; `payment` is as it is after the change, and its sequence number
/// counts up.
pub(crate) async fn record_payment_event_in_tx(
    kassa: &Kassa,
    tx: &Tx,
    payment: &mut PaymentTransaction,
    kind: EventKind,
) -> Result<(), Error> {
    let resource = resource::payment(payment).map_err(Error::internal)?;
    let data = serde_json::to_value(resource).map_err(Error::internal)?;
    record(kassa, tx, payment, kind, &json!({ "transaction": data })).await
}

/// Writes an event about a refund into the sequence of its payment.
pub(crate) async fn record_refund_event_in_tx(
    kassa: &Kassa,
    tx: &Tx,
    payment: &mut PaymentTransaction,
    refund: &RefundTransaction,
    kind: EventKind,
) -> Result<(), Error> {
    let data = serde_json::to_value(resource::refund(refund)).map_err(Error::internal)?;
    record(kassa, tx, payment, kind, &json!({ "refund": data })).await
}

async fn record(
    kassa: &Kassa,
    tx: &Tx,
    payment: &mut PaymentTransaction,
    kind: EventKind,
    data: &Value,
) -> Result<(), Error> {
    let sequence = payment
        .event_sequence
        .checked_add(1)
        .ok_or_else(|| Error::internal("the event sequence is exhausted"))?;
    payment.event_sequence = sequence;
    let id = EventId::new(&kassa.ids);
    let trace = trace_context::current();
    let order_type = payment
        .business_order_type
        .as_ref()
        .map(ToString::to_string);
    let event = NewEvent {
        id,
        app_id: payment.app_id.clone(),
        aggregate: payment.id,
        sequence,
        kind,
        routing_key: kind.routing_key(payment.app_id.as_str(), order_type.as_deref()),
        payload: cloud_event(kassa, payment, kind, (id, sequence), &trace, data),
        trace: trace.0,
        created_at: payment.updated_at,
    };
    tx.append_event_in_tx(&event).await?;
    Ok(())
}

/// A CloudEvent 1.0 in structured mode. `sequence` is padded, because the extension is compared as
/// text.
fn cloud_event(
    kassa: &Kassa,
    payment: &PaymentTransaction,
    kind: EventKind,
    (id, sequence): (EventId, i64),
    trace: &TraceContext,
    data: &Value,
) -> Value {
    let mut event = json!({
        "specversion": "1.0",
        "id": id.to_string(),
        "source": kassa.settings.event_source,
        "type": kind.event_type(),
        "subject": format!("transactions/{}", payment.id),
        "time": payment.updated_at.to_rfc3339_opts(chrono::SecondsFormat::Micros, true),
        "datacontenttype": "application/json",
        "sequence": format!("{sequence:020}"),
        "data": data,
    });
    if let (Some(parent), Some(fields)) = (trace.traceparent(), event.as_object_mut()) {
        fields.insert("traceparent".to_owned(), Value::from(parent));
    }
    event
}
