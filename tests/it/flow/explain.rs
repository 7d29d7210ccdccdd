//! What `kassa explain` prints: the whole life of a payment, as it is read.

use std::collections::BTreeMap;

use chrono::TimeDelta;
use flows::operations::{self, Story, What};
use kassa::explain::{Look, to_text};
use kassa_core::app::Scope;
use proto::v1::explain_payment_request::Key;
use proto::v1::{
    ExplainPaymentRequest, PaymentStatus, RefundStatus, StoryEntry, StoryEntryKind, prepay_info,
};
use regex::Regex;
use sandbox::{CallFault, FaultRule, FaultScope, Operation, RefundOutcome};
use tests::{Created, TestApp, Wish, reason};
use tonic::Code;

use super::order::second_attempt;
use super::retry::by_alipay;

/// Longer than unexpected money is kept before it goes back.
const DELAY: TimeDelta = TimeDelta::hours(2);
/// How long every call is shown to have taken: the real time is another in each run.
const CALL_MS: i64 = 12;
const WIDTH: u16 = 100;

async fn start() -> TestApp {
    Box::pin(TestApp::builder().embedded().seeded(7).build()).await
}

/// Time passes, and the worker works.
async fn pass(app: &TestApp, seconds: i64) {
    app.clock.advance(TimeDelta::seconds(seconds));
    app.run_until_idle().await;
}

async fn story(app: &TestApp, id: &str) -> Story {
    let id = id.parse().unwrap();
    let mut story = operations::explain(app.kassa(), id).await.unwrap();
    for entry in &mut story.entries {
        if let What::Call { call, .. } = &mut entry.what {
            call.duration_ms = CALL_MS;
        }
    }
    story
}

/// Each id, ours or a gateway's, by the place where it is named first: as long as it was, so that lines
/// are as they were.
fn numbered(text: &str) -> String {
    let mut numbers = BTreeMap::new();
    let ids = Regex::new("[0-9a-f]{32,}|[0-9]{20,}").unwrap();
    ids.replace_all(text, |found: &regex::Captures<'_>| {
        let number = numbers.len() + 1;
        let number = numbers.entry(found[0].to_owned()).or_insert(number);
        let width = found[0].len();
        format!("{number:0width$}")
    })
    .into_owned()
}

