//! Watching a payment.

use proto::v1::{PaymentStatus, WatchPaymentRequest, WatchPaymentResponse};
use tests::{PATIENCE, TestApp, Wish};
use tonic::{Code, Streaming};

/// What the stream shows until `last`, without repeats.
async fn statuses(
    stream: &mut Streaming<WatchPaymentResponse>,
    last: PaymentStatus,
) -> Vec<PaymentStatus> {
    let mut seen: Vec<PaymentStatus> = Vec::new();
    while seen.last() != Some(&last) {
        let message = tokio::time::timeout(PATIENCE, stream.message()).await;
        let shown = message.unwrap().unwrap().unwrap();
        seen.push(shown.transaction.unwrap().status());
    }
    seen.dedup();
    seen
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_watched_payment_is_shown_from_pending_over_paid_to_refunded_and_then_the_stream_ends() {
    let app = TestApp::start().await;
    let created = app.created(&Wish::alipay_qr("tea", "7.00")).await;
    let request = WatchPaymentRequest {
        transaction_id: created.id.clone(),
    };
    let mut stream = app
        .shop
        .payments()
        .watch_payment(request)
        .await
        .unwrap()
        .into_inner();
    let shown = statuses(&mut stream, PaymentStatus::PendingPayment).await;
    assert_eq!(shown, [PaymentStatus::PendingPayment]);
    app.pay(&created).await;
    app.settle().await;
    let shown = statuses(&mut stream, PaymentStatus::PaidSuccess).await;
    assert_eq!(shown, [PaymentStatus::PaidSuccess]);
    app.refund(&created.id, "back", "7.00").await.unwrap();
    app.settle().await;
    let shown = statuses(&mut stream, PaymentStatus::RefundFull).await;
    assert_eq!(shown.last(), Some(&PaymentStatus::RefundFull));
    assert!(shown.len() <= 2, "{shown:?}");
    let end = tokio::time::timeout(PATIENCE, stream.message())
        .await
        .unwrap();
    assert_eq!(end.unwrap(), None, "nothing more is expected of it");
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_apps_payment_cannot_be_watched() {
    let app = TestApp::start().await;
    let created = app.created(&Wish::alipay_qr("tea", "7.00")).await;
    let request = WatchPaymentRequest {
        transaction_id: created.id,
    };
    let refused = app
        .other
        .payments()
        .watch_payment(request)
        .await
        .unwrap_err();
    assert_eq!(refused.code(), Code::NotFound);
    app.finish().await;
}
