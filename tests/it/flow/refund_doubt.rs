//! Refunds at a gateway that may take a repeat for a second refund: that it knows none proves nothing for a
//! while.

use chrono::TimeDelta;
use kassa::node::seed::code;
use proto::v1::{PaymentChannel, PaymentMethod, PaymentStatus, RefundStatus};
use sandbox::{CallFault, FaultRule, Operation, RefundOutcome};
use tests::{TestApp, Wish};

/// How often Baidu was asked for each of the two.
fn asked(app: &TestApp) -> (usize, usize) {
    let count = |operation| {
        let calls = app.control.calls();
        calls.iter().filter(|it| it.operation == operation).count()
    };
    (count(Operation::Refund), count(Operation::RefundQuery))
}

/// A refund whose submission is cut off, and which Baidu says it does not know whenever it is asked;
/// `accepted` says whether it arrived.
async fn refund_whose_answer_is_lost(app: &TestApp, accepted: bool) -> (String, String) {
    let (channel, method) = (PaymentChannel::Baidu, PaymentMethod::MiniProgram);
    let wish = Wish::new(channel, method, "tea", "10.00").account(code::BAIDU);
    let created = app.paid(&wish).await;
    let number = app.number(&created.id).await;
    let lost = CallFault::Cut { accepted };
    let not_found = CallFault::Refuse {
        code: "10002".to_owned(),
    };
    for (operation, fault) in [
        (Operation::Refund, lost),
        (Operation::RefundQuery, not_found),
    ] {
        app.control
            .add_fault(FaultRule::call_once(&number, operation, fault))
            .unwrap();
    }
    let refund = app.refund(&created.id, "back", "4.00").await.unwrap();
    app.run_until_idle().await;
    assert_eq!(asked(app), (1, 0));
    (created.id, refund.refund_id)
}

/// It succeeds at Baidu, and here, once.
async fn succeeds_once(app: &TestApp, id: &str, refund_id: &str) {
    app.control
        .settle_refund(refund_id, RefundOutcome::Success)
        .unwrap();
    app.settle().await;
    let refund = app.refund_of(refund_id).await;
    assert_eq!(refund.status(), RefundStatus::Success);
    assert_eq!(app.payment(id).await.status(), PaymentStatus::RefundPartial);
    assert_eq!(app.bookings(id).await, ["PAYMENT", "REFUND"]);
    assert_eq!(app.control.refunds().len(), 1);
    assert_eq!(app.anomalies().await, []);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_baidu_refund_that_its_query_does_not_know_yet_is_not_submitted_twice() {
    let app = TestApp::start().await;
    let (id, refund_id) = refund_whose_answer_is_lost(&app, true).await;
    app.clock.advance(TimeDelta::seconds(60));
    app.run_until_idle().await;
    assert_eq!(asked(&app), (1, 1), "asked, and not believed");
    assert_eq!(
        app.refund_of(&refund_id).await.status(),
        RefundStatus::Pending
    );
    app.clock.advance(TimeDelta::minutes(5));
    app.run_until_idle().await;
    assert_eq!(asked(&app), (1, 2));
    succeeds_once(&app, &id, &refund_id).await;
    assert_eq!(asked(&app).0, 1);
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_baidu_refund_that_never_arrived_is_submitted_again_when_the_doubt_is_over() {
    let app = TestApp::start().await;
    let (id, refund_id) = refund_whose_answer_is_lost(&app, false).await;
    for minutes in [1, 5, 10] {
        app.clock.advance(TimeDelta::minutes(minutes));
        app.run_until_idle().await;
        assert_eq!(asked(&app).0, 1);
    }
    app.clock.advance(TimeDelta::hours(1));
    app.run_until_idle().await;
    assert_eq!(asked(&app).0, 2);
    assert_eq!(app.control.refunds()[0].out_refund_no, refund_id);
    succeeds_once(&app, &id, &refund_id).await;
    assert_eq!(asked(&app).0, 2);
    app.finish().await;
}
