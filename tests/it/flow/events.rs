//! Events (P3): every committed change is told, in order, by the API and the broker alike. That they
//! are valid, gap-free and the same on both ways is checked at the end of every test.

use proto::v1::{self, ListEventsRequest, StreamEventsRequest};
use tests::event::{cloud_event, kinds};
use tests::{PATIENCE, TestApp, Wish};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_change_is_told_in_order_and_the_last_word_is_what_the_api_says() {
    let app = TestApp::start().await;
    let first = app.paid(&Wish::alipay_qr("tea", "7.00")).await;
    let second = app.paid(&Wish::wechat_jsapi("cake", "9.00")).await;
    app.refund(&first.id, "back", "7.00").await.unwrap();
    app.settle().await;
    let told = app.events_of(&first.id).await;
    assert_eq!(
        kinds(&told),
        [
            "payment.pending",
            "payment.succeeded",
            "refund.created",
            "refund.succeeded",
            "payment.refunded"
        ]
    );
    let sequences: Vec<_> = told.iter().map(|event| event.sequence).collect();
    assert_eq!(sequences, [1, 2, 3, 4, 5]);
    for id in [&first.id, &second.id] {
        let told = app.events_of(id).await;
        let last = cloud_event(told.last().unwrap());
        let said = serde_json::to_value(app.payment(id).await).unwrap();
        assert_eq!(last["data"]["transaction"], said);
        let key = &told.last().unwrap().routing_key;
        assert!(
            key.starts_with("shop.payment.") && key.ends_with(".GOODS_ORDER"),
            "{key}"
        );
    }
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_from_a_cursor_shows_what_came_before_and_what_comes_after() {
    let app = TestApp::start().await;
    let first = app.paid(&Wish::alipay_qr("tea", "7.00")).await;
    let before = app.events().await;
    let request = StreamEventsRequest {
        after_cursor: before[0].cursor,
        types: Vec::new(),
    };
    let mut stream = app
        .shop
        .events()
        .stream_events(request)
        .await
        .unwrap()
        .into_inner();
    let mut next = async || {
        let message = tokio::time::timeout(PATIENCE, stream.message()).await;
        message
            .expect("an event in time")
            .unwrap()
            .expect("the stream goes on")
            .event
            .unwrap()
    };
    assert_eq!(next().await, before[1]);
    app.refund(&first.id, "back", "7.00").await.unwrap();
    app.settle().await;
    let all = app.events().await;
    for expected in &all[2..] {
        assert_eq!(next().await, *expected);
    }
    drop(stream);
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_are_listed_by_type_and_no_app_sees_another_ones() {
    let app = TestApp::start().await;
    app.paid(&Wish::alipay_qr("tea", "7.00")).await;
    let request = ListEventsRequest {
        types: vec!["kassa.payment.succeeded.v1".to_owned()],
        ..Default::default()
    };
    let found = app
        .shop
        .events()
        .list_events(request)
        .await
        .unwrap()
        .into_inner()
        .events;
    assert_eq!(kinds(&found), ["payment.succeeded"]);
    let theirs: Vec<v1::Event> = tests::business::events_of(&app.other).await;
    assert_eq!(theirs, []);
    app.finish().await;
}
