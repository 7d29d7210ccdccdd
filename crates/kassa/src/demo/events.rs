//! Where the demo's business system hears its events: a queue of its own at the broker, or the API's
//! event stream where there is no broker.

use anyhow::{Context, ensure};
use futures_util::StreamExt;
use kassa_core::Secret;
use lapin::options::{BasicAckOptions, BasicConsumeOptions, QueueBindOptions, QueueDeclareOptions};
use lapin::types::FieldTable;
use lapin::{Connection, ConnectionProperties, Consumer};
use proto::v1::StreamEventsResponse;
use serde_json::Value;
use tonic::Streaming;

use super::client::Client;
use super::timeline::Sight;

/// An event as a business system reads it: the parts of a CloudEvent that the demo looks at.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Event {
    /// The CloudEvent's `id`.
    pub(super) id: String,
    /// Its `type`.
    pub(super) kind: String,
    /// What it is about: a resource's kind and its id.
    subject: String,
    /// Its number among the events about the same.
    pub(super) sequence: u64,
    /// Its `data`.
    pub(super) data: Value,
}

/// Where events come from.
enum Source {
    Stream(Box<Streaming<StreamEventsResponse>>),
    Broker {
        consumer: Box<Consumer>,
        /// Open as long as the consumer is.
        _connection: Box<Connection>,
    },
}

/// The events that arrived, and those to come.
pub(super) struct Events {
    source: Source,
    seen: Vec<Event>,
}

impl std::fmt::Debug for Events {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Events")
            .field("seen", &self.seen.len())
            .finish_non_exhaustive()
    }
}

impl Events {
    /// Opens the API's stream.
    pub(super) async fn stream(client: &Client) -> anyhow::Result<Self> {
        let stream = Box::new(client.stream_events().await?);
        Ok(Self {
            source: Source::Stream(stream),
            seen: Vec::new(),
        })
    }

    /// Declares an exclusive queue, binds it to the app's events and consumes it.
    pub(super) async fn broker(url: &Secret, exchange: &str, app: &str) -> anyhow::Result<Self> {
        let properties = ConnectionProperties::default().with_connection_name("kassa demo".into());
        let connection = Connection::connect(url.expose(), properties).await;
        let connection = connection.context("connecting to the broker")?;
        let channel = connection.create_channel().await?;
        // Exclusive: it goes with the connection.
        let options = QueueDeclareOptions {
            exclusive: true,
            auto_delete: true,
            ..Default::default()
        };
        let queue = channel
            .queue_declare("".into(), options, FieldTable::default())
            .await?;
        let name = queue.name().clone();
        channel
            .queue_bind(
                name.clone(),
                exchange.into(),
                format!("{app}.#").into(),
                QueueBindOptions::default(),
                FieldTable::default(),
            )
            .await
            .context("binding a queue to the events")?;
        let options = BasicConsumeOptions::default();
        let consumer = channel
            .basic_consume(name, "kassa-demo".into(), options, FieldTable::default())
            .await?;
        let source = Source::Broker {
            consumer: Box::new(consumer),
            _connection: Box::new(connection),
        };
        Ok(Self {
            source,
            seen: Vec::new(),
        })
    }

    /// Waits for an event of a payment; `is_it` looks at its data.
    pub(super) async fn wait(
        &mut self,
        transaction_id: &str,
        kind: &str,
        is_it: impl Fn(&Value) -> bool,
        sight: &Sight,
    ) -> anyhow::Result<Event> {
        let subject = format!("transactions/{transaction_id}");
        let wanted =
            |event: &Event| event.subject == subject && event.kind == kind && is_it(&event.data);
        self.find(wanted, sight).await
    }

    /// Waits for an event about a user: their wallet or password, by what `user_id` points at.
    pub(super) async fn wait_of_user(
        &mut self,
        (user_id, pointer): (&str, &str),
        kind: &str,
        sight: &Sight,
    ) -> anyhow::Result<Event> {
        let of_user = |data: &Value| data.pointer(pointer).and_then(Value::as_str) == Some(user_id);
        let wanted = |event: &Event| event.kind == kind && of_user(&event.data);
        self.find(wanted, sight).await
    }

    /// Events come at least once and in order: a repeat is passed over, a gap is an error.
    async fn find(
        &mut self,
        wanted: impl Fn(&Event) -> bool,
        sight: &Sight,
    ) -> anyhow::Result<Event> {
        loop {
            if let Some(found) = self.seen.iter().find(|event| wanted(event)) {
                return Ok(found.clone());
            }
            sight.saw(format_args!(
                "{} events so far: {}",
                self.seen.len(),
                self.kinds()
            ));
            let event = self.next().await?;
            self.take(event)?;
        }
    }

    fn kinds(&self) -> String {
        let kinds: Vec<_> = self.seen.iter().map(|event| event.kind.as_str()).collect();
        kinds.join(", ")
    }

    async fn next(&mut self) -> anyhow::Result<Event> {
        match &mut self.source {
            Source::Stream(stream) => {
                let message = stream.message().await.context("reading the event stream")?;
                let event = message.and_then(|message| message.event);
                let event = event.context("the event stream ended")?;
                read(event.cloud_event_json.as_bytes())
            }
            Source::Broker { consumer, .. } => {
                let delivery = consumer
                    .next()
                    .await
                    .context("the broker ended the consumer")??;
                let event = read(&delivery.data)?;
                delivery.ack(BasicAckOptions::default()).await?;
                Ok(event)
            }
        }
    }

    fn take(&mut self, event: Event) -> anyhow::Result<()> {
        if self.seen.iter().any(|seen| seen.id == event.id) {
            return Ok(());
        }
        let of_subject = self
            .seen
            .iter()
            .filter(|seen| seen.subject == event.subject);
        let last = of_subject
            .map(|seen| seen.sequence)
            .max()
            .unwrap_or_default();
        ensure!(
            event.sequence == last.saturating_add(1),
            "the event {} of {} has number {} after {last}",
            event.kind,
            event.subject,
            event.sequence,
        );
        self.seen.push(event);
        Ok(())
    }
}

fn read(cloud_event: &[u8]) -> anyhow::Result<Event> {
    let value: Value = serde_json::from_slice(cloud_event).context("an event is not JSON")?;
    let text = |name: &str| {
        let text = value.get(name).and_then(Value::as_str);
        text.map(str::to_owned)
            .with_context(|| format!("an event has no {name}"))
    };
    Ok(Event {
        id: text("id")?,
        kind: text("type")?,
        subject: text("subject")?,
        sequence: text("sequence")?
            .parse()
            .context("an event's sequence is no number")?,
        data: value.get("data").cloned().unwrap_or_default(),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_event_is_read_from_its_cloud_event() {
        let event = json!({
            "specversion": "1.0", "id": "e1", "source": "/kassa",
            "type": "kassa.payment.succeeded.v1", "subject": "transactions/t1",
            "sequence": "00000000000000000002", "data": { "transaction": {} },
        });
        let read = read(event.to_string().as_bytes()).unwrap();
        let (subject, sequence) = (read.subject.as_str(), read.sequence);
        assert_eq!((subject, sequence), ("transactions/t1", 2));
        assert_eq!(read.kind, "kassa.payment.succeeded.v1");
    }

    #[test]
    fn what_is_no_event_is_refused() {
        for bad in [
            "",
            "{}",
            r#"{"subject": "x", "id": "1", "type": "t", "sequence": "first"}"#,
        ] {
            assert!(read(bad.as_bytes()).is_err(), "{bad}");
        }
    }
}
