//! The outbox. The races: two relays publish at once while transactions commit, and a reader follows
//! the positions meanwhile. The guards: shard leases, and the lock of the cursor under which positions
//! are given.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use chrono::TimeDelta;
use kassa_core::event::EventKind;
use kassa_core::id::{EnvelopeId, EventId, TransactionId};
use kassa_core::text::AppId;
use kassa_core::{Clock, IdSource};
use runtime::store::{
    Destination, MARK_BATCH_MAX, NewCommand, NewEvent, OUTBOX_SHARDS, Store, StoreError,
};

use crate::support::{World, start};

const SHARDS: usize = 8;

fn event(ids: &IdSource, app: &AppId, aggregate: TransactionId, sequence: i64) -> NewEvent {
    NewEvent {
        id: EventId::new(ids),
        app_id: app.clone(),
        aggregate,
        sequence,
        kind: EventKind::PaymentSucceeded,
        routing_key: "shop.payment.succeeded.GOODS_ORDER".to_owned(),
        payload: serde_json::json!({ "specversion": "1.0", "sequence": sequence }),
        trace: BTreeMap::from([("traceparent".to_owned(), "00-1-2-01".to_owned())]),
        created_at: start(),
    }
}

async fn append(store: &Store, event: &NewEvent) -> Result<(), StoreError> {
    let tx = store.begin().await?;
    tx.append_event_in_tx(event).await?;
    tx.commit().await
}

async fn waiting_of_all_shards(store: &Store) -> Vec<runtime::store::OutboxRow> {
    let mut rows = Vec::new();
    for shard in 0..OUTBOX_SHARDS {
        rows.extend(store.list_unpublished(shard, 1_000).await.unwrap());
    }
    rows
}

#[tokio::test]
async fn events_and_commands_wait_in_order_until_they_are_marked() {
    let world = World::new().await;
    let (store, aggregate) = (world.store(), TransactionId::new(&world.ids));
    let first = event(&world.ids, &world.app, aggregate, 1);
    let command = NewCommand {
        queue: "kassa.commands",
        envelope: serde_json::json!({ "kind": "refund.submit.v1" }),
        id: EnvelopeId::new(&world.ids),
        aggregate,
        created_at: start(),
    };
    let tx = store.begin().await.unwrap();
    tx.append_event_in_tx(&first).await.unwrap();
    tx.append_command_in_tx(&command).await.unwrap();
    tx.append_event_in_tx(&event(&world.ids, &world.app, aggregate, 2))
        .await
        .unwrap();
    tx.commit().await.unwrap();
    let backlog = store.outbox_backlog().await.unwrap();
    assert_eq!(
        (backlog.count, backlog.oldest_created_at),
        (3, Some(start()))
    );
    let rows = waiting_of_all_shards(store).await;
    assert_eq!(rows[0].payload, first.payload);
    assert_eq!(rows[0].trace, first.trace);
    let queue = "kassa.commands".to_owned();
    assert_eq!(
        rows[1].destination,
        Destination::Command {
            id: command.id,
            queue
        }
    );
    let seqs: Vec<i64> = rows.iter().map(|row| row.seq).collect();
    assert_eq!(store.mark_published(&seqs, start()).await.unwrap(), 3);
    assert_eq!(store.mark_published(&seqs, start()).await.unwrap(), 0);
    assert_eq!(store.outbox_backlog().await.unwrap().count, 0);
    let events = store.list_events(&world.app, 0, &[], 100).await.unwrap();
    let positions: Vec<(i64, i64)> = events
        .iter()
        .map(|event| (event.position, event.sequence))
        .collect();
    assert_eq!(positions, [(1, 1), (2, 2)]);
    assert_eq!(
        (events[0].id, &events[0].payload),
        (first.id, &first.payload)
    );
    let kinds = [EventKind::RefundFailed];
    assert_eq!(
        store.list_events(&world.app, 0, &kinds, 100).await.unwrap(),
        vec![]
    );
    let stranger = AppId::try_new("stranger").unwrap();
    assert_eq!(
        store.list_events(&stranger, 0, &[], 100).await.unwrap(),
        vec![]
    );
}

#[tokio::test]
async fn a_payment_has_one_event_per_number() {
    let world = World::new().await;
    let aggregate = TransactionId::new(&world.ids);
    append(world.store(), &event(&world.ids, &world.app, aggregate, 1))
        .await
        .unwrap();
    let refused = append(world.store(), &event(&world.ids, &world.app, aggregate, 1)).await;
    assert!(
        matches!(refused, Err(StoreError::UniqueViolation { .. })),
        "{refused:?}"
    );
}

