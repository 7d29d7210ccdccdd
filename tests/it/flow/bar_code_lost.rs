//! At the counter, when answers get lost: nothing is guessed, no code is sent twice, and money that came while
//! its order was cancelled is told of as what it is, money that came and went.

use std::sync::Arc;
use std::time::Duration;

use flows::payment::{BAR_CODE_EXPIRY_DEFAULT, CreatePayment, LegsWanted};
use kassa_core::anomaly::AnomalyKind;
use kassa_core::channel::{Channel, Method};
use kassa_core::payment::{AttemptStatus, AuthCode};
use kassa_core::text::{AccountCode, BusinessOrderId, RequestId, Subject};
use kassa_core::{Currency, Money};
use proto::v1::{PaymentChannel, PaymentStatus};
use runtime::checkpoint::{Checkpoint, Checkpoints};
use sandbox::{CallFault, Conduct, FaultRule, FaultScope, Operation, OrderState};
use tests::event::kinds;
use tests::{TestApp, money, reason, until};
use tokio::sync::Semaphore;
use v1::create_payment_request::Payer;

use super::bar_code::{ALIPAY, COUNTERS, Counter, again, calls, drop_callbacks, let_pass, status};
use proto::v1;

/// How long a caller of these tests waits where nothing will come.
const PATIENCE: Duration = Duration::from_millis(600);

