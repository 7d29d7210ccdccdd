//! What only the embedded queue does.

use std::sync::Arc;
use std::time::Duration;

use kassa_core::ErrorKind;
use runtime::queue::embedded::{EmbeddedOptions, EmbeddedQueue};
use runtime::queue::{Queue, QueueError, QueueName, UNREADABLE_KIND};
use sea_orm::ConnectionTrait;

use super::{Bed, behaviours, next, number};

const WORK: QueueName = QueueName::Commands;

fn with_options(bed: &Bed, options: EmbeddedOptions) -> EmbeddedQueue {
    let store = bed.store.clone().unwrap();
    EmbeddedQueue::new(store, bed.clock.clone(), bed.ids.clone(), options)
}

pub(crate) async fn a_full_queue_refuses_messages_until_there_is_room(bed: Arc<Bed>) {
    let queue = with_options(
        &bed,
        EmbeddedOptions {
            messages_max: 3,
            ..Default::default()
        },
    );
    for number in 0..3 {
        queue.publish(WORK, &bed.envelope(number)).await.unwrap();
    }
    let refused = queue.publish(WORK, &bed.envelope(3)).await.unwrap_err();
    assert!(
        matches!(refused, QueueError::Full { limit: 3, .. }),
        "{refused:?}"
    );
    assert_eq!(refused.kind(), ErrorKind::Unavailable);
    queue
        .publish(QueueName::Notifications, &bed.envelope(4))
        .await
        .unwrap();
    let mut consumer = queue.consume(WORK, 1).await.unwrap();
    next(&mut consumer).await.done().await.unwrap();
    queue.publish(WORK, &bed.envelope(5)).await.unwrap();
    assert_eq!(queue.depth(WORK).await.unwrap(), 3);
}

pub(crate) async fn a_lease_that_ran_out_is_delivered_again_and_its_old_holder_cannot_end_it(
    bed: Arc<Bed>,
) {
    bed.queue.publish(WORK, &bed.envelope(1)).await.unwrap();
    let lease = EmbeddedOptions::default().lease;
    let mut slow = bed.queue.consume(WORK, 1).await.unwrap();
    let held = next(&mut slow).await;
    let mut other = bed.reopen().await.consume(WORK, 1).await.unwrap();
    assert!(other.try_next().await.unwrap().is_none(), "it is held");
    bed.let_pass(lease);
    let again = other.try_next().await.unwrap().expect("the lease ran out");
    let lost = held.done().await.unwrap_err();
    assert!(matches!(lost, QueueError::Lost { .. }), "{lost:?}");
    // What the old holder gives up is not its to give up any more either.
    assert!(slow.try_next().await.unwrap().is_none());
    again.done().await.unwrap();
    bed.let_pass(lease * 2);
    assert!(other.try_next().await.unwrap().is_none());
}

pub(crate) async fn a_held_message_stays_held_while_its_process_lives(bed: Arc<Bed>) {
    let lease = Duration::from_millis(60);
    let queue = with_options(
        &bed,
        EmbeddedOptions {
            lease,
            ..Default::default()
        },
    );
    queue.publish(WORK, &bed.envelope(1)).await.unwrap();
    let mut holder = queue.consume(WORK, 1).await.unwrap();
    let held = next(&mut holder).await;
    let mut other = bed.reopen().await.consume(WORK, 1).await.unwrap();
    // The clock is moved by less than a lease at a time, and only on when a renewal was seen.
    for _step in 0..5 {
        bed.let_pass(lease / 2);
        let until = bed.clock.now() + lease;
        let renewed = async { while !is_leased_until(&bed, until).await {} };
        tokio::time::timeout(super::PATIENCE, renewed)
            .await
            .expect("no renewal came");
        assert!(
            other.try_next().await.unwrap().is_none(),
            "it was taken from its holder"
        );
    }
    held.done().await.unwrap();
}

async fn is_leased_until(bed: &Bed, until: chrono::DateTime<chrono::Utc>) -> bool {
    use entities::queue_message::{Column, Entity};
    use sea_orm::{ColumnTrait, EntityTrait, PaginatorTrait, QueryFilter};

    let store = bed.store.as_ref().unwrap();
    let held = Entity::find().filter(Column::LeaseUntil.gte(until));
    held.count(store.migration_connection()).await.unwrap() == 1
}

pub(crate) async fn a_row_that_is_no_envelope_is_parked(bed: Arc<Bed>) {
    let broken = bed.envelope(1);
    bed.queue.publish(WORK, &broken).await.unwrap();
    bed.queue.publish(WORK, &bed.envelope(2)).await.unwrap();
    let spoil = format!(
        "UPDATE queue_messages SET body = 'spoilt' WHERE envelope_id = '{}'",
        broken.id
    );
    let store = bed.store.as_ref().unwrap();
    store
        .migration_connection()
        .execute_unprepared(&spoil)
        .await
        .unwrap();
    let mut consumer = bed.queue.consume(WORK, 2).await.unwrap();
    let delivery = next(&mut consumer).await;
    assert_eq!(
        number(delivery.envelope()),
        2,
        "one broken message does not stop the others"
    );
    delivery.done().await.unwrap();
    let parked = bed.queue.list_parked(WORK, 10).await.unwrap();
    assert_eq!(parked.len(), 1);
    assert_eq!(
        (parked[0].envelope.id, &*parked[0].envelope.kind),
        (broken.id, UNREADABLE_KIND)
    );
    assert_eq!(parked[0].reason, "the message is not an envelope");
}

pub(crate) async fn publishing_events_wakes_their_readers(bed: Arc<Bed>) {
    let queue = bed.embedded.clone().unwrap();
    let mut published = queue.events_published();
    let reader = tokio::spawn(async move { published.changed().await });
    queue
        .publish_events(&[behaviours::event(&bed, 1)])
        .await
        .unwrap();
    let woken = tokio::time::timeout(super::PATIENCE, reader).await.unwrap();
    assert!(woken.unwrap().is_ok());
}
