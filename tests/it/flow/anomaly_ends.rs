//! Every anomaly has an end: what people do about it frees what it held, and nothing stays open that
//! its gateway has settled.

use chrono::TimeDelta;
use flows::payment::apply::apply_payment_report;
use flows::refund::apply::apply_refund_report;
use kassa_core::id::ChannelAccountId;
use kassa_core::notification::{
    GatewayReason, PaymentReport, RefundReport, ReportedPayment, ReportedRefund,
};
use kassa_core::{Currency, Money};
use proto::v1::{self, AnomalyKind, AnomalyStatus, PaymentStatus, RefundStatus, ResolutionAction};
use sandbox::{CallFault, CallbackFault, FaultRule, Operation, OrderState, RefundOutcome};
use tests::checks::Expected;
use tests::event::kinds;
use tests::{Created, TestApp, Wish, reason, until};

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

async fn tell(app: &TestApp, id: &str, refund_number: &str, state: ReportedRefund) {
    let report = RefundReport {
        request_number: app.number(id).await,
        refund_number: refund_number.to_owned(),
        gateway_refund_id: None,
        state,
    };
    let account = account_of(app, id).await;
    apply_refund_report(app.kassa(), account, &report)
        .await
        .unwrap();
}

fn succeeded(minor: i64) -> ReportedRefund {
    ReportedRefund::Succeeded {
        amount: Some(cny(minor)),
        refunded_total: None,
        refunded_at: None,
    }
}

async fn anomaly_of(app: &TestApp, id: &str, kind: AnomalyKind) -> v1::Anomaly {
    let shown = app.anomalies_shown(id).await;
    let found = shown.iter().find(|anomaly| anomaly.kind() == kind);
    found.unwrap_or_else(|| panic!("{shown:?}")).clone()
}

