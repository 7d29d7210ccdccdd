//! Changes of payments: versions, the order that is given free, and what the database refuses.

use kassa_core::payment::{AttemptStatus, Failure, LegStatus, PaymentStatus, PrepayInfo};
use kassa_core::{Currency, Money};
use runtime::store::StoreError;

use crate::support::{World, cny};

#[tokio::test]
async fn an_update_grows_the_version_and_reads_back() {
    let world = World::new().await;
    let (payment, leg, attempt) = world.make_payment("order-1");
    world
        .insert(&(payment.clone(), leg.clone(), attempt.clone()))
        .await;
    let tx = world.store().begin().await.unwrap();
    let locked = tx.load_payment_for_update_in_tx(payment.id).await.unwrap();
    let mut new = locked.get().clone();
    new.status = PaymentStatus::PaidFailed;
    new.failure = Some(Failure {
        code: "X".to_owned(),
        message: "no".to_owned(),
    });
    new.event_sequence = 1;
    let updated = tx.update_payment_in_tx(locked, new).await.unwrap();
    let locked = tx.load_attempt_for_update_in_tx(attempt.id).await.unwrap();
    let mut new = locked.get().clone();
    new.status = AttemptStatus::Open;
    new.prepay = Some(PrepayInfo::QrCode {
        content: "https://qr.example/1".to_owned(),
    });
    let opened = tx.update_attempt_in_tx(locked, new).await.unwrap();
    tx.update_leg_status_in_tx(leg.id, LegStatus::Ended)
        .await
        .unwrap();
    tx.commit().await.unwrap();
    assert_eq!((updated.version, opened.version), (2, 2));
    let store = world.store();
    assert_eq!(store.find_payment(payment.id).await.unwrap(), Some(updated));
    assert_eq!(store.find_attempt(attempt.id).await.unwrap(), Some(opened));
    assert_eq!(
        store.list_legs(payment.id).await.unwrap()[0].status,
        LegStatus::Ended
    );
}

#[tokio::test]
async fn an_update_from_an_old_version_is_a_conflict() {
    let world = World::new().await;
    let (payment, leg, attempt) = world.make_payment("order-1");
    world.insert(&(payment.clone(), leg, attempt.clone())).await;
    let tx = world.store().begin().await.unwrap();
    let stale = tx.load_payment_for_update_in_tx(payment.id).await.unwrap();
    let fresh = tx.load_payment_for_update_in_tx(payment.id).await.unwrap();
    tx.update_payment_in_tx(fresh, payment.clone())
        .await
        .unwrap();
    let refused = tx.update_payment_in_tx(stale, payment).await;
    assert!(
        matches!(refused, Err(StoreError::Conflict { .. })),
        "{refused:?}"
    );
    let stale = tx.load_attempt_for_update_in_tx(attempt.id).await.unwrap();
    let fresh = tx.load_attempt_for_update_in_tx(attempt.id).await.unwrap();
    tx.update_attempt_in_tx(fresh, attempt.clone())
        .await
        .unwrap();
    let refused = tx.update_attempt_in_tx(stale, attempt).await;
    assert!(
        matches!(refused, Err(StoreError::Conflict { .. })),
        "{refused:?}"
    );
}

#[tokio::test]
async fn a_payment_that_ended_unpaid_frees_its_order_for_good() {
    let world = World::new().await;
    for (order, ended) in [
        ("a", PaymentStatus::Closed),
        ("b", PaymentStatus::PaidFailed),
    ] {
        let bundle = world.make_payment(order);
        world.insert(&bundle).await;
        let tx = world.store().begin().await.unwrap();
        let locked = tx.load_payment_for_update_in_tx(bundle.0.id).await.unwrap();
        let mut new = locked.get().clone();
        new.status = ended;
        tx.update_payment_in_tx(locked, new).await.unwrap();
        tx.commit().await.unwrap();
        let next = world.make_payment(order);
        world.insert(&next).await;
        // A late success is real money, but the order belongs to the next payment.
        let tx = world.store().begin().await.unwrap();
        let locked = tx.load_payment_for_update_in_tx(bundle.0.id).await.unwrap();
        let mut late = locked.get().clone();
        late.status = PaymentStatus::PaidSuccess;
        late.amount_paid = late.amount_requested;
        tx.update_payment_in_tx(locked, late).await.unwrap();
        tx.commit().await.unwrap();
        let order = &next.0.business_order_id;
        let occupying = world
            .store()
            .find_occupying_payment(&world.app, order)
            .await
            .unwrap();
        assert_eq!(occupying.map(|payment| payment.id), Some(next.0.id));
        let all = world
            .store()
            .list_payments_of_order(&world.app, order)
            .await
            .unwrap();
        assert_eq!(all.len(), 2);
    }
}

