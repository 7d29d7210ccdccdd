//! Writes an event into the outbox, in the transaction of the change.

use chrono::{DateTime, Utc};
use kassa_core::anomaly::{Anomaly, AnomalyStatus};
use kassa_core::app::OPERATIONS_APP;
use kassa_core::event::EventKind;
use kassa_core::id::{EventId, TransactionId};
use kassa_core::payment::PaymentTransaction;
use kassa_core::refund::RefundTransaction;
use kassa_core::text::AppId;
use kassa_core::wallet::Wallet;
use proto::v1;
use runtime::queue::TraceContext;
use runtime::store::{NewEvent, PaymentPassword, Tx};
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

/// Writes an event about an anomaly: into the sequence of its payment, which counts up, or, where it is
/// about none of ours, for the operators in a sequence of its own.
pub(crate) async fn record_anomaly_event_in_tx(
    kassa: &Kassa,
    tx: &Tx,
    payment: Option<&mut PaymentTransaction>,
    anomaly: &Anomaly,
    kind: EventKind,
) -> Result<(), Error> {
    let data = serde_json::to_value(resource::anomaly(anomaly)).map_err(Error::internal)?;
    let data = json!({ "anomaly": data });
    if let Some(payment) = payment {
        return record(kassa, tx, payment, kind, &data).await;
    }
    let sequence = match anomaly.status() {
        AnomalyStatus::Open => 1,
        AnomalyStatus::Resolved => 2,
    };
    let about = About {
        app_id: AppId::try_new(OPERATIONS_APP).map_err(Error::internal)?,
        aggregate: TransactionId::from_uuid(anomaly.id.as_uuid()),
        subject: format!("anomalies/{}", anomaly.id),
        sequence,
        order_type: None,
        at: kassa.clock.now(),
    };
    append(kassa, tx, about, kind, &data).await
}

/// Writes an event about a wallet into its own sequence, which counts up; `resource` is the wallet as
/// it is after the change.
pub(crate) async fn record_wallet_event_in_tx(
    kassa: &Kassa,
    tx: &Tx,
    wallet: &mut Wallet,
    resource: &v1::Wallet,
    kind: EventKind,
) -> Result<(), Error> {
    let sequence = next(wallet.event_sequence)?;
    wallet.event_sequence = sequence;
    let about = About {
        app_id: wallet.key.app_id.clone(),
        aggregate: TransactionId::from_uuid(wallet.id.as_uuid()),
        subject: format!("wallets/{}", wallet.id),
        sequence,
        order_type: None,
        at: kassa.clock.now(),
    };
    let data = serde_json::to_value(resource).map_err(Error::internal)?;
    append(kassa, tx, about, kind, &json!({ "wallet": data })).await
}

/// Writes an event about a user's payment password into a sequence of its own, which counts up.
pub(crate) async fn record_password_event_in_tx(
    kassa: &Kassa,
    tx: &Tx,
    password: &mut PaymentPassword,
    kind: EventKind,
    data: &Value,
) -> Result<(), Error> {
    let sequence = next(password.event_sequence)?;
    password.event_sequence = sequence;
    let about = About {
        app_id: password.app_id.clone(),
        aggregate: TransactionId::from_uuid(password.id.as_uuid()),
        subject: format!("payment-passwords/{}", password.id),
        sequence,
        order_type: None,
        at: password.updated_at,
    };
    append(kassa, tx, about, kind, data).await
}

async fn record(
    kassa: &Kassa,
    tx: &Tx,
    payment: &mut PaymentTransaction,
    kind: EventKind,
    data: &Value,
) -> Result<(), Error> {
    let sequence = next(payment.event_sequence)?;
    payment.event_sequence = sequence;
    let order_type = payment.business_order_type.as_ref();
    let about = About {
        app_id: payment.app_id.clone(),
        aggregate: payment.id,
        subject: format!("transactions/{}", payment.id),
        sequence,
        order_type: order_type.map(ToString::to_string),
        at: payment.updated_at,
    };
    append(kassa, tx, about, kind, data).await
}

fn next(sequence: i64) -> Result<i64, Error> {
    let next = sequence.checked_add(1);
    next.ok_or_else(|| Error::internal("the event sequence is exhausted"))
}

/// What an event is about, and whom it is for.
struct About {
    app_id: AppId,
    aggregate: TransactionId,
    subject: String,
    sequence: i64,
    order_type: Option<String>,
    at: DateTime<Utc>,
}

async fn append(
    kassa: &Kassa,
    tx: &Tx,
    about: About,
    kind: EventKind,
    data: &Value,
) -> Result<(), Error> {
    let id = EventId::new(&kassa.ids);
    let trace = trace_context::current();
    let payload = cloud_event(kassa, &about, kind, id, &trace, data);
    let event = NewEvent {
        id,
        routing_key: kind.routing_key(about.app_id.as_str(), about.order_type.as_deref()),
        app_id: about.app_id,
        aggregate: about.aggregate,
        sequence: about.sequence,
        kind,
        payload,
        trace: trace.0,
        created_at: about.at,
    };
    tx.append_event_in_tx(&event).await?;
    Ok(())
}

/// A CloudEvent 1.0 in structured mode. `sequence` is padded, because the extension is compared as
/// text.
fn cloud_event(
    kassa: &Kassa,
    about: &About,
    kind: EventKind,
    id: EventId,
    trace: &TraceContext,
    data: &Value,
) -> Value {
    let mut event = json!({
        "specversion": "1.0",
        "id": id.to_string(),
        "source": kassa.settings.event_source,
        "type": kind.event_type(),
        "subject": about.subject,
        "time": about.at.to_rfc3339_opts(chrono::SecondsFormat::Micros, true),
        "datacontenttype": "application/json",
        "sequence": format!("{:020}", about.sequence),
        "data": data,
    });
    if let (Some(parent), Some(fields)) = (trace.traceparent(), event.as_object_mut()) {
        fields.insert("traceparent".to_owned(), Value::from(parent));
    }
    event
}
