//! What only RabbitMQ does: it is far away, it can be set up wrongly, and others use it too.
//!
//! These need a server. Where none was asked for, each looks instead at the one thing that can be
//! seen without: that a broker which is not there is reported as such, and soon.

use std::time::{Duration, Instant};

use futures_util::StreamExt;
use futures_util::future::join_all;
use kassa_core::ErrorKind;
use lapin::options::{
    BasicConsumeOptions, BasicPublishOptions, ConfirmSelectOptions, QueueBindOptions,
    QueueDeclareOptions, QueueDeleteOptions,
};
use lapin::types::{FieldTable, ShortString};
use lapin::{BasicProperties, Channel, Connection, ConnectionProperties};
use runtime::queue::rabbit::RabbitQueue;
use runtime::queue::{Queue, QueueError, QueueName, UNREADABLE_KIND};

use super::proxy::Proxy;
use super::{Bed, PATIENCE, behaviours, next, number, rabbit_options, rabbit_url, unique_name};

const WORK: QueueName = QueueName::Notifications;

/// Publishing while the broker is away must fail within this time.
const FAST: Duration = Duration::from_secs(6);

pub(crate) async fn a_broker_that_is_not_there_is_reported_soon() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let begun = Instant::now();
    let url = format!("amqp://kassa:very-secret@{address}/%2f");
    let error = RabbitQueue::connect(rabbit_options(url, &unique_name()))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error:?}");
    assert!(begun.elapsed() < FAST);
    assert!(!format!("{error:?}").contains("very-secret"));
}

pub(crate) async fn options_that_cannot_work_are_refused() {
    let bad_url = rabbit_options("http://kassa:very-secret@127.0.0.1".to_owned(), "x");
    let mut bad_prefix = rabbit_options("amqp://127.0.0.1".to_owned(), "x");
    "no spaces".clone_into(&mut bad_prefix.prefix);
    for options in [bad_url, bad_prefix] {
        assert!(!format!("{options:?}").contains("very-secret"));
        let error = RabbitQueue::connect(options).await.unwrap_err();
        assert!(matches!(error, QueueError::Options(_)), "{error:?}");
        assert!(!format!("{error:?}").contains("very-secret"));
    }
}

/// A channel beside the queue under test, as another system or an operator has one.
async fn other_channel() -> (Connection, Channel) {
    let connection = Connection::connect(&rabbit_url(), ConnectionProperties::default())
        .await
        .unwrap();
    let channel = connection.create_channel().await.unwrap();
    channel
        .confirm_select(ConfirmSelectOptions::default())
        .await
        .unwrap();
    (connection, channel)
}

async fn delete_queue(bed: &Bed, queue: QueueName) {
    let (_connection, channel) = other_channel().await;
    let name = bed.broker_name(queue.as_str());
    channel
        .queue_delete(name, QueueDeleteOptions::default())
        .await
        .unwrap();
}

pub(crate) async fn a_cut_connection_fails_publishes_fast_and_comes_back(bed: &Bed) {
    let url: url::Url = rabbit_url().parse().unwrap();
    let target = format!("{}:{}", url.host_str().unwrap(), url.port().unwrap_or(5672));
    let proxy = Proxy::to(target).await;
    let mut over_proxy = url;
    over_proxy.set_host(Some("127.0.0.1")).unwrap();
    over_proxy.set_port(Some(proxy.address().port())).unwrap();
    let options = rabbit_options(over_proxy.to_string(), &bed.name);
    let queue = RabbitQueue::connect(options).await.unwrap();
    let mut consumer = queue.consume(WORK, 5).await.unwrap();
    queue.publish(WORK, &bed.envelope(1)).await.unwrap();
    let held = next(&mut consumer).await;

    proxy.cut();
    let waiting = tokio::spawn(async move { (next(&mut consumer).await, consumer) });
    for number in 2..5 {
        let begun = Instant::now();
        let error = queue
            .publish(WORK, &bed.envelope(number))
            .await
            .unwrap_err();
        assert!(error.kind().is_retryable(), "{error:?}");
        assert!(begun.elapsed() < FAST, "it took {:?}", begun.elapsed());
    }
    assert!(queue.ping().await.is_err());
    // Not ended: an acknowledgement may seem sent although the cable is cut already.
    drop(held);

    proxy.mend();
    let published = async {
        while queue.publish(WORK, &bed.envelope(5)).await.is_err() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, published)
        .await
        .expect("publishing works again");
    // The one that was held comes again, and so may one that was cut off from its confirmation.
    let (first, mut consumer) = waiting.await.unwrap();
    let mut numbers = vec![number(first.envelope())];
    first.done().await.unwrap();
    while !(numbers.contains(&1) && numbers.contains(&5)) {
        let delivery = next(&mut consumer).await;
        numbers.push(number(delivery.envelope()));
        delivery.done().await.unwrap();
    }
    queue.ping().await.unwrap();
    queue.close().await;
}

