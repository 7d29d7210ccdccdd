//! Money that did not come as agreed: late and duplicate money goes back to its payer, by the app's
//! policy after the operator's delay, or at an operator's word.
//!
//! The race: several workers find the same money due at the same time, or a worker and an operator. The
//! guards: a claim moves what is due, the refund is made under the lock of the payment's row, and an
//! anomaly has one refund that has not failed (`uq_refund_transactions_anomaly`).

use chrono::TimeDelta;
use flows::anomaly::refund_due;
use kassa::node::seed::code;
use kassa_core::app::{App, Policies};
use proto::v1::{
    self, AnomalyKind, AnomalyStatus, PaymentStatus, RefundSource, RefundStatus, ResolutionAction,
};
use sandbox::{CallFault, FaultRule, Operation, RefundOutcome};
use tests::event::kinds;
use tests::{Created, TestApp, Wish, money, reason};
use tonic::Code;

use super::order::second_attempt;

/// The operator's delay, as the default has it.
const DELAY: TimeDelta = TimeDelta::seconds(600);

/// At Alipay an order that nobody opened yet does not exist, so a code that is shown can be paid after
/// we closed it.
async fn paid_late(app: &TestApp) -> Created {
    let created = app.created(&Wish::alipay_qr("tea", "7.00")).await;
    app.close(&created.id).await.unwrap();
    app.pay(&created).await;
    app.settle().await;
    created
}

/// Two orders of one payment are paid. Gives the second one's number too.
async fn paid_twice(app: &TestApp) -> (Created, String) {
    let created = app.created(&Wish::wechat_jsapi("tea", "8.00")).await;
    let second = second_attempt(app, &created.id).await;
    app.pay(&created).await;
    app.control.pay(&second).unwrap();
    app.settle().await;
    (created, second)
}

async fn only_anomaly(app: &TestApp, id: &str) -> v1::Anomaly {
    let mut anomalies = app.anomalies_shown(id).await;
    assert_eq!(anomalies.len(), 1, "{anomalies:?}");
    anomalies.remove(0)
}

