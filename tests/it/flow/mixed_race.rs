//! Many payments out of one wallet at once.
//!
//! The race: every request sees the same balance and finds it enough. The guard: an account's row is
//! locked before it is read and its balance is written with its entries, and a CHECK of the database
//! refuses what is below zero; without the lock more payments than the wallet bears succeed.
//!
//! Two mixed payments over the same wallets, with their legs in opposite order, would wait for each
//! other for ever if each locked account by account as its legs come: one call books all movements and
//! locks all accounts in one order.

use futures_util::future::join_all;
use proto::v1::{self, PaymentChannel, PaymentMethod, PaymentStatus};
use serde_json::json;
use tests::wallet::{balance_leg, gateway_leg, points_leg};
use tests::{Created, TestApp, Wish, reason};
use tonic::Status;

async fn shop() -> TestApp {
    let app = TestApp::start().await;
    let config = json!({ "points": { "min_points": "1" } });
    app.configure_payments(config).await;
    app
}

async fn all_at_once(app: &TestApp, wishes: Vec<Wish>) -> (Vec<Created>, Vec<Status>) {
    let tasks: Vec<_> = wishes.iter().map(|wish| app.spawn_create(wish)).collect();
    let (mut paid, mut refused) = (Vec::new(), Vec::new());
    for answer in join_all(tasks).await {
        match answer.unwrap() {
            Ok(created) => paid.push(created),
            Err(refusal) => refused.push(refusal),
        }
    }
    (paid, refused)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_two_hundred_balance_payments_at_once_exactly_the_hundred_that_are_there_succeed() {
    let app = shop().await;
    app.fill_balance("user-1", "100.00").await;
    let wishes = (0..200).map(|number| Wish::balance(&format!("o-{number}"), "1.00"));
    let (paid, refused) = all_at_once(&app, wishes.collect()).await;
    for refusal in &refused {
        assert_eq!(reason(refusal), "INSUFFICIENT_FUNDS");
    }
    assert_eq!((paid.len(), refused.len()), (100, 100));
    for created in &paid {
        assert_eq!(created.transaction.status(), PaymentStatus::PaidSuccess);
    }
    assert_eq!(app.purse("user-1").await[0], "0.00 CNY");
    assert!(app.kassa().store.verify_books().await.unwrap().is_clean());
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_two_hundred_points_payments_at_once_exactly_the_hundred_that_are_there_succeed() {
    let app = shop().await;
    app.fill_points("user-1", "1000.00").await;
    let wishes = (0..200).map(|number| Wish::points(&format!("o-{number}"), "1.00"));
    let (paid, refused) = all_at_once(&app, wishes.collect()).await;
    for refusal in &refused {
        assert_eq!(reason(refusal), "INSUFFICIENT_FUNDS");
    }
    assert_eq!((paid.len(), refused.len()), (100, 100));
    assert_eq!(app.purse("user-1").await[1], "0.00 POINTS");
    assert!(app.kassa().store.verify_books().await.unwrap().is_clean());
    app.finish().await;
}

/// The twin that comes later finds the wallet empty and must answer what the first one did.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn one_request_for_all_of_a_wallet_sent_twenty_times_at_once_is_one_payment() {
    let app = shop().await;
    app.fill_balance("user-1", "10.00").await;
    let wish = Wish::by_priority("o-1", "10.00", &[PaymentChannel::Balance]);
    let (paid, refused) = all_at_once(&app, vec![wish; 20]).await;
    assert!(refused.is_empty(), "{refused:?}");
    assert!(paid.iter().all(|created| created.id == paid[0].id));
    assert_eq!(app.purse("user-1").await[0], "0.00 CNY");
    app.finish().await;
}

fn mixed(number: usize) -> Wish {
    let alipay = gateway_leg(PaymentChannel::Alipay, PaymentMethod::Qr, "3.00");
    let legs = vec![balance_leg("2.00"), alipay];
    Wish::legs(&format!("o-{number}"), "5.00", legs)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_fifty_mixed_payments_at_once_those_are_held_and_paid_that_the_wallet_bears() {
    let app = shop().await;
    app.fill_balance("user-1", "40.00").await;
    let (held, refused) = all_at_once(&app, (0..50).map(mixed).collect()).await;
    for refusal in &refused {
        assert_eq!(reason(refusal), "INSUFFICIENT_FUNDS");
    }
    assert_eq!((held.len(), refused.len()), (20, 30));
    assert_eq!(app.purse("user-1").await[0], "0.00 CNY, held 40.00 CNY");
    let (pays, leaves) = held.split_at(12);
    for created in pays {
        app.pay(created).await;
    }
    app.run_workers(4).await;
    app.settle().await;
    let closes = leaves.iter().map(|created| app.close(&created.id));
    for closed in join_all(closes).await {
        assert_eq!(closed.unwrap().status(), PaymentStatus::Closed);
    }
    assert_eq!(app.purse("user-1").await[0], "16.00 CNY");
    for created in pays {
        let books = app.books_of(&created.id).await;
        assert_eq!(
            books,
            [
                "BALANCE_PAYMENT: APP_PAYABLE -2.00 CNY, WALLET +2.00 CNY",
                "PAYMENT: APP_PAYABLE -3.00 CNY, GATEWAY_RECEIVABLE +3.00 CNY",
            ]
        );
    }
    assert_eq!(app.anomalies().await, []);
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn mixed_payments_over_the_same_wallets_in_opposite_order_do_not_lock_each_other_out() {
    let app = shop().await;
    app.fill_balance("user-1", "1000.00").await;
    app.fill_points("user-1", "10000.00").await;
    let wish = |number: usize| {
        let mut legs = vec![balance_leg("1.00"), points_leg("10.00")];
        if number.is_multiple_of(2) {
            legs.reverse();
        }
        let mut amount = "2.00";
        // Half of them hold, half of them pay at once.
        if number.is_multiple_of(4) || number % 4 == 1 {
            let alipay = gateway_leg(PaymentChannel::Alipay, PaymentMethod::Qr, "1.00");
            legs.insert(1, alipay);
            amount = "3.00";
        }
        Wish::legs(&format!("o-{number}"), amount, legs)
    };
    let (made, refused) = all_at_once(&app, (0..60).map(wish).collect()).await;
    assert_eq!(refused.len(), 0, "{refused:?}");
    let (open, paid): (Vec<_>, Vec<_>) = made
        .into_iter()
        .partition(|created| created.transaction.status() == PaymentStatus::PendingPayment);
    assert_eq!((open.len(), paid.len()), (30, 30));
    // Ends, payments and refunds of all of them at once.
    for created in &open[..15] {
        app.pay(created).await;
    }
    let back = |created: &Created| v1::CreateRefundRequest {
        transaction_id: created.id.clone(),
        business_refund_id: created.id.clone(),
        amount: created.transaction.amount_requested.clone(),
        ..Default::default()
    };
    let refunds = paid.iter().map(|created| {
        let (caller, request) = (app.shop.clone(), back(created));
        tokio::spawn(async move { caller.refunds().create_refund(request).await })
    });
    let refunds: Vec<_> = refunds.collect();
    let closes = join_all(open[15..].iter().map(|created| app.close(&created.id)));
    let (ended, refunded, ()) = tokio::join!(closes, join_all(refunds), app.run_workers(2));
    for closed in ended {
        assert_eq!(closed.unwrap().status(), PaymentStatus::Closed);
    }
    for refund in refunded {
        let refund = refund.unwrap().unwrap().into_inner().refund.unwrap();
        assert_eq!(refund.status(), v1::RefundStatus::Success);
    }
    app.settle().await;
    assert_eq!(app.purse("user-1").await, ["985.00 CNY", "9850.00 POINTS"]);
    app.finish().await;
}
