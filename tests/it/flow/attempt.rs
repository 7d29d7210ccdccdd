//! Lost answers (P6): what may have reached the gateway stays open, and the same request goes on with
//! the same attempt under the same number.

use kassa_core::anomaly::AnomalyKind;
use proto::v1::{PaymentChannel, PaymentMethod, PaymentStatus};
use sandbox::{CallFault, FaultRule, FaultScope, Operation};
use tests::event::kinds;
use tests::{TestApp, Wish, reason, until};
use tonic::Code;
use tonic_types::StatusExt;

/// The next order's create meets this fault.
fn next_create(app: &TestApp, fault: CallFault) {
    let rule = FaultRule::call_once("", Operation::Create, fault).in_scope(FaultScope::NextOrder);
    app.control.add_fault(rule).unwrap();
}

async fn a_lost_answer_is_resumed(wish: Wish, fault: CallFault) {
    let app = TestApp::start().await;
    next_create(&app, fault);
    let lost = app.create(&wish).await.unwrap_err();
    assert_eq!(lost.code(), Code::Unavailable, "{lost:?}");
    assert_eq!(reason(&lost), "OUTCOME_UNKNOWN");
    assert!(
        lost.get_details_retry_info().unwrap().retry_delay.is_some(),
        "says when to come again"
    );
    let created = app.created(&wish).await;
    let attempts = app.attempts(&created.id).await;
    assert_eq!(attempts.len(), 1, "the same attempt: {attempts:?}");
    assert_eq!(
        app.control.orders().len(),
        1,
        "one order: {:?}",
        app.control.orders()
    );
    let numbers: Vec<_> = app
        .control
        .calls()
        .into_iter()
        .map(|call| call.out_trade_no)
        .collect();
    assert!(
        numbers
            .iter()
            .all(|number| *number == attempts[0].id.to_string()),
        "{numbers:?}"
    );
    app.pay(&created).await;
    app.settle().await;
    assert_eq!(
        app.payment(&created.id).await.status(),
        PaymentStatus::PaidSuccess
    );
    assert_eq!(
        kinds(&app.events().await),
        ["payment.pending", "payment.succeeded"]
    );
    assert_eq!(app.anomalies().await, []);
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_create_whose_connection_was_cut_after_the_gateway_took_it_is_resumed() {
    a_lost_answer_is_resumed(
        Wish::wechat_jsapi("cut", "5.00"),
        CallFault::Cut { accepted: true },
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_create_whose_connection_was_cut_before_the_gateway_took_it_is_resumed() {
    a_lost_answer_is_resumed(
        Wish::alipay_qr("cut", "5.00"),
        CallFault::Cut { accepted: false },
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_create_answered_with_a_server_error_after_the_gateway_took_it_is_resumed() {
    let fault = CallFault::ServerError {
        status: 502,
        accepted: true,
    };
    a_lost_answer_is_resumed(Wish::wechat_jsapi("bad-gateway", "5.00"), fault).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_create_whose_answer_has_a_bad_signature_is_not_believed_and_is_resumed() {
    a_lost_answer_is_resumed(
        Wish::wechat_jsapi("forged", "5.00"),
        CallFault::BadSignature,
    )
    .await;
}

/// Stripe finds nothing by our number at once: the order is placed again under its idempotency key, which
/// gives the same one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_create_whose_answer_from_stripe_was_lost_comes_to_the_same_order() {
    for method in [PaymentMethod::Page, PaymentMethod::Card] {
        let wish = Wish::new(PaymentChannel::Stripe, method, "cut", "5.00");
        a_lost_answer_is_resumed(wish, CallFault::Cut { accepted: true }).await;
    }
}

/// Alipay gives no second code for the same order number, so the payment ends. Nobody was shown the
/// first code; should money come in for it all the same, it counts.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_alipay_code_that_was_lost_on_its_way_ends_the_payment_and_its_money_still_counts() {
    let app = TestApp::start().await;
    next_create(&app, CallFault::Cut { accepted: true });
    let wish = Wish::alipay_qr("lost-code", "5.00");
    assert_eq!(
        reason(&app.create(&wish).await.unwrap_err()),
        "OUTCOME_UNKNOWN"
    );
    assert_eq!(
        reason(&app.create(&wish).await.unwrap_err()),
        "GATEWAY_REFUSED"
    );
    let orders = app.control.orders();
    assert_eq!(orders.len(), 1, "no second order");
    app.run_until_idle().await;
    let told = app.events().await;
    assert_eq!(kinds(&told), ["payment.failed"]);
    let id = told[0].transaction_id.as_str();
    assert_eq!(app.payment(id).await.status(), PaymentStatus::PaidFailed);
    app.control.pay(&orders[0].out_trade_no).unwrap();
    app.settle().await;
    assert_eq!(app.payment(id).await.status(), PaymentStatus::PaidSuccess);
    assert_eq!(app.anomalies_of(id).await, [AnomalyKind::LatePayment]);
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_callback_that_overtakes_the_creates_answer_wins() {
    let app = TestApp::start().await;
    next_create(
        &app,
        CallFault::Hang {
            for_ms: None,
            accepted: true,
        },
    );
    let creating = app.spawn_create(&Wish::wechat_jsapi("overtaken", "5.00"));
    let order = until("the gateway has the order", async || {
        app.control.orders().pop()
    })
    .await;
    app.control.pay(&order.out_trade_no).unwrap();
    let reports = app.deliver().await;
    assert!(
        reports.iter().all(|report| report.acknowledged),
        "{reports:?}"
    );
    app.run_until_idle().await;
    app.control.release_hangs();
    let answered = creating.await.unwrap().unwrap();
    assert_eq!(answered.transaction.status(), PaymentStatus::PaidSuccess);
    assert!(answered.prepay.is_none(), "there is nothing left to pay");
    app.run_until_idle().await;
    assert_eq!(
        kinds(&app.events().await),
        ["payment.succeeded"],
        "never pending after paid"
    );
    assert_eq!(app.bookings(&answered.id).await, ["PAYMENT"]);
    assert_eq!(app.anomalies().await, []);
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_payment_whose_create_was_lost_is_found_paid_by_asking_the_gateway() {
    let app = TestApp::start().await;
    next_create(&app, CallFault::Cut { accepted: true });
    let wish = Wish::wechat_jsapi("lost-and-paid", "5.00");
    assert_eq!(
        reason(&app.create(&wish).await.unwrap_err()),
        "OUTCOME_UNKNOWN"
    );
    let number = app.control.orders()[0].out_trade_no.clone();
    app.control
        .add_fault(FaultRule::callback_once(
            &number,
            sandbox::CallbackFault::Drop,
        ))
        .unwrap();
    app.control.pay(&number).unwrap();
    let resumed = app.create(&wish).await.unwrap();
    assert_eq!(resumed.transaction.status(), PaymentStatus::PaidSuccess);
    app.run_until_idle().await;
    assert_eq!(kinds(&app.events().await), ["payment.succeeded"]);
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_that_does_not_come_in_time_is_unknown_and_resumed() {
    let app = TestApp::builder().call_timeout_ms(300).build().await;
    next_create(
        &app,
        CallFault::Hang {
            for_ms: None,
            accepted: true,
        },
    );
    let wish = Wish::wechat_jsapi("slow", "5.00");
    assert_eq!(
        reason(&app.create(&wish).await.unwrap_err()),
        "OUTCOME_UNKNOWN"
    );
    app.control.release_hangs();
    // On a busy machine an answer may be late again; asking again is what a caller does then.
    let created = until("the gateway answers in time", async || {
        app.create(&wish).await.ok()
    })
    .await;
    assert_eq!(created.transaction.status(), PaymentStatus::PendingPayment);
    assert_eq!(app.attempts(&created.id).await.len(), 1);
    assert_eq!(app.control.orders().len(), 1);
    app.finish().await;
}
