//! Retry: at most one order of a payment can be paid at any moment, whatever stops or answers in
//! between, and an order number is never used twice.

use chrono::TimeDelta;
use kassa_core::payment::{ATTEMPTS_MAX, AttemptStatus};
use proto::v1::prepay_info::Info;
use proto::v1::retry_payment_request::Payer;
use proto::v1::{PaymentChannel, PaymentMethod, PaymentStatus, RetryPaymentRequest};
use sandbox::{CallFault, CallbackFault, FaultRule, Operation, OrderState};
use tests::event::kinds;
use tests::{Created, TestApp, Wish, reason};
use tonic::Code;
use tonic_types::StatusExt;

/// As before in everything.
pub(super) fn again(id: &str, request_id: &str) -> RetryPaymentRequest {
    RetryPaymentRequest {
        transaction_id: id.to_owned(),
        request_id: request_id.to_owned(),
        ..RetryPaymentRequest::default()
    }
}

/// By an Alipay code instead.
pub(super) fn by_alipay(id: &str, request_id: &str) -> RetryPaymentRequest {
    RetryPaymentRequest {
        payment_channel: PaymentChannel::Alipay.into(),
        payment_method: PaymentMethod::Qr.into(),
        ..again(id, request_id)
    }
}

/// By a WeChat Pay code instead.
fn by_wechat_qr(id: &str, request_id: &str) -> RetryPaymentRequest {
    RetryPaymentRequest {
        payment_channel: PaymentChannel::WechatPay.into(),
        payment_method: PaymentMethod::Qr.into(),
        ..again(id, request_id)
    }
}

/// What the gateways were asked, in order: the operation and the place of its order's number.
async fn calls(app: &TestApp, id: &str) -> Vec<(Operation, i32)> {
    let attempts = app.attempts(id).await;
    let no = |number: &str| {
        let attempt = attempts.iter().find(|it| it.request_number() == number);
        attempt.map(|it| it.attempt_no)
    };
    let calls = app.control.calls().into_iter();
    calls
        .filter_map(|call| Some((call.operation, no(&call.out_trade_no)?)))
        .collect()
}

async fn statuses(app: &TestApp, id: &str) -> Vec<AttemptStatus> {
    let attempts = app.attempts(id).await.into_iter();
    attempts.map(|attempt| attempt.status).collect()
}

