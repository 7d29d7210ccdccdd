//! What every queue does.

use std::collections::HashSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::future::join_all;
use kassa_core::ErrorKind;
use kassa_core::id::EventId;
use runtime::queue::envelope::ENVELOPE_BYTES_MAX;
use runtime::queue::{EventMessage, QueueError, QueueName, RETRY_LADDER, TraceContext};
use tokio_util::sync::CancellationToken;

use super::{Backend, Bed, PATIENCE, next, number};

pub(crate) const WORK: QueueName = QueueName::Notifications;

pub(crate) async fn publish(bed: &Bed, numbers: impl IntoIterator<Item = u32>) {
    for number in numbers {
        bed.queue
            .publish(WORK, &bed.envelope(number))
            .await
            .unwrap();
    }
}

pub(crate) async fn a_confirmed_message_survives_reopening(bed: Arc<Bed>) {
    let sent = bed.envelope(1);
    bed.queue.publish(WORK, &sent).await.unwrap();
    bed.queue.close().await;
    let again = bed.reopen().await;
    let mut consumer = again.consume(WORK, 1).await.unwrap();
    let delivery = next(&mut consumer).await;
    assert_eq!(delivery.envelope(), &sent);
    assert_eq!(delivery.retries(), 0);
    delivery.done().await.unwrap();
}

pub(crate) async fn messages_come_in_order_on_one_consumer(bed: Arc<Bed>) {
    publish(&bed, 0..50).await;
    let mut consumer = bed.queue.consume(WORK, 7).await.unwrap();
    for expected in 0..50 {
        let delivery = next(&mut consumer).await;
        assert_eq!(number(delivery.envelope()), expected);
        delivery.done().await.unwrap();
    }
    assert!(consumer.try_next().await.unwrap().is_none());
}

pub(crate) async fn a_dropped_delivery_comes_back(bed: Arc<Bed>) {
    publish(&bed, [1]).await;
    let mut consumer = bed.queue.consume(WORK, 1).await.unwrap();
    drop(next(&mut consumer).await);
    let again = next(&mut consumer).await;
    assert_eq!(number(again.envelope()), 1);
    assert_eq!(again.retries(), 0, "coming back by itself is no retry");
    drop(again);
    let third = consumer
        .try_next()
        .await
        .unwrap()
        .expect("it comes back to try_next too");
    third.done().await.unwrap();
}

pub(crate) async fn a_delivery_that_is_done_does_not_come_back(bed: Arc<Bed>) {
    publish(&bed, [1]).await;
    let mut consumer = bed.queue.consume(WORK, 1).await.unwrap();
    consumer
        .try_next()
        .await
        .unwrap()
        .expect("published")
        .done()
        .await
        .unwrap();
    assert!(consumer.try_next().await.unwrap().is_none());
    bed.queue.close().await;
    let mut again = bed.reopen().await.consume(WORK, 1).await.unwrap();
    bed.let_pass(Duration::from_hours(24));
    assert!(again.try_next().await.unwrap().is_none());
}

pub(crate) async fn shuffled_and_repeated_messages_reach_the_handler_at_least_once(bed: Arc<Bed>) {
    // 37 and 100 share no divisor: every message is published twice, in a scattered order.
    let envelopes: Vec<_> = (0..50).map(|number| bed.envelope(number)).collect();
    for turn in 0..100 {
        bed.queue
            .publish(WORK, &envelopes[turn * 37 % 100 / 2])
            .await
            .unwrap();
    }
    let mut consumer = bed.queue.consume(WORK, 5).await.unwrap();
    let (mut handled, mut taken, mut done) = (HashSet::new(), 0_u32, 0);
    while done < 100 {
        let delivery = next(&mut consumer).await;
        taken += 1;
        if taken.is_multiple_of(3) {
            drop(delivery);
            continue;
        }
        handled.insert(delivery.envelope().id);
        delivery.done().await.unwrap();
        done += 1;
    }
    assert_eq!(handled.len(), 50);
    assert!(consumer.try_next().await.unwrap().is_none());
}

