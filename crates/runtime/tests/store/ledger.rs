//! The books. The races: the same cause booked at once, and transfers over the same accounts in opposite
//! order. The guards: the unique cause, and account locks in one order.

use kassa_core::ledger::{Booking, Entry, LedgerAccountKey, LedgerAccountKind, Transfer};
use runtime::store::{Difference, Posted};
use sea_orm::DbBackend;

use crate::support::{World, cny};

fn booking(world: &World, minor: i64) -> Booking {
    Booking {
        channel_account_id: world.account,
        app_id: world.app.clone(),
        amount: cny(minor),
    }
}

fn key(kind: LedgerAccountKind, owner: String) -> LedgerAccountKey {
    LedgerAccountKey {
        kind,
        owner,
        unit: kassa_core::Currency::CNY.into(),
    }
}

fn receivable(world: &World) -> LedgerAccountKey {
    key(
        LedgerAccountKind::GatewayReceivable,
        world.account.to_string(),
    )
}

async fn post(world: &World, transfer: &Transfer) -> Posted {
    let tx = world.store().begin().await.unwrap();
    let posted = tx
        .post_transfer_in_tx(transfer, None, &world.ids, world.clock.now())
        .await
        .unwrap();
    tx.commit().await.unwrap();
    posted
}

#[tokio::test]
async fn a_transfer_moves_both_balances_once() {
    let world = World::new().await;
    let (payment, ..) = world.insert_paid("order-1").await;
    let transfer = booking(&world, 10_000)
        .payment("attempt-1".to_owned())
        .unwrap();
    let tx = world.store().begin().await.unwrap();
    let now = world.clock.now();
    let posted = tx
        .post_transfer_in_tx(&transfer, Some(payment.id), &world.ids, now)
        .await;
    assert_eq!(posted.unwrap(), Posted::New);
    tx.commit().await.unwrap();
    assert_eq!(post(&world, &transfer).await, Posted::AlreadyPosted);
    let payable = key(LedgerAccountKind::AppPayable, world.app.to_string());
    let store = world.store();
    assert_eq!(store.balance(&receivable(&world)).await.unwrap(), 10_000);
    assert_eq!(store.balance(&payable).await.unwrap(), -10_000);
    let suspense = key(LedgerAccountKind::Suspense, world.account.to_string());
    assert_eq!(store.balance(&suspense).await.unwrap(), 0);
    let records = store.list_transfers_of(payment.id).await.unwrap();
    assert_eq!(records.len(), 1);
    assert_eq!(&records[0].cause, transfer.cause());
    assert_eq!(records[0].entries, transfer.entries());
    let report = store.verify_books().await.unwrap();
    assert!(report.is_clean(), "{report:?}");
    assert_eq!(
        (report.accounts, report.transfers, report.entries),
        (2, 1, 2)
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn one_cause_posted_by_many_at_once_is_booked_once() {
    let world = World::new().await;
    let transfer = booking(&world, 100)
        .payment("attempt-1".to_owned())
        .unwrap();
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..20 {
        let (store, ids, transfer) = (world.store().clone(), world.ids.clone(), transfer.clone());
        let now = world.clock.now();
        tasks.spawn(async move {
            let tx = store.begin().await.unwrap();
            let posted = tx
                .post_transfer_in_tx(&transfer, None, &ids, now)
                .await
                .unwrap();
            tx.commit().await.unwrap();
            posted
        });
    }
    let ends = tasks.join_all().await;
    assert_eq!(
        ends.into_iter().filter(|end| *end == Posted::New).count(),
        1
    );
    assert_eq!(
        world.store().balance(&receivable(&world)).await.unwrap(),
        100
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn opposite_transfers_at_once_neither_deadlock_nor_lose_a_cent() {
    let world = World::new().await;
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..40 {
        let transfer = if number % 2 == 0 {
            booking(&world, 300)
                .payment(format!("attempt-{number}"))
                .unwrap()
        } else {
            booking(&world, 100)
                .refund(format!("refund-{number}"))
                .unwrap()
        };
        let (store, ids) = (world.store().clone(), world.ids.clone());
        let now = world.clock.now();
        tasks.spawn(async move {
            let tx = store.begin().await.unwrap();
            let posted = tx
                .post_transfer_in_tx(&transfer, None, &ids, now)
                .await
                .unwrap();
            tx.commit().await.unwrap();
            posted
        });
    }
    assert!(
        tasks
            .join_all()
            .await
            .into_iter()
            .all(|end| end == Posted::New)
    );
    assert_eq!(
        world.store().balance(&receivable(&world)).await.unwrap(),
        20 * 300 - 20 * 100
    );
    let report = world.store().verify_books().await.unwrap();
    assert!(report.is_clean(), "{report:?}");
}

#[tokio::test]
async fn a_balance_beyond_the_range_is_refused_and_nothing_is_booked() {
    let world = World::new().await;
    let huge = booking(&world, i64::MAX)
        .payment("attempt-1".to_owned())
        .unwrap();
    assert_eq!(post(&world, &huge).await, Posted::New);
    let one_more = booking(&world, 1).payment("attempt-2".to_owned()).unwrap();
    let tx = world.store().begin().await.unwrap();
    let now = world.clock.now();
    assert!(
        tx.post_transfer_in_tx(&one_more, None, &world.ids, now)
            .await
            .is_err()
    );
    drop(tx);
    let report = world.store().verify_books().await.unwrap();
    assert!(report.is_clean(), "{report:?}");
    assert_eq!(report.transfers, 1);
}

#[tokio::test]
async fn an_account_may_occur_twice_in_a_transfer() {
    let world = World::new().await;
    let suspense = key(LedgerAccountKind::Suspense, world.account.to_string());
    let entry = |account: &LedgerAccountKey, amount_minor| Entry {
        account: account.clone(),
        amount_minor,
    };
    let cause = booking(&world, 1)
        .payment("attempt-1".to_owned())
        .unwrap()
        .cause()
        .clone();
    let entries = vec![
        entry(&suspense, 5),
        entry(&receivable(&world), -12),
        entry(&suspense, 7),
    ];
    let transfer = Transfer::try_new(cause, entries).unwrap();
    assert_eq!(post(&world, &transfer).await, Posted::New);
    assert_eq!(world.store().balance(&suspense).await.unwrap(), 12);
    assert!(world.store().verify_books().await.unwrap().is_clean());
}

#[tokio::test]
async fn transfers_and_entries_cannot_be_changed_or_deleted() {
    let world = World::new().await;
    let transfer = booking(&world, 100)
        .payment("attempt-1".to_owned())
        .unwrap();
    assert_eq!(post(&world, &transfer).await, Posted::New);
    for sql in [
        "UPDATE ledger_entries SET amount_minor = 7",
        "DELETE FROM ledger_entries",
        "UPDATE ledger_transfers SET cause_id = 'other'",
        "DELETE FROM ledger_transfers",
    ] {
        let refused = world.db.execute(sql).await.unwrap_err();
        assert!(refused.contains("never changed"), "{sql}: {refused}");
    }
}

#[tokio::test]
async fn books_that_cannot_be_are_reported() {
    let world = World::new().await;
    let transfer = booking(&world, 100)
        .payment("attempt-1".to_owned())
        .unwrap();
    assert_eq!(post(&world, &transfer).await, Posted::New);
    let time = match world.store().backend() {
        DbBackend::Postgres => "now()",
        _ => "'2026-01-01T00:00:00+00:00'",
    };
    let stray = format!("INSERT INTO ledger_transfers VALUES ('t2', 'PAYMENT', 'x', NULL, {time})");
    world.db.execute(&stray).await.unwrap();
    let odd = "INSERT INTO ledger_entries SELECT 'e3', t.id, a.id, 3, 5, 105, 2 \
               FROM ledger_transfers t, ledger_accounts a \
               WHERE t.id <> 't2' AND a.kind = 'GATEWAY_RECEIVABLE'";
    assert_eq!(world.db.execute(odd).await, Ok(1));
    let report = world.store().verify_books().await.unwrap();
    let has = |wanted: fn(&Difference) -> bool| report.differences.iter().any(wanted);
    assert!(has(
        |it| matches!(it, Difference::Unbalanced { total, .. } if total == "5")
    ));
    assert!(has(
        |it| matches!(it, Difference::TooFewEntries { transfer_id } if transfer_id == "t2")
    ));
    assert!(has(
        |it| matches!(it, Difference::WrongBalance { balance_minor: 100, total, .. } if total == "105")
    ));
    assert_eq!(report.differences.len(), 3);
}
