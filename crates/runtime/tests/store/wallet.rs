//! Wallets in the books. The races: many debits of one wallet, the same cause at once, and bookings over
//! the same wallets in opposite order. The guards: the accounts' locks in one order, the check under them,
//! and the database's own check of what is available.

use chrono::TimeDelta;
use kassa_core::id::HoldId;
use kassa_core::ledger::{
    Amount, CauseKind, HoldStatus, LedgerAccountKey, LedgerAccountKind, Transfer, TransferCause,
    Unit,
};
use kassa_core::text::UserId;
use kassa_core::wallet::{Wallet, WalletKey, WalletStatus};
use kassa_core::{Currency, Points};
use runtime::store::{Balances, Difference, Locked, Movement, NewHold, Posted, StoreError};

use crate::support::{World, cny};

pub(crate) fn wallet(world: &World, user: &str) -> WalletKey {
    WalletKey {
        app_id: world.app.clone(),
        user_id: UserId::try_new(user).unwrap(),
    }
}

pub(crate) fn points(minor: i64) -> Points {
    Points::try_new(minor).unwrap()
}

pub(crate) async fn book(world: &World, movements: &[Movement]) -> Result<Vec<Posted>, StoreError> {
    let tx = world.store().begin().await.unwrap();
    let now = world.clock.now();
    let posted = tx.book_in_tx(movements, None, &world.ids, now).await?;
    tx.commit().await.unwrap();
    Ok(posted)
}

/// Puts money or points into a wallet.
async fn fill(world: &World, key: &WalletKey, amount: impl Into<Amount>) {
    let id = HoldId::new(&world.ids).to_string();
    let transfer = key.credit(id, amount.into()).unwrap();
    let posted = book(world, &[Movement::Transfer(transfer)]).await.unwrap();
    assert_eq!(posted, [Posted::New]);
}

fn new_hold(world: &World, key: &WalletKey, amount: impl Into<Amount>, leg: &str) -> NewHold {
    let amount = amount.into();
    let kind = match amount {
        Amount::Money(_) => CauseKind::BalancePayment,
        Amount::Points(_) => CauseKind::PointsPayment,
    };
    NewHold {
        id: HoldId::new(&world.ids),
        account: key.account(amount.unit()),
        amount,
        cause: TransferCause {
            kind,
            id: leg.to_owned(),
        },
        expires_at: world.clock.now() + TimeDelta::minutes(30),
    }
}

fn cny_of(key: &WalletKey) -> LedgerAccountKey {
    key.account(Currency::CNY.into())
}

async fn balances(world: &World, key: &LedgerAccountKey) -> (i64, i64) {
    let Balances {
        balance_minor,
        held_minor,
    } = world.store().balances(key).await.unwrap();
    (balance_minor, held_minor)
}

async fn assert_clean(world: &World) {
    let report = world.store().verify_books().await.unwrap();
    assert!(report.is_clean(), "{report:?}");
}

fn debit(key: &WalletKey, id: &str, minor: i64) -> Transfer {
    key.debit(id.to_owned(), cny(minor).into()).unwrap()
}

