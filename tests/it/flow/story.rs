//! The whole story of a payment, as the demo tells it.

use proto::v1::{PaymentStatus, RefundStatus};
use tests::event::kinds;
use tests::{TestApp, Wish, money};

async fn tell(app: &TestApp, wish: Wish, [first, rest]: [&str; 2]) {
    let created = app.created(&wish).await;
    let id = created.id.as_str();
    let order = app.pay(&created).await;
    let reports = app.deliver().await;
    assert_eq!(reports.len(), 1, "{reports:?}");
    assert!(reports[0].acknowledged, "{reports:?}");
    assert_eq!(
        app.payment(id).await.status(),
        PaymentStatus::PendingPayment,
        "not worked on yet"
    );
    app.run_until_idle().await;

    let paid = app.payment(id).await;
    assert_eq!(paid.status(), PaymentStatus::PaidSuccess);
    assert_eq!(paid.amount_paid, wish.0.amount);
    assert_eq!(paid.gateway_transaction_id, order.gateway_trade_no);
    assert_eq!(
        kinds(&app.events_of(id).await),
        ["payment.pending", "payment.succeeded"]
    );

    for (number, amount, then) in [
        (1, first, PaymentStatus::RefundPartial),
        (2, rest, PaymentStatus::RefundFull),
    ] {
        let refund = app
            .refund(id, &format!("refund-{number}"), amount)
            .await
            .unwrap();
        assert_eq!(refund.status(), RefundStatus::Pending);
        app.run_until_idle().await;
        let settled = app
            .control
            .settle_refund(&refund.refund_id, sandbox::RefundOutcome::Success);
        assert!(
            settled.is_ok() || order.gateway == sandbox::Gateway::Alipay,
            "{settled:?}"
        );
        app.settle().await;
        let refund = app.refund_of(&refund.refund_id).await;
        assert_eq!(refund.status(), RefundStatus::Success);
        assert_eq!(refund.amount_refunded, Some(money(amount)));
        assert_eq!(app.payment(id).await.status(), then);
    }

    let before = app.state(id).await;
    for index in 0..app.control.recorded_callbacks().len() {
        let report = app
            .control
            .replay(u64::try_from(index).unwrap())
            .await
            .unwrap();
        assert!(report.acknowledged, "{report:?}");
    }
    app.run_until_idle().await;
    assert_eq!(
        app.state(id).await,
        before,
        "replayed callbacks change nothing"
    );
    assert_eq!(app.bookings(id).await, ["PAYMENT", "REFUND", "REFUND"]);
    assert_eq!(app.anomalies().await, []);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_alipay_qr_payment_is_paid_refunded_in_two_parts_and_unmoved_by_replays() {
    let app = TestApp::start().await;
    tell(&app, Wish::alipay_qr("tea", "88.80"), ["30.00", "58.80"]).await;
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wechat_jsapi_payment_is_paid_refunded_in_two_parts_and_unmoved_by_replays() {
    let app = TestApp::start().await;
    tell(
        &app,
        Wish::wechat_jsapi("tickets", "120.50"),
        ["60.25", "60.25"],
    )
    .await;
    app.finish().await;
}
