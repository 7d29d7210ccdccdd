//! The worker dies at the worst moment, or gets what it cannot read.

use flows::{Disposition, operations};
use kassa_core::id::EnvelopeId;
use proto::v1::{ListParkedRequest, PaymentStatus, RedriveParkedRequest, RefundStatus, WorkQueue};
use runtime::queue::{Envelope, QueueName, TraceContext};
use tests::checks::Expected;
use tests::event::kinds;
use tests::{TestApp, Wish, until};

/// Takes a delivery, as a worker does.
async fn taken(app: &TestApp, queue: QueueName) -> Box<dyn runtime::queue::Delivery> {
    let mut consumer = app.kassa().queue.consume(queue, 1).await.unwrap();
    until("a delivery", async || consumer.try_next().await.unwrap()).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_that_dies_between_commit_and_acknowledgement_books_nothing_twice() {
    let app = TestApp::start().await;
    let created = app.created(&Wish::wechat_jsapi("tea", "7.00")).await;
    app.pay(&created).await;
    app.deliver().await;
    let delivery = taken(&app, QueueName::Notifications).await;
    let done = flows::notification::take_task(app.kassa(), delivery.envelope())
        .await
        .unwrap();
    assert_eq!(done, Disposition::Done);
    drop(delivery);
    let paid = app.payment(&created.id).await;
    assert_eq!(paid.status(), PaymentStatus::PaidSuccess);
    app.until_returned().await;
    app.run_until_idle().await;
    assert_eq!(app.payment(&created.id).await, paid);
    assert_eq!(app.bookings(&created.id).await, ["PAYMENT"]);
    assert_eq!(
        kinds(&app.events().await),
        ["payment.pending", "payment.succeeded"]
    );
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_that_dies_before_it_begins_loses_nothing() {
    let app = TestApp::start().await;
    let created = app.created(&Wish::wechat_jsapi("tea", "7.00")).await;
    app.pay(&created).await;
    app.deliver().await;
    drop(taken(&app, QueueName::Notifications).await);
    app.until_returned().await;
    app.run_until_idle().await;
    assert_eq!(
        app.payment(&created.id).await.status(),
        PaymentStatus::PaidSuccess
    );
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_that_dies_after_submitting_a_refund_does_not_submit_it_again() {
    let app = TestApp::start().await;
    let created = app.paid(&Wish::alipay_qr("tea", "7.00")).await;
    let refund = app.refund(&created.id, "back", "7.00").await.unwrap();
    // The worker that went before holds the outbox until its lease runs out.
    app.clock.advance(chrono::TimeDelta::minutes(1));
    flows::event::relay(app.kassa(), "a-worker", 100)
        .await
        .unwrap();
    let delivery = taken(&app, QueueName::Commands).await;
    flows::refund::submit_task(app.kassa(), delivery.envelope())
        .await
        .unwrap();
    drop(delivery);
    app.kassa()
        .store
        .release_outbox_shards("a-worker")
        .await
        .unwrap();
    app.until_returned().await;
    app.settle().await;
    assert_eq!(
        app.refund_of(&refund.refund_id).await.status(),
        RefundStatus::Success
    );
    assert_eq!(app.control.refunds().len(), 1);
    let submitted = app.control.calls();
    let submitted = submitted
        .iter()
        .filter(|it| it.operation == sandbox::Operation::Refund);
    assert_eq!(submitted.count(), 1);
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_that_nobody_understands_is_parked_and_can_be_put_back() {
    let app = TestApp::start().await;
    let envelope = Envelope {
        id: EnvelopeId::new(&app.kassa().ids),
        kind: "from.the.future.v9".to_owned(),
        created_at: app.clock.now(),
        trace: TraceContext::default(),
        payload: serde_json::json!({}),
    };
    app.kassa()
        .queue
        .publish(QueueName::Commands, &envelope)
        .await
        .unwrap();
    app.run_until_idle().await;
    let queue = WorkQueue::Commands.into();
    let parked = async || {
        let request = ListParkedRequest { queue, limit: 10 };
        let listed = app.shop.operations().list_parked(request).await.unwrap();
        listed.into_inner().messages
    };
    let found = parked().await;
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].message_id, envelope.id.to_string());
    assert!(found[0].reason.contains("from.the.future.v9"), "{found:?}");
    let request = RedriveParkedRequest {
        queue,
        message_ids: vec![envelope.id.to_string()],
        limit: 1,
    };
    let put_back = app
        .shop
        .operations()
        .redrive_parked(request)
        .await
        .unwrap()
        .into_inner();
    assert_eq!(put_back.message_ids, [envelope.id.to_string()]);
    assert_eq!(parked().await, []);
    app.run_until_idle().await;
    assert_eq!(parked().await.len(), 1, "still not understood");
    app.finish_expecting(Expected::default().parked(1)).await;
}

/// What `kassa ops` does.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_that_no_worker_publishes_are_seen_and_published_by_hand() {
    let app = TestApp::start().await;
    let created = app.created(&Wish::alipay_qr("tea", "7.00")).await;
    let waiting = operations::list_waiting(app.kassa(), 10).await.unwrap();
    assert_eq!(waiting.backlog.count, 1);
    let [row] = waiting.rows.as_slice() else {
        panic!("{waiting:?}");
    };
    assert_eq!(row.transaction_id, created.id);
    assert_eq!(row.app_id.as_deref(), Some("shop"));
    assert_eq!(row.event_kind.as_deref(), Some("payment.pending"));
    assert!(waiting.leases.is_empty(), "no worker: {waiting:?}");

    // A shard that a living worker holds is left to it.
    let (now, kassa) = (app.clock.now(), app.kassa());
    let until = now + chrono::TimeDelta::seconds(30);
    let shards = usize::try_from(runtime::store::OUTBOX_SHARDS).unwrap();
    let held = kassa
        .store
        .lease_outbox_shards("a-worker", shards, now, until);
    assert_eq!(held.await.unwrap().len(), shards);
    let operator = kassa_core::text::AppId::try_new("cli").unwrap();
    let done = operations::publish_waiting(kassa, &operator, 10)
        .await
        .unwrap();
    assert_eq!((done.published, done.left.backlog.count), (0, 1));
    assert_eq!(done.left.leases.len(), shards);
    kassa.store.release_outbox_shards("a-worker").await.unwrap();

    app.clock.advance(chrono::TimeDelta::seconds(1));
    let done = operations::publish_waiting(kassa, &operator, 10)
        .await
        .unwrap();
    assert_eq!((done.published, done.left.backlog.count), (1, 0));
    assert!(done.left.leases.is_empty(), "given back: {done:?}");
    assert_eq!(kinds(&app.events().await), ["payment.pending"]);
    let audit = kassa
        .store
        .list_audit_of(&["outbox".to_owned()])
        .await
        .unwrap();
    let told: Vec<_> = audit
        .iter()
        .map(|it| (it.actor.as_str(), it.detail.clone()))
        .collect();
    let published = |count| ("cli", serde_json::json!({ "published": count }));
    assert_eq!(told, [published(0), published(1)]);
    app.finish().await;
}
