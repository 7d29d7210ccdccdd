//! Events as business systems read them: from the API, and from the broker where there is one.

use std::collections::BTreeMap;

use chrono::DateTime;
use lapin::options::{BasicGetOptions, QueueBindOptions, QueueDeclareOptions};
use lapin::types::{FieldTable, ShortString};
use lapin::{Channel, Connection, ConnectionProperties};
use proto::v1;
use runtime::store::EventRow;
use serde_json::Value;

/// The attributes that every CloudEvent has (CloudEvents 1.0).
const REQUIRED: [&str; 4] = ["specversion", "id", "source", "type"];

/// The names of a payment's events in their order, without what all have in common.
pub fn kinds<'a>(events: impl IntoIterator<Item = &'a v1::Event>) -> Vec<String> {
    let bare = |kind: &str| {
        let kind = kind.strip_prefix("kassa.").unwrap_or(kind);
        kind.strip_suffix(".v1").unwrap_or(kind).to_owned()
    };
    events
        .into_iter()
        .map(|event| bare(&event.r#type))
        .collect()
}

/// The CloudEvent in an event.
pub fn cloud_event(event: &v1::Event) -> Value {
    serde_json::from_str(&event.cloud_event_json).expect("an event is JSON")
}

/// Every event is a CloudEvent whose data is the API's own JSON, and says the same as the API does
/// about it.
pub fn assert_valid(event: &v1::Event) {
    let value = cloud_event(event);
    let text = |name: &str| value.get(name).and_then(Value::as_str).unwrap_or_default();
    for name in REQUIRED {
        assert!(!text(name).is_empty(), "{name} is required: {value}");
    }
    assert_eq!(text("specversion"), "1.0");
    assert_eq!(text("id"), event.event_id);
    assert_eq!(text("type"), event.r#type);
    let is_of = |thing: &str| event.r#type.starts_with(&format!("kassa.{thing}."));
    let resource = if is_of("wallet") {
        "wallets"
    } else if is_of("password") {
        "payment-passwords"
    } else {
        "transactions"
    };
    assert_eq!(
        text("subject"),
        format!("{resource}/{}", event.transaction_id)
    );
    assert_eq!(text("datacontenttype"), "application/json");
    assert_eq!(
        text("sequence"),
        format!("{:020}", event.sequence),
        "padded: it is compared as text"
    );
    assert!(
        DateTime::parse_from_rfc3339(text("time")).is_ok(),
        "{value}"
    );
    let names = value.as_object().expect("an object").keys();
    for name in names {
        let is_plain = name
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
        assert!(is_plain, "{name} is no attribute name of CloudEvents");
    }
    assert_data(event, value.get("data").expect("an event has data"));
}

fn assert_data(event: &v1::Event, data: &Value) {
    if let Some(transaction) = data.get("transaction") {
        let read: v1::PaymentTransaction =
            serde_json::from_value(transaction.clone()).expect("the API's JSON of a payment");
        assert_eq!(read.transaction_id, event.transaction_id);
        assert_eq!(&serde_json::to_value(&read).expect("JSON"), transaction);
        assert!(
            event.r#type.starts_with("kassa.payment."),
            "{}",
            event.r#type
        );
    } else if let Some(code) = data.get("password_code") {
        let read: v1::PasswordCode =
            serde_json::from_value(code.clone()).expect("the API's JSON of a code");
        assert_eq!(&serde_json::to_value(&read).expect("JSON"), code);
        assert_eq!(event.r#type, "kassa.password.code_requested.v1");
    } else if let Some(password) = data.get("payment_password") {
        let read: v1::PaymentPasswordStatus =
            serde_json::from_value(password.clone()).expect("the API's JSON of a password");
        assert_eq!(&serde_json::to_value(&read).expect("JSON"), password);
        assert!(
            event.r#type.starts_with("kassa.password."),
            "{}",
            event.r#type
        );
    } else if let Some(wallet) = data.get("wallet") {
        let read: v1::Wallet =
            serde_json::from_value(wallet.clone()).expect("the API's JSON of a wallet");
        assert_eq!(read.wallet_id, event.transaction_id);
        assert_eq!(&serde_json::to_value(&read).expect("JSON"), wallet);
        assert!(
            event.r#type.starts_with("kassa.wallet."),
            "{}",
            event.r#type
        );
    } else if let Some(anomaly) = data.get("anomaly") {
        let read: v1::Anomaly =
            serde_json::from_value(anomaly.clone()).expect("the API's JSON of an anomaly");
        assert_eq!(read.transaction_id, event.transaction_id);
        assert_eq!(&serde_json::to_value(&read).expect("JSON"), anomaly);
        assert!(
            event.r#type.starts_with("kassa.anomaly."),
            "{}",
            event.r#type
        );
    } else {
        let refund = data
            .get("refund")
            .expect("a payment, a refund or an anomaly");
        let read: v1::RefundTransaction =
            serde_json::from_value(refund.clone()).expect("the API's JSON of a refund");
        assert_eq!(read.original_transaction_id, event.transaction_id);
        assert_eq!(&serde_json::to_value(&read).expect("JSON"), refund);
        assert!(
            event.r#type.starts_with("kassa.refund."),
            "{}",
            event.r#type
        );
    }
}

/// What operators are told of an anomaly that is about no payment.
pub fn assert_for_operations(row: &EventRow) {
    let data = row.payload.get("data").and_then(|data| data.get("anomaly"));
    let anomaly = data.expect("operators are told of anomalies");
    let read: v1::Anomaly =
        serde_json::from_value(anomaly.clone()).expect("the API's JSON of an anomaly");
    assert_eq!(read.transaction_id, "", "it belongs to no app");
    assert_eq!(read.anomaly_id, row.aggregate.to_string());
    let subject = format!("anomalies/{}", read.anomaly_id);
    assert_eq!(row.payload.get("subject"), Some(&Value::from(subject)));
    let sequence = if read.status() == v1::AnomalyStatus::Open {
        1
    } else {
        2
    };
    assert_eq!(row.sequence, sequence);
}

/// The events of each payment are numbered from 1 without a gap, in the order of the log, and their
/// cursors grow.
pub fn assert_in_order(events: &[v1::Event]) {
    let mut last: BTreeMap<&str, i64> = BTreeMap::new();
    let mut cursor = 0;
    for event in events {
        assert!(
            event.cursor > cursor,
            "cursor {} after {cursor}",
            event.cursor
        );
        cursor = event.cursor;
        let sequence = last.entry(&event.transaction_id).or_insert(0);
        assert_eq!(event.sequence, *sequence + 1, "a gap before {event:?}");
        *sequence = event.sequence;
    }
}

/// A business system's queue at the broker, bound to all events.
pub struct Bound {
    queue: ShortString,
    channel: Channel,
    /// Open as long as the queue, which is exclusive to it.
    _connection: Connection,
}

impl std::fmt::Debug for Bound {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Bound").finish_non_exhaustive()
    }
}

impl Bound {
    /// Declares the queue and binds it.
    pub async fn open(amqp_url: &str, exchange: &str) -> Self {
        let connection = Connection::connect(amqp_url, ConnectionProperties::default())
            .await
            .expect("the broker answers");
        let channel = connection.create_channel().await.expect("a channel");
        let options = QueueDeclareOptions {
            exclusive: true,
            ..Default::default()
        };
        let queue = channel
            .queue_declare("".into(), options, FieldTable::default())
            .await;
        let queue = queue.expect("a queue").name().clone();
        let bound = channel.queue_bind(
            queue.clone(),
            exchange.into(),
            "#".into(),
            QueueBindOptions::default(),
            FieldTable::default(),
        );
        bound.await.expect("the queue is bound");
        Self {
            queue,
            channel,
            _connection: connection,
        }
    }

    /// Everything that arrived since the last call: routing key and body, in order.
    pub async fn take(&self) -> Vec<(String, Value)> {
        let mut taken = Vec::new();
        loop {
            let options = BasicGetOptions { no_ack: true };
            let got = self.channel.basic_get(self.queue.clone(), options).await;
            let Some(message) = got.expect("the broker answers") else {
                return taken;
            };
            let body = serde_json::from_slice(&message.delivery.data).expect("an event is JSON");
            taken.push((message.delivery.routing_key.to_string(), body));
        }
    }
}
