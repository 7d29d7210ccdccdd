//! Callbacks: acknowledged when a durable copy is kept (P1), booked once (P2).
//!
//! The race of the fifty: the same callback is posted fifty times at once and worked on by several
//! workers. The inbox's unique key lets one transaction put it in; the others wait for that one's
//! end and find it there.

use proto::v1::{NotificationStatus, PaymentStatus};
use sandbox::{CallbackFault, FaultRule};
use tests::callback::Post;
use tests::event::kinds;
use tests::{TestApp, Wish};

async fn fifty_at_once(wish: Wish) {
    let app = TestApp::start().await;
    let created = app.created(&wish).await;
    let number = app.number(&created.id).await;
    let fault = CallbackFault::Duplicate { copies: 49 };
    app.control
        .add_fault(FaultRule::callback_once(&number, fault))
        .unwrap();
    app.pay(&created).await;
    let reports = app.deliver().await;
    assert_eq!(reports.len(), 50);
    assert!(
        reports.iter().all(|report| report.acknowledged),
        "{reports:?}"
    );
    assert_eq!(app.depth().await, 50, "each acknowledged one is kept");
    app.run_workers(4).await;
    assert_eq!(
        app.payment(&created.id).await.status(),
        PaymentStatus::PaidSuccess
    );
    assert_eq!(app.bookings(&created.id).await, ["PAYMENT"]);
    assert_eq!(
        kinds(&app.events().await),
        ["payment.pending", "payment.succeeded"]
    );
    let inbox = app.notifications().await;
    assert_eq!(inbox.len(), 1, "{inbox:?}");
    assert_eq!(inbox[0].status(), NotificationStatus::Applied);
    assert_eq!(inbox[0].transaction_id, created.id);
    assert_eq!(app.anomalies().await, []);
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_alipay_callback_posted_fifty_times_at_once_is_booked_once_and_acknowledged_fifty_times()
{
    fifty_at_once(Wish::alipay_qr("crowd", "6.66")).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wechat_callback_posted_fifty_times_at_once_is_booked_once_and_acknowledged_fifty_times()
{
    fifty_at_once(Wish::wechat_jsapi("crowd", "6.66")).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_callback_that_the_broker_does_not_take_is_refused_and_its_repeat_is_kept() {
    let app = TestApp::start().await;
    for wish in [
        Wish::alipay_qr("tea", "6.66"),
        Wish::wechat_jsapi("cake", "6.66"),
    ] {
        let created = app.created(&wish).await;
        app.pay(&created).await;
    }
    app.run_until_idle().await;
    let broken = app.second_node().await;
    broken.kassa().queue.close().await;
    let working = app.node().addresses().ingress;
    let reports = app.deliver().await;
    assert!(
        reports.iter().all(|report| report.acknowledged),
        "{reports:?}"
    );
    app.run_until_idle().await;
    let before = app.depth().await;
    for recorded in app.control.recorded_callbacks() {
        let post = Post::from(&recorded);
        let refused = post
            .sent_to(broken.addresses().ingress)
            .send(&app.http)
            .await;
        assert!(!refused.is_acknowledgement(), "{refused:?}");
        assert_eq!(
            refused.status, 503,
            "the gateway is told to come again: {refused:?}"
        );
        assert_eq!(app.depth().await, before, "nothing was kept");
        let kept = post.sent_to(working).send(&app.http).await;
        assert!(kept.is_acknowledgement(), "{kept:?}");
        assert_eq!(
            app.depth().await,
            before + 1,
            "what was acknowledged is kept"
        );
        app.run_until_idle().await;
    }
    Box::pin(broken.drain()).await;
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_callback_that_finds_the_queue_full_is_refused_until_there_is_room_and_then_books() {
    let app = TestApp::builder().embedded().depth_max(2).build().await;
    let first = app.created(&Wish::alipay_qr("tea", "6.66")).await;
    let second = app.created(&Wish::wechat_jsapi("cake", "6.66")).await;
    app.run_until_idle().await;
    let number = app.number(&first.id).await;
    let fault = CallbackFault::Duplicate { copies: 1 };
    app.control
        .add_fault(FaultRule::callback_once(&number, fault))
        .unwrap();
    app.pay(&first).await;
    let reports = app.deliver().await;
    assert!(
        reports.iter().all(|report| report.acknowledged),
        "two have room: {reports:?}"
    );
    app.pay(&second).await;
    let reports = app.deliver().await;
    assert_eq!(reports.len(), 1);
    assert!(!reports[0].acknowledged, "{reports:?}");
    assert_eq!(reports[0].http_status, Some(503), "{reports:?}");
    assert_eq!(
        app.control.pending_callbacks(),
        1,
        "the gateway will repeat it"
    );
    app.settle().await;
    for created in [&first, &second] {
        assert_eq!(
            app.payment(&created.id).await.status(),
            PaymentStatus::PaidSuccess
        );
        assert_eq!(app.bookings(&created.id).await, ["PAYMENT"]);
    }
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn callbacks_that_come_in_the_wrong_order_end_in_the_same_books() {
    let app = TestApp::start().await;
    let created = app.paid(&Wish::alipay_qr("tea", "10.00")).await;
    let number = app.number(&created.id).await;
    for (business_refund_id, amount) in [("first", "4.00"), ("second", "6.00")] {
        let fault = CallbackFault::Reorder;
        app.control
            .add_fault(FaultRule::callback_once(&number, fault))
            .unwrap();
        app.refund(&created.id, business_refund_id, amount)
            .await
            .unwrap();
    }
    app.run_until_idle().await;
    let before = app.state(&created.id).await;
    assert_eq!(before.0.status(), PaymentStatus::RefundFull);
    app.settle().await;
    let replayed: Vec<_> = app
        .control
        .recorded_callbacks()
        .iter()
        .map(|it| it.index)
        .collect();
    for index in replayed.into_iter().rev() {
        assert!(app.control.replay(index).await.unwrap().acknowledged);
    }
    app.run_until_idle().await;
    assert_eq!(app.state(&created.id).await, before);
    assert_eq!(app.anomalies().await, []);
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_notification_about_a_closed_order_is_taken_and_closes_the_payment() {
    let app = TestApp::start().await;
    let wish = Wish::new(
        proto::v1::PaymentChannel::Alipay,
        proto::v1::PaymentMethod::Wap,
        "abandoned",
        "3.00",
    );
    let created = app.created(&wish).await;
    let Some(proto::v1::prepay_info::Info::Redirect(redirect)) = &created.prepay else {
        panic!("{:?}", created.prepay);
    };
    let number = app.control.present_alipay(&redirect.url).await.unwrap();
    app.control.close(&number).unwrap();
    app.settle().await;
    assert_eq!(
        app.payment(&created.id).await.status(),
        PaymentStatus::Closed
    );
    let inbox = app.notifications().await;
    assert_eq!(inbox.len(), 1);
    assert_eq!(inbox[0].status(), NotificationStatus::Applied);
    app.finish().await;
}