/// A refund that was told to have succeeded hangs after all, and is sent to the merchant. Gives
/// payment and refund.
async fn sent_after_success(app: &TestApp) -> (String, String) {
    let created = app.paid(&Wish::wechat_jsapi("tea", "10.00")).await;
    let refund = app.refund(&created.id, "back", "10.00").await.unwrap();
    app.run_until_idle().await;
    tell(app, &created.id, &refund.refund_id, succeeded(1000)).await;
    app.control
        .settle_refund(&refund.refund_id, RefundOutcome::Abnormal)
        .unwrap();
    app.settle().await;
    let refund = app.refund_of(&refund.refund_id).await;
    assert_eq!(refund.status(), RefundStatus::Success);
    let open = anomaly_of(app, &created.id, AnomalyKind::RefundAbnormal).await;
    let action = ResolutionAction::RefundToMerchant;
    let asked = app.resolve(&open.anomaly_id, action).await.unwrap();
    assert_eq!(asked.anomaly.unwrap().status(), AnomalyStatus::Open);
    (created.id, refund.refund_id)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refund_that_hung_after_its_success_is_over_when_the_merchant_has_it() {
    let app = TestApp::start().await;
    let (id, refund_id) = sent_after_success(&app).await;
    app.control
        .settle_refund(&refund_id, RefundOutcome::Success)
        .unwrap();
    app.settle().await;
    let resolved = anomaly_of(&app, &id, AnomalyKind::RefundAbnormal).await;
    assert_eq!(resolved.resolution(), ResolutionAction::RefundToMerchant);
    assert_eq!(resolved.resolved_by, "shop");
    assert_eq!(app.bookings(&id).await, ["PAYMENT", "REFUND"], "once");
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refund_that_hung_after_its_success_is_asked_for_until_the_merchant_has_it() {
    let app = TestApp::start().await;
    let (id, refund_id) = sent_after_success(&app).await;
    let lost = FaultRule::callback_once(&app.number(&id).await, CallbackFault::Drop);
    app.control.add_fault(lost).unwrap();
    app.clock.advance(TimeDelta::minutes(2));
    app.settle().await;
    app.control
        .settle_refund(&refund_id, RefundOutcome::Success)
        .unwrap();
    app.clock.advance(TimeDelta::hours(2));
    app.settle().await;
    let resolved = anomaly_of(&app, &id, AnomalyKind::RefundAbnormal).await;
    assert_eq!(resolved.resolution(), ResolutionAction::RefundToMerchant);
    let next = app.kassa().store.next_query_due_at().await.unwrap();
    assert_eq!(next, None, "nothing is asked any more");
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refund_that_hung_after_its_success_and_fails_is_told_and_hangs_no_more() {
    let app = TestApp::start().await;
    let (id, refund_id) = sent_after_success(&app).await;
    app.control
        .settle_refund(&refund_id, RefundOutcome::Closed)
        .unwrap();
    app.settle().await;
    let settled = anomaly_of(&app, &id, AnomalyKind::RefundAbnormal).await;
    assert_eq!(settled.resolution(), ResolutionAction::Settled);
    let open = anomaly_of(&app, &id, AnomalyKind::RefundReversed).await;
    accept(&app, &open).await;
    app.settle().await;
    app.finish_expecting(Expected::default().booked_beyond_the_gateways(-1000))
        .await;
}

/// The race: two operators ask the gateway, and one of them sends the refund before the other does.
/// The guard: a refusal is doubted while the refund moves, and takes nobody's request back then.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_operators_at_once_send_a_refund_to_the_merchant_once_and_both_are_answered() {
    let app = TestApp::start().await;
    let created = app.paid(&Wish::wechat_jsapi("tea", "10.00")).await;
    let refund = app.refund(&created.id, "back", "10.00").await.unwrap();
    app.run_until_idle().await;
    app.control
        .settle_refund(&refund.refund_id, RefundOutcome::Abnormal)
        .unwrap();
    app.deliver().await;
    app.run_until_idle().await;
    let open = anomaly_of(&app, &created.id, AnomalyKind::RefundAbnormal).await;
    // The slow one is answered that the refund hangs, but later.
    let number = app.number(&created.id).await;
    let fault = CallFault::Hang {
        for_ms: None,
        accepted: true,
    };
    app.control
        .add_fault(FaultRule::call_once(&number, Operation::RefundQuery, fault))
        .unwrap();
    let questions = || {
        let calls = app.control.calls();
        let asked = calls.iter().map(|call| call.operation);
        asked.filter(|it| *it == Operation::RefundQuery).count()
    };
    let before = questions();
    let action = ResolutionAction::RefundToMerchant;
    let fast = async {
        until("the slow one has asked", async || {
            (questions() > before).then_some(())
        })
        .await;
        let answer = app.resolve(&open.anomaly_id, action).await;
        app.control.release_hangs();
        answer
    };
    let (slow, fast) = tokio::join!(app.resolve(&open.anomaly_id, action), fast);
    for answer in [slow, fast] {
        let anomaly = answer.unwrap().anomaly.unwrap();
        assert_eq!(anomaly.resolved_by, "shop", "it is asked for");
    }
    app.control
        .settle_refund(&refund.refund_id, RefundOutcome::Success)
        .unwrap();
    app.settle().await;
    let resolved = anomaly_of(&app, &created.id, AnomalyKind::RefundAbnormal).await;
    assert_eq!(resolved.resolution(), action);
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refund_of_the_console_that_hangs_is_told_once_and_settles_with_its_success() {
    let app = TestApp::start().await;
    let created = app.paid(&Wish::wechat_jsapi("tea", "5.00")).await;
    for _ in 0..2 {
        let why = GatewayReason {
            code: "ABNORMAL".to_owned(),
            message: String::new(),
        };
        tell(&app, &created.id, "CONSOLE1", ReportedRefund::Abnormal(why)).await;
    }
    let open = anomaly_of(&app, &created.id, AnomalyKind::RefundAbnormal).await;
    assert_eq!(open.refund_id, "");
    assert_eq!(open.evidence["refund_number"], "CONSOLE1");
    assert_eq!(open.evidence["reported"], "ABNORMAL ABNORMAL");
    let action = ResolutionAction::RefundToMerchant;
    let refused = app.resolve(&open.anomaly_id, action).await.unwrap_err();
    assert_eq!(reason(&refused), "ANOMALY_ACTION");
    app.run_until_idle().await;
    let told = kinds(&app.events_of(&created.id).await);
    assert_eq!(told[2..], ["anomaly.opened"], "once");

    tell(&app, &created.id, "CONSOLE1", succeeded(500)).await;
    app.run_until_idle().await;
    let settled = anomaly_of(&app, &created.id, AnomalyKind::RefundAbnormal).await;
    assert_eq!(settled.resolution(), ResolutionAction::Settled);
    anomaly_of(&app, &created.id, AnomalyKind::ExternalRefund).await;
    assert_eq!(
        app.payment(&created.id).await.status(),
        PaymentStatus::RefundFull
    );
    app.finish_expecting(Expected::default().booked_beyond_the_gateways(-500))
        .await;
}
