//! Synchronise on schedule: what a callback would have told is found by asking, what expired is closed on
//! the gateway's word, and a gateway that is away decides nothing.

use std::collections::BTreeMap;

use chrono::TimeDelta;
use kassa_core::anomaly::AnomalyKind;
use proto::v1::{PaymentChannel, PaymentMethod, PaymentStatus, RefundStatus};
use sandbox::{
    CallFault, CallbackFault, Fault, FaultRule, FaultScope, Operation, OrderState, RefundOutcome,
};
use tests::event::kinds;
use tests::{Created, TestApp, Wish, until};

/// How long a payment may be paid unless its request says otherwise.
const EXPIRY: TimeDelta = TimeDelta::minutes(30);

fn everywhere(fault: Fault) -> FaultRule {
    FaultRule {
        scope: FaultScope::Global,
        times: None,
        fault,
    }
}

fn drop_every_callback(app: &TestApp) {
    let rule = everywhere(Fault::Callback(CallbackFault::Drop));
    app.control.add_fault(rule).unwrap();
}

/// One payment on each channel.
async fn one_of_each(app: &TestApp, name: &str) -> [Created; 2] {
    [
        app.created(&Wish::alipay_qr(&format!("{name}-a"), "7.00"))
            .await,
        app.created(&Wish::wechat_jsapi(&format!("{name}-w"), "7.00"))
            .await,
    ]
}

/// Time passes, and the worker does what is due on the way.
async fn let_pass(app: &TestApp, time: TimeDelta, step: TimeDelta) {
    let end = app.clock.now() + time;
    while app.clock.now() < end {
        app.clock.advance(step.min(end - app.clock.now()));
        app.run_until_idle().await;
    }
}

async fn status(app: &TestApp, id: &str) -> PaymentStatus {
    app.payment(id).await.status()
}

