//! Create: one effect and one answer per request.
//!
//! The race: a hundred callers send the same request at the same moment. Three guards stand in a
//! row: the unique key `(app_id, request_id)` lets one insert win, the conditional update from
//! `PREPARED` to `SENT` gives one of the others' tasks the right to call the gateway, and everybody
//! else waits for that answer.

use futures_util::future::join_all;
use proto::v1::PaymentStatus;
use sandbox::Operation;
use tests::event::kinds;
use tests::{TestApp, Wish, reason};
use tonic::Code;

/// How many times the gateways were asked to place an order.
fn creates(app: &TestApp) -> usize {
    app.control
        .calls()
        .iter()
        .filter(|call| call.operation == Operation::Create)
        .count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_identical_creates_make_one_transaction_one_order_and_equal_answers() {
    let app = TestApp::start().await;
    let wish = Wish::wechat_jsapi("crowd", "9.99");
    let creates_at_once = (0..100).map(|_| app.spawn_create(&wish));
    let answers = join_all(creates_at_once.collect::<Vec<_>>()).await;
    let answers: Vec<_> = answers.into_iter().map(|it| it.unwrap().unwrap()).collect();
    for answer in &answers {
        assert_eq!(answer, &answers[0]);
        assert!(answer.prepay.is_some());
    }
    assert_eq!(creates(&app), 1, "{:?}", app.control.calls());
    assert_eq!(app.control.orders().len(), 1);
    assert_eq!(app.attempts(&answers[0].id).await.len(), 1);
    app.run_until_idle().await;
    assert_eq!(kinds(&app.events().await), ["payment.pending"]);
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_repeated_create_gives_the_same_answer_without_asking_the_gateway_again() {
    let app = TestApp::start().await;
    let wish = Wish::alipay_qr("twice", "9.99");
    let first = app.created(&wish).await;
    let again = app.created(&wish).await;
    assert_eq!(again, first);
    assert_eq!(creates(&app), 1);
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_request_id_with_another_amount_is_refused_and_nothing_changes() {
    let app = TestApp::start().await;
    let wish = Wish::wechat_jsapi("greedy", "9.99");
    let created = app.created(&wish).await;
    app.run_until_idle().await;
    let before = app.state(&created.id).await;
    let refused = app.create(&wish.clone().amount("10.00")).await.unwrap_err();
    assert_eq!(refused.code(), Code::AlreadyExists, "{refused:?}");
    assert_eq!(reason(&refused), "IDEMPOTENCY_MISMATCH");
    app.run_until_idle().await;
    assert_eq!(app.state(&created.id).await, before);
    assert_eq!(app.control.orders().len(), 1);
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_request_id_of_another_app_is_another_request() {
    let app = TestApp::start().await;
    let wish = Wish::wechat_jsapi("shared-name", "9.99");
    let ours = app.created(&wish).await;
    let theirs = app
        .other
        .payments()
        .create_payment(wish.0.clone())
        .await
        .unwrap()
        .into_inner();
    let theirs = theirs.transaction.unwrap();
    assert_ne!(theirs.transaction_id, ours.id);
    assert_eq!(theirs.app_id, app.other.app.as_str());
    let key = Some(proto::v1::get_payment_request::Key::TransactionId(
        theirs.transaction_id,
    ));
    let request = proto::v1::GetPaymentRequest { key };
    let hidden = app.shop.payments().get_payment(request).await.unwrap_err();
    assert_eq!(hidden.code(), Code::NotFound);
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_create_with_bad_fields_names_them_all_and_stores_nothing() {
    use tonic_types::StatusExt;
    let app = TestApp::start().await;
    for amount in ["10.005", "1e3", "-1", "", "NaN", "1000000000000", "0"] {
        let mut wish = Wish::wechat_jsapi("bad", amount);
        wish.0.business_order_id = "x".repeat(65);
        wish.0.payer = None;
        let refused = app.create(&wish).await.unwrap_err();
        assert_eq!(
            refused.code(),
            Code::InvalidArgument,
            "{amount}: {refused:?}"
        );
        let fields = refused.get_details_bad_request().unwrap().field_violations;
        let named: Vec<_> = fields.iter().map(|found| found.field.as_str()).collect();
        for field in ["amount", "business_order_id", "openid"] {
            assert!(
                named.iter().any(|name| name.starts_with(field)),
                "{amount}: {named:?}"
            );
        }
    }
    assert_eq!(creates(&app), 0);
    app.run_until_idle().await;
    assert_eq!(app.events().await, []);
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_create_that_the_gateway_refuses_fails_and_is_refused_again_when_repeated() {
    use sandbox::{CallFault, FaultRule, FaultScope};
    let app = TestApp::start().await;
    let fault = CallFault::Refuse {
        code: "PARAM_ERROR".to_owned(),
    };
    let rule = FaultRule::call_once("", Operation::Create, fault).in_scope(FaultScope::NextOrder);
    app.control.add_fault(rule).unwrap();
    let wish = Wish::wechat_jsapi("unloved", "9.99");
    let refused = app.create(&wish).await.unwrap_err();
    assert_eq!(refused.code(), Code::FailedPrecondition, "{refused:?}");
    assert_eq!(reason(&refused), "GATEWAY_REFUSED");
    let again = app.create(&wish).await.unwrap_err();
    assert_eq!(reason(&again), "GATEWAY_REFUSED");
    assert_eq!(creates(&app), 1, "a final refusal is not asked for again");
    app.run_until_idle().await;
    let events = app.events().await;
    assert_eq!(kinds(&events), ["payment.failed"]);
    assert_eq!(
        app.payment(&events[0].transaction_id).await.status(),
        PaymentStatus::PaidFailed
    );
    app.finish().await;
}
