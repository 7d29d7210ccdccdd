//! PayPal: the payer only approves, and the money is collected by asking while the order is wanted; what its
//! events say is never believed.

use chrono::TimeDelta;
use kassa::node::seed::code;
use kassa_core::anomaly::AnomalyKind;
use proto::v1::prepay_info::Info;
use proto::v1::{PaymentChannel, PaymentMethod, PaymentStatus, RefundStatus};
use sandbox::{CallFault, CallbackFault, FaultRule, Operation, OrderState};
use tests::{Created, TestApp, Wish};

fn wish(order: &str, amount: &str) -> Wish {
    let (channel, method) = (PaymentChannel::Paypal, PaymentMethod::Page);
    Wish::new(channel, method, order, amount).account(code::PAYPAL)
}

async fn status(app: &TestApp, id: &str) -> PaymentStatus {
    app.payment(id).await.status()
}

async fn next_callback(app: &TestApp, created: &Created, fault: CallbackFault) {
    let rule = FaultRule::callback_once(&app.number(&created.id).await, fault);
    app.control.add_fault(rule).unwrap();
}

async fn next_call(app: &TestApp, created: &Created, operation: Operation, fault: CallFault) {
    let rule = FaultRule::call_once(&app.number(&created.id).await, operation, fault);
    app.control.add_fault(rule).unwrap();
}

fn captures(app: &TestApp) -> usize {
    let calls = app.control.calls().into_iter();
    calls
        .filter(|call| call.operation == Operation::Capture)
        .count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_approval_whose_event_is_lost_is_collected_by_a_question_on_schedule() {
    let app = TestApp::start().await;
    let created = app.created(&wish("tea", "10.00")).await;
    assert!(matches!(created.prepay, Some(Info::Redirect(_))));
    next_callback(&app, &created, CallbackFault::Drop).await;
    let approved = app.pay(&created).await;
    assert_eq!(approved.state, OrderState::Open, "nothing is paid yet");
    app.settle().await;
    assert_eq!(
        status(&app, &created.id).await,
        PaymentStatus::PendingPayment
    );
    app.clock.advance(TimeDelta::seconds(30));
    app.settle().await;
    assert_eq!(status(&app, &created.id).await, PaymentStatus::PaidSuccess);
    assert_eq!(app.bookings(&created.id).await, ["PAYMENT"]);
    assert_eq!(captures(&app), 1);
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_approved_after_the_payment_was_closed_is_never_collected() {
    let app = TestApp::start().await;
    let created = app.created(&wish("tea", "10.00")).await;
    let closed = app.close(&created.id).await.unwrap();
    assert_eq!(closed.status(), PaymentStatus::Closed);
    app.pay(&created).await;
    app.settle().await;
    app.clock.advance(TimeDelta::hours(1));
    app.settle().await;
    assert_eq!(status(&app, &created.id).await, PaymentStatus::Closed);
    assert_eq!(app.order(&created.id).await.state, OrderState::Open);
    assert_eq!(captures(&app), 0);
    assert_eq!(app.anomalies().await, []);
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_capture_whose_answer_is_lost_is_asked_for_and_made_once() {
    let app = TestApp::start().await;
    let created = app.created(&wish("tea", "10.00")).await;
    let cut = CallFault::Cut { accepted: true };
    next_call(&app, &created, Operation::Capture, cut).await;
    app.pay(&created).await;
    app.settle().await;
    assert_eq!(status(&app, &created.id).await, PaymentStatus::PaidSuccess);
    assert_eq!(app.bookings(&created.id).await, ["PAYMENT"]);
    assert_eq!(
        captures(&app),
        1,
        "the order itself tells that it was captured"
    );
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_order_whose_answer_was_lost_is_placed_again_as_the_same_one() {
    let app = TestApp::start().await;
    let wish = wish("tea", "10.00");
    let cut = FaultRule {
        scope: sandbox::FaultScope::NextOrder,
        times: Some(1),
        fault: sandbox::Fault::Call {
            operation: Some(Operation::Create),
            fault: CallFault::Cut { accepted: true },
        },
    };
    app.control.add_fault(cut).unwrap();
    app.create(&wish).await.unwrap_err();
    let created = app.created(&wish).await;
    assert_eq!(app.control.orders().len(), 1);
    app.pay(&created).await;
    app.settle().await;
    assert_eq!(status(&app, &created.id).await, PaymentStatus::PaidSuccess);
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_signed_event_of_another_amount_changes_nothing_and_one_of_another_merchant_is_told() {
    let app = TestApp::start().await;
    let created = app.created(&wish("tea", "10.00")).await;
    app.pay(&created).await;
    // The approval, then the capture: both say another amount than the order's.
    next_callback(&app, &created, CallbackFault::OtherAmount).await;
    app.run_until_idle().await;
    app.deliver().await;
    next_callback(&app, &created, CallbackFault::OtherAmount).await;
    app.settle().await;
    let paid = app.payment(&created.id).await;
    assert_eq!(paid.status(), PaymentStatus::PaidSuccess);
    assert_eq!(paid.amount_paid, Some(tests::money("10.00")));
    assert_eq!(app.anomalies().await, []);

    let other = app.created(&wish("cake", "10.00")).await;
    next_callback(&app, &other, CallbackFault::OtherAccount).await;
    app.pay(&other).await;
    app.settle().await;
    assert_eq!(status(&app, &other.id).await, PaymentStatus::PendingPayment);
    assert_eq!(app.anomalies().await, [AnomalyKind::AccountMismatch]);
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refunds_are_settled_whoever_made_them() {
    let app = TestApp::start().await;
    let created = app.created(&wish("tea", "10.00")).await;
    app.pay(&created).await;
    app.settle().await;
    let refund = app.refund(&created.id, "first", "4.00").await.unwrap();
    let cut = CallFault::Cut { accepted: true };
    next_call(&app, &created, Operation::Refund, cut).await;
    app.settle().await;
    let refund = app.refund_of(&refund.refund_id).await;
    assert_eq!(refund.status(), RefundStatus::Success);
    let number = app.number(&created.id).await;
    app.control.refund_at_console(&number, 100, None).unwrap();
    app.control.refund_at_console(&number, 100, None).unwrap();
    app.settle().await;
    let after = app.payment(&created.id).await;
    assert_eq!(after.status(), PaymentStatus::RefundPartial);
    assert_eq!(after.amount_refunded, Some(tests::money("6.00")));
    assert_eq!(app.refunds_of(&created.id).await.len(), 3);
    let bookings = app.bookings(&created.id).await;
    assert_eq!(bookings, ["PAYMENT", "REFUND", "REFUND", "REFUND"]);
    assert_eq!(app.anomalies().await, [AnomalyKind::ExternalRefund; 2]);
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dispute_is_told_to_people_and_books_nothing() {
    let app = TestApp::start().await;
    let created = app.created(&wish("tea", "10.00")).await;
    app.pay(&created).await;
    app.settle().await;
    app.control.dispute(&app.number(&created.id).await).unwrap();
    app.settle().await;
    assert_eq!(app.anomalies_of(&created.id).await, [AnomalyKind::Dispute]);
    assert_eq!(app.bookings(&created.id).await, ["PAYMENT"]);
    app.finish().await;
}