/// How often each order was asked about.
fn questions(app: &TestApp) -> BTreeMap<String, usize> {
    let mut questions = BTreeMap::new();
    for call in app.control.calls() {
        if call.operation == Operation::Query {
            *questions.entry(call.out_trade_no).or_default() += 1;
        }
    }
    questions
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_every_callback_dropped_all_payments_and_refunds_end_by_queries_alone() {
    let app = TestApp::start().await;
    drop_every_callback(&app);
    let paid = one_of_each(&app, "paid").await;
    let unpaid = one_of_each(&app, "unpaid").await;
    for payment in &paid {
        app.pay(payment).await;
    }
    let_pass(&app, TimeDelta::seconds(30), TimeDelta::seconds(5)).await;
    for payment in &paid {
        assert_eq!(status(&app, &payment.id).await, PaymentStatus::PaidSuccess);
    }
    let mut refunds = Vec::new();
    for payment in &paid {
        let name = format!("refund-{}", payment.id);
        refunds.push(app.refund(&payment.id, &name, "3.00").await.unwrap());
    }
    app.run_until_idle().await;
    // Alipay's refunds end at once; WeChat's when a bank has done its part.
    let number = &refunds.last().unwrap().refund_id;
    let settled = app.control.settle_refund(number, RefundOutcome::Success);
    settled.unwrap();
    let_pass(&app, TimeDelta::minutes(2), TimeDelta::seconds(10)).await;
    for refund in &refunds {
        let refund = app.refund_of(&refund.refund_id).await;
        assert_eq!(refund.status(), RefundStatus::Success);
    }
    let_pass(&app, EXPIRY, TimeDelta::minutes(1)).await;
    for payment in &unpaid {
        assert_eq!(status(&app, &payment.id).await, PaymentStatus::Closed);
    }
    assert_eq!(app.notifications().await, []);
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_the_gateway_down_for_an_hour_nothing_is_decided_and_nothing_is_lost() {
    let app = TestApp::start().await;
    drop_every_callback(&app);
    let paid = one_of_each(&app, "paid").await;
    let unpaid = one_of_each(&app, "unpaid").await;
    for payment in &paid {
        app.pay(payment).await;
    }
    let before = app.control.calls().len();
    let down = everywhere(Fault::Call {
        operation: None,
        fault: CallFault::Cut { accepted: false },
    });
    app.control.add_fault(down).unwrap();
    let_pass(&app, TimeDelta::hours(1), TimeDelta::seconds(10)).await;
    for payment in paid.iter().chain(&unpaid) {
        assert_eq!(
            status(&app, &payment.id).await,
            PaymentStatus::PendingPayment
        );
        assert_eq!(
            kinds(&app.events_of(&payment.id).await),
            ["payment.pending"]
        );
    }
    let asked = app.control.calls().len() - before;
    assert!(asked < 60, "a gateway that is down was asked {asked} times");

    app.control.clear_faults();
    drop_every_callback(&app);
    let_pass(&app, TimeDelta::hours(2), TimeDelta::minutes(5)).await;
    for payment in &paid {
        assert_eq!(status(&app, &payment.id).await, PaymentStatus::PaidSuccess);
    }
    for payment in &unpaid {
        assert_eq!(status(&app, &payment.id).await, PaymentStatus::Closed);
    }
    assert_eq!(app.anomalies().await, []);
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_workers_share_the_questions_and_none_is_asked_twice() {
    let app = TestApp::start().await;
    let mut orders = Vec::new();
    for number in 0..20 {
        let created = app
            .created(&Wish::wechat_jsapi(&format!("tea-{number}"), "1.00"))
            .await;
        orders.push(app.number(&created.id).await);
    }
    app.clock.advance(TimeDelta::seconds(30));
    app.run_workers(10).await;
    let questions = questions(&app);
    for order in &orders {
        assert_eq!(questions.get(order), Some(&1), "{questions:?}");
    }
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_question_of_a_worker_that_died_is_asked_at_the_next_step() {
    let app = TestApp::start().await;
    let created = app.created(&Wish::wechat_jsapi("tea", "1.00")).await;
    let number = app.number(&created.id).await;
    app.clock.advance(TimeDelta::seconds(30));
    // It claims the question as the real one does, and is never heard of again.
    let now = app.clock.now();
    let tx = app.kassa().store.begin().await.unwrap();
    let claimed = tx.claim_due_attempts_in_tx(now, &[], 10).await.unwrap();
    assert_eq!(claimed.len(), 1);
    let next = runtime::store::NextQuery {
        at: Some(now + TimeDelta::seconds(40)),
        count: 1,
    };
    tx.schedule_attempt_in_tx(claimed[0].id, next)
        .await
        .unwrap();
    tx.commit().await.unwrap();
    app.run_until_idle().await;
    assert_eq!(questions(&app).get(&number), None);
    app.clock.advance(TimeDelta::seconds(40));
    app.run_until_idle().await;
    assert_eq!(questions(&app).get(&number), Some(&1));
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_silent_gateway_is_left_in_peace_until_one_probe_is_answered() {
    let app = TestApp::start().await;
    for number in 0..12 {
        app.created(&Wish::wechat_jsapi(&format!("tea-{number}"), "1.00"))
            .await;
    }
    let down = everywhere(Fault::Call {
        operation: Some(Operation::Query),
        fault: CallFault::Cut { accepted: false },
    });
    app.control.add_fault(down).unwrap();
    let asked = || questions(&app).values().sum::<usize>();
    app.clock.advance(TimeDelta::seconds(30));
    app.run_until_idle().await;
    let first = asked();
    // Those that were on their way when the fifth failed are let go.
    assert!((5..=12).contains(&first), "{first}");
    app.clock.advance(TimeDelta::seconds(29));
    app.run_until_idle().await;
    assert_eq!(asked(), first, "the breaker is open");
    app.clock.advance(TimeDelta::seconds(16));
    app.run_until_idle().await;
    assert_eq!(asked(), first + 1, "one probe");
    app.control.clear_faults();
    let_pass(&app, TimeDelta::minutes(5), TimeDelta::seconds(10)).await;
    assert!(questions(&app).len() == 12, "all are asked again");
    app.finish().await;
}

/// When the payer pays, relative to the expiry, and what comes of it.
async fn pays_at(app: &TestApp, payment: &Created, offset: TimeDelta) -> bool {
    app.clock
        .set(app.order(&payment.id).await.created_at + EXPIRY + offset);
    let number = app.number(&payment.id).await;
    app.control.pay(&number).is_ok()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_payer_who_pays_one_second_before_expiry_has_paid() {
    let app = TestApp::start().await;
    drop_every_callback(&app);
    for wish in [
        Wish::alipay_qr("tea", "7.00"),
        Wish::wechat_jsapi("cake", "7.00"),
    ] {
        let payment = app.created(&wish).await;
        assert!(pays_at(&app, &payment, TimeDelta::seconds(-1)).await);
        app.clock.advance(TimeDelta::seconds(1));
        app.run_until_idle().await;
        assert_eq!(status(&app, &payment.id).await, PaymentStatus::PaidSuccess);
        assert_eq!(app.anomalies_of(&payment.id).await, []);
    }
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn at_expiry_the_gateway_decides_whether_a_payer_has_paid() {
    let app = TestApp::start().await;
    drop_every_callback(&app);
    for wish in [
        Wish::alipay_qr("tea", "7.00"),
        Wish::wechat_jsapi("cake", "7.00"),
    ] {
        let payment = app.created(&wish).await;
        let is_taken = pays_at(&app, &payment, TimeDelta::zero()).await;
        app.run_until_idle().await;
        let expected = if is_taken {
            PaymentStatus::PaidSuccess
        } else {
            PaymentStatus::Closed
        };
        assert_eq!(status(&app, &payment.id).await, expected);
    }
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_payer_who_comes_one_second_after_expiry_cannot_pay() {
    let app = TestApp::start().await;
    for wish in [
        Wish::alipay_qr("tea", "7.00"),
        Wish::wechat_jsapi("cake", "7.00"),
    ] {
        let payment = app.created(&wish).await;
        app.clock.advance(EXPIRY);
        app.run_until_idle().await;
        assert_eq!(status(&app, &payment.id).await, PaymentStatus::Closed);
        let events = app.events_of(&payment.id).await;
        assert_eq!(kinds(&events), ["payment.pending", "payment.closed"]);
        assert!(!pays_at(&app, &payment, TimeDelta::seconds(1)).await);
    }
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_payment_is_not_closed_at_expiry_while_the_gateway_does_not_answer() {
    let app = TestApp::start().await;
    let payment = app.created(&Wish::wechat_jsapi("tea", "7.00")).await;
    app.pay(&payment).await;
    let silent = everywhere(Fault::Call {
        operation: None,
        fault: CallFault::Cut { accepted: false },
    });
    app.control.add_fault(silent).unwrap();
    app.clock.advance(EXPIRY + TimeDelta::seconds(5));
    app.run_until_idle().await;
    assert_eq!(
        status(&app, &payment.id).await,
        PaymentStatus::PendingPayment
    );
    app.control.clear_faults();
    let_pass(&app, TimeDelta::minutes(2), TimeDelta::seconds(10)).await;
    assert_eq!(status(&app, &payment.id).await, PaymentStatus::PaidSuccess);
    app.settle().await;
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_payment_whose_caller_went_away_before_anything_was_sent_is_closed_at_expiry() {
    let app = TestApp::start().await;
    let payment = app.created(&Wish::wechat_jsapi("tea", "7.00")).await;
    let number = app.number(&payment.id).await;
    let before = app.control.calls().len();
    // As a process leaves it that dies between writing down and sending.
    for change in [
        "UPDATE payment_attempts SET status = 'PREPARED', prepay = NULL, next_query_at = expires_at",
        "UPDATE payment_transactions SET status = 'PENDING_CREATE'",
    ] {
        app.database().execute(change).await.unwrap();
    }
    app.clock.advance(EXPIRY);
    app.run_until_idle().await;
    assert_eq!(status(&app, &payment.id).await, PaymentStatus::Closed);
    let calls = app.control.calls().split_off(before);
    assert!(calls.iter().all(|call| call.out_trade_no != number));
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn money_that_comes_after_the_close_and_whose_callback_is_lost_is_found_by_a_late_look() {
    let app = TestApp::start().await;
    drop_every_callback(&app);
    // A code that nobody had scanned cannot be closed at Alipay: it may still be paid.
    let payment = app.created(&Wish::alipay_qr("tea", "7.00")).await;
    let closed = app.close(&payment.id).await.unwrap();
    assert_eq!(closed.status(), PaymentStatus::Closed);
    app.pay(&payment).await;
    let_pass(&app, TimeDelta::minutes(20), TimeDelta::minutes(5)).await;
    assert_eq!(
        app.anomalies_of(&payment.id).await,
        [AnomalyKind::LatePayment]
    );
    assert!(app.payment(&payment.id).await.paid_time.is_some());
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_order_that_its_payer_opens_after_the_close_is_closed_again_at_the_gateway() {
    let app = TestApp::start().await;
    let page = Wish::new(PaymentChannel::Alipay, PaymentMethod::Page, "tea", "7.00");
    let payment = app.created(&page).await;
    // Nobody has been at the cashier: Alipay knows no order yet that it could close.
    app.close(&payment.id).await.unwrap();
    app.open_cashier(&payment).await;
    assert_eq!(app.order(&payment.id).await.state, OrderState::Open);
    let_pass(&app, TimeDelta::minutes(3), TimeDelta::seconds(30)).await;
    assert_eq!(app.order(&payment.id).await.state, OrderState::Closed);
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_late_look_that_brings_no_answer_does_not_count() {
    let app = TestApp::start().await;
    drop_every_callback(&app);
    let payment = app.created(&Wish::alipay_qr("tea", "7.00")).await;
    app.close(&payment.id).await.unwrap();
    let_pass(&app, TimeDelta::minutes(25), TimeDelta::minutes(1)).await;
    app.pay(&payment).await;
    // The last look at it fails.
    let silent = everywhere(Fault::Call {
        operation: None,
        fault: CallFault::Cut { accepted: false },
    });
    app.control.add_fault(silent).unwrap();
    let_pass(&app, TimeDelta::hours(30), TimeDelta::minutes(30)).await;
    assert_eq!(app.anomalies_of(&payment.id).await, []);
    app.control.clear_faults();
    drop_every_callback(&app);
    let_pass(&app, TimeDelta::hours(2), TimeDelta::minutes(10)).await;
    let found = app.anomalies_of(&payment.id).await;
    assert_eq!(found, [AnomalyKind::LatePayment]);
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_expiry_under_way_leaves_the_order_of_a_retry_open() {
    let app = TestApp::start().await;
    let payment = app.created(&Wish::wechat_jsapi("tea", "7.00")).await;
    let first = app.number(&payment.id).await;
    // The question about the first order takes its time.
    let slow = CallFault::Hang {
        for_ms: None,
        accepted: true,
    };
    let rule = FaultRule::call_once(&first, Operation::Query, slow);
    app.control.add_fault(rule).unwrap();
    app.clock.advance(EXPIRY);
    let worker = app.node().worker().clone();
    let expiry = tokio::spawn(async move { Box::pin(worker.run_until_idle()).await });
    until("the first order is asked about", async || {
        questions(&app).contains_key(&first).then_some(())
    })
    .await;
    let mut request = super::retry::again(&payment.id, "again");
    request.time_to_expiry = Some(pbjson_types::Duration {
        seconds: 1_800,
        nanos: 0,
    });
    let retried = app.retry(request).await.unwrap();
    assert!(retried.prepay.is_some());
    app.control.release_hangs();
    expiry.await.unwrap().unwrap();
    assert_eq!(
        status(&app, &payment.id).await,
        PaymentStatus::PendingPayment
    );
    assert_eq!(app.order(&payment.id).await.state, OrderState::Open);
    app.pay(&retried).await;
    app.settle().await;
    assert_eq!(status(&app, &payment.id).await, PaymentStatus::PaidSuccess);
    app.finish().await;
}