async fn switch_policies_off(app: &TestApp) {
    let store = &app.kassa().store;
    let shop = store.find_app(&app.shop.app).await.unwrap().unwrap();
    let policies = Policies {
        refund_late_payments: false,
        refund_duplicate_payments: false,
        ..shop.policies.clone()
    };
    let tx = store.begin().await.unwrap();
    tx.upsert_app_in_tx(&App { policies, ..shop })
        .await
        .unwrap();
    tx.commit().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn money_after_the_close_is_given_back_after_the_operators_delay_and_not_before() {
    let app = TestApp::start().await;
    let created = paid_late(&app).await;
    let open = only_anomaly(&app, &created.id).await;
    assert_eq!(open.kind(), AnomalyKind::LatePayment);
    assert_eq!(open.status(), AnomalyStatus::Open);
    assert_eq!(open.evidence["status_before"], "CLOSED");
    assert_eq!(open.evidence["reported"], "PAID");
    assert_eq!(open.evidence["amount_found"], "7.00 CNY");
    let due = app.clock.now() + DELAY;
    assert_eq!(open.refund_due_time, Some(due.into()));
    app.clock.advance(DELAY - TimeDelta::seconds(1));
    app.settle().await;
    assert!(app.control.refunds().is_empty(), "not before");
    assert_eq!(
        kinds(&app.events_of(&created.id).await)[2..],
        ["payment.succeeded", "anomaly.opened"]
    );

    app.clock.advance(TimeDelta::seconds(1));
    app.settle().await;
    let payment = app.payment(&created.id).await;
    assert_eq!(payment.status(), PaymentStatus::RefundFull);
    let refund = app.refunds_of(&created.id).await.remove(0);
    assert_eq!(refund.status(), RefundStatus::Success);
    assert_eq!(refund.source(), RefundSource::Payment);
    assert_eq!(refund.anomaly_id, open.anomaly_id);
    assert_eq!(refund.business_refund_id, "", "nobody asked for it");
    assert_eq!(app.bookings(&created.id).await, ["PAYMENT", "REFUND"]);
    let resolved = only_anomaly(&app, &created.id).await;
    assert_eq!(resolved.status(), AnomalyStatus::Resolved);
    assert_eq!(resolved.resolution(), ResolutionAction::Refund);
    assert_eq!(resolved.resolved_by, "kassa");
    assert_eq!(resolved.refund_due_time, None);
    let told = kinds(&app.events_of(&created.id).await);
    let after = [
        "refund.created",
        "refund.succeeded",
        "payment.refunded",
        "anomaly.resolved",
    ];
    assert_eq!(told[4..], after);

    // What came too late and went back has paid nothing: the order can still be paid.
    let anew = Wish::alipay_qr("tea", "7.00").request_id("tea-2");
    let anew = app.created(&anew).await;
    app.pay(&anew).await;
    app.settle().await;
    assert_eq!(
        app.payment(&anew.id).await.status(),
        PaymentStatus::PaidSuccess
    );
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_payment_is_given_back_whole_and_the_payment_keeps_its_money() {
    let app = TestApp::start().await;
    let (created, second) = paid_twice(&app).await;
    assert_eq!(app.suspense(code::WECHAT).await, -800);
    let open = only_anomaly(&app, &created.id).await;
    assert_eq!(open.kind(), AnomalyKind::DuplicatePayment);
    assert_eq!(open.evidence["attempt_id"], second);
    app.clock.advance(DELAY);
    app.run_until_idle().await;
    let refund = app.refunds_of(&created.id).await.remove(0);
    assert_eq!(refund.source(), RefundSource::Duplicate);
    assert_eq!(refund.amount_requested, Some(money("8.00")));
    let payment = app.payment(&created.id).await;
    assert_eq!(payment.amount_refundable, Some(money("8.00")), "untouched");
    app.control
        .settle_refund(&refund.refund_id, RefundOutcome::Success)
        .unwrap();
    app.settle().await;

    let payment = app.payment(&created.id).await;
    assert_eq!(payment.status(), PaymentStatus::PaidSuccess);
    assert_eq!(payment.amount_paid, Some(money("8.00")));
    assert_eq!(payment.amount_refunded, Some(money("0.00")));
    assert_eq!(payment.amount_refundable, Some(money("8.00")));
    assert_eq!(app.suspense(code::WECHAT).await, 0);
    assert_eq!(
        app.bookings(&created.id).await,
        ["PAYMENT", "REFUND", "UNEXPECTED_PAYMENT"]
    );
    let resolved = only_anomaly(&app, &created.id).await;
    assert_eq!(resolved.resolution(), ResolutionAction::Refund);
    let given_back = app.control.refunds().remove(0);
    assert_eq!(given_back.out_trade_no, second, "through the second order");
    let told = kinds(&app.events_of(&created.id).await);
    assert!(!told.contains(&"payment.refunded".to_owned()), "{told:?}");
    assert_eq!(told.last().unwrap(), "anomaly.resolved");
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_the_apps_policy_late_money_waits_for_an_operator_who_refunds_it() {
    let app = TestApp::start().await;
    switch_policies_off(&app).await;
    let created = paid_late(&app).await;
    let open = only_anomaly(&app, &created.id).await;
    assert_eq!(open.refund_due_time, None);
    app.clock.advance(DELAY * 6);
    app.settle().await;
    assert!(app.control.refunds().is_empty(), "it waits");
    let answer = app
        .resolve(&open.anomaly_id, ResolutionAction::Refund)
        .await
        .unwrap();
    let anomaly = answer.anomaly.unwrap();
    assert_eq!(anomaly.status(), AnomalyStatus::Open, "until it succeeds");
    assert_eq!(anomaly.resolved_by, "shop");
    let again = app
        .resolve(&open.anomaly_id, ResolutionAction::Refund)
        .await;
    let (first, again) = (answer.refund.unwrap(), again.unwrap().refund.unwrap());
    assert_eq!(again, first, "the same action answers the same");
    let refused = app
        .resolve(&open.anomaly_id, ResolutionAction::Accept)
        .await;
    assert_eq!(reason(&refused.unwrap_err()), "ANOMALY_ACTION");
    app.settle().await;
    let resolved = only_anomaly(&app, &created.id).await;
    assert_eq!(resolved.resolution(), ResolutionAction::Refund);
    assert_eq!(resolved.resolved_by, "shop");
    assert_eq!(resolved.resolution_reason, "the payer called");
    assert_eq!(app.bookings(&created.id).await, ["PAYMENT", "REFUND"]);
    let again = app
        .resolve(&open.anomaly_id, ResolutionAction::Refund)
        .await;
    assert_eq!(again.unwrap().anomaly, Some(resolved));
    assert_eq!(app.refunds_of(&created.id).await.len(), 1);
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_accepted_is_not_given_back_and_stays_accepted() {
    let app = TestApp::start().await;
    let created = paid_late(&app).await;
    let open = only_anomaly(&app, &created.id).await;
    let accepted = app
        .resolve(&open.anomaly_id, ResolutionAction::Accept)
        .await
        .unwrap();
    let anomaly = accepted.anomaly.clone().unwrap();
    assert_eq!(anomaly.resolution(), ResolutionAction::Accept);
    assert_eq!(anomaly.refund_due_time, None, "nothing is due any more");
    app.clock.advance(DELAY * 2);
    app.settle().await;
    assert!(app.control.refunds().is_empty());
    let again = app
        .resolve(&open.anomaly_id, ResolutionAction::Accept)
        .await;
    assert_eq!(again.unwrap(), accepted);
    let refused = app
        .resolve(&open.anomaly_id, ResolutionAction::Refund)
        .await;
    let refused = refused.unwrap_err();
    assert_eq!(refused.code(), Code::FailedPrecondition);
    assert_eq!(reason(&refused), "ANOMALY_RESOLVED");
    let told = kinds(&app.events_of(&created.id).await);
    assert_eq!(told[3..], ["anomaly.opened", "anomaly.resolved"]);
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_workers_at_once_make_one_automatic_refund() {
    let app = TestApp::start().await;
    let created = paid_late(&app).await;
    app.clock.advance(DELAY);
    app.run_workers(10).await;
    app.settle().await;
    assert_eq!(app.refunds_of(&created.id).await.len(), 1);
    assert_eq!(app.control.refunds().len(), 1);
    assert_eq!(app.bookings(&created.id).await, ["PAYMENT", "REFUND"]);
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_operators_at_once_make_one_refund_of_a_duplicate() {
    let app = TestApp::start().await;
    let (created, _second) = paid_twice(&app).await;
    let open = only_anomaly(&app, &created.id).await;
    let wanted: Vec<_> = (0..10)
        .map(|_| app.resolve(&open.anomaly_id, ResolutionAction::Refund))
        .collect();
    let answers = futures_util::future::join_all(wanted).await;
    let refund = answers[0].as_ref().unwrap().refund.clone().unwrap();
    for answer in answers {
        assert_eq!(answer.unwrap().refund.unwrap().refund_id, refund.refund_id);
    }
    app.run_until_idle().await;
    app.control
        .settle_refund(&refund.refund_id, RefundOutcome::Success)
        .unwrap();
    app.settle().await;
    assert_eq!(app.suspense(code::WECHAT).await, 0);
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_automatic_refund_that_fails_leaves_its_anomaly_to_people_who_may_try_again() {
    let app = TestApp::start().await;
    let created = paid_late(&app).await;
    let number = app.number(&created.id).await;
    let fault = CallFault::Refuse {
        code: "ACQ.TRADE_NOT_ALLOW_REFUND".to_owned(),
    };
    app.control
        .add_fault(FaultRule::call_once(&number, Operation::Refund, fault))
        .unwrap();
    app.clock.advance(DELAY);
    app.settle().await;
    assert_eq!(
        app.refunds_of(&created.id).await[0].status(),
        RefundStatus::Failed
    );
    let open = only_anomaly(&app, &created.id).await;
    assert_eq!(open.status(), AnomalyStatus::Open);
    assert_eq!(
        (open.refund_due_time, open.resolved_by.as_str()),
        (None, "")
    );
    let payment = app.payment(&created.id).await;
    assert_eq!(payment.amount_refundable, Some(money("7.00")), "released");
    app.clock.advance(DELAY * 3);
    app.settle().await;
    assert_eq!(app.refunds_of(&created.id).await.len(), 1, "it waits");
    app.resolve(&open.anomaly_id, ResolutionAction::Refund)
        .await
        .unwrap();
    app.settle().await;
    let resolved = only_anomaly(&app, &created.id).await;
    assert_eq!(resolved.resolution(), ResolutionAction::Refund);
    assert_eq!(app.bookings(&created.id).await, ["PAYMENT", "REFUND"]);
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_caller_gave_back_of_late_money_is_not_given_back_again() {
    let app = TestApp::start().await;
    let created = paid_late(&app).await;
    app.refund(&created.id, "part", "3.00").await.unwrap();
    app.settle().await;
    app.clock.advance(DELAY);
    app.settle().await;
    let refunds = app.refunds_of(&created.id).await;
    assert_eq!(refunds[1].amount_requested, Some(money("4.00")), "the rest");
    assert_eq!(
        app.payment(&created.id).await.status(),
        PaymentStatus::RefundFull
    );
    app.finish().await;
}

/// The caller's refund fails after the policy's would have been made of the rest: nothing may stay.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn late_money_is_given_back_whole_when_the_callers_own_refund_of_a_part_fails() {
    let app = TestApp::start().await;
    let created = paid_late(&app).await;
    app.refund(&created.id, "part", "3.00").await.unwrap();
    app.clock.advance(DELAY);
    assert_eq!(refund_due(app.kassa(), 10).await.unwrap(), 1);
    let refunds = app.refunds_of(&created.id).await;
    assert_eq!(refunds.len(), 1, "the end of the caller's is not known yet");
    let open = only_anomaly(&app, &created.id).await;
    let refused = app.resolve(&open.anomaly_id, ResolutionAction::Refund);
    assert_eq!(reason(&refused.await.unwrap_err()), "ANOMALY_ACTION");

    let number = app.number(&created.id).await;
    let fault = CallFault::Refuse {
        code: "ACQ.TRADE_NOT_ALLOW_REFUND".to_owned(),
    };
    app.control
        .add_fault(FaultRule::call_once(&number, Operation::Refund, fault))
        .unwrap();
    app.settle().await;
    let refunds = app.refunds_of(&created.id).await;
    assert_eq!(refunds[0].status(), RefundStatus::Failed);
    app.clock.advance(DELAY);
    app.settle().await;
    let refunds = app.refunds_of(&created.id).await;
    assert_eq!(refunds.len(), 2);
    assert_eq!(refunds[1].amount_requested, Some(money("7.00")), "all");
    assert_eq!(
        app.payment(&created.id).await.status(),
        PaymentStatus::RefundFull
    );
    let resolved = only_anomaly(&app, &created.id).await;
    assert_eq!(resolved.resolution(), ResolutionAction::Refund);
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn late_money_that_the_caller_gave_back_whole_needs_no_refund_any_more() {
    let app = TestApp::start().await;
    let created = paid_late(&app).await;
    app.refund(&created.id, "all", "7.00").await.unwrap();
    app.settle().await;
    app.clock.advance(DELAY);
    app.settle().await;
    assert_eq!(app.refunds_of(&created.id).await.len(), 1);
    let resolved = only_anomaly(&app, &created.id).await;
    assert_eq!(resolved.resolution(), ResolutionAction::Refund);
    assert_eq!(resolved.resolved_by, "kassa");
    let why = &resolved.resolution_reason;
    assert!(why.starts_with("all of it was given back before"), "{why}");
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_duplicate_that_people_give_back_at_the_console_leaves_suspense_and_is_over() {
    let app = TestApp::start().await;
    let (created, second) = paid_twice(&app).await;
    let url = app.control.order(&second).unwrap().notify_url.unwrap();
    for part in [300, 500] {
        let notify_url = Some(url.replace("/payment", "/refund"));
        app.control
            .refund_at_console(&second, part, notify_url)
            .unwrap();
        let refunds = app.control.refunds();
        let console = refunds.iter().find(|refund| refund.amount_minor == part);
        app.control
            .settle_refund(&console.unwrap().out_refund_no, RefundOutcome::Success)
            .unwrap();
        app.settle().await;
    }
    let payment = app.payment(&created.id).await;
    assert_eq!(payment.status(), PaymentStatus::PaidSuccess);
    assert_eq!(payment.amount_refunded, Some(money("0.00")), "not its own");
    assert_eq!(app.suspense(code::WECHAT).await, 0);
    let mut shown = app.anomalies_shown(&created.id).await;
    let at = shown
        .iter()
        .position(|anomaly| anomaly.kind() == AnomalyKind::DuplicatePayment);
    let duplicate = shown.remove(at.unwrap());
    assert_eq!(duplicate.resolution(), ResolutionAction::Refund);
    assert_eq!(duplicate.resolved_by, "kassa");
    let external = |anomaly: &v1::Anomaly| anomaly.kind() == AnomalyKind::ExternalRefund;
    assert!(shown.len() == 2 && shown.iter().all(external), "{shown:?}");
    let refunds = app.refunds_of(&created.id).await;
    assert!(
        refunds
            .iter()
            .all(|refund| refund.source() == RefundSource::Duplicate)
    );
    app.clock.advance(DELAY);
    app.settle().await;
    assert_eq!(app.refunds_of(&created.id).await.len(), 2, "nothing is due");
    app.finish().await;
}