fn next(app: &TestApp, operation: Operation, fault: CallFault) {
    let rule = FaultRule::call_once("", operation, fault).in_scope(FaultScope::NextOrder);
    app.control.add_fault(rule).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_that_is_lost_is_asked_for_at_once() {
    let server_error = CallFault::ServerError {
        status: 502,
        accepted: true,
    };
    for counter in COUNTERS {
        for fault in [
            CallFault::Cut { accepted: true },
            CallFault::BadSignature,
            server_error.clone(),
        ] {
            let app = TestApp::start().await;
            next(&app, Operation::Create, fault);
            let wish = counter.wish(&app, "tea", Conduct::Pays);
            let paid = app.create(&wish).await.unwrap();
            assert_eq!(paid.transaction.status(), PaymentStatus::PaidSuccess);
            assert_eq!(calls(&app, Operation::Create), 1);
            app.settle().await;
            assert_eq!(app.bookings(&paid.id).await, ["PAYMENT"]);
            app.finish().await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_waiting_order_whose_answer_is_lost_is_open() {
    for counter in COUNTERS {
        let app = TestApp::start().await;
        next(&app, Operation::Create, CallFault::Cut { accepted: true });
        let wish = counter.wish(&app, "tea", Conduct::IsAsked);
        let waiting = app.created(&wish).await;
        let attempts = app.attempts(&waiting.id).await;
        assert_eq!(attempts[0].status, AttemptStatus::Open);
        app.run_until_idle().await;
        let told = kinds(&app.events_of(&waiting.id).await);
        assert_eq!(told, ["payment.pending"]);
        app.control.pay(&app.number(&waiting.id).await).unwrap();
        let_pass(&app, 12).await;
        assert_eq!(status(&app, &waiting).await, PaymentStatus::PaidSuccess);
        app.settle().await;
        app.finish().await;
    }
}

/// Neither the call nor the question after it was answered.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_nobody_answers_stays_open_and_the_same_request_finds_it_paid() {
    for counter in COUNTERS {
        let app = TestApp::start().await;
        drop_callbacks(&app);
        next(&app, Operation::Create, CallFault::Cut { accepted: true });
        next(&app, Operation::Query, CallFault::Cut { accepted: true });
        let wish = counter.wish(&app, "tea", Conduct::Pays);
        let lost = app.create(&wish).await.unwrap_err();
        assert_eq!(reason(&lost), "OUTCOME_UNKNOWN");
        let mut repeat = wish.clone();
        repeat.0.payer = Some(Payer::AuthCode(counter.code(&app, Conduct::Pays)));
        let paid = app.create(&repeat).await.unwrap();
        assert_eq!(paid.transaction.status(), PaymentStatus::PaidSuccess);
        assert_eq!(calls(&app, Operation::Create), 1);
        app.finish().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_that_never_arrived_is_not_repeated_and_is_closed_when_its_minute_is_over() {
    for counter in COUNTERS {
        let app = TestApp::start().await;
        next(&app, Operation::Create, CallFault::Cut { accepted: false });
        let wish = counter.wish(&app, "tea", Conduct::Pays);
        for _ in 0..2 {
            let lost = app.create(&wish).await.unwrap_err();
            assert_eq!(reason(&lost), "OUTCOME_UNKNOWN");
        }
        assert_eq!(calls(&app, Operation::Create), 1);
        assert_eq!(app.control.orders().len(), 0);
        let_pass(&app, 61).await;
        let closed = app.create(&wish).await.unwrap();
        assert_eq!(closed.transaction.status(), PaymentStatus::Closed);
        assert_eq!(calls(&app, Operation::Create), 1);
        let_pass(&app, 180).await;
        assert_eq!(app.anomalies().await, []);
        app.finish().await;
    }
}

fn request(counter: Counter, app: &TestApp) -> CreatePayment {
    let code = counter.code(app, Conduct::Pays);
    CreatePayment {
        request_id: RequestId::try_new("tea").unwrap(),
        business_order_id: BusinessOrderId::try_new("tea").unwrap(),
        business_order_type: None,
        user_id: None,
        channel: match counter.channel {
            PaymentChannel::Alipay => Channel::Alipay,
            _ => Channel::WechatPay,
        },
        method: Method::BarCode,
        amount: Money::try_new(1_234, Currency::CNY).unwrap(),
        subject: Subject::try_new("tea").unwrap(),
        payer: None,
        auth_code: Some(AuthCode::try_new(&code).unwrap()),
        client_ip: None,
        return_url: None,
        time_to_expiry: BAR_CODE_EXPIRY_DEFAULT,
        metadata: std::collections::BTreeMap::new(),
        channel_account: Some(AccountCode::try_new(counter.account).unwrap()),
        legs: LegsWanted::One,
        payment_password: None,
    }
}

/// A process in which nothing goes on behind this checkpoint.
fn dying_at(app: &TestApp, last: Checkpoint) -> (flows::Kassa, Arc<Semaphore>) {
    let reached = Arc::new(Semaphore::new(0));
    let at = Arc::clone(&reached);
    let mut kassa = app.kassa().clone();
    kassa.checkpoints = Checkpoints::hooked(Arc::new(move |checkpoint| {
        let at = Arc::clone(&at);
        Box::pin(async move {
            if checkpoint == last {
                at.add_permits(1);
                std::future::pending::<()>().await;
            }
        })
    }));
    (kassa, reached)
}

/// Creates a payment in a process that dies there.
async fn die_at(app: &TestApp, request: &CreatePayment, last: Checkpoint) {
    let (kassa, reached) = dying_at(app, last);
    let caller = kassa.store.find_app(&app.shop.app).await.unwrap().unwrap();
    let request = request.clone();
    let task = tokio::spawn(async move {
        let deadline = Duration::from_mins(1);
        Box::pin(flows::payment::create(&kassa, &caller, request, deadline)).await
    });
    reached.acquire().await.unwrap().forget();
    task.abort();
    assert!(task.await.unwrap_err().is_cancelled());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_that_dies_before_the_call_leaves_an_order_that_is_never_placed() {
    for counter in COUNTERS {
        for last in [Checkpoint::CreateWrittenDown, Checkpoint::PlaceClaimed] {
            let app = TestApp::start().await;
            let request = request(counter, &app);
            die_at(&app, &request, last).await;
            let kassa = app.kassa();
            let caller = kassa.store.find_app(&app.shop.app).await.unwrap().unwrap();
            let repeat = flows::payment::create(kassa, &caller, request.clone(), PATIENCE);
            let unknown = Box::pin(repeat).await.unwrap_err();
            let flows::Error::OutcomeUnknown { transaction_id } = unknown else {
                panic!("{unknown:?}");
            };
            assert_eq!(calls(&app, Operation::Create), 0, "its code is gone");
            let_pass(&app, 61).await;
            let closed = app.payment(&transaction_id).await;
            assert_eq!(closed.status(), PaymentStatus::Closed, "{last:?}");
            assert_eq!(calls(&app, Operation::Create), 0);
            assert_eq!(app.control.orders().len(), 0);
            app.finish().await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_payment_whose_first_order_was_never_placed_is_paid_by_a_retry_with_a_new_code() {
    for counter in COUNTERS {
        let app = TestApp::start().await;
        die_at(&app, &request(counter, &app), Checkpoint::CreateWrittenDown).await;
        let kassa = app.kassa();
        let id = RequestId::try_new("tea").unwrap();
        let written = kassa
            .store
            .find_payment_by_request(&app.shop.app, &id)
            .await;
        let written = written.unwrap().unwrap();
        let created = tests::Created {
            id: written.id.to_string(),
            transaction: app.payment(&written.id.to_string()).await,
            prepay: None,
        };
        let code = counter.code(&app, Conduct::Pays);
        let paid = app.retry(again(&created, "again", &code)).await.unwrap();
        assert_eq!(paid.transaction.status(), PaymentStatus::PaidSuccess);
        assert_eq!(calls(&app, Operation::Create), 1);
        app.settle().await;
        app.finish().await;
    }
}

/// The payer confirms after the gateway has been asked and before it is told to cancel.
async fn paid_while_it_is_cancelled(
    app: &TestApp,
    number: &str,
    then: impl FnOnce(),
    cancelling: impl Future<Output = ()>,
) {
    let hang = CallFault::Hang {
        for_ms: None,
        accepted: false,
    };
    let rule = FaultRule::call_once(number, Operation::Close, hang);
    app.control.add_fault(rule).unwrap();
    let before = calls(app, Operation::Query);
    let paying = async {
        // The fault is used up when the call waits.
        until("the cancelling waits", async || {
            let has_asked = calls(app, Operation::Query) > before;
            (has_asked && app.control.faults().is_empty()).then_some(())
        })
        .await;
        app.control.pay(number).unwrap();
        then();
        // It may not have begun to wait for its release.
        loop {
            app.control.release_hangs();
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        () = cancelling => {}
        () = paying => {}
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn money_that_comes_while_its_order_is_cancelled_has_come_and_gone() {
    for counter in COUNTERS {
        let app = TestApp::start().await;
        let wish = counter.wish(&app, "tea", Conduct::IsAsked);
        let created = app.created(&wish).await;
        let number = app.number(&created.id).await;
        paid_while_it_is_cancelled(&app, &number, || {}, async {
            let answered = app.close(&created.id).await.unwrap();
            assert_eq!(answered.status(), PaymentStatus::RefundFull, "{counter:?}");
        })
        .await;
        app.settle().await;
        let gone = app.payment(&created.id).await;
        assert_eq!(gone.status(), PaymentStatus::RefundFull);
        assert_eq!(gone.amount_refunded, Some(money("12.34")));
        assert_eq!(app.bookings(&created.id).await, ["PAYMENT", "REFUND"]);
        let told = app.anomalies_of(&created.id).await;
        assert_eq!(told, [AnomalyKind::ExternalRefund], "people are told");
        let_pass(&app, 180).await;
        assert_eq!(app.bookings(&created.id).await, ["PAYMENT", "REFUND"]);
        // The tea is not paid.
        let wish = counter.wish(&app, "tea", Conduct::Pays).request_id("more");
        let paid = app.create(&wish).await.unwrap();
        assert_eq!(paid.transaction.status(), PaymentStatus::PaidSuccess);
        app.settle().await;
        app.finish().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_payer_who_pays_at_the_last_moment_is_found_before_the_order_is_cancelled() {
    for counter in COUNTERS {
        let app = TestApp::start().await;
        drop_callbacks(&app);
        let created = app
            .created(&counter.wish(&app, "tea", Conduct::IsAsked))
            .await;
        app.control.pay(&app.number(&created.id).await).unwrap();
        let answered = app.close(&created.id).await.unwrap();
        assert_eq!(answered.status(), PaymentStatus::PaidSuccess);
        assert_eq!(calls(&app, Operation::Close), 0, "nothing is given back");
        assert_eq!(app.bookings(&created.id).await, ["PAYMENT"]);
        app.finish().await;
    }
}

/// The process that cancels dies before it writes down what came of it, and a callback tells of the payment
/// alone: one more look at what was paid at the counter finds that the money is gone.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reversal_that_nobody_wrote_down_is_found_by_a_later_look() {
    let app = TestApp::start().await;
    let created = app
        .created(&ALIPAY.wish(&app, "tea", Conduct::IsAsked))
        .await;
    let number = app.number(&created.id).await;
    let (kassa, reached) = dying_at(&app, Checkpoint::CloseAnswered);
    let (shop, id) = (app.shop.app.clone(), created.id.parse().unwrap());
    let task =
        tokio::spawn(async move { Box::pin(flows::payment::close(&kassa, &shop, id)).await });
    // The notice of what is given back gets lost.
    let lose = || drop_callbacks(&app);
    paid_while_it_is_cancelled(&app, &number, lose, async {
        reached.acquire().await.unwrap().forget();
    })
    .await;
    task.abort();
    assert!(task.await.unwrap_err().is_cancelled());
    assert_eq!(app.control.refunds().len(), 1, "the gateway gave it back");
    assert_eq!(app.control.pending_callbacks(), 1, "paid");
    app.deliver().await;
    app.run_until_idle().await;
    assert_eq!(status(&app, &created).await, PaymentStatus::PaidSuccess);
    let_pass(&app, 180).await;
    assert_eq!(status(&app, &created).await, PaymentStatus::RefundFull);
    assert_eq!(app.bookings(&created.id).await, ["PAYMENT", "REFUND"]);
    assert_eq!(
        app.anomalies_of(&created.id).await,
        [AnomalyKind::ExternalRefund]
    );
    assert_eq!(app.order(&created.id).await.state, OrderState::Paid);
    app.settle().await;
    assert_eq!(app.bookings(&created.id).await, ["PAYMENT", "REFUND"]);
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gateway_that_is_away_at_the_counter_decides_nothing() {
    for counter in COUNTERS {
        let app = TestApp::start().await;
        drop_callbacks(&app);
        let created = app
            .created(&counter.wish(&app, "tea", Conduct::IsAsked))
            .await;
        let down = FaultRule {
            scope: FaultScope::Global,
            times: None,
            fault: sandbox::Fault::Call {
                operation: None,
                fault: CallFault::Cut { accepted: false },
            },
        };
        app.control.add_fault(down).unwrap();
        app.control.pay(&app.number(&created.id).await).unwrap();
        let_pass(&app, 120).await;
        assert_eq!(status(&app, &created).await, PaymentStatus::PendingPayment);
        app.control.clear_faults();
        for _ in 0..30 {
            app.clock.advance(chrono::TimeDelta::minutes(4));
            app.run_until_idle().await;
        }
        assert_eq!(status(&app, &created).await, PaymentStatus::PaidSuccess);
        assert_eq!(app.bookings(&created.id).await, ["PAYMENT"]);
        app.finish().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_tills_with_one_request_charge_one_code() {
    for counter in COUNTERS {
        let app = TestApp::start().await;
        let codes = [(); 8].map(|()| counter.code(&app, Conduct::Pays));
        let tasks: Vec<_> = codes
            .iter()
            .map(|code| app.spawn_create(&counter.wish_with("tea", "12.34", code)))
            .collect();
        let mut created = Vec::new();
        for task in tasks {
            let answered = task.await.unwrap().unwrap();
            // Another request may look between the order and what it was paid.
            let status = answered.transaction.status();
            assert_ne!(status, PaymentStatus::PendingCreate);
            created.push(answered);
        }
        for it in &created {
            assert_eq!(it.id, created[0].id);
            assert_eq!(status(&app, it).await, PaymentStatus::PaidSuccess);
        }
        assert_eq!(calls(&app, Operation::Create), 1);
        assert_eq!(app.control.orders().len(), 1);
        app.settle().await;
        app.finish().await;
    }
}
