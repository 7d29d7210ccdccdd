//! Refunds: whatever becomes of the call, money goes back once, under one number.

use chrono::TimeDelta;
use kassa_core::anomaly::AnomalyKind;
use proto::v1::{PaymentChannel, PaymentMethod, PaymentStatus, RefundStatus};
use sandbox::{CallFault, FaultRule, Operation, RefundOutcome};
use tests::event::kinds;
use tests::{TestApp, Wish, money, reason, until};
use tonic::Code;

/// How many times the gateways were asked to give money back.
fn submissions(app: &TestApp) -> usize {
    app.control
        .calls()
        .iter()
        .filter(|call| call.operation == Operation::Refund)
        .count()
}

/// The next refund call for the payment meets this fault.
async fn next_refund(app: &TestApp, id: &str, fault: CallFault) {
    let number = app.number(id).await;
    app.control
        .add_fault(FaultRule::call_once(&number, Operation::Refund, fault))
        .unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_partial_refunds_of_the_same_amount_are_two_refunds() {
    let app = TestApp::start().await;
    for wish in [
        Wish::alipay_qr("tea", "10.00"),
        Wish::wechat_jsapi("cake", "10.00"),
    ] {
        let created = app.paid(&wish).await;
        let mut refunds = Vec::new();
        for number in 1..=2 {
            let name = format!("{}-{number}", wish.0.request_id);
            let refund = app.refund(&created.id, &name, "5.00").await.unwrap();
            app.run_until_idle().await;
            let settled = app
                .control
                .settle_refund(&refund.refund_id, RefundOutcome::Success);
            assert_eq!(
                settled.is_ok(),
                created.transaction.payment_channel() == PaymentChannel::WechatPay
            );
            app.settle().await;
            refunds.push(refund.refund_id);
        }
        assert_ne!(refunds[0], refunds[1]);
        assert_eq!(
            app.payment(&created.id).await.status(),
            PaymentStatus::RefundFull
        );
        assert_eq!(
            app.bookings(&created.id).await,
            ["PAYMENT", "REFUND", "REFUND"]
        );
    }
    assert_eq!(app.control.refunds().len(), 4);
    assert_eq!(app.anomalies().await, []);
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_refund_request_gives_the_same_refund_and_another_amount_is_refused() {
    let app = TestApp::start().await;
    let created = app.paid(&Wish::alipay_qr("tea", "10.00")).await;
    let first = app.refund(&created.id, "once", "5.00").await.unwrap();
    let again = app.refund(&created.id, "once", "5.00").await.unwrap();
    assert_eq!(again, first);
    let refused = app.refund(&created.id, "once", "5.01").await.unwrap_err();
    assert_eq!(refused.code(), Code::AlreadyExists);
    assert_eq!(reason(&refused), "IDEMPOTENCY_MISMATCH");
    app.settle().await;
    assert_eq!(app.control.refunds().len(), 1);
    assert_eq!(
        app.payment(&created.id).await.amount_refunded,
        Some(money("5.00"))
    );
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unpaid_payment_cannot_be_refunded() {
    let app = TestApp::start().await;
    let created = app.created(&Wish::alipay_qr("tea", "10.00")).await;
    let refused = app.refund(&created.id, "early", "5.00").await.unwrap_err();
    assert_eq!(refused.code(), Code::FailedPrecondition);
    assert_eq!(reason(&refused), "PAYMENT_STATE");
    app.finish().await;
}

/// The answer to the submission is lost; asking tells what became of it.
async fn a_lost_answer_is_asked_for(wish: Wish, fault: CallFault, submitted: usize) {
    let app = TestApp::start().await;
    let created = app.paid(&wish).await;
    next_refund(&app, &created.id, fault).await;
    let refund = app.refund(&created.id, "back", "4.00").await.unwrap();
    app.run_until_idle().await;
    let open = app.refund_of(&refund.refund_id).await;
    assert!(
        matches!(
            open.status(),
            RefundStatus::Pending | RefundStatus::Processing
        ),
        "an unknown outcome is never guessed: {open:?}"
    );
    if created.transaction.payment_channel() == PaymentChannel::WechatPay {
        // Asked once more, the gateway says that it is under way; then it ends.
        app.sync(&created.id).await.unwrap();
        app.control
            .settle_refund(&refund.refund_id, RefundOutcome::Success)
            .unwrap();
    }
    app.settle().await;
    let settled = app.refund_of(&refund.refund_id).await;
    assert_eq!(settled.status(), RefundStatus::Success, "{settled:?}");
    let refunds = app.control.refunds();
    assert_eq!(refunds.len(), 1, "{refunds:?}");
    assert_eq!(refunds[0].out_refund_no, refund.refund_id);
    assert_eq!(submissions(&app), submitted);
    assert_eq!(app.bookings(&created.id).await, ["PAYMENT", "REFUND"]);
    assert_eq!(app.anomalies().await, []);
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_alipay_refund_whose_answer_was_lost_is_asked_for_and_not_submitted_again() {
    let fault = CallFault::Cut { accepted: true };
    a_lost_answer_is_asked_for(Wish::alipay_qr("tea", "10.00"), fault, 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wechat_refund_whose_answer_was_lost_is_asked_for_and_not_submitted_again() {
    let fault = CallFault::ServerError {
        status: 502,
        accepted: true,
    };
    a_lost_answer_is_asked_for(Wish::wechat_jsapi("tea", "10.00"), fault, 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refund_answered_with_a_bad_signature_is_asked_for_and_not_submitted_again() {
    a_lost_answer_is_asked_for(Wish::alipay_qr("tea", "10.00"), CallFault::BadSignature, 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refund_that_never_arrived_is_submitted_again_under_the_same_number() {
    let fault = CallFault::Cut { accepted: false };
    a_lost_answer_is_asked_for(Wish::wechat_jsapi("tea", "10.00"), fault.clone(), 2).await;
    a_lost_answer_is_asked_for(Wish::alipay_qr("tea", "10.00"), fault, 2).await;
}

async fn a_refusal_releases_the_reservation(wish: Wish, code: &str) {
    let app = TestApp::start().await;
    let created = app.paid(&wish).await;
    next_refund(
        &app,
        &created.id,
        CallFault::Refuse {
            code: code.to_owned(),
        },
    )
    .await;
    let refund = app.refund(&created.id, "refused", "10.00").await.unwrap();
    assert_eq!(
        app.payment(&created.id).await.amount_refundable,
        Some(money("0.00")),
        "reserved"
    );
    app.settle().await;
    let failed = app.refund_of(&refund.refund_id).await;
    assert_eq!(failed.status(), RefundStatus::Failed);
    assert!(
        failed.failure.is_some_and(
            |failure| code.ends_with(&failure.error_code) || failure.error_code == code
        )
    );
    let payment = app.payment(&created.id).await;
    assert_eq!(payment.status(), PaymentStatus::PaidSuccess);
    assert_eq!(payment.amount_refundable, Some(money("10.00")), "released");
    assert_eq!(app.bookings(&created.id).await, ["PAYMENT"]);
    let told = kinds(&app.events_of(&created.id).await);
    assert_eq!(told[2..], ["refund.created", "refund.failed"]);
    let again = app.refund(&created.id, "again", "10.00").await.unwrap();
    app.run_until_idle().await;
    drop(
        app.control
            .settle_refund(&again.refund_id, RefundOutcome::Success),
    );
    app.settle().await;
    assert_eq!(
        app.payment(&created.id).await.status(),
        PaymentStatus::RefundFull
    );
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refund_that_alipay_refuses_fails_and_releases_its_reservation() {
    let wish = Wish::alipay_qr("tea", "10.00");
    a_refusal_releases_the_reservation(wish, "ACQ.TRADE_NOT_ALLOW_REFUND").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refund_that_wechat_refuses_fails_and_releases_its_reservation() {
    a_refusal_releases_the_reservation(Wish::wechat_jsapi("tea", "10.00"), "RULE_LIMIT").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refusal_is_doubted_while_the_submission_before_it_may_be_on_its_way() {
    let app = TestApp::start().await;
    let created = app.paid(&Wish::wechat_jsapi("tea", "10.00")).await;
    let refund = app.refund(&created.id, "back", "10.00").await.unwrap();
    // No worker was there for a while, and the first submission has no answer.
    app.clock.advance(TimeDelta::hours(1));
    next_refund(&app, &created.id, CallFault::Cut { accepted: false }).await;
    app.run_until_idle().await;
    assert_eq!(submissions(&app), 1);
    for _ in 0..2 {
        let code = "RULE_LIMIT".to_owned();
        next_refund(&app, &created.id, CallFault::Refuse { code }).await;
    }
    app.clock.advance(TimeDelta::seconds(60));
    app.run_until_idle().await;
    assert_eq!(submissions(&app), 2);
    let doubted = app.refund_of(&refund.refund_id).await;
    assert!(
        matches!(
            doubted.status(),
            RefundStatus::Pending | RefundStatus::Processing
        ),
        "{doubted:?}"
    );

    app.clock.advance(TimeDelta::hours(1));
    app.run_until_idle().await;
    assert_eq!(submissions(&app), 3);
    let failed = app.refund_of(&refund.refund_id).await;
    assert_eq!(
        failed.status(),
        RefundStatus::Failed,
        "by now it is believed"
    );
    assert_eq!(app.bookings(&created.id).await, ["PAYMENT"]);
    app.finish().await;
}

/// A WeChat refund that was submitted and is under way.
async fn processing(app: &TestApp) -> (String, String) {
    let created = app.paid(&Wish::wechat_jsapi("tea", "10.00")).await;
    let refund = app.refund(&created.id, "back", "10.00").await.unwrap();
    app.run_until_idle().await;
    let under_way = app.refund_of(&refund.refund_id).await;
    assert_eq!(under_way.status(), RefundStatus::Processing);
    (created.id, refund.refund_id)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wechat_refund_under_way_is_settled_by_its_notification() {
    let app = TestApp::start().await;
    let (id, refund_id) = processing(&app).await;
    assert_eq!(
        app.payment(&id).await.status(),
        PaymentStatus::PaidSuccess,
        "not yet given back"
    );
    app.control
        .settle_refund(&refund_id, RefundOutcome::Success)
        .unwrap();
    let reports = app.deliver().await;
    assert!(reports[0].acknowledged, "{reports:?}");
    app.run_until_idle().await;
    let refund = app.refund_of(&refund_id).await;
    assert_eq!(refund.status(), RefundStatus::Success);
    assert!(!refund.gateway_refund_id.is_empty());
    assert_eq!(app.payment(&id).await.status(), PaymentStatus::RefundFull);
    let told = kinds(&app.events_of(&id).await);
    assert_eq!(
        told[2..],
        [
            "refund.created",
            "refund.processing",
            "refund.succeeded",
            "payment.refunded"
        ]
    );
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wechat_refund_that_the_gateway_closes_fails_and_releases_its_reservation() {
    let app = TestApp::start().await;
    let (id, refund_id) = processing(&app).await;
    app.control
        .settle_refund(&refund_id, RefundOutcome::Closed)
        .unwrap();
    app.settle().await;
    assert_eq!(
        app.refund_of(&refund_id).await.status(),
        RefundStatus::Failed
    );
    assert_eq!(
        app.payment(&id).await.amount_refundable,
        Some(money("10.00"))
    );
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wechat_refund_that_hangs_is_an_anomaly_and_settles_when_people_have_acted() {
    let app = TestApp::start().await;
    let (id, refund_id) = processing(&app).await;
    app.control
        .settle_refund(&refund_id, RefundOutcome::Abnormal)
        .unwrap();
    assert!(app.deliver().await[0].acknowledged);
    app.run_until_idle().await;
    assert_eq!(app.anomalies_of(&id).await, [AnomalyKind::RefundAbnormal]);
    assert_eq!(
        app.refund_of(&refund_id).await.status(),
        RefundStatus::Processing
    );
    assert_eq!(
        app.payment(&id).await.amount_refundable,
        Some(money("0.00")),
        "still reserved"
    );
    app.control
        .settle_refund(&refund_id, RefundOutcome::Success)
        .unwrap();
    app.settle().await;
    assert_eq!(
        app.refund_of(&refund_id).await.status(),
        RefundStatus::Success
    );
    assert_eq!(app.payment(&id).await.status(), PaymentStatus::RefundFull);
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refund_notification_that_overtakes_the_refunds_answer_settles_it_once() {
    let app = TestApp::start().await;
    let created = app.paid(&Wish::wechat_jsapi("tea", "10.00")).await;
    next_refund(
        &app,
        &created.id,
        CallFault::Hang {
            for_ms: None,
            accepted: true,
        },
    )
    .await;
    let refund = app.refund(&created.id, "back", "10.00").await.unwrap();
    let worker = app.node().worker().clone();
    let waiting = tokio::spawn(async move { Box::pin(worker.run_until_idle()).await });
    until("the gateway has the refund", async || {
        app.control.refunds().pop()
    })
    .await;
    app.control
        .settle_refund(&refund.refund_id, RefundOutcome::Success)
        .unwrap();
    assert!(app.deliver().await[0].acknowledged);
    app.run_until_idle().await;
    assert_eq!(
        app.refund_of(&refund.refund_id).await.status(),
        RefundStatus::Success
    );
    app.control.release_hangs();
    waiting.await.unwrap().unwrap();
    app.settle().await;
    assert_eq!(
        app.refund_of(&refund.refund_id).await.status(),
        RefundStatus::Success
    );
    assert_eq!(app.bookings(&created.id).await, ["PAYMENT", "REFUND"]);
    assert_eq!(app.anomalies().await, []);
    app.finish().await;
}

/// Somebody gives money back at the gateway's own console.
async fn a_console_refund_is_booked(wish: Wish, notify_path: Option<&str>) {
    let app = TestApp::start().await;
    let created = app.paid(&wish).await;
    let number = app.number(&created.id).await;
    let url = app.control.order(&number).unwrap().notify_url;
    let notify_url = notify_path.map(|path| url.unwrap().replace("/payment", path));
    app.control
        .refund_at_console(&number, 300, notify_url)
        .unwrap();
    let console = app.control.refunds().pop().unwrap();
    if console.status != sandbox::RefundStatus::Success {
        app.control
            .settle_refund(&console.out_refund_no, RefundOutcome::Success)
            .unwrap();
    }
    app.settle().await;
    let payment = app.payment(&created.id).await;
    assert_eq!(payment.status(), PaymentStatus::RefundPartial);
    assert_eq!(payment.amount_refunded, Some(money("3.00")));
    assert_eq!(
        app.anomalies_of(&created.id).await,
        [AnomalyKind::ExternalRefund]
    );
    assert_eq!(app.bookings(&created.id).await, ["PAYMENT", "REFUND"]);
    let before = app.state(&created.id).await;
    let told_again = app.control.recorded_callbacks().pop().unwrap().index;
    assert!(app.control.replay(told_again).await.unwrap().acknowledged);
    app.run_until_idle().await;
    assert_eq!(app.state(&created.id).await, before);
    let refused = app
        .refund(&created.id, "too-much", "7.01")
        .await
        .unwrap_err();
    assert_eq!(reason(&refused), "REFUND_EXCEEDS_REFUNDABLE");
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refund_made_at_alipays_console_is_booked_as_external() {
    a_console_refund_is_booked(Wish::alipay_qr("tea", "10.00"), None).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refund_made_at_wechats_console_is_booked_as_external() {
    a_console_refund_is_booked(Wish::wechat_jsapi("tea", "10.00"), Some("/refund")).await;
}

/// Stripe names its own payment only: the worker asks which order of ours that is.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refund_made_at_stripes_dashboard_is_booked_as_external() {
    for method in [PaymentMethod::Page, PaymentMethod::Card] {
        let wish = Wish::new(PaymentChannel::Stripe, method, "tea", "10.00");
        a_console_refund_is_booked(wish, None).await;
    }
}

/// Alipay's notices tell only the order's total: the console's own amount is asked for, so that it
/// does not matter in which order the notices of two refunds come.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_console_refund_told_after_a_later_refund_of_ours_is_booked_with_its_own_amount() {
    let app = TestApp::start().await;
    let created = app.paid(&Wish::alipay_qr("tea", "10.00")).await;
    let number = app.number(&created.id).await;
    app.control.refund_at_console(&number, 300, None).unwrap();
    let ours = app.refund(&created.id, "ours", "5.00").await.unwrap();
    // Ours is settled by the call's own answer, before any notice is posted.
    app.run_until_idle().await;
    assert_eq!(
        app.refund_of(&ours.refund_id).await.status(),
        RefundStatus::Success
    );
    app.settle().await;
    let payment = app.payment(&created.id).await;
    assert_eq!(payment.amount_refunded, Some(money("8.00")));
    assert_eq!(
        app.anomalies_of(&created.id).await,
        [AnomalyKind::ExternalRefund]
    );
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_console_refund_that_overtakes_its_payments_notice_brings_the_payment_with_it() {
    let app = TestApp::start().await;
    let created = app.created(&Wish::wechat_jsapi("tea", "10.00")).await;
    let number = app.number(&created.id).await;
    app.control
        .add_fault(FaultRule::callback_once(
            &number,
            sandbox::CallbackFault::Drop,
        ))
        .unwrap();
    app.pay(&created).await;
    let url = app.control.order(&number).unwrap().notify_url.unwrap();
    let notify_url = Some(url.replace("/payment", "/refund"));
    app.control
        .refund_at_console(&number, 300, notify_url)
        .unwrap();
    let console = app.control.refunds().pop().unwrap();
    app.control
        .settle_refund(&console.out_refund_no, RefundOutcome::Success)
        .unwrap();
    app.settle().await;
    let payment = app.payment(&created.id).await;
    assert_eq!(payment.status(), PaymentStatus::RefundPartial);
    assert_eq!(payment.amount_refunded, Some(money("3.00")));
    assert_eq!(app.bookings(&created.id).await, ["PAYMENT", "REFUND"]);
    app.finish().await;
}
