//! At the counter: the payer shows a code, and has paid when the request is answered, or confirms in the app, or
//! goes away.

use chrono::TimeDelta;
use kassa::node::seed::code;
use kassa_core::payment::AttemptStatus;
use proto::v1::{self, PaymentChannel, PaymentStatus};
use sandbox::{
    CallFault, CallbackFault, Conduct, Fault, FaultRule, FaultScope, Gateway, Operation,
    OrderState, Product,
};
use serde_json::json;
use tests::event::kinds;
use tests::wallet::{balance_leg, gateway_leg};
use tests::{Created, TestApp, Wish, money, reason};
use tonic::Code;
use v1::create_payment_request::Payer;
use v1::retry_payment_request::Payer as RetryPayer;

/// A channel whose payers show codes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Counter {
    pub(super) channel: PaymentChannel,
    pub(super) gateway: Gateway,
    /// The one to pay over.
    pub(super) account: &'static str,
    product: Product,
    /// Whether the gateway posts a callback.
    calls_back: bool,
    /// How often an order that nobody pays within its minute is cancelled: Alipay is told when it ends.
    cancels: usize,
}

pub(super) const ALIPAY: Counter = Counter {
    channel: PaymentChannel::Alipay,
    gateway: Gateway::Alipay,
    account: code::ALIPAY,
    product: Product::AlipayBarCode,
    calls_back: true,
    cancels: 0,
};
pub(super) const WECHAT_V3: Counter = Counter {
    channel: PaymentChannel::WechatPay,
    gateway: Gateway::WechatV3,
    account: code::WECHAT,
    product: Product::WechatBarCode,
    calls_back: false,
    cancels: 1,
};
pub(super) const WECHAT: Counter = Counter {
    channel: PaymentChannel::WechatPay,
    gateway: Gateway::WechatV2,
    account: code::WECHAT_V2,
    product: Product::WechatBarCode,
    calls_back: false,
    cancels: 1,
};
pub(super) const COUNTERS: [Counter; 3] = [ALIPAY, WECHAT_V3, WECHAT];

impl Counter {
    pub(super) fn code(self, app: &TestApp, conduct: Conduct) -> String {
        app.control.show_code(self.gateway, conduct).unwrap()
    }

    /// The order is the request's id too.
    pub(super) fn wish(self, app: &TestApp, order: &str, conduct: Conduct) -> Wish {
        self.wish_with(order, "12.34", &self.code(app, conduct))
    }

    pub(super) fn wish_with(self, order: &str, amount: &str, code: &str) -> Wish {
        Wish::bar_code(self.channel, order, amount, code).account(self.account)
    }
}

/// Time passes, and the worker does what is due on the way.
pub(super) async fn let_pass(app: &TestApp, seconds: i64) {
    for _ in 0..seconds {
        app.clock.advance(TimeDelta::seconds(1));
        app.run_until_idle().await;
    }
}

pub(super) fn drop_callbacks(app: &TestApp) {
    let rule = FaultRule {
        scope: FaultScope::Global,
        times: None,
        fault: Fault::Callback(CallbackFault::Drop),
    };
    app.control.add_fault(rule).unwrap();
}

/// How often the gateway was asked to do something.
pub(super) fn calls(app: &TestApp, operation: Operation) -> usize {
    let calls = app.control.calls();
    calls.iter().filter(|it| it.operation == operation).count()
}

pub(super) async fn status(app: &TestApp, created: &Created) -> PaymentStatus {
    app.payment(&created.id).await.status()
}

