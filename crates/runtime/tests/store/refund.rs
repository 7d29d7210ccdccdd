//! Refunds.

use kassa_core::refund::RefundStatus;
use runtime::store::{Page, RefundFilter, StoreError};

use crate::support::World;

#[tokio::test]
async fn a_refund_reads_back_by_each_of_its_names() {
    let world = World::new().await;
    let bundle = world.insert_paid("order-1").await;
    let refund = world.make_refund(&bundle, "refund-1", 400);
    let tx = world.store().begin().await.unwrap();
    tx.insert_refund_in_tx(&refund).await.unwrap();
    tx.commit().await.unwrap();
    let store = world.store();
    let expected = Some(refund.clone());
    assert_eq!(store.find_refund(refund.id).await.unwrap(), expected);
    assert_eq!(
        store
            .find_refund_of_app(&world.app, refund.id)
            .await
            .unwrap(),
        expected
    );
    let business_id = refund.business_refund_id.as_ref().unwrap();
    let found = store
        .find_refund_by_business_id(&world.app, business_id)
        .await
        .unwrap();
    assert_eq!(found, expected);
    let found = store
        .find_refund_by_number(bundle.2.id, &refund.refund_number)
        .await
        .unwrap();
    assert_eq!(found, expected);
    let of_payment = store.list_refunds_of_payment(bundle.0.id).await.unwrap();
    assert_eq!(of_payment, vec![refund]);
}

#[tokio::test]
async fn a_refund_request_and_a_refund_number_are_stored_once() {
    let world = World::new().await;
    let bundle = world.insert_paid("order-1").await;
    let first = world.make_refund(&bundle, "refund-1", 400);
    let tx = world.store().begin().await.unwrap();
    tx.insert_refund_in_tx(&first).await.unwrap();
    tx.commit().await.unwrap();
    let same_request = world.make_refund(&bundle, "refund-1", 400);
    let mut same_number = world.make_refund(&bundle, "refund-2", 400);
    same_number.refund_number = first.refund_number.clone();
    for refused in [same_request, same_number] {
        let tx = world.store().begin().await.unwrap();
        let end = tx.insert_refund_in_tx(&refused).await;
        assert!(
            matches!(end, Err(StoreError::UniqueViolation { .. })),
            "{end:?}"
        );
    }
    // Refunds made at the console have no request; several are fine.
    let tx = world.store().begin().await.unwrap();
    for _ in 0..2 {
        let mut external = world.make_refund(&bundle, "unused", 1);
        external.business_refund_id = None;
        tx.insert_refund_in_tx(&external).await.unwrap();
    }
    tx.commit().await.unwrap();
    let (filter, page) = (RefundFilter::default(), Page::default());
    let listed = world
        .store()
        .list_refunds(&world.app, &filter, &page)
        .await
        .unwrap();
    assert_eq!(listed.len(), 3);
}

#[tokio::test]
async fn a_refund_is_updated_under_its_version() {
    let world = World::new().await;
    let bundle = world.insert_paid("order-1").await;
    let refund = world.make_refund(&bundle, "refund-1", 400);
    let tx = world.store().begin().await.unwrap();
    tx.insert_refund_in_tx(&refund).await.unwrap();
    let stale = tx.load_refund_for_update_in_tx(refund.id).await.unwrap();
    let locked = tx
        .find_refund_by_number_for_update_in_tx(bundle.2.id, &refund.refund_number)
        .await
        .unwrap()
        .unwrap();
    let mut new = locked.get().clone();
    new.status = RefundStatus::Success;
    new.amount_refunded = new.amount_requested;
    let updated = tx.update_refund_in_tx(locked, new.clone()).await.unwrap();
    assert_eq!(updated.version, 2);
    let refused = tx.update_refund_in_tx(stale, new).await;
    assert!(
        matches!(refused, Err(StoreError::Conflict { .. })),
        "{refused:?}"
    );
    tx.commit().await.unwrap();
    let pending = RefundFilter {
        status: Some(RefundStatus::Pending),
        ..RefundFilter::default()
    };
    let done = RefundFilter {
        status: Some(RefundStatus::Success),
        transaction_id: Some(bundle.0.id),
    };
    let (store, page) = (world.store(), Page::default());
    assert_eq!(
        store
            .list_refunds(&world.app, &pending, &page)
            .await
            .unwrap(),
        vec![]
    );
    assert_eq!(
        store.list_refunds(&world.app, &done, &page).await.unwrap(),
        vec![updated]
    );
}

#[tokio::test]
async fn a_refund_gives_back_nothing_or_what_was_asked_for() {
    let world = World::new().await;
    let bundle = world.insert_paid("order-1").await;
    let refund = world.make_refund(&bundle, "refund-1", 400);
    let tx = world.store().begin().await.unwrap();
    tx.insert_refund_in_tx(&refund).await.unwrap();
    tx.commit().await.unwrap();
    for (minor, expected) in [(399, false), (401, false), (400, true), (0, true)] {
        let sql = format!("UPDATE refund_transactions SET amount_refunded_minor = {minor}");
        assert_eq!(world.db.execute(&sql).await.is_ok(), expected, "{minor}");
    }
}