pub(crate) async fn two_consumers_never_hold_the_same_message(bed: Arc<Bed>) {
    const MESSAGES: usize = 200;
    publish(&bed, 0..200).await;
    let held = Arc::new(Mutex::new(HashSet::new()));
    let done = Arc::new(Mutex::new(HashSet::new()));
    let finished = CancellationToken::new();
    let consumers = (0..2).map(|_consumer| {
        let (bed, held, done) = (Arc::clone(&bed), Arc::clone(&held), Arc::clone(&done));
        let finished = finished.clone();
        tokio::spawn(async move {
            let mut consumer = bed.queue.consume(WORK, 4).await.unwrap();
            loop {
                let delivery = tokio::select! {
                    delivery = next(&mut consumer) => delivery,
                    () = finished.cancelled() => return,
                };
                let id = delivery.envelope().id;
                assert!(held.lock().unwrap().insert(id), "two hold {id}");
                tokio::task::yield_now().await;
                delivery.done().await.unwrap();
                held.lock().unwrap().remove(&id);
                let mut done = done.lock().unwrap();
                assert!(done.insert(id), "{id} came twice");
                if done.len() == MESSAGES {
                    finished.cancel();
                }
            }
        })
    });
    for consumer in join_all(consumers).await {
        consumer.unwrap();
    }
    assert_eq!(done.lock().unwrap().len(), MESSAGES);
}

pub(crate) async fn no_more_than_prefetch_deliveries_are_out(bed: Arc<Bed>) {
    publish(&bed, 0..5).await;
    let mut consumer = bed.queue.consume(WORK, 2).await.unwrap();
    let first = next(&mut consumer).await;
    let second = next(&mut consumer).await;
    assert!(
        consumer.try_next().await.unwrap().is_none(),
        "a third is out"
    );
    first.done().await.unwrap();
    let third = next(&mut consumer).await;
    assert_eq!(number(third.envelope()), 2);
    assert!(
        consumer.try_next().await.unwrap().is_none(),
        "a third is out"
    );
    drop(second);
    drop(third);
    let mut left = HashSet::new();
    while left.len() < 4 {
        let delivery = next(&mut consumer).await;
        left.insert(number(delivery.envelope()));
        delivery.done().await.unwrap();
    }
    assert_eq!(left, HashSet::from([1, 2, 3, 4]));
}

pub(crate) async fn what_a_dropped_consumer_held_reaches_another(bed: Arc<Bed>) {
    publish(&bed, 0..6).await;
    let mut gone = bed.queue.consume(WORK, 10).await.unwrap();
    let kept = next(&mut gone).await;
    let dropped = next(&mut gone).await;
    drop(gone);
    drop(dropped);
    let mut consumer = bed.queue.consume(WORK, 10).await.unwrap();
    let mut left = HashSet::new();
    while left.len() < 5 {
        let delivery = next(&mut consumer).await;
        left.insert(number(delivery.envelope()));
        delivery.done().await.unwrap();
    }
    assert_eq!(left, HashSet::from([1, 2, 3, 4, 5]));
    kept.done().await.unwrap();
    assert!(consumer.try_next().await.unwrap().is_none());
}

pub(crate) async fn a_caller_that_stops_waiting_loses_no_message(bed: Arc<Bed>) {
    let mut consumer = bed.queue.consume(WORK, 3).await.unwrap();
    let mut left = HashSet::new();
    for sent in 0..30 {
        publish(&bed, [sent]).await;
        // Polled a few times and dropped at whatever point it had got to.
        let stopped = tokio::select! {
            biased;
            delivery = next(&mut consumer) => Some(delivery),
            () = async { for _ in 0..sent { tokio::task::yield_now().await } } => None,
        };
        if let Some(delivery) = stopped {
            left.insert(number(delivery.envelope()));
            delivery.done().await.unwrap();
        }
    }
    while left.len() < 30 {
        let delivery = next(&mut consumer).await;
        left.insert(number(delivery.envelope()));
        delivery.done().await.unwrap();
    }
    assert!(consumer.try_next().await.unwrap().is_none());
}

pub(crate) async fn queues_do_not_mix(bed: Arc<Bed>) {
    publish(&bed, [1]).await;
    bed.queue
        .publish(QueueName::Commands, &bed.envelope(2))
        .await
        .unwrap();
    for (queue, expected) in [(QueueName::Commands, 2), (WORK, 1)] {
        let mut consumer = bed.queue.consume(queue, 5).await.unwrap();
        let delivery = next(&mut consumer).await;
        assert_eq!(number(delivery.envelope()), expected);
        delivery.done().await.unwrap();
        assert!(consumer.try_next().await.unwrap().is_none());
    }
}

