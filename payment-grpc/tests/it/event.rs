//! `EventService`: pages, streams, and the cursor between them.

use std::collections::BTreeMap;
use std::time::Duration;

use kassa_core::event::EventKind;
use kassa_core::id::{EventId, TransactionId};
use kassa_core::text::AppId;
use proto::v1;
use proto::v1::event_service_client::EventServiceClient;
use runtime::queue::{EventMessage, TraceContext};
use runtime::store::NewEvent;
use serde_json::json;
use tonic::{Code, Streaming};
use tonic_types::StatusExt;

use crate::support::{Caller, TestServer, payment};

const LIST: &str = "/payment.v1.EventService/ListEvents";

/// Writes the next event of a payment and publishes it, as the relay does.
async fn publish(server: &TestServer, app: &AppId, aggregate: TransactionId, sequence: i64) {
    let kassa = &server.kassa;
    let kind = if sequence == 1 {
        EventKind::PaymentPending
    } else {
        EventKind::PaymentSucceeded
    };
    let event = NewEvent {
        id: EventId::new(&kassa.ids),
        app_id: app.clone(),
        aggregate,
        sequence,
        kind,
        routing_key: kind.routing_key(app.as_str(), None),
        payload: json!({ "specversion": "1.0", "sequence": sequence }),
        trace: BTreeMap::new(),
        created_at: kassa.clock.now(),
    };
    let tx = kassa.store.begin().await.unwrap();
    tx.append_event_in_tx(&event).await.unwrap();
    tx.commit().await.unwrap();
    let message = EventMessage {
        id: event.id,
        event_type: kind.event_type(),
        source: "/kassa".to_owned(),
        routing_key: event.routing_key.clone(),
        time: event.created_at,
        body: event.payload.to_string().into_bytes(),
        trace: TraceContext::default(),
    };
    kassa.queue.publish_events(&[message]).await.unwrap();
    for shard in 0..8 {
        let rows = kassa.store.list_unpublished(shard, 100).await.unwrap();
        let seqs: Vec<_> = rows.iter().map(|row| row.seq).collect();
        kassa
            .store
            .mark_published(&seqs, kassa.clock.now())
            .await
            .unwrap();
    }
}

async fn list(client: &Caller, request: v1::ListEventsRequest) -> v1::ListEventsResponse {
    client.call(LIST, request).await.unwrap()
}

async fn stream(
    client: &Caller,
    request: v1::StreamEventsRequest,
) -> Streaming<v1::StreamEventsResponse> {
    let mut service = EventServiceClient::new(client.channel.clone());
    service
        .stream_events(client.request(request))
        .await
        .unwrap()
        .into_inner()
}

async fn next(stream: &mut Streaming<v1::StreamEventsResponse>) -> v1::Event {
    let message = tokio::time::timeout(Duration::from_secs(10), stream.message())
        .await
        .unwrap();
    message.unwrap().unwrap().event.unwrap()
}

#[tokio::test]
async fn an_app_reads_its_own_events_in_order_from_a_cursor() {
    let server = TestServer::start().await;
    let client = server.client().await;
    let own = payment(&server.kassa, &server.shop.app, "order-1").await.id;
    let foreign = payment(&server.kassa, &server.other.app, "order-1")
        .await
        .id;
    publish(&server, &server.shop.app, own, 1).await;
    publish(&server, &server.other.app, foreign, 1).await;
    publish(&server, &server.shop.app, own, 2).await;

    let all = list(&client, v1::ListEventsRequest::default()).await;
    let sequences: Vec<_> = all.events.iter().map(|event| event.sequence).collect();
    assert_eq!(sequences, [1, 2]);
    assert!(
        all.events
            .iter()
            .all(|event| event.transaction_id == own.to_string())
    );
    let last = all.events.last().unwrap();
    assert_eq!(all.next_cursor, last.cursor);
    let body: serde_json::Value = serde_json::from_str(&last.cloud_event_json).unwrap();
    assert_eq!(body["sequence"], 2);

    let first = list(
        &client,
        v1::ListEventsRequest {
            page_size: 1,
            ..Default::default()
        },
    )
    .await;
    assert_eq!(first.events, all.events[..1]);
    let after_cursor = first.next_cursor;
    let rest = list(
        &client,
        v1::ListEventsRequest {
            after_cursor,
            ..Default::default()
        },
    )
    .await;
    assert_eq!(rest.events, all.events[1..]);
    let after_cursor = rest.next_cursor;
    let end = list(
        &client,
        v1::ListEventsRequest {
            after_cursor,
            ..Default::default()
        },
    )
    .await;
    assert_eq!((end.events.len(), end.next_cursor), (0, after_cursor));
}

#[tokio::test]
async fn types_are_chosen_and_misspelt_ones_refused() {
    let server = TestServer::start().await;
    let client = server.client().await;
    let own = payment(&server.kassa, &server.shop.app, "order-1").await.id;
    publish(&server, &server.shop.app, own, 1).await;
    publish(&server, &server.shop.app, own, 2).await;
    let types = vec!["kassa.payment.succeeded.v1".to_owned()];
    let chosen = list(
        &client,
        v1::ListEventsRequest {
            types,
            ..Default::default()
        },
    )
    .await;
    assert_eq!(chosen.events.len(), 1);
    assert_eq!(chosen.events[0].r#type, "kassa.payment.succeeded.v1");
    let request = v1::ListEventsRequest {
        types: vec!["payment".to_owned()],
        ..Default::default()
    };
    let refused = client
        .call::<_, v1::ListEventsResponse>(LIST, request)
        .await
        .unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
    assert_eq!(
        refused.get_details_bad_request().unwrap().field_violations[0].field,
        "types[0]"
    );
}

#[tokio::test]
async fn a_stream_tells_what_was_and_then_what_comes() {
    let server = TestServer::start().await;
    let client = server.client().await;
    let own = payment(&server.kassa, &server.shop.app, "order-1").await.id;
    publish(&server, &server.shop.app, own, 1).await;
    let mut events = stream(&client, v1::StreamEventsRequest::default()).await;
    let first = next(&mut events).await;
    assert_eq!(first.sequence, 1);
    publish(&server, &server.shop.app, own, 2).await;
    let second = next(&mut events).await;
    assert_eq!(second.sequence, 2);
    assert!(second.cursor > first.cursor);

    let after_cursor = first.cursor;
    let resumed = v1::StreamEventsRequest {
        after_cursor,
        ..Default::default()
    };
    let mut events = stream(&client, resumed).await;
    assert_eq!(next(&mut events).await, second);
}

#[tokio::test]
async fn a_stream_ends_with_the_deadline_of_its_caller() {
    let server = TestServer::start().await;
    let client = server.client().await;
    let mut request = client.request(v1::StreamEventsRequest::default());
    request.set_timeout(Duration::from_millis(400));
    let mut service = EventServiceClient::new(client.channel.clone());
    let mut events = service.stream_events(request).await.unwrap().into_inner();
    let ended = events.message().await.unwrap_err();
    assert_eq!(ended.code(), Code::DeadlineExceeded);
}

#[tokio::test]
async fn a_drain_ends_a_stream_of_events() {
    let server = TestServer::start().await;
    let client = server.client().await;
    let mut events = stream(&client, v1::StreamEventsRequest::default()).await;
    server.stop();
    assert_eq!(
        events.message().await.unwrap_err().code(),
        Code::Unavailable
    );
    let _database = server.stopped().await;
}