#[tokio::test]
async fn a_batch_beyond_the_limit_is_refused() {
    let world = World::new().await;
    let seqs: Vec<i64> = (0_i64..).take(MARK_BATCH_MAX + 1).collect();
    assert!(world.store().mark_published(&seqs, start()).await.is_err());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn concurrent_relays_never_hold_the_same_shard() {
    let world = World::new().await;
    let (now, until) = (start(), start() + TimeDelta::seconds(30));
    let mut tasks = tokio::task::JoinSet::new();
    for relay in 0..4 {
        let store = world.store().clone();
        tasks.spawn(async move {
            store
                .lease_outbox_shards(&format!("relay-{relay}"), 3, now, until)
                .await
                .unwrap()
        });
    }
    let held: Vec<i16> = tasks.join_all().await.into_iter().flatten().collect();
    let distinct: BTreeSet<i16> = held.iter().copied().collect();
    assert_eq!(held.len(), distinct.len(), "{held:?}");
}

#[tokio::test]
async fn leases_are_renewed_given_back_and_taken_over_when_they_run_out() {
    let world = World::new().await;
    let store = world.store();
    let (now, until) = (start(), start() + TimeDelta::seconds(30));
    let lease = async |owner: &str, want, now| {
        store
            .lease_outbox_shards(owner, want, now, until + TimeDelta::seconds(30))
            .await
            .unwrap()
    };
    let all = store
        .lease_outbox_shards("a", SHARDS, now, until)
        .await
        .unwrap();
    assert_eq!(all, (0..OUTBOX_SHARDS).collect::<Vec<_>>());
    assert_eq!(lease("b", SHARDS, now).await, Vec::<i16>::new());
    // Another relay came: the first one keeps half.
    assert_eq!(
        store.lease_outbox_shards("a", 4, now, until).await.unwrap(),
        [0, 1, 2, 3]
    );
    assert_eq!(lease("b", 4, now).await, [4, 5, 6, 7]);
    // The first one died: its leases run out.
    assert_eq!(lease("b", SHARDS, until).await.len(), SHARDS);
    store.release_outbox_shards("b").await.unwrap();
    assert_eq!(lease("c", SHARDS, now).await.len(), SHARDS);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn positions_are_gap_free_and_in_order_for_whoever_follows_them() {
    const PAYMENTS: usize = 6;
    const EVENTS: i64 = 15;
    let world = World::new().await;
    let written = Arc::new(AtomicBool::new(false));
    let mut writers = tokio::task::JoinSet::new();
    for _ in 0..PAYMENTS {
        let (store, app, ids) = (world.store().clone(), world.app.clone(), world.ids.clone());
        writers.spawn(async move {
            let aggregate = TransactionId::new(&ids);
            for sequence in 1..=EVENTS {
                append(&store, &event(&ids, &app, aggregate, sequence))
                    .await
                    .unwrap();
            }
        });
    }
    let mut others = tokio::task::JoinSet::new();
    for relay in ["a", "b"] {
        others.spawn(relay_all(
            world.store().clone(),
            relay,
            written.clone(),
            world.clock.clone(),
        ));
    }
    let total = i64::try_from(PAYMENTS).unwrap() * EVENTS;
    others.spawn(follow(world.store().clone(), world.app.clone(), total));
    writers.join_all().await;
    written.store(true, Ordering::SeqCst);
    others.join_all().await;
    let events = world
        .store()
        .list_events(&world.app, 0, &[], 1_000)
        .await
        .unwrap();
    assert_eq!(i64::try_from(events.len()).unwrap(), total);
    let mut last: BTreeMap<TransactionId, i64> = BTreeMap::new();
    for event in events {
        let before = last.insert(event.aggregate, event.sequence).unwrap_or(0);
        assert_eq!(event.sequence, before + 1, "payment {}", event.aggregate);
    }
}

/// Publishes from half of the shards until everything was written and nothing waits.
async fn relay_all(store: Store, owner: &'static str, written: Arc<AtomicBool>, clock: Clock) {
    let until = clock.now() + TimeDelta::hours(1);
    loop {
        let done = written.load(Ordering::SeqCst);
        let shards = store
            .lease_outbox_shards(owner, SHARDS / 2, clock.now(), until)
            .await
            .unwrap();
        for shard in shards {
            let rows = store.list_unpublished(shard, 4).await.unwrap();
            let seqs: Vec<i64> = rows.iter().map(|row| row.seq).collect();
            store.mark_published(&seqs, clock.now()).await.unwrap();
        }
        if done && store.outbox_backlog().await.unwrap().count == 0 {
            return;
        }
    }
}

/// Reads events as they come; each must be the one after the last.
async fn follow(store: Store, app: AppId, total: i64) {
    let mut seen = 0;
    while seen < total {
        for event in store.list_events(&app, seen, &[], 10).await.unwrap() {
            assert_eq!(event.position, seen + 1);
            seen = event.position;
        }
    }
}

#[tokio::test]
async fn an_event_of_a_change_that_did_not_commit_is_never_published() {
    let world = World::new().await;
    let (payment, leg, attempt) = world.make_payment("order-1");
    let tx = world.store().begin().await.unwrap();
    tx.insert_payment_in_tx(&payment, std::slice::from_ref(&leg), Some(&attempt))
        .await
        .unwrap();
    let told = event(&world.ids, &world.app, payment.id, 1);
    tx.append_event_in_tx(&told).await.unwrap();
    drop(tx);
    assert_eq!(waiting_of_all_shards(world.store()).await, Vec::new());

    world.insert(&(payment, leg, attempt)).await;
    append(world.store(), &told).await.unwrap();
    assert_eq!(waiting_of_all_shards(world.store()).await.len(), 1);
}