pub(crate) async fn the_depth_counts_ready_and_delayed_messages(bed: Arc<Bed>) {
    bed.queue.ping().await.unwrap();
    publish(&bed, 0..3).await;
    assert_eq!(bed.queue.depth(WORK).await.unwrap(), 3);
    let mut consumer = bed.queue.consume(WORK, 1).await.unwrap();
    let delivery = next(&mut consumer).await;
    assert_eq!(bed.queue.depth(WORK).await.unwrap(), 2);
    delivery.retry_after(RETRY_LADDER[8]).await.unwrap();
    drop(consumer);
    let mut depth = 0;
    // The broker gives back what a dropped consumer had in its own time.
    let counted = async {
        while depth != 3 {
            depth = bed.queue.depth(WORK).await.unwrap();
            if bed.backend != Backend::Rabbit {
                break;
            }
        }
    };
    tokio::time::timeout(PATIENCE, counted).await.unwrap();
    assert_eq!(depth, 3);
    assert_eq!(bed.queue.depth(QueueName::Commands).await.unwrap(), 0);
}

pub(crate) async fn closing_ends_consumers_and_refuses_messages(bed: Arc<Bed>) {
    let mut consumer = bed.queue.consume(WORK, 1).await.unwrap();
    let waiting = tokio::spawn(async move {
        let ended = consumer.next().await.is_none();
        (ended, consumer.try_next().await.unwrap().is_none())
    });
    tokio::task::yield_now().await;
    bed.queue.close().await;
    let ended = tokio::time::timeout(PATIENCE, waiting)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(ended, (true, true));
    let refused = bed.queue.publish(WORK, &bed.envelope(1)).await.unwrap_err();
    assert!(matches!(refused, QueueError::Closed), "{refused:?}");
    assert!(bed.queue.ping().await.is_err());
    assert!(bed.queue.consume(WORK, 1).await.is_err());
}

pub(crate) async fn a_thousand_concurrent_publishes_all_arrive(bed: Arc<Bed>) {
    let publishers = (0..1_000).map(|number| {
        let bed = Arc::clone(&bed);
        tokio::spawn(async move {
            let envelope = bed.envelope(number);
            bed.queue
                .publish(WORK, &envelope)
                .await
                .map(|()| envelope.id)
        })
    });
    let mut sent = HashSet::new();
    for publisher in join_all(publishers).await {
        sent.insert(publisher.unwrap().unwrap());
    }
    assert_eq!(sent.len(), 1_000);
    let mut consumer = bed.queue.consume(WORK, 100).await.unwrap();
    let mut arrived = HashSet::new();
    while arrived.len() < sent.len() {
        let batch = [next(&mut consumer).await];
        for delivery in batch {
            arrived.insert(delivery.envelope().id);
            delivery.done().await.unwrap();
        }
    }
    assert_eq!(arrived, sent);
}

pub(crate) async fn an_envelope_above_the_limit_is_refused(bed: Arc<Bed>) {
    let mut envelope = bed.envelope(1);
    envelope.payload = "x".repeat(ENVELOPE_BYTES_MAX).into();
    let refused = bed.queue.publish(WORK, &envelope).await.unwrap_err();
    assert!(
        matches!(refused, QueueError::TooLarge { .. }),
        "{refused:?}"
    );
    assert_eq!(refused.kind(), ErrorKind::InvalidInput);
    assert_eq!(bed.queue.depth(WORK).await.unwrap(), 0);
}

/// An event with a number in its routing key.
pub(crate) fn event(bed: &Bed, number: u32) -> EventMessage {
    EventMessage {
        id: EventId::new(&bed.ids),
        event_type: "kassa.payment.succeeded.v1".to_owned(),
        source: "/kassa/payments".to_owned(),
        routing_key: format!("shop.payment.succeeded.{number}"),
        time: bed.clock.now(),
        body: format!("{{\"number\":{number}}}").into_bytes(),
        trace: TraceContext([("traceparent".to_owned(), "00-a-b-01".to_owned())].into()),
    }
}

pub(crate) async fn events_are_confirmed_in_their_order(bed: Arc<Bed>) {
    let events: Vec<_> = (0..300).map(|number| event(&bed, number)).collect();
    // Nobody has to listen for an event to count as published.
    assert_eq!(bed.queue.publish_events(&events).await.unwrap(), 300);
    assert_eq!(bed.queue.publish_events(&[]).await.unwrap(), 0);
}
