//! What does not match never pays anything (P9): altered bytes are refused at the door; what is
//! properly signed and yet not ours becomes an anomaly.

use kassa::node::seed::code;
use kassa_core::anomaly::AnomalyKind;
use proto::v1::{NotificationStatus, PaymentChannel, PaymentMethod, PaymentStatus};
use sandbox::{CallbackFault, FaultRule};
use tests::callback::Post;
use tests::event::kinds;
use tests::{Created, TestApp, Wish};

/// Every so many bytes of a callback one is altered; a prime, so that no pattern is skipped.
const STRIDE: usize = 7;
/// The headers of WeChat Pay that a signature covers, or that are needed to check it.
const SIGNED_HEADERS: [&str; 4] = [
    "Wechatpay-Serial",
    "Wechatpay-Timestamp",
    "Wechatpay-Nonce",
    "Wechatpay-Signature",
];

/// A payment that the payer has paid, and the callback about it as it was posted once.
async fn posted(app: &TestApp, wish: &Wish) -> (Created, Post) {
    let created = app.created(wish).await;
    app.pay(&created).await;
    let reports = app.deliver().await;
    assert!(reports[0].acknowledged, "{reports:?}");
    let recorded = app.control.recorded_callbacks().pop().unwrap();
    (created, Post::from(&recorded))
}

async fn assert_all_refused(app: &TestApp, altered: impl Iterator<Item = (String, Post)>) {
    let mut count = 0;
    for (what, post) in altered {
        let answered = post.send(&app.http).await;
        assert!(!answered.is_acknowledgement(), "{what}: {answered:?}");
        assert!(
            (400..500).contains(&answered.status),
            "{what}: {answered:?}"
        );
        count += 1;
    }
    assert!(count > 50, "only {count} positions");
    assert_eq!(
        app.depth().await,
        1,
        "only the one that is as it was sent is kept"
    );
}

