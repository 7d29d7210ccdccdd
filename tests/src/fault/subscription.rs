//! The queue on which a business system gets its events: durable, so that it survives the broker.

use lapin::options::{
    BasicAckOptions, BasicGetOptions, QueueBindOptions, QueueDeclareOptions, QueueDeleteOptions,
};
use lapin::types::{AMQPValue, FieldTable, LongString, ShortString};
use lapin::{Channel, Connection, ConnectionProperties};
use serde_json::Value;

/// A durable queue that is bound to all events.
#[derive(Debug)]
pub struct Subscription {
    amqp_url: String,
    queue: ShortString,
}

impl Subscription {
    /// Declares the queue and binds it to `exchange`.
    ///
    /// # Panics
    /// If the broker does not take part.
    pub async fn open(amqp_url: &str, exchange: &str, queue: &str) -> Self {
        let subscription = Self {
            amqp_url: amqp_url.to_owned(),
            queue: queue.into(),
        };
        let (_connection, channel) = subscription.connect().await;
        let mut arguments = FieldTable::default();
        let quorum = AMQPValue::LongString(LongString::from("quorum"));
        arguments.insert("x-queue-type".into(), quorum);
        let name = subscription.queue.clone();
        let declared = channel.queue_declare(name, QueueDeclareOptions::durable(), arguments);
        declared.await.expect("a queue");
        let bound = channel.queue_bind(
            subscription.queue.clone(),
            exchange.into(),
            "#".into(),
            QueueBindOptions::default(),
            FieldTable::default(),
        );
        bound.await.expect("the queue is bound");
        subscription
    }

    /// Everything that waits, in order. It is acknowledged.
    ///
    /// # Panics
    /// If the broker does not take part.
    pub async fn take(&self) -> Vec<Value> {
        let (_connection, channel) = self.connect().await;
        let mut taken = Vec::new();
        loop {
            let got = channel.basic_get(self.queue.clone(), BasicGetOptions::default());
            let Some(message) = got.await.expect("the broker answers") else {
                return taken;
            };
            taken.push(serde_json::from_slice(&message.delivery.data).expect("an event is JSON"));
            let acked = message.delivery.acker.ack(BasicAckOptions::default());
            acked.await.expect("the broker answers");
        }
    }

    /// Takes the queue off the broker.
    ///
    /// # Panics
    /// If the broker does not take part.
    pub async fn remove(self) {
        let (_connection, channel) = self.connect().await;
        let deleted = channel.queue_delete(self.queue, QueueDeleteOptions::default());
        deleted.await.expect("the queue goes");
    }

    async fn connect(&self) -> (Connection, Channel) {
        let opened = Connection::connect(&self.amqp_url, ConnectionProperties::default());
        let connection = opened.await.expect("the broker answers");
        let channel = connection.create_channel().await.expect("a channel");
        (connection, channel)
    }
}
