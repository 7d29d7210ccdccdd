//! Wallets through the API: each request is done once, nothing is ever overdrawn, and what a caller is
//! told stands in the books.
//!
//! The race: debits of one wallet at the same moment, the same request at the same moment, a freeze beside
//! them. The guards: the wallet's row is locked before anything is looked at, and the request's key is
//! looked up again under the lock.

use futures_util::future::join_all;
use proto::v1::{self, WalletEntryDirection, WalletEntryKind, WalletStatus};
use tests::event::kinds;
use tests::{Caller, TestApp, money, reason};
use tonic::{Code, Status};
use tonic_types::StatusExt;

/// Points on the wire.
fn points(amount: &str) -> v1::Points {
    v1::Points {
        amount: amount.to_owned(),
    }
}

fn credit(request_id: &str, user: &str, amount: &str) -> v1::CreditWalletRequest {
    v1::CreditWalletRequest {
        request_id: request_id.to_owned(),
        user_id: user.to_owned(),
        amount: Some(v1::credit_wallet_request::Amount::Money(money(amount))),
        reason: "a gift".to_owned(),
    }
}

fn debit(request_id: &str, user: &str, amount: &str) -> v1::DebitWalletRequest {
    v1::DebitWalletRequest {
        request_id: request_id.to_owned(),
        user_id: user.to_owned(),
        amount: Some(v1::debit_wallet_request::Amount::Money(money(amount))),
        reason: "a mistake".to_owned(),
    }
}

fn transfer(
    request_id: &str,
    from: &str,
    to: &str,
    amount: &str,
) -> v1::TransferBetweenWalletsRequest {
    v1::TransferBetweenWalletsRequest {
        request_id: request_id.to_owned(),
        from_user_id: from.to_owned(),
        to_user_id: to.to_owned(),
        amount: Some(v1::transfer_between_wallets_request::Amount::Points(
            points(amount),
        )),
        reason: "a bet".to_owned(),
    }
}

async fn wallet(caller: &Caller, user: &str) -> v1::Wallet {
    let request = v1::GetWalletRequest {
        user_id: user.to_owned(),
    };
    let answer = caller.wallets().get_wallet(request).await;
    answer.unwrap().into_inner().wallet.unwrap()
}

/// What of a wallet's money is available; nothing if none was ever in it.
async fn available(caller: &Caller, user: &str) -> String {
    let wallet = wallet(caller, user).await;
    let balance = wallet.money.first();
    balance.map_or("none".to_owned(), |balance| {
        balance.available.clone().unwrap().amount
    })
}

fn figure(refused: &Status, name: &str) -> String {
    let info = refused.get_details_error_info().unwrap();
    info.metadata.get(name).cloned().unwrap_or_default()
}

async fn entries(caller: &Caller, user: &str, unit: &str) -> Vec<v1::WalletEntry> {
    let mut all = Vec::new();
    let mut page_token = String::new();
    loop {
        let request = v1::ListWalletEntriesRequest {
            user_id: user.to_owned(),
            unit: unit.to_owned(),
            page_size: 2,
            page_token,
        };
        let page = caller.wallets().list_wallet_entries(request).await;
        let page = page.unwrap().into_inner();
        all.extend(page.entries);
        page_token = page.next_page_token;
        if page_token.is_empty() {
            return all;
        }
    }
}