fn altered_bodies(post: &Post) -> impl Iterator<Item = (String, Post)> {
    (0..post.body.len())
        .step_by(STRIDE)
        .map(|at| (format!("body byte {at}"), post.with_altered_body(at)))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_alipay_callback_altered_in_any_byte_of_its_body_is_refused() {
    let app = TestApp::start().await;
    let (created, post) = posted(&app, &Wish::alipay_qr("tea", "88.80")).await;
    assert_all_refused(&app, altered_bodies(&post)).await;
    app.run_until_idle().await;
    assert_eq!(app.notifications().await.len(), 1);
    assert_eq!(app.bookings(&created.id).await, ["PAYMENT"]);
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wechat_callback_altered_in_any_byte_of_its_body_or_signed_headers_is_refused() {
    let app = TestApp::start().await;
    let (created, post) = posted(&app, &Wish::wechat_jsapi("tea", "88.80")).await;
    let headers = SIGNED_HEADERS.into_iter().flat_map(|name| {
        let post = &post;
        let positions = (0..post.header(name).len()).step_by(STRIDE);
        positions.map(move |at| {
            (
                format!("{name} byte {at}"),
                post.with_altered_header(name, at),
            )
        })
    });
    assert_all_refused(&app, altered_bodies(&post).chain(headers)).await;
    app.run_until_idle().await;
    assert_eq!(app.notifications().await.len(), 1);
    assert_eq!(app.bookings(&created.id).await, ["PAYMENT"]);
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_callback_without_a_signature_header_is_refused() {
    let app = TestApp::start().await;
    let (_created, post) = posted(&app, &Wish::wechat_jsapi("tea", "88.80")).await;
    for name in SIGNED_HEADERS {
        let mut bare = post.clone();
        bare.headers
            .retain(|(found, _)| !found.eq_ignore_ascii_case(name));
        let answered = bare.send(&app.http).await;
        assert_eq!(answered.status, 401, "{name}: {answered:?}");
    }
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wechat_callback_outside_the_time_window_is_refused() {
    let app = TestApp::start().await;
    let (_created, post) = posted(&app, &Wish::wechat_jsapi("tea", "88.80")).await;
    app.clock.advance(chrono::TimeDelta::seconds(301));
    let answered = post.send(&app.http).await;
    assert_eq!(answered.status, 401, "{answered:?}");
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_callback_for_one_account_posted_to_another_ones_address_is_refused_or_foreign() {
    let app = TestApp::start().await;
    let (created, post) =
        posted(&app, &Wish::alipay_qr("tea", "88.80").account(code::ALIPAY)).await;
    let mut elsewhere = post.clone();
    elsewhere.url = post.url.replace(code::ALIPAY, code::ALIPAY_CERTIFICATE);
    assert_ne!(elsewhere.url, post.url);
    let answered = elsewhere.send(&app.http).await;
    app.run_until_idle().await;
    if answered.is_acknowledgement() {
        // One Alipay key signs for all its merchants; then the merchant in the notice tells.
        assert_eq!(app.anomalies().await, [AnomalyKind::AccountMismatch]);
    }
    assert_eq!(app.bookings(&created.id).await, ["PAYMENT"]);
    app.finish().await;
}

/// WeChat Pay tests now and then whether we verify: a refusal passes, nothing is kept, and nobody is told of an
/// attack. The genuine notification follows.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_signature_probe_of_wechats_is_refused_and_troubles_nobody() {
    let app = TestApp::start().await;
    for account in [code::WECHAT, code::WECHAT_PUBLIC_KEY] {
        let created = app
            .created(&Wish::wechat_jsapi(account, "88.80").account(account))
            .await;
        app.run_until_idle().await;
        let kept = app.notifications().await.len();
        let number = app.number(&created.id).await;
        let probe = FaultRule::callback_once(&number, CallbackFault::SignatureProbe);
        app.control.add_fault(probe).unwrap();
        app.pay(&created).await;
        let reports = app.deliver().await;
        assert_eq!(reports.len(), 1, "{reports:?}");
        assert_eq!(reports[0].http_status, Some(401), "{reports:?}");
        assert_eq!(reports[0].body, r#"{"code":"FAIL","message":"refused"}"#);
        assert_eq!(app.depth().await, 0, "nothing is kept of it");
        app.run_until_idle().await;
        assert_eq!(app.notifications().await.len(), kept);
        assert_eq!(app.bookings(&created.id).await, Vec::<String>::new());
        assert!(app.deliver().await[0].acknowledged, "the genuine one");
        app.settle().await;
        assert_eq!(
            app.payment(&created.id).await.status(),
            PaymentStatus::PaidSuccess
        );
        assert_eq!(app.bookings(&created.id).await, ["PAYMENT"]);
    }
    assert_eq!(app.anomalies().await, []);
    assert_eq!(app.operations_events().await.len(), 0);
    app.finish().await;
}

/// The callback about the payer's payment says something else, properly signed. Nothing is paid,
/// people are told, and the truth is still found by asking.
async fn a_lie_pays_nothing(wish: Wish, fault: CallbackFault, kind: AnomalyKind) {
    let app = TestApp::start().await;
    let created = app.created(&wish).await;
    let number = app.number(&created.id).await;
    app.control
        .add_fault(FaultRule::callback_once(&number, fault))
        .unwrap();
    app.pay(&created).await;
    let reports = app.deliver().await;
    assert!(reports[0].acknowledged, "its signature holds: {reports:?}");
    app.run_until_idle().await;
    assert_eq!(
        app.payment(&created.id).await.status(),
        PaymentStatus::PendingPayment
    );
    assert_eq!(app.bookings(&created.id).await, Vec::<String>::new());
    assert_eq!(app.anomalies().await, [kind]);
    assert_eq!(
        app.notifications().await[0].status(),
        NotificationStatus::Anomalous
    );
    // The same lie again is the same anomaly.
    let lie = app.control.recorded_callbacks()[0].index;
    assert!(app.control.replay(lie).await.unwrap().acknowledged);
    app.run_until_idle().await;
    assert_eq!(app.anomalies().await, [kind]);
    // It is told where the order is: in its payment's sequence, or to the operators.
    let told = kinds(&app.events_of(&created.id).await);
    if app.anomalies_of(&created.id).await.is_empty() {
        assert_eq!(told, ["payment.pending"]);
        assert_eq!(app.operations_events().await.len(), 1, "once");
    } else {
        assert_eq!(told, ["payment.pending", "anomaly.opened"], "once");
        let found = &app.anomalies_shown(&created.id).await[0].evidence;
        assert_ne!(found["amount_found"], found["amount_requested"]);
    }
    let truth = app.sync(&created.id).await.unwrap();
    assert_eq!(truth.status(), PaymentStatus::PaidSuccess);
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_alipay_notification_of_another_amount_pays_nothing() {
    let wish = Wish::alipay_qr("tea", "88.80");
    a_lie_pays_nothing(
        wish,
        CallbackFault::OtherAmount,
        AnomalyKind::AmountMismatch,
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wechat_notification_of_another_amount_pays_nothing() {
    let wish = Wish::wechat_jsapi("tea", "88.80");
    a_lie_pays_nothing(
        wish,
        CallbackFault::OtherAmount,
        AnomalyKind::AmountMismatch,
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_alipay_notification_of_another_merchant_pays_nothing() {
    let wish = Wish::alipay_qr("tea", "88.80");
    a_lie_pays_nothing(
        wish,
        CallbackFault::OtherAccount,
        AnomalyKind::AccountMismatch,
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wechat_notification_of_another_merchant_pays_nothing() {
    let wish = Wish::wechat_jsapi("tea", "88.80");
    a_lie_pays_nothing(
        wish,
        CallbackFault::OtherAccount,
        AnomalyKind::AccountMismatch,
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_alipay_notification_of_an_order_that_nobody_placed_pays_nothing() {
    let wish = Wish::alipay_qr("tea", "88.80");
    let fault = CallbackFault::OtherOrder { out_trade_no: None };
    a_lie_pays_nothing(wish, fault, AnomalyKind::UnknownOrder).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wechat_notification_of_an_order_that_nobody_placed_pays_nothing() {
    let wish = Wish::wechat_jsapi("tea", "88.80");
    let fault = CallbackFault::OtherOrder { out_trade_no: None };
    a_lie_pays_nothing(wish, fault, AnomalyKind::UnknownOrder).await;
}

/// What Stripe's notifications say falsely, and UnionPay's, one after the other. UnionPay is asked about every
/// amount that it tells, so a false one pays nothing either and is no anomaly.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stripe_or_unionpay_notification_of_another_amount_merchant_or_order_pays_nothing() {
    let stripe = (PaymentChannel::Stripe, PaymentMethod::Card);
    let unionpay = (PaymentChannel::Unionpay, PaymentMethod::Qr);
    let other_order = CallbackFault::OtherOrder { out_trade_no: None };
    for ((channel, method), fault, kind) in [
        (
            stripe,
            CallbackFault::OtherAmount,
            AnomalyKind::AmountMismatch,
        ),
        (
            stripe,
            CallbackFault::OtherAccount,
            AnomalyKind::AccountMismatch,
        ),
        (stripe, other_order.clone(), AnomalyKind::UnknownOrder),
        (
            unionpay,
            CallbackFault::OtherAccount,
            AnomalyKind::AccountMismatch,
        ),
        (unionpay, other_order, AnomalyKind::UnknownOrder),
    ] {
        let wish = Wish::new(channel, method, "tea", "88.80");
        a_lie_pays_nothing(wish, fault, kind).await;
    }
}

/// A valid signature of account A says nothing about an order of account B.
async fn a_foreign_order_stays_unpaid(ours: Wish, theirs: Wish) {
    let app = TestApp::start().await;
    let victim = app.created(&theirs).await;
    let created = app.created(&ours).await;
    let number = app.number(&created.id).await;
    let fault = CallbackFault::OtherOrder {
        out_trade_no: Some(app.number(&victim.id).await),
    };
    app.control
        .add_fault(FaultRule::callback_once(&number, fault))
        .unwrap();
    app.pay(&created).await;
    let reports = app.deliver().await;
    assert!(reports[0].acknowledged, "{reports:?}");
    app.run_until_idle().await;
    for payment in [&victim, &created] {
        assert_eq!(
            app.payment(&payment.id).await.status(),
            PaymentStatus::PendingPayment
        );
        assert_eq!(app.bookings(&payment.id).await, Vec::<String>::new());
    }
    assert_eq!(
        app.anomalies_of(&victim.id).await,
        [AnomalyKind::AccountMismatch]
    );
    let truth = app.sync(&created.id).await.unwrap();
    assert_eq!(truth.status(), PaymentStatus::PaidSuccess);
    let truth = app.sync(&victim.id).await.unwrap();
    assert_eq!(truth.status(), PaymentStatus::PendingPayment);
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_alipay_notification_of_one_account_never_pays_an_order_of_another() {
    let ours = Wish::alipay_qr("mine", "88.80").account(code::ALIPAY);
    let theirs = Wish::alipay_qr("yours", "88.80").account(code::ALIPAY_CERTIFICATE);
    Box::pin(a_foreign_order_stays_unpaid(ours, theirs)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wechat_notification_of_one_account_never_pays_an_order_of_another() {
    let ours = Wish::wechat_jsapi("mine", "88.80").account(code::WECHAT);
    let theirs = Wish::wechat_jsapi("yours", "88.80").account(code::WECHAT_PUBLIC_KEY);
    Box::pin(a_foreign_order_stays_unpaid(ours, theirs)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wechat_notification_never_pays_an_alipay_order() {
    let ours = Wish::wechat_jsapi("mine", "88.80");
    let theirs = Wish::alipay_qr("yours", "88.80");
    Box::pin(a_foreign_order_stays_unpaid(ours, theirs)).await;
}