/// A retry of a payment with a new code.
pub(super) fn again(created: &Created, request_id: &str, code: &str) -> v1::RetryPaymentRequest {
    v1::RetryPaymentRequest {
        payer: Some(RetryPayer::AuthCode(code.to_owned())),
        ..super::retry::again(&created.id, request_id)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_payer_without_a_password_has_paid_when_the_request_is_answered() {
    for counter in COUNTERS {
        let app = TestApp::start().await;
        let wish = counter.wish(&app, "tea", Conduct::Pays);
        let created = app.create(&wish).await.unwrap();
        let paid = &created.transaction;
        assert_eq!(paid.status(), PaymentStatus::PaidSuccess, "{counter:?}");
        assert_eq!(paid.amount_paid, Some(money("12.34")));
        assert_eq!(
            created.prepay, None,
            "there is nothing to give to the payer"
        );
        let order = app.order(&created.id).await;
        assert_eq!(
            (order.product, order.state),
            (counter.product, OrderState::Paid)
        );
        assert_eq!(paid.gateway_transaction_id, order.gateway_trade_no);
        app.run_until_idle().await;
        assert_eq!(app.deliver().await.len(), usize::from(counter.calls_back));
        app.settle().await;
        let told = kinds(&app.events_of(&created.id).await);
        assert_eq!(told, ["payment.pending", "payment.succeeded"]);
        assert_eq!(app.bookings(&created.id).await, ["PAYMENT"]);
        // One more look, in case that it was reversed.
        let_pass(&app, 180).await;
        assert_eq!(app.bookings(&created.id).await, ["PAYMENT"]);
        assert_eq!(app.anomalies().await, []);
        let refund = app.refund(&created.id, "back", "2.34").await.unwrap();
        app.run_until_idle().await;
        drop(
            app.control
                .settle_refund(&refund.refund_id, sandbox::RefundOutcome::Success),
        );
        app.settle().await;
        assert_eq!(status(&app, &created).await, PaymentStatus::RefundPartial);
        app.finish().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_payer_who_has_to_confirm_is_asked_about_soon_and_often() {
    for counter in COUNTERS {
        let app = TestApp::start().await;
        drop_callbacks(&app);
        let wish = counter.wish(&app, "tea", Conduct::IsAsked);
        let created = app.created(&wish).await;
        assert_eq!(created.prepay, None);
        let_pass(&app, 30).await;
        let asked = calls(&app, Operation::Query);
        assert!((2..=4).contains(&asked), "{counter:?}: asked {asked} times");
        assert_eq!(status(&app, &created).await, PaymentStatus::PendingPayment);
        app.control.pay(&app.number(&created.id).await).unwrap();
        let_pass(&app, 12).await;
        assert_eq!(status(&app, &created).await, PaymentStatus::PaidSuccess);
        assert_eq!(app.bookings(&created.id).await, ["PAYMENT"]);
        app.finish().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_payer_who_never_confirms_has_a_minute_and_can_pay_no_more_then() {
    for counter in COUNTERS {
        let app = TestApp::start().await;
        let wish = counter.wish(&app, "tea", Conduct::IsAsked);
        let created = app.created(&wish).await;
        let_pass(&app, 58).await;
        assert_eq!(status(&app, &created).await, PaymentStatus::PendingPayment);
        assert_eq!(calls(&app, Operation::Close), 0);
        let_pass(&app, 3).await;
        assert_eq!(status(&app, &created).await, PaymentStatus::Closed);
        assert_eq!(calls(&app, Operation::Close), counter.cancels);
        let number = app.number(&created.id).await;
        assert_eq!(app.order(&created.id).await.state, OrderState::Closed);
        app.control.pay(&number).unwrap_err();
        let_pass(&app, 180).await;
        app.settle().await;
        assert_eq!(app.bookings(&created.id).await, [""; 0]);
        assert_eq!(app.anomalies().await, []);
        app.finish().await;
    }
}

/// At WeChat Pay a payment that failed at the payer's bank has to be reversed as well.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_payment_that_the_payers_bank_refuses_is_cancelled() {
    for counter in COUNTERS {
        let app = TestApp::start().await;
        let created = app
            .created(&counter.wish(&app, "tea", Conduct::IsAsked))
            .await;
        app.control.refuse(&app.number(&created.id).await).unwrap();
        let_pass(&app, 61).await;
        assert_eq!(status(&app, &created).await, PaymentStatus::Closed);
        assert_eq!(calls(&app, Operation::Close), counter.cancels);
        assert_eq!(app.order(&created.id).await.state, OrderState::Closed);
        app.finish().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_code_that_the_gateway_refuses_ends_the_payment_and_the_order_can_be_paid_by_another() {
    for (counter, codes) in [
        (
            ALIPAY,
            [
                "ACQ.PAYMENT_AUTH_CODE_INVALID",
                "ACQ.BUYER_BALANCE_NOT_ENOUGH",
            ],
        ),
        (WECHAT_V3, ["AUTH_CODE_INVALID", "NOT_ENOUGH"]),
        (WECHAT, ["AUTH_CODE_INVALID", "NOTENOUGH"]),
    ] {
        let app = TestApp::start().await;
        let unknown = match counter.gateway {
            Gateway::Alipay => "280000000000000000",
            _ => "130000000000000000",
        };
        let poor = counter.code(&app, Conduct::LacksMoney);
        for (code, expected) in [(unknown, codes[0]), (&poor, codes[1])] {
            let wish = counter.wish_with("tea", "12.34", code).request_id(expected);
            for _ in 0..2 {
                let refused = app.create(&wish).await.unwrap_err();
                assert_eq!(reason(&refused), "GATEWAY_REFUSED");
                let text = format!("{refused:?}");
                assert!(text.contains(expected) && !text.contains(code), "{text}");
            }
        }
        assert_eq!(
            calls(&app, Operation::Create),
            2,
            "a repeat charges nothing"
        );
        let wish = counter.wish(&app, "tea", Conduct::Pays);
        let paid = app.create(&wish).await.unwrap();
        assert_eq!(paid.transaction.status(), PaymentStatus::PaidSuccess);
        app.settle().await;
        let mut told = kinds(&app.events().await);
        told.sort_unstable();
        let expected = [
            "payment.failed",
            "payment.failed",
            "payment.pending",
            "payment.succeeded",
        ];
        assert_eq!(told, expected);
        app.finish().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_repeated_request_answers_the_same_payment_and_uses_no_second_code() {
    for counter in COUNTERS {
        let app = TestApp::start().await;
        let wish = counter.wish(&app, "tea", Conduct::IsAsked);
        let created = app.created(&wish).await;
        let other = counter.code(&app, Conduct::Pays);
        let mut repeat = wish.clone();
        repeat.0.payer = Some(Payer::AuthCode(other.clone()));
        for wish in [&wish, &repeat] {
            let same = app.created(wish).await;
            assert_eq!((same.id, same.prepay), (created.id.clone(), None));
        }
        assert_eq!(app.attempts(&created.id).await.len(), 1);
        assert_eq!(calls(&app, Operation::Create), 1);
        // It was not charged: it is good for somebody else's tea.
        let next = counter.wish_with("next", "1.00", &other);
        let paid = app.create(&next).await.unwrap();
        assert_eq!(paid.transaction.status(), PaymentStatus::PaidSuccess);
        app.settle().await;
        app.finish().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_retry_with_a_new_code_is_a_new_order_and_cancels_the_one_before() {
    for counter in COUNTERS {
        let app = TestApp::start().await;
        let created = app
            .created(&counter.wish(&app, "tea", Conduct::IsAsked))
            .await;
        let first = app.number(&created.id).await;
        app.clock.advance(TimeDelta::seconds(40));
        let retry = again(&created, "again", &counter.code(&app, Conduct::Pays));
        let paid = app.retry(retry.clone()).await.unwrap();
        assert_eq!(paid.transaction.status(), PaymentStatus::PaidSuccess);
        let attempts = app.attempts(&created.id).await;
        let statuses: Vec<_> = attempts.iter().map(|it| it.status).collect();
        assert_eq!(statuses, [AttemptStatus::Closed, AttemptStatus::Paid]);
        let number = app.number(&created.id).await;
        assert_ne!(number, first, "an order number is never used twice");
        assert_eq!(app.control.order(&first).unwrap().state, OrderState::Closed);
        let other = counter.code(&app, Conduct::Pays);
        for repeat in [retry, again(&created, "again", &other)] {
            let same = app.retry(repeat).await.unwrap();
            assert_eq!(same.transaction.status(), PaymentStatus::PaidSuccess);
        }
        assert_eq!(calls(&app, Operation::Create), 2);
        app.settle().await;
        assert_eq!(app.bookings(&created.id).await, ["PAYMENT"]);
        app.finish().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_payer_with_an_open_code_of_another_kind_can_pay_at_the_counter() {
    let app = TestApp::start().await;
    let created = app.created(&Wish::wechat_jsapi("tea", "12.34")).await;
    let mut retry = again(&created, "again", &ALIPAY.code(&app, Conduct::IsAsked));
    retry.payment_channel = PaymentChannel::Alipay.into();
    retry.payment_method = v1::PaymentMethod::BarCode.into();
    let waiting = app.retry(retry).await.unwrap().transaction;
    assert_eq!(waiting.status(), PaymentStatus::PendingPayment);
    assert_eq!(waiting.payment_method(), v1::PaymentMethod::BarCode);
    let_pass(&app, 61).await;
    assert_eq!(
        status(&app, &created).await,
        PaymentStatus::Closed,
        "the minute of the counter counts"
    );
    // Without a new code there is nothing to place.
    let open = app
        .created(&ALIPAY.wish(&app, "more", Conduct::IsAsked))
        .await;
    let codeless = super::retry::again(&open.id, "codeless");
    let refused = app.retry(codeless).await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument, "{refused:?}");
    assert!(refused.message().contains("auth_code"), "{refused:?}");
    app.finish().await;
}

/// WeChat Pay's API v3 wants to know where the till stands.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_account_is_one_that_takes_codes() {
    let app = TestApp::start().await;
    app.unset(code::WECHAT, "store_out_id").await;
    let wish = WECHAT_V3.wish(&app, "tea", Conduct::Pays);
    let refused = app.create(&wish).await;
    assert_eq!(reason(&refused.unwrap_err()), "NO_CHANNEL_ACCOUNT");
    assert_eq!(calls(&app, Operation::Create), 0);
    // Everything else is paid over it as before.
    app.paid(&Wish::wechat_jsapi("cake", "1.00").account(code::WECHAT))
        .await;
    let paid = app.create(&wish.account("")).await.unwrap();
    assert_eq!(paid.transaction.status(), PaymentStatus::PaidSuccess);
    let other = app.node().sandbox().unwrap().credentials();
    let other = other.wechat_public_key_mode.mchid.clone();
    assert_eq!(app.order(&paid.id).await.account, other);
    app.settle().await;
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn balance_and_a_code_pay_together_or_not_at_all() {
    for counter in COUNTERS {
        let app = TestApp::start().await;
        app.configure_payments(json!({})).await;
        app.fill_balance("user-1", "20.00").await;
        let mixed = |order: &str, conduct: Conduct| {
            let bar_code = v1::PaymentMethod::BarCode;
            let legs = vec![
                balance_leg("5.00"),
                gateway_leg(counter.channel, bar_code, "7.00"),
            ];
            let mut wish = Wish::legs(order, "12.00", legs).account(counter.account);
            wish.0.payer = Some(Payer::AuthCode(counter.code(&app, conduct)));
            wish
        };
        let paid = app.create(&mixed("tea", Conduct::Pays)).await.unwrap();
        assert_eq!(paid.transaction.status(), PaymentStatus::PaidSuccess);
        assert_eq!(paid.transaction.amount_paid, Some(money("12.00")));
        assert_eq!(app.purse("user-1").await[0], "15.00 CNY");
        let waiting = app.created(&mixed("more", Conduct::IsAsked)).await;
        assert_eq!(app.purse("user-1").await[0], "10.00 CNY, held 5.00 CNY");
        let_pass(&app, 61).await;
        assert_eq!(status(&app, &waiting).await, PaymentStatus::Closed);
        assert_eq!(app.purse("user-1").await[0], "15.00 CNY");
        app.settle().await;
        app.finish().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_success_whose_question_brings_no_answer_is_found_by_the_next_one() {
    let app = TestApp::start().await;
    drop_callbacks(&app);
    let fault = CallFault::Cut { accepted: false };
    let rule = FaultRule::call_once("", Operation::Query, fault).in_scope(FaultScope::NextOrder);
    app.control.add_fault(rule).unwrap();
    let created = app.created(&ALIPAY.wish(&app, "tea", Conduct::Pays)).await;
    let_pass(&app, 7).await;
    assert_eq!(status(&app, &created).await, PaymentStatus::PaidSuccess);
    app.finish().await;
}
