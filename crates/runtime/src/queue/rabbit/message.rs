//! Properties and headers of the messages in the broker.

use chrono::{DateTime, Utc};
use lapin::BasicProperties;
use lapin::types::{AMQPValue, FieldTable, LongString, ShortString};

use crate::queue::{Envelope, EventMessage, QueueError, TraceContext};

/// How often the message was tried before.
const RETRIES: &str = "kassa-retries";
/// Why it was parked.
const REASON: &str = "kassa-reason";
/// When it was parked, RFC 3339.
const PARKED_AT: &str = "kassa-parked-at";
/// The broker's own record of dead-lettering.
const DEATHS: &str = "x-death";

/// Survives a restart of the broker.
const PERSISTENT: u8 = 2;
const JSON: &str = "application/json";
const CLOUD_EVENT: &str = "application/cloudevents+json";

/// What a parked message says about itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mark {
    pub(super) reason: String,
    pub(super) retries: u32,
    pub(super) parked_at: DateTime<Utc>,
}

/// Properties of a message on a work queue or a step of the ladder.
pub(super) fn work(envelope: &Envelope, retries: u32) -> BasicProperties {
    properties(envelope, headers(&envelope.trace, retries))
}

/// Properties of a parked message.
pub(super) fn parked(envelope: &Envelope, mark: &Mark) -> BasicProperties {
    let mut headers = headers(&envelope.trace, mark.retries);
    headers.insert(REASON.into(), text(&mark.reason));
    headers.insert(PARKED_AT.into(), text(&mark.parked_at.to_rfc3339()));
    properties(envelope, headers)
}

/// Properties of an event, as the working document for CloudEvents over AMQP 0-9-1 has them in
/// structured mode; everything but the content type is a copy for the convenience of consumers
/// (`cloudevents.md` §5).
///
/// # Errors
/// [`QueueError::InvalidEvent`] for a type or source above 255 bytes.
pub(super) fn event(event: &EventMessage) -> Result<BasicProperties, QueueError> {
    Ok(BasicProperties::default()
        .with_content_type(CLOUD_EVENT.into())
        .with_delivery_mode(PERSISTENT)
        .with_message_id(event.id.to_string().into())
        .with_type(short(&event.event_type, "type")?)
        .with_app_id(short(&event.source, "source")?)
        .with_timestamp(seconds(event.time))
        .with_headers(trace_headers(&event.trace)))
}

/// The text as the protocol's short string.
///
/// # Errors
/// [`QueueError::InvalidEvent`] above 255 bytes.
pub(super) fn short(text: &str, field: &'static str) -> Result<ShortString, QueueError> {
    ShortString::try_new(text).map_err(|_too_long| QueueError::InvalidEvent { field })
}

/// Adds the number of a publish, by which a returned message is recognised.
pub(super) fn with_publish_no(properties: BasicProperties, number: i64) -> BasicProperties {
    // Cheaper than a header, and nobody else uses it on our own queues.
    properties.with_correlation_id(number.to_string().into())
}

/// The number of the publish that a returned message came from.
pub(super) fn publish_no(properties: &BasicProperties) -> Option<i64> {
    properties.correlation_id().as_ref()?.as_str().parse().ok()
}

/// How often the message was tried before.
pub(super) fn retries(properties: &BasicProperties) -> u32 {
    let retries = header(properties, RETRIES)
        .and_then(integer)
        .unwrap_or_default();
    u32::try_from(retries).unwrap_or_default()
}

/// What a parked message says about itself; one that the broker parked says it in the broker's way.
pub(super) fn mark(properties: &BasicProperties, now: DateTime<Utc>) -> Mark {
    let death = death(properties);
    let reason = header(properties, REASON)
        .and_then(string)
        .unwrap_or_else(|| {
            let word = death
                .and_then(|death| death.inner().get("reason"))
                .and_then(string);
            format!(
                "by the broker: {}",
                word.as_deref().unwrap_or("no reason given")
            )
        });
    let parked_at = header(properties, PARKED_AT)
        .and_then(string)
        .and_then(|time| DateTime::parse_from_rfc3339(&time).ok())
        .map(|time| time.with_timezone(&Utc))
        .or_else(|| {
            let time = death
                .and_then(|death| death.inner().get("time"))?
                .as_timestamp()?;
            DateTime::from_timestamp(i64::try_from(time).ok()?, 0)
        })
        .unwrap_or(now);
    Mark {
        reason,
        retries: retries(properties),
        parked_at,
    }
}

fn properties(envelope: &Envelope, headers: FieldTable) -> BasicProperties {
    let properties = BasicProperties::default()
        .with_content_type(JSON.into())
        .with_delivery_mode(PERSISTENT)
        .with_message_id(envelope.id.to_string().into())
        .with_timestamp(seconds(envelope.created_at))
        .with_headers(headers);
    // A copy for the operator's eye: the body rules, so a kind that does not fit is left out.
    match ShortString::try_new(envelope.kind.as_str()) {
        Ok(kind) => properties.with_type(kind),
        Err(_too_long) => properties,
    }
}

fn headers(trace: &TraceContext, retries: u32) -> FieldTable {
    let mut headers = trace_headers(trace);
    headers.insert(RETRIES.into(), AMQPValue::LongLongInt(retries.into()));
    headers
}