#[tokio::test]
async fn the_database_refuses_amounts_that_cannot_be() {
    let world = World::new().await;
    let bundle = world.insert_paid("order-1").await;
    let id = bundle.0.id;
    for change in [
        "amount_refunded_minor = 10001",
        "amount_refund_reserved_minor = 10001",
        "amount_refunded_minor = 6000, amount_refund_reserved_minor = 4001",
        "amount_refunded_minor = -1",
        "amount_refund_reserved_minor = -1",
        "amount_paid_minor = 9999",
        "amount_requested_minor = 0, amount_paid_minor = 0",
        "status = 'SOMETHING'",
        "app_id = 'nobody'",
    ] {
        let sql = format!("UPDATE payment_transactions SET {change} WHERE id = '{id}'");
        let refused = world.db.execute(&sql).await;
        assert!(refused.is_err(), "{change} was accepted");
    }
    let whole = "amount_refunded_minor = 6000, amount_refund_reserved_minor = 4000";
    let sql = format!("UPDATE payment_transactions SET {whole} WHERE id = '{id}'");
    assert_eq!(world.db.execute(&sql).await, Ok(1));
}

#[tokio::test]
async fn an_amount_in_another_currency_than_its_row_is_not_written() {
    let world = World::new().await;
    let bundle = world.insert_paid("order-1").await;
    let tx = world.store().begin().await.unwrap();
    let locked = tx.load_payment_for_update_in_tx(bundle.0.id).await.unwrap();
    let mut new = locked.get().clone();
    new.amount_refunded = Money::try_new(1, Currency::USD).unwrap();
    let refused = tx.update_payment_in_tx(locked, new).await;
    assert!(
        matches!(refused, Err(StoreError::Unwritable { .. })),
        "{refused:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_fifty_concurrent_refunds_as_many_are_reserved_as_were_paid_for() {
    let world = World::new().await;
    let (payment, ..) = world.insert_paid("order-1").await;
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..50 {
        let (store, app, id) = (world.store().clone(), world.app.clone(), payment.id);
        tasks.spawn(async move {
            let tx = store.begin().await.unwrap();
            let reserved = tx.reserve_refund_in_tx(id, &app, cny(1_000)).await.unwrap();
            tx.commit().await.unwrap();
            reserved
        });
    }
    let reserved = tasks
        .join_all()
        .await
        .into_iter()
        .filter(|reserved| *reserved)
        .count();
    assert_eq!(reserved, 10);
    let after = world
        .store()
        .find_payment(payment.id)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(after.amount_refund_reserved, cny(10_000));
    assert_eq!(after.version, payment.version + 10);
}

#[tokio::test]
async fn nothing_is_reserved_of_an_unpaid_foreign_or_other_currency_payment() {
    let world = World::new().await;
    let (paid, ..) = world.insert_paid("order-1").await;
    let open = world.make_payment("order-2");
    world.insert(&open).await;
    let stranger = kassa_core::text::AppId::try_new("stranger").unwrap();
    let dollar = Money::try_new(1, Currency::USD).unwrap();
    let tx = world.store().begin().await.unwrap();
    assert!(
        !tx.reserve_refund_in_tx(open.0.id, &world.app, cny(1))
            .await
            .unwrap()
    );
    assert!(
        !tx.reserve_refund_in_tx(paid.id, &stranger, cny(1))
            .await
            .unwrap()
    );
    assert!(
        !tx.reserve_refund_in_tx(paid.id, &world.app, dollar)
            .await
            .unwrap()
    );
    assert!(
        !tx.reserve_refund_in_tx(paid.id, &world.app, cny(i64::MAX))
            .await
            .unwrap()
    );
    assert!(
        tx.reserve_refund_in_tx(paid.id, &world.app, cny(10_000))
            .await
            .unwrap()
    );
}
