//! Notifications and anomalies: the same one, told again, is the same one.

use std::collections::BTreeMap;

use kassa_core::anomaly::{Anomaly, AnomalyKind};
use kassa_core::channel::GatewayName;
use kassa_core::id::{AnomalyId, ChannelAccountId, NotificationId};
use kassa_core::notification::{CallbackRoute, Notification, NotificationStatus};
use runtime::store::{AnomalyFilter, Inserted, NotificationFilter, Page};

use crate::support::World;

fn notification(world: &World, account: ChannelAccountId, key: &str) -> Notification {
    Notification {
        id: NotificationId::new(&world.ids),
        channel_account_id: account,
        gateway: GatewayName::Alipay,
        route: CallbackRoute::Payment,
        key: key.to_owned(),
        headers: BTreeMap::from([("content-type".to_owned(), "text/plain".to_owned())]),
        body: vec![0, 159, 146, 150],
        received_at: world.clock.now(),
    }
}

#[tokio::test]
async fn a_repeat_is_told_with_what_came_of_the_first() {
    let world = World::new().await;
    let bundle = world.insert_paid("order-1").await;
    let first = notification(&world, world.account, "n-1");
    let tx = world.store().begin().await.unwrap();
    assert_eq!(
        tx.insert_notification_in_tx(&first).await.unwrap(),
        Inserted::New
    );
    let (applied, now) = (NotificationStatus::Applied, world.clock.now());
    tx.finish_notification_in_tx(first.id, applied, Some(bundle.0.id), Some("paid"), now)
        .await
        .unwrap();
    tx.commit().await.unwrap();
    let tx = world.store().begin().await.unwrap();
    let again = notification(&world, world.account, "n-1");
    let inserted = tx.insert_notification_in_tx(&again).await.unwrap();
    assert_eq!(inserted, Inserted::Repeat { status: applied });
    let id = tx
        .find_notification_id_in_tx(world.account, "n-1")
        .await
        .unwrap();
    assert_eq!(id, Some(first.id));
    drop(tx);
    let filter = NotificationFilter {
        transaction_id: Some(bundle.0.id),
        ..NotificationFilter::default()
    };
    let listed = world
        .store()
        .list_notifications(&filter, &Page::default())
        .await
        .unwrap();
    assert_eq!(listed.len(), 1);
    assert_eq!(listed[0].notification, first);
    assert_eq!(listed[0].status, applied);
    assert_eq!(listed[0].note.as_deref(), Some("paid"));
    assert_eq!(listed[0].processed_at, Some(now));
}

#[tokio::test]
async fn the_same_key_on_another_account_is_another_notification() {
    let world = World::new().await;
    let other = ChannelAccountId::new(&world.ids);
    let tx = world.store().begin().await.unwrap();
    tx.insert_channel_account_in_tx(&world.make_account(other, "alipay-two"))
        .await
        .unwrap();
    for account in [world.account, other] {
        let new = notification(&world, account, "n-1");
        assert_eq!(
            tx.insert_notification_in_tx(&new).await.unwrap(),
            Inserted::New
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_fifty_concurrent_repeats_one_is_new() {
    let world = World::new().await;
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..50 {
        let repeat = notification(&world, world.account, "n-1");
        let store = world.store().clone();
        tasks.spawn(async move {
            let tx = store.begin().await.unwrap();
            let inserted = tx.insert_notification_in_tx(&repeat).await.unwrap();
            tx.commit().await.unwrap();
            inserted
        });
    }
    let ends = tasks.join_all().await;
    let new = ends.into_iter().filter(|end| *end == Inserted::New).count();
    assert_eq!(new, 1);
}

#[tokio::test]
async fn an_anomaly_is_written_once_per_finding() {
    let world = World::new().await;
    let bundle = world.insert_paid("order-1").await;
    let anomaly = Anomaly {
        refund_due_at: None,
        requested: None,
        resolution: None,
        id: AnomalyId::new(&world.ids),
        kind: AnomalyKind::DuplicatePayment,
        dedupe_key: "duplicate:1".to_owned(),
        channel_account_id: world.account,
        transaction_id: Some(bundle.0.id),
        refund_id: None,
        evidence: serde_json::json!({ "expected": "10.00" }),
        created_at: world.clock.now(),
    };
    let again = Anomaly {
        id: AnomalyId::new(&world.ids),
        ..anomaly.clone()
    };
    let tx = world.store().begin().await.unwrap();
    assert!(tx.insert_anomaly_in_tx(&anomaly).await.unwrap());
    assert!(!tx.insert_anomaly_in_tx(&again).await.unwrap());
    tx.commit().await.unwrap();
    let store = world.store();
    assert_eq!(
        store.list_anomalies_of(bundle.0.id).await.unwrap(),
        vec![anomaly.clone()]
    );
    assert_eq!(
        store
            .list_anomalies(&AnomalyFilter::default(), &Page::default())
            .await
            .unwrap(),
        vec![anomaly]
    );
}

#[tokio::test]
async fn every_kind_of_anomaly_can_be_written() {
    let world = World::new().await;
    let tx = world.store().begin().await.unwrap();
    for kind in AnomalyKind::ALL {
        let anomaly = Anomaly {
            refund_due_at: None,
            requested: None,
            resolution: None,
            id: AnomalyId::new(&world.ids),
            kind: *kind,
            dedupe_key: kind.to_string(),
            channel_account_id: world.account,
            transaction_id: None,
            refund_id: None,
            evidence: serde_json::Value::Null,
            created_at: world.clock.now(),
        };
        assert!(tx.insert_anomaly_in_tx(&anomaly).await.unwrap(), "{kind}");
    }
    tx.commit().await.unwrap();
    let all = world
        .store()
        .list_anomalies(&AnomalyFilter::default(), &Page::default())
        .await
        .unwrap();
    assert_eq!(all.len(), AnomalyKind::ALL.len());
}