fn closing_fails_once(app: &TestApp, number: &str, fault: CallFault) {
    let rule = FaultRule::call_once(number, Operation::Close, fault);
    app.control.add_fault(rule).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn parameters_that_are_still_good_are_given_back_and_nothing_changes() {
    let app = TestApp::start().await;
    let created = app.created(&Wish::wechat_jsapi("tea", "5.00")).await;
    app.run_until_idle().await;
    let before = app.state(&created.id).await;
    for request_id in ["one", "one", "two"] {
        let retried = app.retry(again(&created.id, request_id)).await.unwrap();
        assert_eq!(retried, created);
    }
    let explicit = RetryPaymentRequest {
        payment_channel: PaymentChannel::WechatPay.into(),
        payment_method: PaymentMethod::Jsapi.into(),
        payer: Some(Payer::Openid("oTest-payer-openid-0000001".to_owned())),
        ..again(&created.id, "three")
    };
    assert_eq!(app.retry(explicit).await.unwrap(), created);
    app.run_until_idle().await;
    assert_eq!(app.state(&created.id).await, before);
    assert_eq!(calls(&app, &created.id).await, [(Operation::Create, 1)]);
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_channel_closes_the_order_before_first_and_its_money_pays_the_payment() {
    let app = TestApp::start().await;
    let created = app.created(&Wish::wechat_jsapi("tea", "5.00")).await;
    let request = by_alipay(&created.id, "alipay");
    let retried = app.retry(request.clone()).await.unwrap();
    assert_eq!(retried.id, created.id, "the same payment");
    assert_eq!(retried.transaction.status(), PaymentStatus::PendingPayment);
    assert_eq!(
        retried.transaction.payment_channel(),
        PaymentChannel::Alipay
    );
    assert!(matches!(retried.prepay, Some(Info::QrCode(_))));
    let asked = [
        (Operation::Create, 1),
        (Operation::Query, 1),
        (Operation::Close, 1),
        (Operation::Create, 2),
    ];
    assert_eq!(calls(&app, &created.id).await, asked);
    let statuses = statuses(&app, &created.id).await;
    assert_eq!(statuses, [AttemptStatus::Closed, AttemptStatus::Open]);
    let repeated = app.retry(request).await.unwrap();
    assert_eq!(repeated, retried, "the same request has the same answer");
    app.pay(&retried).await;
    app.settle().await;
    let paid = app.payment(&created.id).await;
    assert_eq!(paid.status(), PaymentStatus::PaidSuccess);
    let told = kinds(&app.events_of(&created.id).await);
    let expected = [
        "payment.pending",
        "payment.retried",
        "payment.pending",
        "payment.succeeded",
    ];
    assert_eq!(told, expected);
    assert_eq!(app.bookings(&created.id).await, ["PAYMENT"]);
    assert_eq!(app.anomalies().await, []);
    let legs = app.kassa().store.list_legs(created.id.parse().unwrap());
    assert_eq!(legs.await.unwrap()[0].channel.as_str(), "ALIPAY");
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_order_that_is_found_paid_pays_the_payment_and_the_new_one_is_never_placed() {
    let app = TestApp::start().await;
    let created = app.created(&Wish::wechat_jsapi("tea", "5.00")).await;
    let number = app.number(&created.id).await;
    let lost = FaultRule::callback_once(&number, CallbackFault::Drop);
    app.control.add_fault(lost).unwrap();
    app.pay(&created).await;
    for _ in 0..2 {
        let refused = app.retry(by_alipay(&created.id, "alipay")).await;
        let refused = refused.unwrap_err();
        assert_eq!(refused.code(), Code::FailedPrecondition);
        assert_eq!(reason(&refused), "ORDER_ALREADY_PAID");
    }
    let paid = app.payment(&created.id).await;
    assert_eq!(paid.status(), PaymentStatus::PaidSuccess);
    assert_eq!(
        paid.payment_channel(),
        PaymentChannel::WechatPay,
        "how it was really paid"
    );
    let statuses = statuses(&app, &created.id).await;
    assert_eq!(statuses, [AttemptStatus::Paid, AttemptStatus::Closed]);
    assert_eq!(app.control.orders().len(), 1);
    app.settle().await;
    let told = kinds(&app.events_of(&created.id).await);
    assert_eq!(
        told,
        ["payment.pending", "payment.retried", "payment.succeeded"]
    );
    assert_eq!(app.anomalies().await, []);
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_the_gateways_word_cannot_be_had_nothing_is_placed_and_the_same_request_goes_on() {
    let app = TestApp::start().await;
    let created = app.created(&Wish::wechat_jsapi("tea", "5.00")).await;
    let number = app.number(&created.id).await;
    let request = by_wechat_qr(&created.id, "code");
    let away = CallFault::ServerError {
        status: 500,
        accepted: false,
    };
    for fault in [away, CallFault::Cut { accepted: true }] {
        closing_fails_once(&app, &number, fault);
        let lost = app.retry(request.clone()).await.unwrap_err();
        assert_eq!(lost.code(), Code::Unavailable, "{lost:?}");
        assert_eq!(reason(&lost), "OUTCOME_UNKNOWN");
        let retry_info = lost.get_details_retry_info().unwrap();
        assert!(retry_info.retry_delay.is_some());
        assert_eq!(app.control.orders().len(), 1, "nothing new is placed");
        let payment = app.payment(&created.id).await;
        assert_eq!(payment.status(), PaymentStatus::PendingCreate);
    }
    let retried = app.retry(request).await.unwrap();
    assert_eq!(retried.transaction.status(), PaymentStatus::PendingPayment);
    let attempts = app.attempts(&created.id).await;
    assert_eq!(attempts.len(), 2, "one request, one new order");
    assert_eq!(app.order(&created.id).await.state, OrderState::Open);
    let old = app.control.order(&number).unwrap();
    assert_eq!(old.state, OrderState::Closed);
    app.pay(&retried).await;
    app.settle().await;
    assert_eq!(app.bookings(&created.id).await, ["PAYMENT"]);
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_key_with_another_content_is_refused_and_nothing_changes() {
    let app = TestApp::start().await;
    let created = app.created(&Wish::wechat_jsapi("tea", "5.00")).await;
    app.retry(by_alipay(&created.id, "key")).await.unwrap();
    app.run_until_idle().await;
    let before = app.state(&created.id).await;
    let used = [
        again(&created.id, "key"),
        by_wechat_qr(&created.id, "key"),
        // The key that created the payment.
        by_wechat_qr(&created.id, "tea"),
    ];
    for request in used {
        let refused = app.retry(request).await.unwrap_err();
        assert_eq!(refused.code(), Code::AlreadyExists);
        assert_eq!(reason(&refused), "IDEMPOTENCY_MISMATCH");
        let info = refused.get_details_error_info().unwrap();
        assert_eq!(info.metadata["field"], "request_id");
    }
    app.run_until_idle().await;
    assert_eq!(app.state(&created.id).await, before);
    // Another payment has keys of its own.
    let other = app.created(&Wish::wechat_jsapi("cake", "5.00")).await;
    app.retry(by_wechat_qr(&other.id, "key")).await.unwrap();
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_payment_that_is_paid_or_ended_is_not_retried() {
    let app = TestApp::start().await;
    let paid = app.paid(&Wish::wechat_jsapi("paid", "5.00")).await;
    let refused = app.retry(by_alipay(&paid.id, "again")).await.unwrap_err();
    assert_eq!(refused.code(), Code::FailedPrecondition);
    assert_eq!(reason(&refused), "ORDER_ALREADY_PAID");

    let closed = app.created(&Wish::wechat_jsapi("closed", "5.00")).await;
    app.close(&closed.id).await.unwrap();
    let refused = app.retry(by_alipay(&closed.id, "again")).await.unwrap_err();
    assert_eq!(refused.code(), Code::FailedPrecondition);
    assert_eq!(reason(&refused), "PAYMENT_STATE");
    assert!(refused.message().contains("create a new payment"));
    assert_eq!(app.attempts(&closed.id).await.len(), 1);
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_apps_payment_cannot_be_retried() {
    let app = TestApp::start().await;
    let created = app.created(&Wish::wechat_jsapi("tea", "5.00")).await;
    let request = by_alipay(&created.id, "theft");
    let refused = app.other.payments().retry_payment(request).await;
    assert_eq!(refused.unwrap_err().code(), Code::NotFound);
    assert_eq!(app.attempts(&created.id).await.len(), 1);
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_does_not_fit_the_payment_is_named_and_nothing_is_written() {
    let app = TestApp::start().await;
    let created = app.created(&Wish::alipay_qr("tea", "5.00")).await;
    let jsapi = RetryPaymentRequest {
        payment_channel: PaymentChannel::WechatPay.into(),
        payment_method: PaymentMethod::Jsapi.into(),
        time_to_expiry: Some(seconds(59)),
        ..again(&created.id, "jsapi")
    };
    let refused = app.retry(jsapi).await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
    let bad = refused.get_details_bad_request().unwrap();
    let fields: Vec<_> = bad.field_violations.iter().map(|it| &it.field).collect();
    assert_eq!(fields, ["time_to_expiry", "openid"]);
    let unknown_account = RetryPaymentRequest {
        channel_account: "nobody".to_owned(),
        ..again(&created.id, "account")
    };
    let refused = app.retry(unknown_account).await.unwrap_err();
    assert_eq!(reason(&refused), "NO_CHANNEL_ACCOUNT");
    assert_eq!(app.attempts(&created.id).await.len(), 1);
    app.finish().await;
}

fn seconds(seconds: i64) -> pbjson_types::Duration {
    pbjson_types::Duration { seconds, nanos: 0 }
}

/// An H5 address can be opened for five minutes, a prepay id used for two hours.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn parameters_are_given_back_only_while_the_gateway_takes_them() {
    let app = TestApp::start().await;
    let wap = Wish::new(PaymentChannel::WechatPay, PaymentMethod::Wap, "wap", "5.00");
    let wap = app.created(&wap).await;
    let jsapi = app.created(&Wish::wechat_jsapi("jsapi", "5.00")).await;
    app.clock.advance(TimeDelta::minutes(3));
    assert_eq!(app.retry(again(&wap.id, "early")).await.unwrap(), wap);
    app.clock.advance(TimeDelta::minutes(3));
    let renewed = app.retry(again(&wap.id, "late")).await.unwrap();
    assert_eq!(statuses(&app, &wap.id).await.len(), 2);
    assert_ne!(renewed.prepay, wap.prepay);
    assert_eq!(app.retry(again(&jsapi.id, "late")).await.unwrap(), jsapi);
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_payment_about_to_expire_is_retried_only_with_more_time() {
    let app = TestApp::start().await;
    let created = app.created(&Wish::wechat_jsapi("tea", "5.00")).await;
    app.clock
        .advance(TimeDelta::minutes(29) + TimeDelta::seconds(30));
    let refused = app.retry(again(&created.id, "late")).await.unwrap_err();
    assert_eq!(refused.code(), Code::FailedPrecondition);
    assert_eq!(reason(&refused), "PAYMENT_STATE");
    assert!(
        refused.message().contains("time_to_expiry"),
        "{}",
        refused.message()
    );
    let request = RetryPaymentRequest {
        time_to_expiry: Some(seconds(600)),
        ..again(&created.id, "late")
    };
    let retried = app.retry(request).await.unwrap();
    let before = created.transaction.expire_time.unwrap().seconds;
    let after = retried.transaction.expire_time.unwrap().seconds;
    assert_eq!(after - before, 600 - 30);
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_payment_has_at_most_so_many_orders() {
    let app = TestApp::start().await;
    let created = app.created(&Wish::wechat_jsapi("tea", "5.00")).await;
    let retry = async |no: i32| {
        let key = format!("retry-{no}");
        let request = if no % 2 == 0 {
            by_alipay(&created.id, &key)
        } else {
            by_wechat_qr(&created.id, &key)
        };
        app.retry(request).await
    };
    for no in 2..=ATTEMPTS_MAX {
        retry(no).await.unwrap();
    }
    let refused = retry(ATTEMPTS_MAX + 1).await.unwrap_err();
    assert_eq!(refused.code(), Code::FailedPrecondition);
    assert_eq!(reason(&refused), "PAYMENT_STATE");
    let last = app.retry(again(&created.id, "same")).await.unwrap();
    let attempts = app.attempts(&created.id).await;
    assert_eq!(attempts.len(), usize::try_from(ATTEMPTS_MAX).unwrap());
    let open = attempts
        .iter()
        .filter(|it| it.status == AttemptStatus::Open);
    assert_eq!(open.count(), 1);
    app.pay(&last).await;
    app.settle().await;
    assert_eq!(app.bookings(&created.id).await, ["PAYMENT"]);
    app.finish().await;
}

/// Two orders of one payment have not ended, and the newer one was never sent.
async fn half_way(app: &TestApp) -> Created {
    let created = app.created(&Wish::wechat_jsapi("tea", "5.00")).await;
    let number = app.number(&created.id).await;
    closing_fails_once(app, &number, CallFault::Cut { accepted: false });
    let lost = app.retry(by_alipay(&created.id, "alipay")).await;
    assert_eq!(reason(&lost.unwrap_err()), "OUTCOME_UNKNOWN");
    let statuses = statuses(app, &created.id).await;
    assert_eq!(statuses, [AttemptStatus::Open, AttemptStatus::Prepared]);
    created
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn closing_a_half_retried_payment_ends_every_order_and_then_the_payment() {
    let app = TestApp::start().await;
    let created = half_way(&app).await;
    let old = app.attempts(&created.id).await.remove(0).request_number();
    closing_fails_once(&app, &old, CallFault::Cut { accepted: false });
    let lost = app.close(&created.id).await.unwrap_err();
    assert_eq!(reason(&lost), "OUTCOME_UNKNOWN");
    let payment = app.payment(&created.id).await;
    assert_eq!(
        payment.status(),
        PaymentStatus::PendingCreate,
        "the old order may still be paid"
    );
    let closed = app.close(&created.id).await.unwrap();
    assert_eq!(closed.status(), PaymentStatus::Closed);
    let statuses = statuses(&app, &created.id).await;
    assert_eq!(statuses, [AttemptStatus::Closed, AttemptStatus::Closed]);
    let order = app.control.order(&old).unwrap();
    assert_eq!(order.state, OrderState::Closed);
    app.run_until_idle().await;
    let told = kinds(&app.events_of(&created.id).await);
    assert_eq!(
        told,
        ["payment.pending", "payment.retried", "payment.closed"]
    );
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn closing_a_half_retried_payment_whose_first_order_was_paid_answers_paid() {
    let app = TestApp::start().await;
    let created = half_way(&app).await;
    let old = app.attempts(&created.id).await.remove(0).request_number();
    app.control.pay(&old).unwrap();
    let answered = app.close(&created.id).await.unwrap();
    assert_eq!(answered.status(), PaymentStatus::PaidSuccess);
    let statuses = statuses(&app, &created.id).await;
    assert_eq!(statuses, [AttemptStatus::Paid, AttemptStatus::Closed]);
    app.settle().await;
    assert_eq!(app.bookings(&created.id).await, ["PAYMENT"]);
    assert_eq!(app.anomalies().await, []);
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_repeat_of_the_create_goes_on_with_the_retry_and_not_before_the_old_order_has_ended() {
    let app = TestApp::start().await;
    let created = half_way(&app).await;
    let resumed = app.created(&Wish::wechat_jsapi("tea", "5.00")).await;
    assert_eq!(resumed.id, created.id);
    assert_eq!(
        resumed.transaction.payment_channel(),
        PaymentChannel::Alipay
    );
    let statuses = statuses(&app, &created.id).await;
    assert_eq!(statuses, [AttemptStatus::Closed, AttemptStatus::Open]);
    app.finish().await;
}

/// Alipay gives no second code for one order number; a retry has another number.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_retry_gets_the_code_that_a_lost_answer_did_not_bring() {
    use sandbox::FaultScope;
    let app = TestApp::start().await;
    let fault = CallFault::Cut { accepted: true };
    let rule = FaultRule::call_once("", Operation::Create, fault).in_scope(FaultScope::NextOrder);
    app.control.add_fault(rule).unwrap();
    let wish = Wish::alipay_qr("lost-code", "5.00");
    let lost = app.create(&wish).await.unwrap_err();
    assert_eq!(reason(&lost), "OUTCOME_UNKNOWN");
    let details = lost.get_details_error_info().unwrap();
    let id = details.metadata["transaction_id"].clone();
    let retried = app.retry(again(&id, "again")).await.unwrap();
    assert!(matches!(retried.prepay, Some(Info::QrCode(_))));
    app.pay(&retried).await;
    app.settle().await;
    assert_eq!(app.payment(&id).await.status(), PaymentStatus::PaidSuccess);
    app.finish().await;
}