#[tokio::test]
async fn a_hold_reserves_and_posting_a_part_releases_the_rest() {
    let world = World::new().await;
    let key = wallet(&world, "u1");
    fill(&world, &key, cny(1_000)).await;
    let hold = new_hold(&world, &key, cny(700), "leg-1");
    let made = book(&world, &[Movement::Hold(hold.clone())]).await.unwrap();
    assert_eq!(made, [Posted::New]);
    assert_eq!(balances(&world, &cny_of(&key)).await, (-1_000, 700));
    let again = new_hold(&world, &key, cny(700), "leg-1");
    let again = book(&world, &[Movement::Hold(again)]).await.unwrap();
    assert_eq!(again, [Posted::AlreadyPosted]);
    let refused = book(&world, &[Movement::Transfer(debit(&key, "d1", 301))]).await;
    assert!(
        matches!(
            refused,
            Err(StoreError::InsufficientFunds {
                available_minor: 300,
                ..
            })
        ),
        "{refused:?}"
    );
    let transfer = key.balance_payment("leg-1".to_owned(), cny(500)).unwrap();
    let post = Movement::PostHold {
        hold: hold.id,
        transfer,
    };
    assert_eq!(
        book(&world, std::slice::from_ref(&post)).await.unwrap(),
        [Posted::New]
    );
    assert_eq!(balances(&world, &cny_of(&key)).await, (-500, 0));
    let repeat = book(&world, &[post]).await.unwrap();
    assert_eq!(repeat, [Posted::AlreadyPosted]);
    let refused = book(&world, &[Movement::VoidHold(hold.id)]).await;
    assert!(
        matches!(
            refused,
            Err(StoreError::HoldState {
                status: HoldStatus::Posted,
                ..
            })
        ),
        "{refused:?}"
    );
    assert_clean(&world).await;
}

#[tokio::test]
async fn a_voided_hold_gives_everything_back_and_cannot_be_posted() {
    let world = World::new().await;
    let key = wallet(&world, "u1");
    fill(&world, &key, cny(1_000)).await;
    let hold = new_hold(&world, &key, cny(1_000), "leg-1");
    let id = hold.id;
    assert_eq!(
        book(&world, &[Movement::Hold(hold)]).await.unwrap(),
        [Posted::New]
    );
    let later = world.clock.now() + TimeDelta::hours(1);
    let due = world.store().list_due_holds(later, 10).await.unwrap();
    assert_eq!(due.iter().map(|hold| hold.id).collect::<Vec<_>>(), [id]);
    let void = [Movement::VoidHold(id)];
    assert_eq!(book(&world, &void).await.unwrap(), [Posted::New]);
    assert_eq!(book(&world, &void).await.unwrap(), [Posted::AlreadyPosted]);
    assert_eq!(balances(&world, &cny_of(&key)).await, (-1_000, 0));
    assert!(
        world
            .store()
            .list_due_holds(later, 10)
            .await
            .unwrap()
            .is_empty()
    );
    let transfer = key.balance_payment("leg-1".to_owned(), cny(1_000)).unwrap();
    let refused = book(&world, &[Movement::PostHold { hold: id, transfer }]).await;
    assert!(
        matches!(
            refused,
            Err(StoreError::HoldState {
                status: HoldStatus::Voided,
                ..
            })
        ),
        "{refused:?}"
    );
    assert_clean(&world).await;
}

#[tokio::test]
async fn a_hold_lasts_longer_while_it_is_active() {
    let world = World::new().await;
    let key = wallet(&world, "u1");
    fill(&world, &key, cny(10)).await;
    let hold = new_hold(&world, &key, cny(10), "leg-1");
    let id = hold.id;
    assert_eq!(
        book(&world, &[Movement::Hold(hold)]).await.unwrap(),
        [Posted::New]
    );
    let later = world.clock.now() + TimeDelta::hours(5);
    let tx = world.store().begin().await.unwrap();
    assert!(tx.extend_hold_in_tx(id, later).await.unwrap());
    assert_eq!(
        tx.find_hold_in_tx(id).await.unwrap().unwrap().expires_at,
        later
    );
    tx.commit().await.unwrap();
    assert_eq!(
        book(&world, &[Movement::VoidHold(id)]).await.unwrap(),
        [Posted::New]
    );
    let tx = world.store().begin().await.unwrap();
    assert!(!tx.extend_hold_in_tx(id, later).await.unwrap());
}

