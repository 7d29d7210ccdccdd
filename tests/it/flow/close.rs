//! Close: only on the gateway's word, and money that comes all the same counts.

use kassa_core::anomaly::AnomalyKind;
use proto::v1::PaymentStatus;
use sandbox::{CallFault, FaultRule, Operation, OrderState};
use tests::event::kinds;
use tests::{TestApp, Wish, reason};
use tonic::Code;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unpaid_payment_is_closed_at_the_gateway_and_here_and_closing_again_changes_nothing() {
    let app = TestApp::start().await;
    let created = app.created(&Wish::wechat_jsapi("tea", "7.00")).await;
    let closed = app.close(&created.id).await.unwrap();
    assert_eq!(closed.status(), PaymentStatus::Closed);
    assert!(closed.close_time.is_some());
    assert_eq!(app.order(&created.id).await.state, OrderState::Closed);
    app.run_until_idle().await;
    let before = app.state(&created.id).await;
    assert_eq!(app.close(&created.id).await.unwrap(), before.0);
    app.run_until_idle().await;
    assert_eq!(app.state(&created.id).await, before);
    assert_eq!(kinds(&before.1), ["payment.pending", "payment.closed"]);
    let calls = app.control.calls();
    let asked = calls
        .iter()
        .filter(|call| call.operation == Operation::Close);
    assert_eq!(asked.count(), 1, "what is closed is not closed again");
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn closing_a_payment_that_was_paid_in_the_meantime_answers_paid() {
    let app = TestApp::start().await;
    for wish in [
        Wish::wechat_jsapi("tea", "7.00"),
        Wish::alipay_qr("cake", "7.00"),
    ] {
        let created = app.created(&wish).await;
        app.pay(&created).await;
        let answered = app.close(&created.id).await.unwrap();
        assert_eq!(answered.status(), PaymentStatus::PaidSuccess);
        app.settle().await;
        assert_eq!(app.bookings(&created.id).await, ["PAYMENT"]);
        let told = kinds(&app.events_of(&created.id).await);
        assert_eq!(told, ["payment.pending", "payment.succeeded"]);
    }
    assert_eq!(app.anomalies().await, []);
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_payment_is_not_closed_while_the_gateways_word_cannot_be_had() {
    let app = TestApp::start().await;
    let created = app.created(&Wish::wechat_jsapi("tea", "7.00")).await;
    let number = app.number(&created.id).await;
    for operation in [Operation::Query, Operation::Close] {
        let fault = CallFault::ServerError {
            status: 500,
            accepted: false,
        };
        app.control
            .add_fault(FaultRule::call_once(&number, operation, fault))
            .unwrap();
        let refused = app.close(&created.id).await.unwrap_err();
        assert_eq!(refused.code(), Code::Unavailable, "{refused:?}");
        assert_eq!(reason(&refused), "OUTCOME_UNKNOWN");
        assert_eq!(
            app.payment(&created.id).await.status(),
            PaymentStatus::PendingPayment
        );
    }
    let fault = CallFault::Cut { accepted: true };
    app.control
        .add_fault(FaultRule::call_once(&number, Operation::Close, fault))
        .unwrap();
    assert_eq!(
        reason(&app.close(&created.id).await.unwrap_err()),
        "OUTCOME_UNKNOWN"
    );
    let closed = app.close(&created.id).await.unwrap();
    assert_eq!(
        closed.status(),
        PaymentStatus::Closed,
        "asking again finds it closed"
    );
    app.finish().await;
}

/// At Alipay an order that nobody opened yet does not exist, so a code that is shown can be paid
/// after we closed it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn money_for_a_closed_payment_is_booked_and_people_are_told() {
    let app = TestApp::start().await;
    let created = app.created(&Wish::alipay_qr("tea", "7.00")).await;
    assert_eq!(
        app.close(&created.id).await.unwrap().status(),
        PaymentStatus::Closed
    );
    app.pay(&created).await;
    app.settle().await;
    let paid = app.payment(&created.id).await;
    assert_eq!(paid.status(), PaymentStatus::PaidSuccess);
    assert_eq!(paid.close_time, None);
    assert_eq!(
        app.anomalies_of(&created.id).await,
        [AnomalyKind::LatePayment]
    );
    assert_eq!(app.bookings(&created.id).await, ["PAYMENT"]);
    let told = kinds(&app.events_of(&created.id).await);
    assert_eq!(
        told,
        [
            "payment.pending",
            "payment.closed",
            "payment.succeeded",
            "anomaly.opened"
        ]
    );
    let refund = app.refund(&created.id, "sorry", "7.00").await.unwrap();
    app.settle().await;
    assert_eq!(
        app.refund_of(&refund.refund_id).await.amount_refunded,
        refund.amount_requested
    );
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wechat_notification_of_a_payment_for_a_closed_order_is_late_money() {
    use sandbox::CallbackFault;
    let app = TestApp::start().await;
    let closed = app.created(&Wish::wechat_jsapi("closed", "7.00")).await;
    app.close(&closed.id).await.unwrap();
    // The gateway closed it, so only a lie of the gateway's can pay it now.
    let other = app.created(&Wish::wechat_jsapi("other", "7.00")).await;
    let number = app.number(&other.id).await;
    let fault = CallbackFault::OtherOrder {
        out_trade_no: Some(app.number(&closed.id).await),
    };
    app.control
        .add_fault(FaultRule::callback_once(&number, fault))
        .unwrap();
    app.pay(&other).await;
    app.settle().await;
    assert_eq!(
        app.payment(&closed.id).await.status(),
        PaymentStatus::PaidSuccess
    );
    assert_eq!(app.anomalies().await, [AnomalyKind::LatePayment]);
    app.sync(&other.id).await.unwrap();
    app.finish_expecting(tests::checks::Expected::default().booked_beyond_the_gateways(700))
        .await;
}
