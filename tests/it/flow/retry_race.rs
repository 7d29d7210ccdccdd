//! The races of a retry: against a callback that pays the order before, against a close, against the
//! create's own call, against other retries, and against the end of the process.
//!
//! The guards: the payment's lock puts the retry before or after every fact; only the current attempt
//! of a pending payment can be claimed for sending (`place::claim`), and only when every earlier one
//! has ended (`close::end_earlier`). Without the first, a retry and a repeat of the create place two
//! orders that can both be paid; without the second, the payer finds two open orders.

use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use flows::payment::{PaymentView, RetryPayment};
use futures_util::future::{join, join_all};
use kassa_core::channel::{Channel, Method};
use kassa_core::payment::AttemptStatus;
use kassa_core::text::RequestId;
use proto::v1::{PaymentChannel, PaymentMethod, PaymentStatus};
use runtime::checkpoint::{Checkpoint, Checkpoints};
use sandbox::{CallFault, FaultRule, FaultScope, Operation, OrderState};
use tests::{Created, TestApp, Wish, reason, until};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tonic::Code;
use tonic_types::StatusExt;

use super::retry::{again, by_alipay};

/// How long a caller waits.
const DEADLINE: Duration = Duration::from_mins(1);

/// A retry through Alipay that stops on its way, mostly when its attempt is written down.
struct Stopped {
    task: JoinHandle<Result<PaymentView, flows::Error>>,
    gate: Arc<Semaphore>,
}

impl Stopped {
    async fn start(app: &TestApp, created: &Created) -> Self {
        Self::at(Checkpoint::RetryWrittenDown, app, created).await
    }

    async fn at(place: Checkpoint, app: &TestApp, created: &Created) -> Self {
        let (reached, gate) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
        let mut kassa = app.kassa().clone();
        let (at, through) = (Arc::clone(&reached), Arc::clone(&gate));
        kassa.checkpoints = Checkpoints::hooked(Arc::new(move |checkpoint| {
            let (at, through) = (Arc::clone(&at), Arc::clone(&through));
            Box::pin(async move {
                if checkpoint == place {
                    at.add_permits(1);
                    through.acquire().await.unwrap().forget();
                }
            })
        }));
        let caller = kassa.store.find_app(&app.shop.app).await.unwrap().unwrap();
        let request = RetryPayment {
            transaction_id: created.id.parse().unwrap(),
            request_id: RequestId::try_new("alipay".to_owned()).unwrap(),
            channel: Some(Channel::Alipay),
            method: Some(Method::Qr),
            channel_account: None,
            payer: None,
            auth_code: None,
            client_ip: None,
            time_to_expiry: None,
        };
        let task = tokio::spawn(async move {
            Box::pin(flows::payment::retry(&kassa, &caller, request, DEADLINE)).await
        });
        reached.acquire().await.unwrap().forget();
        Self { task, gate }
    }

    async fn go_on(self) -> Result<PaymentView, flows::Error> {
        self.gate.add_permits(1);
        self.task.await.unwrap()
    }
}

