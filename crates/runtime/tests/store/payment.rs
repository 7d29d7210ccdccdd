//! Payments: what is written reads back the same, and what must be unique is.

use chrono::TimeDelta;
use kassa_core::payment::PaymentStatus;
use kassa_core::text::{AppId, BusinessOrderId, RequestId};
use runtime::store::{Page, PaymentFilter, StoreError};

use crate::support::World;

#[tokio::test]
async fn a_payment_reads_back_as_it_was_written() {
    let world = World::new().await;
    let bundle = world.make_payment("order-1");
    world.insert(&bundle).await;
    let (payment, leg, attempt) = bundle;
    let store = world.store();
    assert_eq!(
        store.find_payment(payment.id).await.unwrap().as_ref(),
        Some(&payment)
    );
    let by_request = store
        .find_payment_by_request(&world.app, &payment.request_id)
        .await;
    assert_eq!(by_request.unwrap().as_ref(), Some(&payment));
    let occupying = store
        .find_occupying_payment(&world.app, &payment.business_order_id)
        .await;
    assert_eq!(occupying.unwrap().as_ref(), Some(&payment));
    assert_eq!(store.list_legs(payment.id).await.unwrap(), vec![leg]);
    assert_eq!(
        store.list_attempts(payment.id).await.unwrap(),
        vec![attempt.clone()]
    );
    assert_eq!(store.find_attempt(attempt.id).await.unwrap(), Some(attempt));
}

#[tokio::test]
async fn a_payment_of_another_app_is_not_found() {
    let world = World::new().await;
    let bundle = world.make_payment("order-1");
    world.insert(&bundle).await;
    let (store, id) = (world.store(), bundle.0.id);
    let stranger = AppId::try_new("stranger").unwrap();
    assert_eq!(
        store.find_payment_of_app(&stranger, id).await.unwrap(),
        None
    );
    assert!(
        store
            .find_payment_of_app(&world.app, id)
            .await
            .unwrap()
            .is_some()
    );
}

#[tokio::test]
async fn a_request_is_stored_once_per_app() {
    let world = World::new().await;
    let first = world.make_payment("order-1");
    world.insert(&first).await;
    let mut second = world.make_payment("order-2");
    second.0.request_id = first.0.request_id.clone();
    let tx = world.store().begin().await.unwrap();
    let refused = tx
        .insert_payment_in_tx(&second.0, &[second.1], Some(&second.2))
        .await;
    assert!(
        matches!(refused, Err(StoreError::UniqueViolation { .. })),
        "{refused:?}"
    );
}

#[tokio::test]
async fn an_order_is_occupied_by_one_payment_at_a_time() {
    let world = World::new().await;
    world.insert(&world.make_payment("order-1")).await;
    let (payment, leg, attempt) = world.make_payment("order-1");
    let tx = world.store().begin().await.unwrap();
    let refused = tx
        .insert_payment_in_tx(&payment, &[leg], Some(&attempt))
        .await;
    assert!(
        matches!(refused, Err(StoreError::UniqueViolation { .. })),
        "{refused:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_concurrent_identical_requests_one_is_stored() {
    let world = World::new().await;
    let request = RequestId::try_new("same").unwrap();
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..20 {
        let (mut payment, leg, attempt) = world.make_payment("order-1");
        payment.request_id = request.clone();
        let store = world.store().clone();
        tasks.spawn(async move {
            let tx = store.begin().await?;
            tx.insert_payment_in_tx(&payment, &[leg], Some(&attempt))
                .await?;
            tx.commit().await
        });
    }
    let ends = tasks.join_all().await;
    let stored = ends.iter().filter(|end| end.is_ok()).count();
    let refused = ends
        .iter()
        .filter(|end| matches!(end, Err(StoreError::UniqueViolation { .. })))
        .count();
    assert_eq!((stored, refused), (1, 19), "{ends:?}");
}

#[tokio::test]
async fn a_dropped_transaction_leaves_nothing() {
    let world = World::new().await;
    let (payment, leg, attempt) = world.make_payment("order-1");
    let tx = world.store().begin().await.unwrap();
    tx.insert_payment_in_tx(&payment, &[leg], Some(&attempt))
        .await
        .unwrap();
    drop(tx);
    assert_eq!(world.store().find_payment(payment.id).await.unwrap(), None);
    // Its turn as the writer ended with it.
    world.insert(&world.make_payment("order-1")).await;
}

#[tokio::test]
async fn an_unreadable_row_names_its_table_column_and_id() {
    let world = World::new().await;
    let bundle = world.make_payment("order-1");
    world.insert(&bundle).await;
    let id = bundle.0.id;
    let spoil = format!("UPDATE payment_transactions SET metadata = '{{' WHERE id = '{id}'");
    assert_eq!(world.db.execute(&spoil).await, Ok(1));
    let error = world.store().find_payment(id).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("unreadable row: table payment_transactions, column metadata, row {id}")
    );
}

#[tokio::test]
async fn pages_list_every_payment_once_newest_first() {
    let world = World::new().await;
    let mut ids = Vec::new();
    for number in 0..7 {
        // Every other payment has the same time as the one before it, and the times differ in the
        // number of their decimals.
        if number % 2 == 0 {
            world.clock.advance(TimeDelta::microseconds(438_772));
        }
        let bundle = world.make_payment(&format!("order-{number}"));
        ids.push((bundle.0.created_at, bundle.0.id));
        world.insert(&bundle).await;
    }
    ids.sort_unstable_by(|left, right| right.cmp(left));
    let mut seen = Vec::new();
    let mut page = Page::first(2);
    loop {
        let rows = world
            .store()
            .list_payments(&world.app, &PaymentFilter::default(), &page)
            .await
            .unwrap();
        let Some(last) = rows.last() else { break };
        page = Page::after(last.created_at, last.id, 2);
        seen.extend(rows.iter().map(|row| (row.created_at, row.id)));
    }
    assert_eq!(seen, ids);
}

#[tokio::test]
async fn filters_narrow_a_listing() {
    let world = World::new().await;
    let first = world.make_payment("order-1");
    world.insert(&first).await;
    world.clock.advance(TimeDelta::seconds(1));
    let second = world.insert_paid("order-2").await;
    let list = async |filter: PaymentFilter| {
        let page = Page::default();
        let rows = world
            .store()
            .list_payments(&world.app, &filter, &page)
            .await
            .unwrap();
        rows.into_iter().map(|row| row.id).collect::<Vec<_>>()
    };
    let none = PaymentFilter::default();
    let paid = PaymentFilter {
        status: Some(PaymentStatus::PaidSuccess),
        ..none.clone()
    };
    assert_eq!(list(paid).await, [second.0.id]);
    let later = PaymentFilter {
        created_from: Some(second.0.created_at),
        ..none.clone()
    };
    assert_eq!(list(later).await, [second.0.id]);
    let earlier = PaymentFilter {
        created_to: Some(second.0.created_at),
        ..none.clone()
    };
    assert_eq!(list(earlier).await, [first.0.id]);
    let order = BusinessOrderId::try_new("order-1").unwrap();
    let of_order = PaymentFilter {
        business_order_id: Some(order),
        ..none.clone()
    };
    assert_eq!(list(of_order).await, [first.0.id]);
    assert_eq!(list(none).await, [second.0.id, first.0.id]);
}