fn trace_headers(trace: &TraceContext) -> FieldTable {
    let mut headers = FieldTable::default();
    for (name, value) in &trace.0 {
        if let Ok(name) = ShortString::try_new(name.as_str()) {
            headers.insert(name, text(value));
        }
    }
    headers
}

fn header<'a>(properties: &'a BasicProperties, name: &str) -> Option<&'a AMQPValue> {
    properties.headers().as_ref()?.inner().get(name)
}

fn death(properties: &BasicProperties) -> Option<&FieldTable> {
    header(properties, DEATHS)?
        .as_array()?
        .as_slice()
        .first()?
        .as_field_table()
}

/// Brokers may write an integer in a narrower type than it was sent in.
fn integer(value: &AMQPValue) -> Option<i64> {
    match value {
        AMQPValue::ShortShortInt(number) => Some((*number).into()),
        AMQPValue::ShortShortUInt(number) => Some((*number).into()),
        AMQPValue::ShortInt(number) => Some((*number).into()),
        AMQPValue::ShortUInt(number) => Some((*number).into()),
        AMQPValue::LongInt(number) => Some((*number).into()),
        AMQPValue::LongUInt(number) => Some((*number).into()),
        AMQPValue::LongLongInt(number) => Some(*number),
        _ => None,
    }
}

fn string(value: &AMQPValue) -> Option<String> {
    match value {
        AMQPValue::LongString(text) => Some(text.to_string()),
        AMQPValue::ShortString(text) => Some(text.to_string()),
        _ => None,
    }
}

fn text(text: &str) -> AMQPValue {
    AMQPValue::LongString(LongString::from(text))
}

fn seconds(time: DateTime<Utc>) -> u64 {
    u64::try_from(time.timestamp()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use kassa_core::id::{EnvelopeId, EventId};
    use lapin::types::FieldArray;
    use uuid::Uuid;

    use super::*;

    fn envelope() -> Envelope {
        Envelope {
            id: EnvelopeId::from_uuid(Uuid::from_u128(1)),
            kind: "notification.v1".to_owned(),
            created_at: DateTime::UNIX_EPOCH,
            trace: TraceContext([("traceparent".to_owned(), "00-1-2-01".to_owned())].into()),
            payload: serde_json::Value::Null,
        }
    }

    #[test]
    fn the_retries_of_a_message_read_back() {
        assert_eq!(retries(&work(&envelope(), 7)), 7);
        assert_eq!(retries(&BasicProperties::default()), 0);
    }

    #[test]
    fn the_mark_of_a_parked_message_reads_back() {
        let parked_at = DateTime::from_timestamp_micros(1_234_567_890_123_456).unwrap();
        let sent = Mark {
            reason: "unknown order".to_owned(),
            retries: 3,
            parked_at,
        };
        assert_eq!(
            mark(&parked(&envelope(), &sent), DateTime::UNIX_EPOCH),
            sent
        );
    }

    #[test]
    fn a_message_that_the_broker_parked_tells_why_and_when() {
        let mut death = FieldTable::default();
        death.insert("reason".into(), text("delivery_limit"));
        death.insert("time".into(), AMQPValue::Timestamp(60));
        let mut headers = FieldTable::default();
        let deaths = FieldArray::from(vec![AMQPValue::FieldTable(death)]);
        headers.insert(DEATHS.into(), AMQPValue::FieldArray(deaths));
        let read = mark(
            &BasicProperties::default().with_headers(headers),
            DateTime::UNIX_EPOCH,
        );
        assert_eq!(read.reason, "by the broker: delivery_limit");
        assert_eq!(read.parked_at.timestamp(), 60);
    }

    #[test]
    fn the_number_of_a_publish_reads_back_and_leaves_the_other_headers() {
        let numbered = with_publish_no(work(&envelope(), 7), 42);
        assert_eq!(publish_no(&numbered), Some(42));
        assert_eq!(retries(&numbered), 7);
    }

    #[test]
    fn an_event_carries_the_properties_of_a_structured_cloud_event() {
        let message = EventMessage {
            id: EventId::from_uuid(Uuid::from_u128(2)),
            event_type: "kassa.payment.succeeded.v1".to_owned(),
            source: "/kassa/payments".to_owned(),
            routing_key: "shop.payment.succeeded.order".to_owned(),
            time: DateTime::UNIX_EPOCH,
            body: b"{}".to_vec(),
            trace: envelope().trace,
        };
        let properties = event(&message).unwrap();
        let is = |value: &Option<ShortString>, text: &str| {
            value.as_ref().map(ShortString::as_str) == Some(text)
        };
        assert!(is(
            properties.content_type(),
            "application/cloudevents+json"
        ));
        assert!(is(properties.message_id(), &message.id.to_string()));
        assert!(is(properties.kind(), "kassa.payment.succeeded.v1"));
        assert!(is(properties.app_id(), "/kassa/payments"));
        assert_eq!(*properties.delivery_mode(), Some(2));
        assert_eq!(*properties.timestamp(), Some(0));
        assert_eq!(header(&properties, "traceparent"), Some(&text("00-1-2-01")));
        let too_long = EventMessage {
            source: "x".repeat(256),
            ..message
        };
        assert!(matches!(
            event(&too_long),
            Err(QueueError::InvalidEvent { field: "source" })
        ));
    }
}