#[tokio::test]
async fn a_refused_movement_takes_those_before_it_along() {
    let world = World::new().await;
    let (rich, poor) = (wallet(&world, "rich"), wallet(&world, "poor"));
    fill(&world, &rich, cny(1_000)).await;
    let movements = [
        Movement::Hold(new_hold(&world, &rich, cny(600), "leg-1")),
        Movement::Transfer(debit(&poor, "d1", 1)),
    ];
    let refused = book(&world, &movements).await;
    assert!(
        matches!(&refused, Err(StoreError::InsufficientFunds { account, available_minor: 0 })
            if account.owner == "shop/poor"),
        "{refused:?}"
    );
    assert_eq!(balances(&world, &cny_of(&rich)).await, (-1_000, 0));
    assert_clean(&world).await;
}

#[tokio::test]
async fn the_database_itself_refuses_to_overdraw_a_wallet() {
    let world = World::new().await;
    let key = wallet(&world, "u1");
    fill(&world, &key, cny(100)).await;
    for sql in [
        "UPDATE ledger_accounts SET balance_minor = 1 WHERE kind = 'WALLET'",
        "UPDATE ledger_accounts SET held_minor = 101 WHERE kind = 'WALLET'",
        "UPDATE ledger_accounts SET held_minor = -1 WHERE kind = 'WALLET'",
    ] {
        let refused = world.db.execute(sql).await.unwrap_err();
        assert!(refused.contains("ck_ledger_accounts_"), "{sql}: {refused}");
    }
    // Any other account may have either sign.
    let free = "UPDATE ledger_accounts SET balance_minor = -5 WHERE kind = 'APP_PAYABLE'";
    assert_eq!(world.db.execute(free).await, Ok(1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_a_hundred_debits_at_once_exactly_those_succeed_that_the_wallet_bears() {
    let world = World::new().await;
    let key = wallet(&world, "u1");
    fill(&world, &key, cny(5_000)).await;
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..100 {
        let (store, ids, now) = (world.store().clone(), world.ids.clone(), world.clock.now());
        let transfer = debit(&key, &number.to_string(), 100);
        tasks.spawn(async move {
            let tx = store.begin().await.unwrap();
            match tx.post_transfer_in_tx(&transfer, None, &ids, now).await {
                Ok(Posted::New) => {
                    tx.commit().await.unwrap();
                    true
                }
                Err(StoreError::InsufficientFunds { .. }) => false,
                other => panic!("{other:?}"),
            }
        });
    }
    let ends = tasks.join_all().await;
    assert_eq!(ends.into_iter().filter(|succeeded| *succeeded).count(), 50);
    assert_eq!(balances(&world, &cny_of(&key)).await, (0, 0));
    assert_clean(&world).await;
}

/// Without one call per transaction and one order of locks the two transactions of a round wait for
/// each other, and PostgreSQL ends one of them.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn bookings_over_the_same_wallets_in_opposite_order_do_not_wait_for_each_other() {
    let world = World::new().await;
    let users = ["u1", "u2"].map(|user| wallet(&world, user));
    for key in &users {
        fill(&world, key, cny(100_000)).await;
        fill(&world, key, points(100_000)).await;
    }
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..60 {
        let mut movements = Vec::new();
        for (place, key) in users.iter().enumerate() {
            let leg = format!("{number}-{place}");
            movements.push(Movement::Hold(new_hold(
                &world,
                key,
                cny(10),
                &format!("{leg}-h"),
            )));
            let paid = key.points_payment(leg, points(100), cny(10)).unwrap();
            movements.push(Movement::Transfer(paid));
        }
        if number % 2 == 1 {
            movements.reverse();
        }
        let (store, ids, now) = (world.store().clone(), world.ids.clone(), world.clock.now());
        tasks.spawn(async move {
            let tx = store.begin().await.unwrap();
            let posted = tx.book_in_tx(&movements, None, &ids, now).await.unwrap();
            tx.commit().await.unwrap();
            posted
        });
    }
    for posted in tasks.join_all().await {
        assert_eq!(posted, [Posted::New; 4]);
    }
    for key in &users {
        assert_eq!(balances(&world, &cny_of(key)).await, (-100_000, 600));
        assert_eq!(
            balances(&world, &key.account(Unit::Points)).await,
            (-94_000, 0)
        );
    }
    assert_clean(&world).await;
}

#[tokio::test]
async fn a_statement_runs_on_from_entry_to_entry_and_is_read_in_pages() {
    let world = World::new().await;
    let key = wallet(&world, "u1");
    for number in 1..=5 {
        fill(&world, &key, cny(number * 100)).await;
    }
    let taken = book(&world, &[Movement::Transfer(debit(&key, "d1", 250))]).await;
    assert_eq!(taken.unwrap(), [Posted::New]);
    let account = cny_of(&key);
    let first = world
        .store()
        .list_statement(&account, None, 4)
        .await
        .unwrap();
    let shown: Vec<_> = first
        .iter()
        .map(|entry| {
            (
                entry.sequence,
                entry.amount_minor,
                entry.balance_after_minor,
            )
        })
        .collect();
    assert_eq!(
        shown,
        [
            (6, 250, -1_250),
            (5, -500, -1_500),
            (4, -400, -1_000),
            (3, -300, -600)
        ]
    );
    assert_eq!(first[0].cause.kind, CauseKind::WalletDebit);
    let rest = world
        .store()
        .list_statement(&account, Some(3), 4)
        .await
        .unwrap();
    assert_eq!(
        rest.iter().map(|entry| entry.sequence).collect::<Vec<_>>(),
        [2, 1]
    );
    let nobody = cny_of(&wallet(&world, "nobody"));
    assert!(
        world
            .store()
            .list_statement(&nobody, None, 4)
            .await
            .unwrap()
            .is_empty()
    );
}

#[tokio::test]
async fn points_are_spent_in_the_order_in_which_they_expire_and_what_is_due_expires() {
    let world = World::new().await;
    let key = wallet(&world, "u1");
    let start = world.clock.now();
    let grant = |id: &str, minor, days| Movement::Grant {
        transfer: key.credit(id.to_owned(), points(minor).into()).unwrap(),
        expires_at: start + TimeDelta::days(days),
    };
    let granted = [grant("late", 300, 20), grant("soon", 200, 10)];
    assert_eq!(book(&world, &granted).await.unwrap(), [Posted::New; 2]);
    fill(&world, &key, points(400)).await;
    // 250 are spent: all 200 that expire first and 50 of the others. 30 more are held.
    let paid = key
        .points_payment("leg-1".to_owned(), points(250), cny(25))
        .unwrap();
    let hold = new_hold(&world, &key, points(630), "leg-2");
    let movements = [Movement::Transfer(paid), Movement::Hold(hold.clone())];
    assert_eq!(book(&world, &movements).await.unwrap(), [Posted::New; 2]);
    let expire = async || {
        let tx = world.store().begin().await.unwrap();
        let now = world.clock.now();
        let expired = tx.expire_points_in_tx(&key, &world.ids, now).await.unwrap();
        tx.commit().await.unwrap();
        expired.map(Points::minor)
    };
    world.clock.advance(TimeDelta::days(15));
    assert_eq!(expire().await, None);
    // 250 of the later lot are due and only 20 of all points are not held.
    world.clock.advance(TimeDelta::days(15));
    let due = || async {
        let now = world.clock.now();
        world
            .store()
            .list_wallets_with_due_points(now, 10)
            .await
            .unwrap()
    };
    assert_eq!(due().await, std::slice::from_ref(&key));
    assert_eq!(expire().await, Some(20));
    assert_eq!(due().await, []);
    assert_eq!(
        book(&world, &[Movement::VoidHold(hold.id)]).await.unwrap(),
        [Posted::New]
    );
    assert_eq!(expire().await, Some(230));
    assert_eq!(expire().await, None);
    assert_eq!(
        balances(&world, &key.account(Unit::Points)).await,
        (-400, 0)
    );
    let pool = LedgerAccountKey {
        kind: LedgerAccountKind::PointsPool,
        owner: world.app.to_string(),
        unit: Unit::Points,
    };
    assert_eq!(balances(&world, &pool).await, (400, 0));
    assert_clean(&world).await;
}

#[tokio::test]
async fn points_that_change_hands_keep_their_day() {
    let world = World::new().await;
    let (giver, taker) = (wallet(&world, "giver"), wallet(&world, "taker"));
    let expires_at = world.clock.now() + TimeDelta::days(1);
    let grant = Movement::Grant {
        transfer: giver.credit("g".to_owned(), points(100).into()).unwrap(),
        expires_at,
    };
    let handed = giver
        .transfer("t".to_owned(), &taker.user_id, points(60).into())
        .unwrap();
    let posted = book(&world, &[grant, Movement::Transfer(handed)])
        .await
        .unwrap();
    assert_eq!(posted, [Posted::New; 2]);
    let due = world
        .store()
        .list_wallets_with_due_points(expires_at, 10)
        .await
        .unwrap();
    assert!(due.contains(&taker) && due.contains(&giver), "{due:?}");
    assert_clean(&world).await;
}

#[tokio::test]
async fn a_wallet_comes_into_being_once_and_is_locked_in_one_order() {
    let world = World::new().await;
    let keys = [wallet(&world, "b"), wallet(&world, "a")];
    let lock = async || {
        let tx = world.store().begin().await.unwrap();
        let now = world.clock.now();
        let found = tx.lock_wallets_in_tx(&keys, &world.ids, now).await.unwrap();
        let found: Vec<Wallet> = found.into_iter().map(Locked::into_inner).collect();
        tx.commit().await.unwrap();
        found
    };
    let first = lock().await;
    assert_eq!([&first[0].key, &first[1].key], [&keys[0], &keys[1]]);
    assert_eq!(lock().await, first);
    let tx = world.store().begin().await.unwrap();
    let now = world.clock.now();
    let mut locked = tx.lock_wallets_in_tx(&keys, &world.ids, now).await.unwrap();
    let frozen = Wallet {
        status: WalletStatus::Frozen,
        ..first[1].clone()
    };
    let stale = locked.pop().unwrap();
    let stored = tx
        .update_wallet_in_tx(stale.clone(), frozen.clone())
        .await
        .unwrap();
    assert_eq!((stored.status, stored.version), (WalletStatus::Frozen, 2));
    let conflict = tx.update_wallet_in_tx(stale, frozen).await;
    assert!(
        matches!(conflict, Err(StoreError::Conflict { .. })),
        "{conflict:?}"
    );
}

#[tokio::test]
async fn wallets_that_cannot_be_are_reported() {
    let world = World::new().await;
    let key = wallet(&world, "u1");
    fill(&world, &key, cny(100)).await;
    fill(&world, &key, points(100)).await;
    for sql in [
        "UPDATE ledger_accounts SET held_minor = 7 WHERE kind = 'WALLET'",
        "UPDATE points_lots SET remaining_minor = 99",
        "UPDATE ledger_accounts SET entry_count = 0 WHERE kind = 'POINTS_POOL'",
    ] {
        assert_eq!(world.db.execute(sql).await, Ok(1), "{sql}");
    }
    fill(&world, &key, points(1)).await;
    let report = world.store().verify_books().await.unwrap();
    let has = |wanted: fn(&Difference) -> bool| report.differences.iter().any(wanted);
    assert!(has(
        |it| matches!(it, Difference::WrongHeld { held_minor: 7, total, .. } if total == "0")
    ));
    assert!(has(
        |it| matches!(it, Difference::WrongLots { points_minor: 101, total, .. } if total == "100")
    ));
    assert!(has(|it| matches!(
        it,
        Difference::BrokenStatement { sequence: 1, .. }
    )));
    let broken = |it: &&Difference| matches!(it, Difference::BrokenStatement { .. });
    let others = report.differences.len() - report.differences.iter().filter(broken).count();
    assert_eq!(others, 2, "{report:?}");
}
