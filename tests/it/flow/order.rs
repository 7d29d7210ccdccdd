//! One business order, several payments: at most one is open, and a paid one is the last.

use gateways::PlaceOrder;
use kassa_core::anomaly::AnomalyKind;
use kassa_core::id::AttemptId;
use kassa_core::notification::CallbackRoute;
use kassa_core::payment::{Attempt, AttemptStatus};
use proto::v1::PaymentStatus;
use sandbox::OrderState;
use tests::event::kinds;
use tests::{TestApp, Wish, reason};
use tonic::Code;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_create_for_an_order_with_an_open_payment_closes_the_old_one_at_the_gateway_first() {
    let app = TestApp::start().await;
    let first = app.created(&Wish::wechat_jsapi("order", "8.00")).await;
    let old_number = app.number(&first.id).await;
    let second = app
        .created(&Wish::wechat_jsapi("order", "8.00").request_id("another"))
        .await;
    assert_ne!(second.id, first.id);
    assert_eq!(
        app.control.order(&old_number).unwrap().state,
        OrderState::Closed
    );
    assert_eq!(app.payment(&first.id).await.status(), PaymentStatus::Closed);
    app.run_until_idle().await;
    assert_eq!(
        kinds(&app.events_of(&first.id).await),
        ["payment.pending", "payment.closed"]
    );
    app.pay(&second).await;
    app.settle().await;
    assert_eq!(
        app.payment(&second.id).await.status(),
        PaymentStatus::PaidSuccess
    );
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_create_for_an_order_paid_in_the_meantime_is_refused_and_the_old_payment_is_paid() {
    let app = TestApp::start().await;
    let first = app.created(&Wish::wechat_jsapi("order", "8.00")).await;
    app.pay(&first).await;
    let refused = app
        .create(&Wish::wechat_jsapi("order", "8.00").request_id("another"))
        .await;
    let refused = refused.unwrap_err();
    assert_eq!(refused.code(), Code::FailedPrecondition);
    assert_eq!(reason(&refused), "ORDER_ALREADY_PAID");
    assert_eq!(
        app.payment(&first.id).await.status(),
        PaymentStatus::PaidSuccess
    );
    app.settle().await;
    assert_eq!(
        app.bookings(&first.id).await,
        ["PAYMENT"],
        "told twice, booked once"
    );
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_create_for_a_paid_order_is_refused() {
    let app = TestApp::start().await;
    app.paid(&Wish::alipay_qr("order", "8.00")).await;
    let refused = app
        .create(&Wish::alipay_qr("order", "8.00").request_id("another"))
        .await;
    let refused = refused.unwrap_err();
    assert_eq!(refused.code(), Code::FailedPrecondition);
    assert_eq!(reason(&refused), "ORDER_ALREADY_PAID");
    assert_eq!(app.control.orders().len(), 1);
    app.finish().await;
}

/// One more order for one payment, placed at the gateway as a retry would place it; but the one before it
/// was not closed, so that both can be paid.
pub(super) async fn second_attempt(app: &TestApp, id: &str) -> String {
    let last = app.attempts(id).await.pop().unwrap();
    let kassa = app.kassa();
    let attempt = Attempt {
        next_query_at: None,
        query_count: 0,
        retry: None,
        id: AttemptId::new(&kassa.ids),
        attempt_no: last.attempt_no + 1,
        created_at: kassa.clock.now(),
        updated_at: kassa.clock.now(),
        status: AttemptStatus::Open,
        gateway_transaction_id: None,
        version: 1,
        ..last
    };
    let tx = kassa.store.begin().await.unwrap();
    tx.insert_attempt_in_tx(&attempt).await.unwrap();
    tx.commit().await.unwrap();
    let open = kassa.accounts.find(attempt.channel_account_id).unwrap();
    let payment = kassa
        .store
        .find_payment(attempt.transaction_id)
        .await
        .unwrap()
        .unwrap();
    let order = PlaceOrder {
        request_number: attempt.request_number(),
        method: attempt.method,
        amount: attempt.amount,
        subject: payment.subject,
        payer: attempt.payer,
        auth_code: None,
        client_ip: payment.client_ip,
        expires_at: attempt.expires_at,
        notify_url: kassa
            .callback_url(&open.account, CallbackRoute::Payment)
            .unwrap(),
        return_url: None,
    };
    open.gateway.place(&order).await.unwrap();
    order.request_number
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_payment_of_what_is_paid_goes_to_suspense_and_people_are_told() {
    let app = TestApp::start().await;
    let created = app.created(&Wish::wechat_jsapi("tea", "8.00")).await;
    let second = second_attempt(&app, &created.id).await;
    app.pay(&created).await;
    app.control.pay(&second).unwrap();
    app.settle().await;
    let paid = app.payment(&created.id).await;
    assert_eq!(paid.status(), PaymentStatus::PaidSuccess);
    assert_eq!(paid.amount_paid, Some(tests::money("8.00")), "not twice");
    assert_eq!(
        app.anomalies_of(&created.id).await,
        [AnomalyKind::DuplicatePayment]
    );
    assert_eq!(
        app.bookings(&created.id).await,
        ["PAYMENT", "UNEXPECTED_PAYMENT"]
    );
    assert_eq!(
        kinds(&app.events().await),
        ["payment.pending", "payment.succeeded", "anomaly.opened"]
    );
    let told_again: Vec<_> = app
        .control
        .recorded_callbacks()
        .iter()
        .map(|it| it.index)
        .collect();
    for index in told_again {
        assert!(app.control.replay(index).await.unwrap().acknowledged);
    }
    app.run_until_idle().await;
    assert_eq!(
        app.bookings(&created.id).await,
        ["PAYMENT", "UNEXPECTED_PAYMENT"]
    );
    assert_eq!(app.anomalies().await.len(), 1);
    app.finish().await;
}
