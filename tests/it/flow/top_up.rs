//! Top-ups: ordinary payments whose money comes into the payer's wallet, once, and leaves it when it is
//! given back.

use chrono::TimeDelta;
use kassa_core::anomaly::AnomalyKind;
use proto::v1::{self, PaymentStatus, RefundStatus};
use sandbox::{CallFault, FaultRule, Operation};
use tests::event::kinds;
use tests::{Created, TestApp, Wish, money, reason};

/// A top-up of the wallet of `user-1` over Alipay.
fn top_up(order: &str, amount: &str) -> Wish {
    let mut wish = Wish::alipay_qr(order, amount);
    "WALLET_TOPUP".clone_into(&mut wish.0.business_order_type);
    wish
}

async fn balance(app: &TestApp) -> v1::MoneyBalance {
    let request = v1::GetWalletRequest {
        user_id: "user-1".to_owned(),
    };
    let answer = app.shop.wallets().get_wallet(request).await;
    let wallet = answer.unwrap().into_inner().wallet.unwrap();
    wallet.money.first().cloned().unwrap_or_default()
}

fn figures(balance: &v1::MoneyBalance) -> [String; 3] {
    let text = |amount: &Option<v1::Money>| amount.clone().unwrap_or_default().amount;
    [
        text(&balance.balance),
        text(&balance.held),
        text(&balance.available),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_top_up_credits_the_wallet_once_however_often_its_payment_is_told() {
    let app = TestApp::start().await;
    let created = app.paid(&top_up("up", "30.00")).await;
    app.sync(&created.id).await.unwrap();
    app.settle().await;
    assert_eq!(figures(&balance(&app).await), ["30.00", "0.00", "30.00"]);
    assert_eq!(app.bookings(&created.id).await, ["PAYMENT", "TOP_UP"]);
    let told = app.events().await;
    let credited = kinds(&told)
        .into_iter()
        .filter(|kind| kind == "wallet.credited");
    assert_eq!(credited.count(), 1);
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_top_up_without_a_user_is_refused() {
    let app = TestApp::start().await;
    let mut wish = top_up("up", "30.00");
    wish.0.user_id.clear();
    let refused = app.create(&wish).await.unwrap_err();
    assert_eq!(reason(&refused), "INVALID_ARGUMENT");
    assert!(refused.message().contains("user_id"), "{refused:?}");
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refund_of_a_top_up_takes_from_the_wallet_what_it_gives_back() {
    let app = TestApp::start().await;
    let created = app.paid(&top_up("up", "30.00")).await;
    let refund = app.refund(&created.id, "part", "10.00").await.unwrap();
    assert_eq!(figures(&balance(&app).await), ["30.00", "10.00", "20.00"]);
    app.settle().await;
    assert_eq!(
        app.refund_of(&refund.refund_id).await.status(),
        RefundStatus::Success
    );
    assert_eq!(figures(&balance(&app).await), ["20.00", "0.00", "20.00"]);
    assert_eq!(
        app.bookings(&created.id).await,
        ["PAYMENT", "REFUND", "TOP_UP", "TOP_UP_REFUND"]
    );
    app.debit("user-1", "15.00").await;
    let refused = app.refund(&created.id, "rest", "20.00").await.unwrap_err();
    assert_eq!(reason(&refused), "INSUFFICIENT_FUNDS");
    let payment = app.payment(&created.id).await;
    assert_eq!(
        payment.amount_refundable,
        Some(money("20.00")),
        "nothing is reserved"
    );
    app.settle().await;
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refund_of_a_top_up_that_fails_gives_the_wallet_free() {
    let app = TestApp::start().await;
    let created = app.paid(&top_up("up", "30.00")).await;
    let number = app.number(&created.id).await;
    let fault = CallFault::Refuse {
        code: "ACQ.REASON_TRADE_REFUND_FEE_ERR".to_owned(),
    };
    app.control
        .add_fault(FaultRule::call_once(&number, Operation::Refund, fault))
        .unwrap();
    let refund = app.refund(&created.id, "all", "30.00").await.unwrap();
    assert_eq!(figures(&balance(&app).await), ["30.00", "30.00", "0.00"]);
    app.settle().await;
    assert_eq!(
        app.refund_of(&refund.refund_id).await.status(),
        RefundStatus::Failed
    );
    assert_eq!(figures(&balance(&app).await), ["30.00", "0.00", "30.00"]);
    assert_eq!(app.bookings(&created.id).await, ["PAYMENT", "TOP_UP"]);
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_top_up_given_back_at_the_console_after_it_was_spent_overdraws_nothing() {
    let app = TestApp::start().await;
    let created = app.paid(&top_up("up", "30.00")).await;
    app.debit("user-1", "25.00").await;
    let number = app.number(&created.id).await;
    app.control.refund_at_console(&number, 3_000, None).unwrap();
    app.settle().await;
    let payment = app.payment(&created.id).await;
    assert_eq!(payment.status(), PaymentStatus::RefundFull);
    assert_eq!(figures(&balance(&app).await), ["5.00", "0.00", "5.00"]);
    assert_eq!(
        app.anomalies_of(&created.id).await,
        [AnomalyKind::ExternalRefund]
    );
    let evidence = app.anomalies_shown(&created.id).await.remove(0).evidence;
    assert_eq!(evidence["wallet_debited"], "false");
    assert_eq!(evidence["wallet_available"], "5.00 CNY");
    assert_eq!(
        app.bookings(&created.id).await,
        ["PAYMENT", "REFUND", "TOP_UP"]
    );
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_top_up_given_back_at_the_console_leaves_the_wallet_that_covers_it() {
    let app = TestApp::start().await;
    let created = app.paid(&top_up("up", "30.00")).await;
    let number = app.number(&created.id).await;
    app.control.refund_at_console(&number, 1_200, None).unwrap();
    app.settle().await;
    assert_eq!(figures(&balance(&app).await), ["18.00", "0.00", "18.00"]);
    let evidence = app.anomalies_shown(&created.id).await.remove(0).evidence;
    assert_eq!(evidence["wallet_debited"], "true");
    assert_eq!(
        app.books_of(&created.id).await,
        [
            "PAYMENT: APP_PAYABLE -30.00 CNY, GATEWAY_RECEIVABLE +30.00 CNY",
            "REFUND: APP_PAYABLE +12.00 CNY, GATEWAY_RECEIVABLE -12.00 CNY",
            "TOP_UP: APP_PAYABLE +30.00 CNY, WALLET -30.00 CNY",
            "TOP_UP_REFUND: APP_PAYABLE -12.00 CNY, WALLET +12.00 CNY",
        ]
    );
    app.finish().await;
}

/// A top-up that was closed, and paid afterwards.
async fn paid_late(app: &TestApp) -> Created {
    let created = app.created(&top_up("up", "30.00")).await;
    app.close(&created.id).await.unwrap();
    app.pay(&created).await;
    app.settle().await;
    let late = app.payment(&created.id).await;
    assert_eq!(late.status(), PaymentStatus::PaidSuccess);
    assert_eq!(
        app.anomalies_of(&created.id).await,
        [AnomalyKind::LatePayment]
    );
    assert_eq!(figures(&balance(app).await), ["30.00", "0.00", "30.00"]);
    created
}

/// The time has passed after which late money goes back.
async fn refunds_are_due(app: &TestApp) {
    app.clock.advance(TimeDelta::minutes(10));
    app.settle().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_top_up_paid_late_comes_into_the_wallet_and_leaves_it_when_it_goes_back_by_policy() {
    let app = TestApp::start().await;
    let created = paid_late(&app).await;
    refunds_are_due(&app).await;
    let refunded = app.payment(&created.id).await;
    assert_eq!(refunded.status(), PaymentStatus::RefundFull);
    assert_eq!(figures(&balance(&app).await), ["0.00", "0.00", "0.00"]);
    assert_eq!(
        app.books_of(&created.id).await,
        [
            "PAYMENT: APP_PAYABLE -30.00 CNY, GATEWAY_RECEIVABLE +30.00 CNY",
            "REFUND: APP_PAYABLE +30.00 CNY, GATEWAY_RECEIVABLE -30.00 CNY",
            "TOP_UP: APP_PAYABLE +30.00 CNY, WALLET -30.00 CNY",
            "TOP_UP_REFUND: APP_PAYABLE -30.00 CNY, WALLET +30.00 CNY",
        ]
    );
    let found = app.anomalies_shown(&created.id).await.remove(0);
    assert_eq!(found.status(), v1::AnomalyStatus::Resolved);
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn late_money_of_a_top_up_that_was_spent_goes_back_once_the_wallet_has_it_again() {
    let app = TestApp::start().await;
    let created = paid_late(&app).await;
    app.debit("user-1", "25.00").await;
    refunds_are_due(&app).await;
    assert_eq!(app.refunds_of(&created.id).await, []);
    let found = app.anomalies_shown(&created.id).await.remove(0);
    assert_eq!(found.status(), v1::AnomalyStatus::Open);
    assert_eq!(figures(&balance(&app).await), ["5.00", "0.00", "5.00"]);

    app.fill_balance("user-1", "26.00").await;
    refunds_are_due(&app).await;
    let refunded = app.payment(&created.id).await;
    assert_eq!(refunded.status(), PaymentStatus::RefundFull);
    assert_eq!(figures(&balance(&app).await), ["1.00", "0.00", "1.00"]);
    app.finish().await;
}
