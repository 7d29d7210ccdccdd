//! Every anomaly has an end: what people do about it frees what it held, and nothing stays open that
//! its gateway has settled.

use chrono::TimeDelta;
use flows::payment::apply::apply_payment_report;
use kassa_core::id::ChannelAccountId;
use kassa_core::notification::{PaymentReport, ReportedPayment};
use kassa_core::{Currency, Money};
use proto::v1::{self, AnomalyKind, PaymentStatus, ResolutionAction};
use sandbox::OrderState;
use tests::checks::Expected;
use tests::event::kinds;
use tests::{Created, TestApp, Wish, reason};

fn cny(minor: i64) -> Money {
    Money::try_new(minor, Currency::CNY).unwrap()
}

async fn account_of(app: &TestApp, id: &str) -> ChannelAccountId {
    app.attempts(id).await[0].channel_account_id
}

async fn accept(app: &TestApp, anomaly: &v1::Anomaly) {
    let accepted = app.resolve(&anomaly.anomaly_id, ResolutionAction::Accept);
    let accepted = accepted.await.unwrap().anomaly.unwrap();
    assert_eq!(accepted.resolution(), ResolutionAction::Accept);
}

/// A report, well signed, that one fen more was paid.
async fn lie(app: &TestApp, created: &Created) -> v1::Anomaly {
    let report = PaymentReport {
        request_number: app.number(&created.id).await,
        gateway_transaction_id: None,
        state: ReportedPayment::Paid {
            amount: cny(501),
            paid_at: None,
        },
    };
    let account = account_of(app, &created.id).await;
    for _ in 0..2 {
        apply_payment_report(app.kassa(), account, &report)
            .await
            .unwrap();
    }
    let mut shown = app.anomalies_shown(&created.id).await;
    assert_eq!(shown.len(), 1, "{shown:?}");
    assert_eq!(shown[0].kind(), AnomalyKind::AmountMismatch);
    shown.remove(0)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_payment_that_was_paid_with_another_amount_is_closed_by_its_acceptance() {
    let app = TestApp::start().await;
    let wish = Wish::wechat_jsapi("tea", "5.00");
    let created = app.created(&wish).await;
    // The gateway takes another amount than we asked for.
    let sql = format!(
        "UPDATE payment_transactions SET amount_requested_minor = 501 WHERE id = '{}'",
        created.id
    );
    assert_eq!(app.database().execute(&sql).await.unwrap(), 1);
    app.pay(&created).await;
    app.settle().await;
    let open = app.anomalies_shown(&created.id).await.remove(0);
    assert_eq!(open.kind(), AnomalyKind::AmountMismatch);
    let _not_closed = app.close(&created.id).await;
    let another = wish.request_id("another");
    let refused = app.create(&another).await.unwrap_err();
    assert_eq!(reason(&refused), "PAYMENT_STATE");
    assert_eq!(
        app.payment(&created.id).await.status(),
        PaymentStatus::PendingPayment
    );

    accept(&app, &open).await;
    app.settle().await;
    assert_eq!(
        app.payment(&created.id).await.status(),
        PaymentStatus::Closed
    );
    assert_eq!(app.bookings(&created.id).await, Vec::<String>::new());
    let told = kinds(&app.events_of(&created.id).await);
    assert_eq!(
        told[1..],
        ["anomaly.opened", "payment.closed", "anomaly.resolved"]
    );
    let second = app.created(&another).await;
    app.pay(&second).await;
    app.settle().await;
    assert_eq!(
        app.payment(&second.id).await.status(),
        PaymentStatus::PaidSuccess
    );
    // The late looks find the same money again.
    app.clock.advance(TimeDelta::days(2));
    app.settle().await;
    let known = app.anomalies_of(&created.id).await;
    assert_eq!(known.len(), 1, "known: {known:?}");
    assert_eq!(
        app.payment(&created.id).await.status(),
        PaymentStatus::Closed
    );
    app.finish_expecting(Expected::default().booked_beyond_the_gateways(-500))
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn accepting_a_lie_about_an_open_order_ends_it_at_its_gateway_too() {
    let app = TestApp::start().await;
    let created = app.created(&Wish::wechat_jsapi("tea", "5.00")).await;
    let open = lie(&app, &created).await;
    accept(&app, &open).await;
    assert_eq!(app.order(&created.id).await.state, OrderState::Closed);
    assert_eq!(
        app.payment(&created.id).await.status(),
        PaymentStatus::Closed
    );
    app.settle().await;
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn accepting_a_lie_about_a_paid_payment_leaves_it_paid() {
    let app = TestApp::start().await;
    let created = app.created(&Wish::wechat_jsapi("tea", "5.00")).await;
    let open = lie(&app, &created).await;
    app.pay(&created).await;
    accept(&app, &open).await;
    app.settle().await;
    assert_eq!(
        app.payment(&created.id).await.status(),
        PaymentStatus::PaidSuccess
    );
    assert_eq!(app.bookings(&created.id).await, ["PAYMENT"]);
    let known = app.anomalies_of(&created.id).await;
    assert_eq!(known.len(), 1, "{known:?}");
    app.finish().await;
}