fn printed(app: &TestApp, story: &Story) -> String {
    let look = Look::new(false, Some(WIDTH), app.clock.now());
    numbered(&to_text(story, &look))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_answer_a_question_a_callback_too_many_and_a_partial_refund_are_told_in_order() {
    let app = start().await;
    let fault = CallFault::Cut { accepted: true };
    let rule = FaultRule::call_once("", Operation::Create, fault).in_scope(FaultScope::NextOrder);
    app.control.add_fault(rule).unwrap();
    let wish = Wish::wechat_jsapi("tickets", "88.80");
    let lost = app.create(&wish).await.unwrap_err();
    assert_eq!(reason(&lost), "OUTCOME_UNKNOWN");
    pass(&app, 2).await;
    let created = app.created(&wish).await;
    let id = created.id.as_str();
    pass(&app, 5).await;

    app.pay(&created).await;
    pass(&app, 1).await;
    let asked = app.sync(id).await.unwrap();
    assert_eq!(asked.status(), PaymentStatus::PaidSuccess);
    pass(&app, 3).await;
    app.settle().await;

    app.clock.advance(TimeDelta::minutes(10));
    let refund = app.refund(id, "refund-1", "30.00").await.unwrap();
    pass(&app, 1).await;
    app.clock.advance(TimeDelta::seconds(4));
    let settled = app
        .control
        .settle_refund(&refund.refund_id, RefundOutcome::Success);
    settled.unwrap();
    app.settle().await;
    assert_eq!(
        app.refund_of(&refund.refund_id).await.status(),
        RefundStatus::Success
    );

    let told = story(&app, id).await;
    insta::assert_snapshot!("life_of_a_payment", printed(&app, &told));
    app.finish().await;
}

/// The money of a retry that came twice, part of it given back to the payer by us and part of it at the
/// gateway's console: told from the first request to the last event.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn explain_of_a_payment_with_a_retry_a_duplicate_a_partial_refund_and_an_anomaly_prints_the_complete_story()
 {
    let app = start().await;
    let created = app.created(&Wish::wechat_jsapi("tickets", "88.80")).await;
    let id = created.id.as_str();
    pass(&app, 180).await;
    let retried = app.retry(by_alipay(id, "retry-1")).await.unwrap();
    pass(&app, 1).await;
    let number = app.number(id).await;
    let beside = second_attempt(&app, id).await;

    pass(&app, 20).await;
    app.pay(&retried).await;
    app.settle().await;
    assert_eq!(app.payment(id).await.status(), PaymentStatus::PaidSuccess);
    pass(&app, 15).await;
    app.control.pay(&beside).unwrap();
    app.settle().await;
    let repeated = app.control.replay(0).await.unwrap();
    assert!(repeated.acknowledged, "{repeated:?}");

    pass(&app, 60).await;
    app.refund(id, "refund-1", "30.00").await.unwrap();
    pass(&app, 1).await;
    app.settle().await;
    pass(&app, 60).await;
    app.control.refund_at_console(&number, 500, None).unwrap();
    app.settle().await;
    // The operator's delay is over: what was paid twice goes back.
    app.clock.advance(DELAY);
    app.settle().await;
    pass(&app, 1).await;

    let told = story(&app, id).await;
    assert_eq!(told.anomalies_open.len(), 1, "made at the console");
    insta::assert_snapshot!("complete_story", printed(&app, &told));
    app.finish().await;
}

fn of_order(order: &str, app: &str) -> ExplainPaymentRequest {
    ExplainPaymentRequest {
        key: Some(Key::BusinessOrderId(order.to_owned())),
        app_id: app.to_owned(),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_operator_explains_the_payment_of_another_app_and_sees_no_secret() {
    let app = TestApp::start().await;
    let created = app.paid(&Wish::wechat_jsapi("tickets", "88.80")).await;
    let operator = app.other.with_scopes(&[Scope::OperationsRead]);
    let mut operations = operator.operations();
    let by_id = ExplainPaymentRequest {
        key: Some(Key::TransactionId(created.id.clone())),
        app_id: String::new(),
    };
    let told = operations
        .explain_payment(by_id)
        .await
        .unwrap()
        .into_inner();
    assert_eq!(told.transaction, Some(app.payment(&created.id).await));
    assert_eq!((told.open_anomalies, told.unpublished_events), (0, 0));
    assert!(!told.is_cut);
    let kinds: Vec<_> = told.entries.iter().map(StoryEntry::kind).collect();
    for kind in [
        StoryEntryKind::Request,
        StoryEntryKind::Call,
        StoryEntryKind::Notification,
        StoryEntryKind::Transition,
        StoryEntryKind::Transfer,
        StoryEntryKind::Event,
    ] {
        assert!(kinds.contains(&kind), "{kind:?}: {kinds:?}");
    }
    let by_order = operations
        .explain_payment(of_order("tickets", "shop"))
        .await;
    assert_eq!(by_order.unwrap().into_inner(), told);
    let elsewhere = operations
        .explain_payment(of_order("tickets", "other"))
        .await;
    assert_eq!(elsewhere.unwrap_err().code(), Code::NotFound);

    let text = format!("{told:?}");
    for (name, secret) in secrets(&app, &created) {
        assert!(!text.contains(&secret), "{name} is in the story");
    }
    app.finish().await;
}

/// What a story never holds: keys, what the payer pays with, what a callback says.
fn secrets(app: &TestApp, created: &Created) -> Vec<(&'static str, String)> {
    let credentials = app.node().sandbox().unwrap().credentials();
    let Some(prepay_info::Info::JsapiParameters(prepay)) = created.prepay.clone() else {
        panic!("{created:?}");
    };
    let recorded = app.control.recorded_callbacks();
    let body = recorded[0].body.clone();
    vec![
        ("an APIv3 key", credentials.wechat.apiv3_key.clone()),
        ("the payer's signature", prepay.pay_sign),
        ("the prepay id", prepay.package),
        ("the payer", "oTest-payer-openid-0000001".to_owned()),
        ("a callback's body", body),
        ("a callback's ciphertext", "ciphertext".to_owned()),
    ]
}

/// Orders of two apps may have the same id: an operator sees all, the newest first.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_newest_of_several_payments_of_an_order_is_explained_and_the_others_are_named() {
    let app = TestApp::start().await;
    let wish = Wish::alipay_qr("tea", "7.00");
    let first = app.created(&wish).await;
    app.close(&first.id).await.unwrap();
    app.clock.advance(TimeDelta::seconds(1));
    let second = app.created(&wish.request_id("again")).await;
    let mut operations = app.other.operations();
    let told = operations.explain_payment(of_order("tea", "")).await;
    let told = told.unwrap().into_inner();
    assert_eq!(told.transaction.unwrap().transaction_id, second.id);
    assert_eq!(told.other_transaction_ids, [first.id]);
    assert!(told.unpublished_events > 0, "no worker has run since");
    assert!(told.next_query_time.is_some(), "it is open");
    app.finish().await;
}