/// What a line of a statement says: its number, what moved, and the balance after it.
fn line(entry: &v1::WalletEntry) -> (i64, WalletEntryKind, WalletEntryDirection, &str, &str) {
    (
        entry.sequence,
        entry.kind(),
        entry.direction(),
        &entry.money.as_ref().unwrap().amount,
        &entry.money_balance.as_ref().unwrap().amount,
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wallet_is_credited_and_debited_and_its_statement_runs_on() {
    let app = TestApp::start().await;
    let untouched = wallet(&app.shop, "u1").await;
    assert_eq!(
        (untouched.wallet_id.as_str(), untouched.money.len()),
        ("", 0)
    );
    let mut wallets = app.shop.wallets();
    let credited = wallets.credit_wallet(credit("c1", "u1", "30.00")).await;
    let credited = credited.unwrap().into_inner().operation.unwrap();
    assert_eq!(credited.money_available, Some(money("30.00")));
    let again = wallets.credit_wallet(credit("c1", "u1", "30.00")).await;
    assert_eq!(again.unwrap().into_inner().operation.unwrap(), credited);
    let other = wallets
        .credit_wallet(credit("c1", "u1", "31.00"))
        .await
        .unwrap_err();
    assert_eq!(reason(&other), "IDEMPOTENCY_MISMATCH");
    let other = wallets
        .debit_wallet(debit("c1", "u1", "30.00"))
        .await
        .unwrap_err();
    assert_eq!(reason(&other), "IDEMPOTENCY_MISMATCH");
    wallets
        .debit_wallet(debit("d1", "u1", "12.50"))
        .await
        .unwrap();
    wallets
        .credit_wallet(credit("c2", "u1", "0.01"))
        .await
        .unwrap();
    let shown = wallet(&app.shop, "u1").await;
    let balance = v1::MoneyBalance {
        balance: Some(money("17.51")),
        held: Some(money("0.00")),
        available: Some(money("17.51")),
    };
    assert_eq!(shown.money, [balance]);
    let entries = entries(&app.shop, "u1", "CNY").await;
    let (credit, debit) = (WalletEntryKind::Credit, WalletEntryKind::Debit);
    let (into, out) = (WalletEntryDirection::In, WalletEntryDirection::Out);
    assert_eq!(
        entries.iter().map(line).collect::<Vec<_>>(),
        [
            (3, credit, into, "0.01", "17.51"),
            (2, debit, out, "12.50", "17.50"),
            (1, credit, into, "30.00", "30.00"),
        ]
    );
    assert_eq!(entries[1].reason, "a mistake");
    assert_eq!(entries[2].cause_id, credited.operation_id);
    app.settle().await;
    let told = app.events_of(&shown.wallet_id).await;
    assert_eq!(
        kinds(&told),
        ["wallet.credited", "wallet.debited", "wallet.credited"]
    );
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn more_than_is_available_is_refused_with_what_is_and_nothing_is_booked() {
    let app = TestApp::start().await;
    let mut wallets = app.shop.wallets();
    wallets
        .credit_wallet(credit("c1", "u1", "5.00"))
        .await
        .unwrap();
    let before = app.kassa().store.verify_books().await.unwrap();
    let refused = wallets
        .debit_wallet(debit("d1", "u1", "5.01"))
        .await
        .unwrap_err();
    assert_eq!(refused.code(), Code::FailedPrecondition);
    assert_eq!(reason(&refused), "INSUFFICIENT_FUNDS");
    assert_eq!(
        (figure(&refused, "available"), figure(&refused, "unit")),
        ("5.00".to_owned(), "CNY".to_owned())
    );
    let refused = wallets
        .transfer_between_wallets(transfer("t1", "u1", "u2", "1.00"))
        .await
        .unwrap_err();
    assert_eq!(figure(&refused, "unit"), "POINTS");
    assert_eq!(app.kassa().store.verify_books().await.unwrap(), before);
    // What was refused was not done: the same request may succeed later.
    wallets
        .credit_wallet(credit("c2", "u1", "1.00"))
        .await
        .unwrap();
    wallets
        .debit_wallet(debit("d1", "u1", "5.01"))
        .await
        .unwrap();
    assert_eq!(available(&app.shop, "u1").await, "0.99");
    app.settle().await;
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bad_requests_name_every_field() {
    let app = TestApp::start().await;
    let mut wallets = app.shop.wallets();
    let empty = wallets
        .credit_wallet(v1::CreditWalletRequest::default())
        .await;
    let fields = |refused: Status| -> Vec<String> {
        let bad = refused.get_details_bad_request().unwrap();
        let violations = bad.field_violations.into_iter();
        violations.map(|violation| violation.field).collect()
    };
    assert_eq!(
        fields(empty.unwrap_err()),
        ["request_id", "user_id", "reason", "amount"]
    );
    let nothing = wallets.debit_wallet(debit("d1", "u1", "0.00")).await;
    assert_eq!(fields(nothing.unwrap_err()), ["money.amount"]);
    let finer = wallets
        .transfer_between_wallets(transfer("t1", "u1", "u1", "0.001"))
        .await;
    assert_eq!(fields(finer.unwrap_err()), ["points.amount", "to_user_id"]);
    let request = v1::ListWalletEntriesRequest {
        user_id: "u1".to_owned(),
        unit: "POINT".to_owned(),
        ..Default::default()
    };
    let unit = wallets.list_wallet_entries(request).await;
    assert_eq!(fields(unit.unwrap_err()), ["unit"]);
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_a_hundred_debits_at_once_exactly_those_succeed_that_the_wallet_bears() {
    let app = TestApp::start().await;
    let filled = app
        .shop
        .wallets()
        .credit_wallet(credit("c1", "u1", "50.00"))
        .await;
    filled.unwrap();
    let asked = (0..100).map(|number| {
        let caller = app.shop.clone();
        tokio::spawn(async move {
            let request = debit(&format!("d{number}"), "u1", "1.00");
            caller.wallets().debit_wallet(request).await
        })
    });
    let answers = join_all(asked.collect::<Vec<_>>()).await;
    let (done, refused): (Vec<_>, Vec<_>) = answers
        .into_iter()
        .map(Result::unwrap)
        .partition(Result::is_ok);
    assert_eq!((done.len(), refused.len()), (50, 50));
    for refusal in refused {
        assert_eq!(reason(&refusal.unwrap_err()), "INSUFFICIENT_FUNDS");
    }
    assert_eq!(available(&app.shop, "u1").await, "0.00");
    app.settle().await;
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_debit_twenty_times_at_once_takes_once_and_answers_alike() {
    let app = TestApp::start().await;
    let filled = app
        .shop
        .wallets()
        .credit_wallet(credit("c1", "u1", "1.00"))
        .await;
    filled.unwrap();
    let asked = (0..20).map(|_| {
        let caller = app.shop.clone();
        tokio::spawn(async move {
            caller
                .wallets()
                .debit_wallet(debit("d1", "u1", "1.00"))
                .await
        })
    });
    let answers = join_all(asked.collect::<Vec<_>>()).await;
    let operations: Vec<_> = answers
        .into_iter()
        .map(|answer| answer.unwrap().unwrap().into_inner().operation.unwrap())
        .collect();
    assert!(
        operations.iter().all(|it| *it == operations[0]),
        "{operations:?}"
    );
    assert_eq!(available(&app.shop, "u1").await, "0.00");
    app.settle().await;
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_goes_out_of_a_frozen_wallet_and_everything_still_comes_in() {
    let app = TestApp::start().await;
    let mut wallets = app.shop.wallets();
    wallets
        .credit_wallet(credit("c1", "u1", "5.00"))
        .await
        .unwrap();
    let freeze = v1::FreezeWalletRequest {
        user_id: "u1".to_owned(),
        reason: "the phone was lost".to_owned(),
    };
    for _ in 0..2 {
        let frozen = wallets.freeze_wallet(freeze.clone()).await.unwrap();
        let frozen = frozen.into_inner().wallet.unwrap();
        assert_eq!(frozen.status(), WalletStatus::Frozen);
    }
    let refused = wallets
        .debit_wallet(debit("d1", "u1", "1.00"))
        .await
        .unwrap_err();
    assert_eq!(
        (refused.code(), reason(&refused).as_str()),
        (Code::FailedPrecondition, "WALLET_FROZEN")
    );
    let refused = wallets
        .transfer_between_wallets(transfer("t1", "u1", "u2", "1"))
        .await;
    assert_eq!(reason(&refused.unwrap_err()), "WALLET_FROZEN");
    wallets
        .credit_wallet(credit("c2", "u1", "1.00"))
        .await
        .unwrap();
    assert_eq!(available(&app.shop, "u1").await, "6.00");
    let unfreeze = v1::UnfreezeWalletRequest {
        user_id: "u1".to_owned(),
        reason: "it was found".to_owned(),
    };
    let thawed = wallets
        .unfreeze_wallet(unfreeze)
        .await
        .unwrap()
        .into_inner();
    let thawed = thawed.wallet.unwrap();
    assert_eq!(thawed.status(), WalletStatus::Active);
    wallets
        .debit_wallet(debit("d1", "u1", "6.00"))
        .await
        .unwrap();
    app.settle().await;
    let told = kinds(&app.events_of(&thawed.wallet_id).await);
    assert_eq!(
        told,
        [
            "wallet.credited",
            "wallet.frozen",
            "wallet.credited",
            "wallet.unfrozen",
            "wallet.debited"
        ]
    );
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn points_move_between_the_wallets_of_one_app_and_no_app_sees_those_of_another() {
    let app = TestApp::start().await;
    let mut wallets = app.shop.wallets();
    let grant = v1::CreditWalletRequest {
        amount: Some(v1::credit_wallet_request::Amount::Points(points("100"))),
        ..credit("g1", "u1", "1.00")
    };
    wallets.credit_wallet(grant).await.unwrap();
    let moved = wallets
        .transfer_between_wallets(transfer("t1", "u1", "u2", "40.5"))
        .await
        .unwrap()
        .into_inner()
        .operation
        .unwrap();
    assert_eq!(moved.points_available, Some(points("59.50")));
    let taken = wallet(&app.shop, "u2").await;
    assert_eq!(taken.points.unwrap().available, Some(points("40.50")));
    let line = entries(&app.shop, "u2", "POINTS").await;
    assert_eq!((line.len(), line[0].kind()), (1, WalletEntryKind::Transfer));
    assert_eq!(line[0].direction(), WalletEntryDirection::In);
    let foreign = wallet(&app.other, "u2").await;
    assert_eq!(foreign.wallet_id, "");
    assert_eq!(foreign.points.unwrap().available, Some(points("0.00")));
    app.settle().await;
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn transfers_in_opposite_directions_at_once_lose_nothing() {
    let app = TestApp::start().await;
    for user in ["u1", "u2"] {
        let grant = v1::CreditWalletRequest {
            amount: Some(v1::credit_wallet_request::Amount::Points(points("100"))),
            ..credit(&format!("g-{user}"), user, "1.00")
        };
        app.shop.wallets().credit_wallet(grant).await.unwrap();
    }
    let asked = (0..40).map(|number| {
        let caller = app.shop.clone();
        tokio::spawn(async move {
            let (from, to) = if number % 2 == 0 {
                ("u1", "u2")
            } else {
                ("u2", "u1")
            };
            let request = transfer(&format!("t{number}"), from, to, "1.00");
            caller
                .wallets()
                .transfer_between_wallets(request)
                .await
                .unwrap();
        })
    });
    for answer in join_all(asked.collect::<Vec<_>>()).await {
        answer.unwrap();
    }
    for user in ["u1", "u2"] {
        let kept = wallet(&app.shop, user).await.points.unwrap();
        assert_eq!(kept.balance, Some(points("100.00")));
    }
    app.settle().await;
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn points_expire_by_the_apps_policy_and_those_from_before_it_do_not() {
    let app = TestApp::start().await;
    let mut wallets = app.shop.wallets();
    let grant = |id: &str, amount: &str| v1::CreditWalletRequest {
        amount: Some(v1::credit_wallet_request::Amount::Points(points(amount))),
        ..credit(id, "u1", "1.00")
    };
    wallets.credit_wallet(grant("g1", "30")).await.unwrap();
    let store = &app.kassa().store;
    let mut shop = store.find_app(&app.shop.app).await.unwrap().unwrap();
    shop.policies.payment_config.points.expiry_days = Some(10);
    let tx = store.begin().await.unwrap();
    tx.upsert_app_in_tx(&shop).await.unwrap();
    tx.commit().await.unwrap();
    wallets.credit_wallet(grant("g2", "20")).await.unwrap();
    assert_eq!(flows::wallet::expire_due(app.kassa(), 10).await.unwrap(), 0);
    app.clock.advance(chrono::TimeDelta::days(10));
    assert_eq!(flows::wallet::expire_due(app.kassa(), 10).await.unwrap(), 1);
    assert_eq!(flows::wallet::expire_due(app.kassa(), 10).await.unwrap(), 0);
    let left = wallet(&app.shop, "u1").await;
    assert_eq!(left.points.unwrap().balance, Some(points("30.00")));
    let statement = entries(&app.shop, "u1", "POINTS").await;
    assert_eq!(statement[0].kind(), WalletEntryKind::Expiry);
    assert_eq!(statement[0].points, Some(points("20.00")));
    app.settle().await;
    let told = kinds(&app.events_of(&left.wallet_id).await);
    assert_eq!(
        told.last().map(String::as_str),
        Some("wallet.points_expired")
    );
    app.finish().await;
}
