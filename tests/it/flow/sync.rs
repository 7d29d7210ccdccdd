//! Synchronise: what a lost callback would have told is found by asking.

use proto::v1::{PaymentStatus, RefundStatus};
use sandbox::{CallFault, CallbackFault, FaultRule, Operation, RefundOutcome};
use tests::event::kinds;
use tests::{TestApp, Wish, reason};
use tonic::Code;

async fn drop_callback(app: &TestApp, id: &str) {
    let number = app.number(id).await;
    app.control
        .add_fault(FaultRule::callback_once(&number, CallbackFault::Drop))
        .unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_callback_is_made_up_for_by_asking_and_asking_again_changes_nothing() {
    let app = TestApp::start().await;
    for wish in [
        Wish::alipay_qr("tea", "7.00"),
        Wish::wechat_jsapi("cake", "7.00"),
    ] {
        let created = app.created(&wish).await;
        drop_callback(&app, &created.id).await;
        app.pay(&created).await;
        assert_eq!(app.control.pending_callbacks(), 0);
        let found = app.sync(&created.id).await.unwrap();
        assert_eq!(found.status(), PaymentStatus::PaidSuccess);
        app.run_until_idle().await;
        let before = app.state(&created.id).await;
        assert_eq!(app.sync(&created.id).await.unwrap(), before.0);
        app.run_until_idle().await;
        assert_eq!(app.state(&created.id).await, before);
        assert_eq!(kinds(&before.1), ["payment.pending", "payment.succeeded"]);
    }
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn asking_for_an_unpaid_payment_leaves_it_open() {
    let app = TestApp::start().await;
    for wish in [
        Wish::alipay_qr("tea", "7.00"),
        Wish::wechat_jsapi("cake", "7.00"),
    ] {
        let created = app.created(&wish).await;
        let found = app.sync(&created.id).await.unwrap();
        assert_eq!(found, created.transaction);
    }
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gateway_that_cannot_be_asked_leaves_the_payment_open() {
    let app = TestApp::start().await;
    let created = app.created(&Wish::wechat_jsapi("tea", "7.00")).await;
    let number = app.number(&created.id).await;
    app.pay(&created).await;
    for fault in [
        CallFault::ServerError {
            status: 503,
            accepted: false,
        },
        CallFault::BadSignature,
        CallFault::Cut { accepted: true },
    ] {
        app.control
            .add_fault(FaultRule::call_once(&number, Operation::Query, fault))
            .unwrap();
        let refused = app.sync(&created.id).await.unwrap_err();
        assert_eq!(refused.code(), Code::Unavailable, "{refused:?}");
        assert_eq!(reason(&refused), "OUTCOME_UNKNOWN");
        assert_eq!(
            app.payment(&created.id).await.status(),
            PaymentStatus::PendingPayment
        );
    }
    app.settle().await;
    assert_eq!(
        app.payment(&created.id).await.status(),
        PaymentStatus::PaidSuccess
    );
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refund_whose_notification_was_lost_is_settled_by_asking() {
    let app = TestApp::start().await;
    let created = app.paid(&Wish::wechat_jsapi("tea", "7.00")).await;
    let refund = app.refund(&created.id, "back", "7.00").await.unwrap();
    app.run_until_idle().await;
    drop_callback(&app, &created.id).await;
    app.control
        .settle_refund(&refund.refund_id, RefundOutcome::Success)
        .unwrap();
    let found = app.sync(&created.id).await.unwrap();
    assert_eq!(found.status(), PaymentStatus::RefundFull);
    assert_eq!(
        app.refund_of(&refund.refund_id).await.status(),
        RefundStatus::Success
    );
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_apps_payment_is_not_found() {
    let app = TestApp::start().await;
    let created = app.created(&Wish::wechat_jsapi("tea", "7.00")).await;
    let transaction_id = created.id.clone();
    let request = proto::v1::SyncPaymentRequest {
        transaction_id: transaction_id.clone(),
    };
    let refused = app
        .other
        .payments()
        .sync_payment(request)
        .await
        .unwrap_err();
    assert_eq!(refused.code(), Code::NotFound);
    let request = proto::v1::ClosePaymentRequest {
        transaction_id: transaction_id.clone(),
    };
    let refused = app
        .other
        .payments()
        .close_payment(request)
        .await
        .unwrap_err();
    assert_eq!(refused.code(), Code::NotFound);
    let request = tests::business::refund_request(&transaction_id, "theft", "7.00");
    let refused = app
        .other
        .refunds()
        .create_refund(request)
        .await
        .unwrap_err();
    assert_eq!(refused.code(), Code::NotFound);
    app.finish().await;
}
