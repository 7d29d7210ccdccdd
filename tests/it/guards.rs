//! A test per guard, each of which fails when its guard is taken out.
//!
//! Several guards stand behind each other, so most tests of the stories pass with one of them gone.
//! These look at the one guard alone:
//!
//! | promise | guard | in |
//! | --- | --- | --- |
//! | P2 | the inbox's unique key | `runtime/src/store/notification.rs`, `flows/src/notification/take.rs` |
//! | P2 | "already applied" | `core/src/payment/state.rs` |
//! | P2, P10 | the version that an update carries | `flows/src/payment/place.rs` |
//! | P2 | the row lock before a decision | `runtime/src/store/payment/mod.rs` |
//! | P4 | the condition on the reservation | `runtime/src/store/payment/reserve.rs` |
//! | P9 | an order belongs to an account | `flows/src/payment/apply.rs` |

use futures_util::future::join_all;
use kassa_core::notification::{PaymentReport, ReportedPayment};
use kassa_core::{Currency, Money};
use proto::v1::{NotificationStatus, PaymentStatus};
use sandbox::Operation;
use tests::event::kinds;
use tests::{TestApp, Wish};

/// Guard: a notification that is in the inbox is not looked at again, whatever it says. An anomaly's
/// notification changes nothing that a state machine could remember.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_inbox_takes_a_notification_once_even_if_nothing_else_remembers_it() {
    use sandbox::{CallbackFault, FaultRule};
    let app = TestApp::start().await;
    let created = app.created(&Wish::wechat_jsapi("tea", "7.00")).await;
    let number = app.number(&created.id).await;
    let fault = CallbackFault::OtherAmount;
    app.control
        .add_fault(FaultRule::callback_once(&number, fault))
        .unwrap();
    app.pay(&created).await;
    assert!(app.deliver().await[0].acknowledged);
    for _ in 0..5 {
        assert!(app.control.replay(0).await.unwrap().acknowledged);
    }
    app.run_workers(4).await;
    let inbox = app.notifications().await;
    assert_eq!(inbox.len(), 1, "{inbox:?}");
    assert_eq!(inbox[0].status(), NotificationStatus::Anomalous);
    assert_eq!(app.anomalies().await.len(), 1);
    assert_eq!(
        app.depth().await,
        0,
        "a repeat is done at once, not tried again"
    );
    app.sync(&created.id).await.unwrap();
    app.finish().await;
}

/// Guard: the same fact by another way (callback, query, another notification) is already applied.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fact_that_comes_by_several_ways_is_applied_once() {
    let app = TestApp::start().await;
    let created = app.created(&Wish::wechat_jsapi("tea", "7.00")).await;
    let order = app.pay(&created).await;
    app.sync(&created.id).await.unwrap();
    app.settle().await;
    app.sync(&created.id).await.unwrap();
    let attempt = app.attempts(&created.id).await.remove(0);
    let report = PaymentReport {
        request_number: order.out_trade_no,
        gateway_transaction_id: Some(order.gateway_trade_no),
        state: ReportedPayment::Paid {
            amount: Money::parse("7.00", Currency::CNY).unwrap(),
            paid_at: order.paid_at,
        },
    };
    let by_bill = flows::payment::apply::apply_payment_report(
        app.kassa(),
        attempt.channel_account_id,
        &report,
    );
    let outcome = by_bill.await.unwrap();
    assert!(!outcome.changed);
    assert_eq!(outcome.anomaly, None);
    app.run_until_idle().await;
    assert_eq!(
        kinds(&app.events().await),
        ["payment.pending", "payment.succeeded"]
    );
    assert_eq!(app.bookings(&created.id).await, ["PAYMENT"]);
    assert_eq!(app.anomalies().await, []);
    assert_eq!(
        app.notifications().await[0].status(),
        NotificationStatus::AlreadyApplied
    );
    app.finish().await;
}

/// Guard: whoever takes the right to call the gateway shows the version that it saw.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_that_saw_the_same_attempt_one_calls_the_gateway() {
    let app = TestApp::start().await;
    for round in 0..3 {
        let wish = Wish::wechat_jsapi(&format!("round-{round}"), "7.00");
        let asked: Vec<_> = (0..30).map(|_| app.spawn_create(&wish)).collect();
        for answer in join_all(asked).await {
            answer.unwrap().unwrap();
        }
    }
    let calls = app.control.calls();
    let creates: Vec<_> = calls
        .iter()
        .filter(|it| it.operation == Operation::Create)
        .collect();
    assert_eq!(creates.len(), 3, "{creates:?}");
    app.finish().await;
}

/// Guard: the payment's row is locked before it is decided on. The same fact, told by thirty queries
/// at once past the inbox, finds the first one's result.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fact_that_comes_thirty_times_at_once_past_the_inbox_is_applied_once() {
    let app = TestApp::start().await;
    let created = app.created(&Wish::wechat_jsapi("tea", "7.00")).await;
    app.pay(&created).await;
    let attempt = app.attempts(&created.id).await.remove(0);
    let report = PaymentReport {
        request_number: attempt.request_number(),
        gateway_transaction_id: Some("4200001".to_owned()),
        state: ReportedPayment::Paid {
            amount: Money::parse("7.00", Currency::CNY).unwrap(),
            paid_at: None,
        },
    };
    let tellers = (0..30).map(|_| {
        let (kassa, report) = (app.kassa().clone(), report.clone());
        tokio::spawn(async move {
            let account = attempt.channel_account_id;
            flows::payment::apply::apply_payment_report(&kassa, account, &report).await
        })
    });
    let outcomes = join_all(tellers.collect::<Vec<_>>()).await;
    let outcomes: Vec<_> = outcomes
        .into_iter()
        .map(|it| it.unwrap().unwrap())
        .collect();
    assert_eq!(
        outcomes.iter().filter(|outcome| outcome.changed).count(),
        1,
        "{outcomes:?}"
    );
    assert!(
        outcomes.iter().all(|outcome| outcome.anomaly.is_none()),
        "{outcomes:?}"
    );
    app.settle().await;
    assert_eq!(
        app.payment(&created.id).await.status(),
        PaymentStatus::PaidSuccess
    );
    assert_eq!(app.bookings(&created.id).await, ["PAYMENT"]);
    assert_eq!(
        kinds(&app.events().await),
        ["payment.pending", "payment.succeeded"]
    );
    app.finish().await;
}

/// Amounts stay integers of the minor unit from the wire to the gateway and back (P7): amounts that
/// a binary float cannot hold come through to the cent.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn amounts_that_a_float_cannot_hold_come_through_to_the_cent() {
    let app = TestApp::start().await;
    let amounts = [
        ("0.01", 1),
        ("0.07", 7),
        ("1.15", 115),
        ("33.33", 3_333),
        ("9007199.93", 900_719_993),
    ];
    for (amount, minor_units) in amounts {
        let created = app
            .created(&Wish::wechat_jsapi(&format!("order-{amount}"), amount))
            .await;
        let order = app.pay(&created).await;
        assert_eq!(order.total_minor, minor_units);
        app.settle().await;
        let paid = app.payment(&created.id).await;
        assert_eq!(paid.amount_paid, Some(tests::money(amount)));
        let told = tests::event::cloud_event(app.events_of(&created.id).await.last().unwrap());
        assert_eq!(told["data"]["transaction"]["amount_paid"]["amount"], amount);
    }
    app.finish().await;
}
