//! What only Baidu does: it asks whether a refund may be made that the payer wants.

use chrono::TimeDelta;
use kassa::node::seed::code;
use kassa_core::anomaly::AnomalyKind as Kind;
use proto::v1::{AnomalyKind, PaymentChannel, PaymentMethod, PaymentStatus, ResolutionAction};
use sandbox::{DeliveryReport, RefundOutcome};
use tests::checks::Expected;
use tests::event::kinds;
use tests::{TestApp, Wish, money};

const ASKED_MINOR: i64 = 4_00;

/// A paid payment whose payer asks Baidu for a part of it: its id, and Baidu's number of the refund.
async fn asked_about(app: &TestApp) -> (String, String) {
    let (channel, method) = (PaymentChannel::Baidu, PaymentMethod::MiniProgram);
    let created = app.paid(&Wish::new(channel, method, "tea", "10.00")).await;
    let number = app.number(&created.id).await;
    let batch = app.control.ask_refund(&number, ASKED_MINOR).unwrap();
    (created.id, batch)
}

/// Baidu posts its one callback, and the worker works.
async fn deliver(app: &TestApp) -> DeliveryReport {
    let mut told = app.deliver().await;
    assert_eq!(told.len(), 1, "{told:?}");
    app.run_until_idle().await;
    told.remove(0)
}

fn says(report: &DeliveryReport, status: i64) -> bool {
    report.body.contains(&format!("\"auditStatus\":{status}"))
        && report.body.contains("\"refundPayMoney\":400")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refund_that_a_payer_asks_for_is_told_to_people_once_and_books_nothing() {
    let app = TestApp::start().await;
    let (id, batch) = asked_about(&app).await;
    for _ in 0..3 {
        let report = deliver(&app).await;
        assert!(!report.acknowledged && says(&report, 3), "{report:?}");
    }
    let shown = app.anomalies_shown(&id).await;
    let [asked] = shown.as_slice() else {
        panic!("{shown:?}");
    };
    assert_eq!(asked.kind(), AnomalyKind::RefundAsked);
    assert_eq!(asked.evidence["gateway_refund_id"], batch);
    assert_eq!(asked.evidence["amount_asked"], "4.00 CNY");
    assert_eq!(asked.evidence["request_number"], app.number(&id).await);
    let payment = app.payment(&id).await;
    assert_eq!(payment.status(), PaymentStatus::PaidSuccess);
    assert_eq!(payment.amount_refundable, Some(money("10.00")));
    assert_eq!(app.bookings(&id).await, ["PAYMENT"]);
    assert!(app.control.refunds().is_empty());
    let told = kinds(&app.events_of(&id).await);
    assert_eq!(told[2..], ["anomaly.opened"]);
    let accept = ResolutionAction::Accept;
    app.resolve(&asked.anomaly_id, accept).await.unwrap();
    let report = deliver(&app).await;
    assert!(!report.acknowledged, "Baidu goes on asking");
    assert_eq!(app.anomalies_of(&id).await, [Kind::RefundAsked]);
    app.finish().await;
}

/// An operator lets the account approve: what was undecided is paid back, and its end is told. No amount is in
/// that, so nothing is booked, and people are told of it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refund_that_an_operator_approves_is_paid_back_by_baidu() {
    let app = TestApp::start().await;
    let (id, batch) = asked_about(&app).await;
    let report = deliver(&app).await;
    assert!(!report.acknowledged && says(&report, 3), "{report:?}");
    app.set(code::BAIDU, "refund_audit", "approve").await;
    let report = deliver(&app).await;
    assert!(report.acknowledged && says(&report, 1), "{report:?}");
    let refunds = app.control.refunds();
    assert_eq!((refunds.len(), refunds[0].amount_minor), (1, ASKED_MINOR));
    assert_eq!(app.anomalies_of(&id).await, [Kind::RefundAsked]);

    app.clock.advance(TimeDelta::seconds(1));
    let success = RefundOutcome::Success;
    app.control.settle_refund(&batch, success).unwrap();
    assert!(deliver(&app).await.acknowledged);
    let found = app.anomalies_of(&id).await;
    assert_eq!(found, [Kind::RefundAsked, Kind::ExternalRefund]);
    assert_eq!(app.bookings(&id).await, ["PAYMENT"]);
    app.finish_expecting(Expected::default().booked_beyond_the_gateways(ASKED_MINOR))
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refund_that_the_account_approves_needs_nobody_before_it_is_made() {
    let app = TestApp::start().await;
    app.set(code::BAIDU, "refund_audit", "approve").await;
    let (id, _batch) = asked_about(&app).await;
    let report = deliver(&app).await;
    assert!(report.acknowledged && says(&report, 1), "{report:?}");
    assert_eq!(app.control.pending_callbacks(), 0);
    assert_eq!(app.anomalies().await, []);
    assert_eq!(app.bookings(&id).await, ["PAYMENT"]);
    app.finish().await;
}