pub(crate) async fn a_work_message_that_no_queue_takes_is_an_error(bed: &Bed) {
    delete_queue(bed, WORK).await;
    let error = bed.queue.publish(WORK, &bed.envelope(1)).await.unwrap_err();
    assert!(matches!(error, QueueError::Unroutable { .. }), "{error:?}");
    assert_eq!(error.kind(), ErrorKind::Unavailable);
}

/// Publishes that succeed and publishes that come back, mixed on the same channels. Which confirm
/// the client library hands a returned message to depends on timing; the unit tests of the publisher
/// play through what may happen.
pub(crate) async fn a_returned_message_is_never_counted_as_confirmed(bed: &Bed) {
    delete_queue(bed, QueueName::Commands).await;
    let publishes = (0..1_000).map(|number| {
        let queue = if number % 2 == 0 {
            WORK
        } else {
            QueueName::Commands
        };
        let envelope = bed.envelope(number);
        async move { (queue, bed.queue.publish(queue, &envelope).await) }
    });
    for (queue, result) in join_all(publishes).await {
        match queue {
            QueueName::Notifications => result.unwrap(),
            QueueName::Commands => {
                let error = result.expect_err("it was confirmed, but no queue has it");
                assert!(matches!(error, QueueError::Unroutable { .. }), "{error:?}");
            }
        }
    }
}

pub(crate) async fn a_message_that_is_no_envelope_is_parked_whole(bed: &Bed) {
    let (_connection, channel) = other_channel().await;
    let to = bed.broker_name(WORK.as_str());
    let options = BasicPublishOptions {
        mandatory: true,
        ..Default::default()
    };
    let sent = channel
        .basic_publish("".into(), to, options, b"hello", BasicProperties::default())
        .await
        .unwrap();
    assert!(sent.await.unwrap().is_ack());
    bed.queue.publish(WORK, &bed.envelope(2)).await.unwrap();
    let mut consumer = bed.queue.consume(WORK, 5).await.unwrap();
    let delivery = next(&mut consumer).await;
    assert_eq!(number(delivery.envelope()), 2);
    delivery.done().await.unwrap();
    let parked = bed.queue.list_parked(WORK, 5).await.unwrap();
    assert_eq!(parked.len(), 1);
    assert_eq!(parked[0].envelope.kind, UNREADABLE_KIND);
    assert_eq!(parked[0].envelope.payload["body_base64"], "aGVsbG8=");
}

pub(crate) async fn a_message_that_is_never_ended_is_parked_by_the_broker(bed: &Bed) {
    bed.queue.publish(WORK, &bed.envelope(1)).await.unwrap();
    let mut consumer = bed.queue.consume(WORK, 1).await.unwrap();
    let mut parked = Vec::new();
    let dropping = async {
        while parked.is_empty() {
            drop(consumer.try_next().await.unwrap());
            parked = bed.queue.list_parked(WORK, 5).await.unwrap();
        }
    };
    tokio::time::timeout(PATIENCE, dropping)
        .await
        .expect("it was not parked");
    assert_eq!(number(&parked[0].envelope), 1);
    assert_eq!(parked[0].reason, "by the broker: delivery_limit");
}

pub(crate) async fn an_event_reaches_a_bound_queue_as_a_cloud_event(bed: &Bed) {
    let (_connection, channel) = other_channel().await;
    let exchange = bed.rabbit.as_ref().unwrap().events_exchange();
    let options = QueueDeclareOptions::exclusive();
    let queue = channel
        .queue_declare("".into(), options, FieldTable::default())
        .await
        .unwrap();
    let (name, source) = (queue.name().clone(), ShortString::from(exchange));
    let binding = QueueBindOptions::default();
    let topic = "shop.payment.#".into();
    channel
        .queue_bind(name.clone(), source, topic, binding, FieldTable::default())
        .await
        .unwrap();

    let events: Vec<_> = (0..300)
        .map(|number| behaviours::event(bed, number))
        .collect();
    assert_eq!(bed.queue.publish_events(&events).await.unwrap(), 300);
    let options = BasicConsumeOptions {
        no_ack: true,
        ..Default::default()
    };
    let mut received = channel
        .basic_consume(name, "".into(), options, FieldTable::default())
        .await
        .unwrap();
    for event in &events {
        let got = tokio::time::timeout(PATIENCE, received.next())
            .await
            .unwrap();
        let got = got.unwrap().unwrap();
        assert_eq!(got.data, event.body, "events come in their order");
        let text = |value: &Option<ShortString>| value.as_ref().unwrap().to_string();
        assert_eq!(
            text(got.properties.content_type()),
            "application/cloudevents+json"
        );
        assert_eq!(text(got.properties.message_id()), event.id.to_string());
        assert_eq!(got.routing_key.as_str(), event.routing_key);
    }
}
