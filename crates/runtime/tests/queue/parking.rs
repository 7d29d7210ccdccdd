//! Retrying, parking and putting back.

use std::sync::Arc;
use std::time::Duration;

use runtime::queue::RETRY_LADDER;

use super::behaviours::{WORK, publish};
use super::{Backend, Bed, next, number};

pub(crate) async fn a_retry_comes_after_its_delay_and_counts(bed: Arc<Bed>) {
    publish(&bed, [1]).await;
    let mut consumer = bed.queue.consume(WORK, 2).await.unwrap();
    for retries in 0..2 {
        let delivery = next(&mut consumer).await;
        assert_eq!(delivery.retries(), retries);
        let begun = tokio::time::Instant::now();
        delivery
            .retry_after(Duration::from_millis(10))
            .await
            .unwrap();
        if bed.backend == Backend::Rabbit {
            let delivery = next(&mut consumer).await;
            let waited = begun.elapsed();
            assert!(
                waited >= Duration::from_millis(900),
                "it came after {waited:?}"
            );
            assert_eq!(delivery.retries(), retries + 1);
            drop(delivery);
        } else {
            bed.let_pass(Duration::from_millis(999));
            assert!(
                consumer.try_next().await.unwrap().is_none(),
                "it came too early"
            );
            bed.let_pass(Duration::from_millis(1));
        }
    }
    let delivery = next(&mut consumer).await;
    assert_eq!(delivery.retries(), 2);
    delivery.done().await.unwrap();
}

async fn park(bed: &Bed, numbers: impl IntoIterator<Item = u32>) {
    let mut consumer = bed.queue.consume(WORK, 1).await.unwrap();
    for number in numbers {
        publish(bed, [number]).await;
        let delivery = next(&mut consumer).await;
        delivery.park(&format!("reason {number}")).await.unwrap();
        bed.let_pass(Duration::from_millis(1));
    }
}

async fn parked(bed: &Bed, limit: usize) -> Vec<u64> {
    let parked = bed.queue.list_parked(WORK, limit).await.unwrap();
    parked
        .iter()
        .map(|parked| number(&parked.envelope))
        .collect()
}

pub(crate) async fn a_parked_message_is_listed_and_put_back_by_name(bed: Arc<Bed>) {
    let before = bed.clock.now();
    park(&bed, 0..3).await;
    let listed = bed.queue.list_parked(WORK, 10).await.unwrap();
    assert_eq!(listed.len(), 3);
    assert_eq!(listed[1].reason, "reason 1");
    assert_eq!((listed[1].queue, listed[1].retries), (WORK, 0));
    assert!(listed[1].parked_at >= before && listed[1].parked_at <= bed.clock.now());
    assert_eq!(
        bed.queue.depth(WORK).await.unwrap(),
        0,
        "what is parked does not wait"
    );

    let wanted = listed[1].envelope.clone();
    let redriven = bed.queue.redrive(WORK, &[wanted.id], 10).await.unwrap();
    assert_eq!(redriven, [wanted.id]);
    let mut consumer = bed.queue.consume(WORK, 1).await.unwrap();
    let delivery = next(&mut consumer).await;
    assert_eq!(delivery.envelope(), &wanted);
    delivery.done().await.unwrap();
    assert_eq!(parked(&bed, 10).await, [0, 2]);
    assert!(
        bed.queue
            .redrive(WORK, &[wanted.id], 10)
            .await
            .unwrap()
            .is_empty()
    );
}

pub(crate) async fn the_oldest_parked_messages_are_put_back_first(bed: Arc<Bed>) {
    park(&bed, 0..5).await;
    assert_eq!(parked(&bed, 2).await, [0, 1]);
    assert_eq!(
        parked(&bed, 10).await,
        [0, 1, 2, 3, 4],
        "a look changes nothing"
    );
    assert_eq!(bed.queue.redrive(WORK, &[], 3).await.unwrap().len(), 3);
    assert_eq!(parked(&bed, 10).await, [3, 4]);
    let mut consumer = bed.queue.consume(WORK, 1).await.unwrap();
    for expected in 0..3 {
        let delivery = next(&mut consumer).await;
        assert_eq!(number(delivery.envelope()), expected);
        delivery.done().await.unwrap();
    }
    assert!(consumer.try_next().await.unwrap().is_none());
}

pub(crate) async fn putting_back_forgets_the_retries(bed: Arc<Bed>) {
    publish(&bed, [1]).await;
    let mut consumer = bed.queue.consume(WORK, 1).await.unwrap();
    next(&mut consumer)
        .await
        .retry_after(Duration::ZERO)
        .await
        .unwrap();
    bed.let_pass(RETRY_LADDER[0]);
    let delivery = next(&mut consumer).await;
    assert_eq!(delivery.retries(), 1);
    delivery.park("tried enough").await.unwrap();
    assert_eq!(bed.queue.list_parked(WORK, 1).await.unwrap()[0].retries, 1);
    assert_eq!(bed.queue.redrive(WORK, &[], 1).await.unwrap().len(), 1);
    let delivery = next(&mut consumer).await;
    assert_eq!(delivery.retries(), 0);
    delivery.done().await.unwrap();
}