async fn statuses(app: &TestApp, id: &str) -> Vec<AttemptStatus> {
    let attempts = app.attempts(id).await.into_iter();
    attempts.map(|attempt| attempt.status).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_callback_that_pays_the_order_before_in_the_middle_of_a_retry_pays_the_payment() {
    let app = TestApp::start().await;
    let created = app.created(&Wish::wechat_jsapi("tea", "5.00")).await;
    let number = app.number(&created.id).await;
    let retry = Stopped::start(&app, &created).await;
    app.control.pay(&number).unwrap();
    app.settle().await;
    let paid = app.payment(&created.id).await;
    assert_eq!(paid.status(), PaymentStatus::PaidSuccess);
    assert_eq!(paid.payment_channel(), PaymentChannel::WechatPay);
    let refused = retry.go_on().await.unwrap_err();
    assert!(matches!(refused, flows::Error::OrderAlreadyPaid { .. }));
    let expected = [AttemptStatus::Paid, AttemptStatus::Closed];
    assert_eq!(statuses(&app, &created.id).await, expected);
    assert_eq!(app.control.orders().len(), 1, "the new one was never sent");
    app.settle().await;
    assert_eq!(app.bookings(&created.id).await, ["PAYMENT"]);
    assert_eq!(app.anomalies().await, []);
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_close_in_the_middle_of_a_retry_wins_and_nothing_is_placed() {
    let app = TestApp::start().await;
    let created = app.created(&Wish::wechat_jsapi("tea", "5.00")).await;
    let retry = Stopped::start(&app, &created).await;
    let closed = app.close(&created.id).await.unwrap();
    assert_eq!(closed.status(), PaymentStatus::Closed);
    let view = retry.go_on().await.unwrap();
    assert_eq!(view.transaction.status.as_str(), "CLOSED");
    assert_eq!(view.prepay, None);
    let expected = [AttemptStatus::Closed, AttemptStatus::Closed];
    assert_eq!(statuses(&app, &created.id).await, expected);
    assert_eq!(app.control.orders().len(), 1);
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refusal_decides_nothing_when_another_has_taken_the_call_over_meanwhile() {
    let app = TestApp::start().await;
    let created = app.created(&Wish::wechat_jsapi("tea", "5.00")).await;
    let code = "ACQ.INVALID_PARAMETER".to_owned();
    let fault = CallFault::Refuse { code };
    let rule = FaultRule::call_once("", Operation::Create, fault).in_scope(FaultScope::NextOrder);
    app.control.add_fault(rule).unwrap();
    let slow = Stopped::at(Checkpoint::PlaceAnswered, &app, &created).await;
    // Its call is nobody's by now: the same request, repeated, places the order.
    app.clock.advance(TimeDelta::minutes(2));
    let request = by_alipay(&created.id, "alipay");
    let placed = app.retry(request).await.unwrap();
    assert_eq!(placed.transaction.status(), PaymentStatus::PendingPayment);
    let stale = slow.go_on().await.unwrap();
    assert_eq!(stale.transaction.status.as_str(), "PENDING_PAYMENT");
    app.pay(&placed).await;
    app.settle().await;
    let paid = app.payment(&created.id).await;
    assert_eq!(paid.status(), PaymentStatus::PaidSuccess);
    assert_eq!(app.anomalies().await, [], "paid in time");
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_that_got_no_answer_stays_with_who_took_it_over() {
    let app = TestApp::start().await;
    let created = app.created(&Wish::wechat_jsapi("tea", "5.00")).await;
    let fault = CallFault::Cut { accepted: false };
    let rule = FaultRule::call_once("", Operation::Create, fault).in_scope(FaultScope::NextOrder);
    app.control.add_fault(rule).unwrap();
    let slow = Stopped::at(Checkpoint::PlaceAnswered, &app, &created).await;
    app.clock.advance(TimeDelta::minutes(2));
    let owner = Stopped::at(Checkpoint::PlaceAnswered, &app, &created).await;
    let unknown = slow.go_on().await.unwrap_err();
    assert!(matches!(unknown, flows::Error::OutcomeUnknown { .. }));
    let expected = [AttemptStatus::Closed, AttemptStatus::Sent];
    assert_eq!(statuses(&app, &created.id).await, expected, "one owner");
    let placed = owner.go_on().await.unwrap();
    assert_eq!(placed.transaction.status.as_str(), "PENDING_PAYMENT");
    assert!(placed.prepay.is_some());
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_that_ends_after_writing_the_retry_down_loses_nothing() {
    let app = TestApp::start().await;
    let created = app.created(&Wish::wechat_jsapi("tea", "5.00")).await;
    let number = app.number(&created.id).await;
    let retry = Stopped::start(&app, &created).await;
    retry.task.abort();
    assert!(retry.task.await.unwrap_err().is_cancelled());
    let payment = app.payment(&created.id).await;
    assert_eq!(payment.status(), PaymentStatus::PendingCreate);
    let open = app.control.order(&number).unwrap();
    assert_eq!(open.state, OrderState::Open);
    let resumed = app.retry(by_alipay(&created.id, "alipay")).await.unwrap();
    assert_eq!(resumed.transaction.status(), PaymentStatus::PendingPayment);
    let expected = [AttemptStatus::Closed, AttemptStatus::Open];
    assert_eq!(statuses(&app, &created.id).await, expected);
    let closed = app.control.order(&number).unwrap();
    assert_eq!(closed.state, OrderState::Closed);
    app.pay(&resumed).await;
    app.settle().await;
    assert_eq!(app.bookings(&created.id).await, ["PAYMENT"]);
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_retry_that_nobody_goes_on_with_expires_with_every_order_ended() {
    let app = TestApp::start().await;
    let created = app.created(&Wish::wechat_jsapi("tea", "5.00")).await;
    let number = app.number(&created.id).await;
    let retry = Stopped::start(&app, &created).await;
    retry.task.abort();
    app.clock.advance(TimeDelta::minutes(31));
    app.run_until_idle().await;
    let payment = app.payment(&created.id).await;
    assert_eq!(payment.status(), PaymentStatus::Closed);
    let expected = [AttemptStatus::Closed, AttemptStatus::Closed];
    assert_eq!(statuses(&app, &created.id).await, expected);
    let closed = app.control.order(&number).unwrap();
    assert_eq!(closed.state, OrderState::Closed);
    app.finish().await;
}

/// The outcome of the create is unknown: its repeat asks and places again, the retry asks and closes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_retry_and_a_repeat_of_the_create_at_once_leave_one_order_open() {
    let app = TestApp::start().await;
    let fault = CallFault::Cut { accepted: false };
    let rule = FaultRule::call_once("", Operation::Create, fault).in_scope(FaultScope::NextOrder);
    app.control.add_fault(rule).unwrap();
    let wish = Wish::wechat_jsapi("tea", "5.00");
    let lost = app.create(&wish).await.unwrap_err();
    assert_eq!(reason(&lost), "OUTCOME_UNKNOWN");
    let id = lost.get_details_error_info().unwrap().metadata["transaction_id"].clone();
    let request = by_alipay(&id, "alipay");
    let (_created, retried) = join(
        until("the create is answered", async || {
            app.create(&wish).await.ok()
        }),
        until("the retry is answered", async || {
            app.retry(request.clone()).await.ok()
        }),
    )
    .await;
    assert_eq!(retried.transaction.status(), PaymentStatus::PendingPayment);
    let expected = [AttemptStatus::Closed, AttemptStatus::Open];
    assert_eq!(statuses(&app, &id).await, expected);
    let orders = app.control.orders().into_iter();
    let open: Vec<_> = orders
        .filter(|order| order.state == OrderState::Open)
        .map(|order| order.out_trade_no)
        .collect();
    assert!(
        open.len() <= 1,
        "an unopened code is no order yet: {open:?}"
    );
    app.pay(&retried).await;
    app.settle().await;
    assert_eq!(app.bookings(&id).await, ["PAYMENT"]);
    assert_eq!(app.anomalies().await, []);
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_retry_while_the_create_is_on_its_way_is_asked_to_come_again() {
    let app = TestApp::start().await;
    let fault = CallFault::Hang {
        for_ms: None,
        accepted: true,
    };
    let rule = FaultRule::call_once("", Operation::Create, fault).in_scope(FaultScope::NextOrder);
    app.control.add_fault(rule).unwrap();
    let creating = app.spawn_create(&Wish::wechat_jsapi("tea", "5.00"));
    let order = until("the gateway has the order", async || {
        app.control.orders().pop()
    })
    .await;
    let attempt = order.out_trade_no.parse().unwrap();
    let attempt = app.kassa().store.find_attempt(attempt).await.unwrap();
    let id = attempt.unwrap().transaction_id.to_string();
    let refused = app.retry(by_alipay(&id, "alipay")).await.unwrap_err();
    assert_eq!(refused.code(), Code::Aborted);
    assert_eq!(reason(&refused), "REQUEST_IN_FLIGHT");
    app.control.release_hangs();
    let created = creating.await.unwrap().unwrap();
    assert_eq!(app.retry(again(&id, "again")).await.unwrap(), created);
    assert_eq!(app.attempts(&id).await.len(), 1);
    app.finish().await;
}

/// Every caller repeats its request until it is answered; whoever comes last, one order is left.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_retries_at_once_exactly_one_order_is_left_open() {
    const METHODS: [PaymentMethod; 4] = [
        PaymentMethod::Qr,
        PaymentMethod::App,
        PaymentMethod::Wap,
        PaymentMethod::Jsapi,
    ];
    let app = TestApp::start().await;
    let created = app.created(&Wish::wechat_jsapi("tea", "5.00")).await;
    let retrying = METHODS.iter().enumerate().map(async |(no, method)| {
        let mut request = again(&created.id, &format!("retry-{no}"));
        request.payment_method = (*method).into();
        until("the retry is answered", async || {
            match app.retry(request.clone()).await {
                Ok(answered) => Some(answered),
                Err(later) => {
                    let is_later = [Code::Aborted, Code::Unavailable].contains(&later.code());
                    assert!(is_later, "{later:?}");
                    None
                }
            }
        })
        .await
    });
    for answered in join_all(retrying).await {
        assert_eq!(answered.id, created.id);
    }
    let orders = app.control.orders();
    let open: Vec<_> = orders
        .iter()
        .filter(|order| order.state == OrderState::Open)
        .collect();
    assert_eq!(open.len(), 1, "{orders:?}");
    assert_eq!(open[0].out_trade_no, app.number(&created.id).await);
    let payment = app.payment(&created.id).await;
    assert_eq!(payment.status(), PaymentStatus::PendingPayment);
    app.control.pay(&open[0].out_trade_no).unwrap();
    app.settle().await;
    assert_eq!(app.bookings(&created.id).await, ["PAYMENT"]);
    assert_eq!(app.anomalies().await, []);
    app.finish().await;
}

/// The same request many times at once makes one order.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_retry_many_times_at_once_makes_one_order_and_equal_answers() {
    let app = TestApp::start().await;
    let created = app.created(&Wish::wechat_jsapi("tea", "5.00")).await;
    let retrying: Vec<_> = (0..10)
        .map(|_| {
            let (caller, request) = (app.shop.clone(), by_alipay(&created.id, "alipay"));
            tokio::spawn(async move { caller.payments().retry_payment(request).await })
        })
        .collect();
    let mut answers = Vec::new();
    for task in retrying {
        match task.await.unwrap() {
            Ok(answer) => answers.push(Created::from(answer.into_inner())),
            Err(later) => assert_eq!(reason(&later), "REQUEST_IN_FLIGHT", "{later:?}"),
        }
    }
    answers.push(app.retry(by_alipay(&created.id, "alipay")).await.unwrap());
    assert!(answers.iter().all(|answer| *answer == answers[0]));
    assert_eq!(app.attempts(&created.id).await.len(), 2);
    app.finish().await;
}
