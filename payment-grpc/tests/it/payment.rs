//! `PaymentService` and `RefundService`: answers and refusals that need no gateway.

use std::collections::BTreeSet;
use std::time::Duration;

use chrono::TimeDelta;
use proto::v1;
use proto::v1::create_payment_request::Payer;
use proto::v1::get_payment_request::Key;
use proto::v1::payment_service_client::PaymentServiceClient;
use tonic::{Code, Status};
use tonic_types::StatusExt;

use crate::support::{Caller, TestServer, closed, metadata, payment, reason, refusal};

const CREATE: &str = "/payment.v1.PaymentService/CreatePayment";
const GET: &str = "/payment.v1.PaymentService/GetPayment";
const LIST: &str = "/payment.v1.PaymentService/ListPayments";
const UNKNOWN_ID: &str = "0192f0c1a2b37c4d8e5f60718293a4b5";

fn money(amount: &str) -> v1::Money {
    v1::Money {
        amount: amount.to_owned(),
        currency_code: "CNY".to_owned(),
    }
}

fn create_request() -> v1::CreatePaymentRequest {
    v1::CreatePaymentRequest {
        request_id: "request-1".to_owned(),
        business_order_id: "order-1".to_owned(),
        payment_channel: v1::PaymentChannel::Alipay.into(),
        payment_method: v1::PaymentMethod::Qr.into(),
        amount: Some(money("10.00")),
        subject: "coffee".to_owned(),
        ..Default::default()
    }
}

async fn list(
    client: &Caller,
    request: v1::ListPaymentsRequest,
) -> Result<v1::ListPaymentsResponse, Status> {
    client.call(LIST, request).await
}

#[tokio::test]
async fn every_bad_field_is_named_at_once_and_nothing_is_stored() {
    let server = TestServer::start().await;
    let client = server.client().await;
    let request = v1::CreatePaymentRequest {
        request_id: "x".repeat(37),
        business_order_id: String::new(),
        amount: Some(money("10.005")),
        payer: Some(Payer::Openid("o-1".to_owned())),
        return_url: "shop.example".to_owned(),
        client_ip: "localhost".to_owned(),
        ..create_request()
    };
    let refused = client
        .call::<_, v1::CreatePaymentResponse>(CREATE, request)
        .await
        .unwrap_err();
    assert_eq!(
        (refused.code(), reason(&refused).as_str()),
        (Code::InvalidArgument, "INVALID_ARGUMENT")
    );
    let named: Vec<_> = refused
        .get_details_bad_request()
        .unwrap()
        .field_violations
        .into_iter()
        .map(|violation| format!("{}: {}", violation.field, violation.description))
        .collect();
    insta::assert_snapshot!(named.join("\n"));
    assert!(
        list(&client, v1::ListPaymentsRequest::default())
            .await
            .unwrap()
            .transactions
            .is_empty()
    );
}

#[tokio::test]
async fn a_payment_without_a_channel_account_is_refused_and_not_stored() {
    let server = TestServer::start().await;
    let client = server.client().await;
    let refused = client
        .call::<_, v1::CreatePaymentResponse>(CREATE, create_request())
        .await
        .unwrap_err();
    assert_eq!(refused.code(), Code::FailedPrecondition);
    assert_eq!(reason(&refused), "NO_CHANNEL_ACCOUNT");
    assert_eq!(metadata(&refused, "channel"), "ALIPAY");
    assert!(refused.get_details_precondition_failure().is_some());
    assert!(
        list(&client, v1::ListPaymentsRequest::default())
            .await
            .unwrap()
            .transactions
            .is_empty()
    );
}

#[tokio::test]
async fn a_payment_is_found_by_its_id_and_by_its_order() {
    let server = TestServer::start().await;
    let client = server.client().await;
    let stored = payment(&server.kassa, &server.shop.app, "order-1").await;
    for key in [
        Key::TransactionId(stored.id.to_string()),
        Key::BusinessOrderId("order-1".to_owned()),
    ] {
        let request = v1::GetPaymentRequest { key: Some(key) };
        let answer: v1::GetPaymentResponse = client.call(GET, request).await.unwrap();
        let shown = answer.transaction.unwrap();
        assert_eq!(shown.transaction_id, stored.id.to_string());
        assert_eq!(shown.amount_requested, Some(money("10.00")));
        assert_eq!(shown.status(), v1::PaymentStatus::PendingPayment);
    }
}

#[tokio::test]
async fn another_apps_payment_is_as_unknown_as_one_that_does_not_exist() {
    let server = TestServer::start().await;
    let client = server.client().await;
    let foreign = payment(&server.kassa, &server.other.app, "order-1")
        .await
        .id
        .to_string();
    for id in [foreign.as_str(), UNKNOWN_ID] {
        let refused = not_found(&client, id).await;
        for (path, status) in refused {
            assert_eq!(status.code(), Code::NotFound, "{path}");
            assert_eq!(reason(&status), "RESOURCE_NOT_FOUND", "{path}");
            let resource = status.get_details_resource_info().unwrap();
            assert_eq!(resource.resource_type, "kassa/payment", "{path}");
            assert_eq!(resource.resource_name, format!("payments/{id}"), "{path}");
            assert_eq!(status.message(), format!("no payment {id}"), "{path}");
        }
    }
}

/// What every method says that takes a payment's id.
async fn not_found(client: &Caller, id: &str) -> Vec<(&'static str, Status)> {
    let id = id.to_owned();
    let key = Some(Key::TransactionId(id.clone()));
    let refund = v1::CreateRefundRequest {
        transaction_id: id.clone(),
        business_refund_id: "refund-1".to_owned(),
        amount: Some(money("1.00")),
        reason: String::new(),
        ..Default::default()
    };
    let get = client
        .call::<_, ()>(GET, v1::GetPaymentRequest { key })
        .await;
    let close = "/payment.v1.PaymentService/ClosePayment";
    let closing = v1::ClosePaymentRequest {
        transaction_id: id.clone(),
    };
    let sync = "/payment.v1.PaymentService/SyncPayment";
    let syncing = v1::SyncPaymentRequest {
        transaction_id: id.clone(),
    };
    let retry = "/payment.v1.PaymentService/RetryPayment";
    let retrying = v1::RetryPaymentRequest {
        transaction_id: id.clone(),
        request_id: "retry-1".to_owned(),
        ..v1::RetryPaymentRequest::default()
    };
    let watch = "/payment.v1.PaymentService/WatchPayment";
    let watching = v1::WatchPaymentRequest { transaction_id: id };
    let create_refund = "/payment.v1.RefundService/CreateRefund";
    vec![
        (GET, get.unwrap_err()),
        (
            close,
            client.call::<_, ()>(close, closing).await.unwrap_err(),
        ),
        (sync, client.call::<_, ()>(sync, syncing).await.unwrap_err()),
        (
            retry,
            client.call::<_, ()>(retry, retrying).await.unwrap_err(),
        ),
        (
            watch,
            client.call::<_, ()>(watch, watching).await.unwrap_err(),
        ),
        (
            create_refund,
            client
                .call::<_, ()>(create_refund, refund)
                .await
                .unwrap_err(),
        ),
    ]
}

#[tokio::test]
async fn a_refund_of_an_unpaid_payment_says_which_state_stands_in_the_way() {
    let server = TestServer::start().await;
    let client = server.client().await;
    let id = payment(&server.kassa, &server.shop.app, "order-1")
        .await
        .id
        .to_string();
    let request = v1::CreateRefundRequest {
        transaction_id: id.clone(),
        business_refund_id: "refund-1".to_owned(),
        amount: Some(money("1.00")),
        reason: String::new(),
        ..Default::default()
    };
    let path = "/payment.v1.RefundService/CreateRefund";
    let refused = client
        .call::<_, v1::CreateRefundResponse>(path, request)
        .await
        .unwrap_err();
    assert_eq!(refused.code(), Code::FailedPrecondition);
    assert_eq!(reason(&refused), "PAYMENT_STATE");
    assert_eq!(metadata(&refused, "status"), "PENDING_PAYMENT");
    let violation = &refused
        .get_details_precondition_failure()
        .unwrap()
        .violations[0];
    assert_eq!(
        (violation.r#type.as_str(), violation.subject.clone()),
        ("PAYMENT_STATE", format!("payments/{id}"))
    );
}

#[tokio::test]
async fn pages_follow_each_other_without_gap_or_repeat_and_newest_first() {
    let server = TestServer::start().await;
    let client = server.client().await;
    let mut stored = Vec::new();
    for number in 0..5 {
        server.clock.advance(TimeDelta::seconds(1));
        let order = format!("order-{number}");
        stored.push(
            payment(&server.kassa, &server.shop.app, &order)
                .await
                .id
                .to_string(),
        );
    }
    payment(&server.kassa, &server.other.app, "foreign").await;
    stored.reverse();
    let (mut seen, mut page_token) = (Vec::new(), String::new());
    loop {
        let request = v1::ListPaymentsRequest {
            page_size: 2,
            page_token,
            ..Default::default()
        };
        let page = list(&client, request).await.unwrap();
        assert!(page.transactions.len() <= 2);
        seen.extend(
            page.transactions
                .into_iter()
                .map(|payment| payment.transaction_id),
        );
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
    assert_eq!(seen, stored);
}

#[tokio::test]
async fn a_page_token_is_worth_nothing_elsewhere() {
    let server = TestServer::start().await;
    let client = server.client().await;
    for order in ["order-1", "order-2"] {
        payment(&server.kassa, &server.shop.app, order).await;
        payment(&server.kassa, &server.other.app, order).await;
    }
    let first = v1::ListPaymentsRequest {
        page_size: 1,
        ..Default::default()
    };
    let page_token = list(&client, first.clone()).await.unwrap().next_page_token;
    assert!(!page_token.is_empty());
    let request = v1::ListPaymentsRequest {
        page_token: page_token.clone(),
        ..first
    };
    assert_eq!(
        list(&client, request.clone())
            .await
            .unwrap()
            .transactions
            .len(),
        1
    );

    let other = client.with_token(server.token(&server.other));
    let altered = format!("{}A", page_token.get(1..).unwrap());
    let status = v1::PaymentStatus::Closed.into();
    for (caller, request) in [
        (&other, request.clone()),
        (
            &client,
            v1::ListPaymentsRequest {
                page_token: altered,
                ..request.clone()
            },
        ),
        (
            &client,
            v1::ListPaymentsRequest {
                status,
                ..request.clone()
            },
        ),
    ] {
        let refused = list(caller, request).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument);
        let bad = refused.get_details_bad_request().unwrap();
        assert_eq!(bad.field_violations[0].field, "page_token");
    }
    let refunds = v1::ListRefundsRequest {
        page_token,
        ..Default::default()
    };
    let path = "/payment.v1.RefundService/ListRefunds";
    let refused = client
        .call::<_, v1::ListRefundsResponse>(path, refunds)
        .await;
    assert_eq!(refusal(refused).0, Code::InvalidArgument);
}

#[tokio::test]
async fn refunds_and_notifications_of_nobody_are_empty_lists() {
    let server = TestServer::start().await;
    let client = server.client().await;
    let refunds: v1::ListRefundsResponse = client
        .call(
            "/payment.v1.RefundService/ListRefunds",
            v1::ListRefundsRequest::default(),
        )
        .await
        .unwrap();
    assert_eq!(refunds, v1::ListRefundsResponse::default());
    let path = "/payment.v1.OperationsService/ListNotifications";
    let notifications: v1::ListNotificationsResponse = client
        .call(path, v1::ListNotificationsRequest::default())
        .await
        .unwrap();
    assert_eq!(notifications, v1::ListNotificationsResponse::default());
    let path = "/payment.v1.OperationsService/ListParked";
    let queue = v1::WorkQueue::Notifications.into();
    let parked: v1::ListParkedResponse = client
        .call(path, v1::ListParkedRequest { queue, limit: 0 })
        .await
        .unwrap();
    assert!(parked.messages.is_empty());
}

#[tokio::test]
async fn a_watched_payment_tells_its_state_then_its_change_and_ends_when_closed() {
    let server = TestServer::start().await;
    let client = server.client().await;
    let id = payment(&server.kassa, &server.shop.app, "order-1").await.id;
    let mut service = PaymentServiceClient::new(client.channel.clone());
    let request = client.request(v1::WatchPaymentRequest {
        transaction_id: id.to_string(),
    });
    let mut stream = service.watch_payment(request).await.unwrap().into_inner();
    let first = stream
        .message()
        .await
        .unwrap()
        .unwrap()
        .transaction
        .unwrap();
    assert_eq!(first.status(), v1::PaymentStatus::PendingPayment);
    closed(&server.kassa, id).await;
    let second = tokio::time::timeout(Duration::from_secs(10), stream.message())
        .await
        .unwrap();
    let second = second.unwrap().unwrap().transaction.unwrap();
    assert_eq!(second.status(), v1::PaymentStatus::Closed);
    assert!(second.version > first.version);
    assert!(stream.message().await.unwrap().is_none());
}

#[tokio::test]
async fn a_drain_ends_a_watch_and_asks_to_come_again() {
    let server = TestServer::start().await;
    let client = server.client().await;
    let id = payment(&server.kassa, &server.shop.app, "order-1").await.id;
    let mut service = PaymentServiceClient::new(client.channel.clone());
    let request = client.request(v1::WatchPaymentRequest {
        transaction_id: id.to_string(),
    });
    let mut stream = service.watch_payment(request).await.unwrap().into_inner();
    assert!(stream.message().await.unwrap().is_some());
    server.stop();
    let ended = stream.message().await.unwrap_err();
    assert_eq!(
        (ended.code(), reason(&ended).as_str()),
        (Code::Unavailable, "SERVICE_UNAVAILABLE")
    );
    assert!(ended.get_details_retry_info().is_some());
    let _database = server.stopped().await;
}

#[tokio::test]
async fn a_watch_ends_with_the_token_that_opened_it() {
    let server = TestServer::start().await;
    let client = server.client().await;
    let id = payment(&server.kassa, &server.shop.app, "order-1").await.id;
    let mut service = PaymentServiceClient::new(client.channel.clone());
    let request = client.request(v1::WatchPaymentRequest {
        transaction_id: id.to_string(),
    });
    let mut stream = service.watch_payment(request).await.unwrap().into_inner();
    assert!(stream.message().await.unwrap().is_some());
    server.clock.advance(TimeDelta::seconds(300));
    let ended = stream.message().await.unwrap_err();
    assert_eq!(ended.code(), Code::Unauthenticated);
    assert_eq!(metadata(&ended, "problem"), "expired");
}

#[tokio::test]
async fn payments_of_the_same_moment_are_paged_by_id() {
    let server = TestServer::start().await;
    let client = server.client().await;
    for order in ["order-1", "order-2", "order-3"] {
        payment(&server.kassa, &server.shop.app, order).await;
    }
    // Same time, so only the id tells them apart.
    let (mut ids, mut page_token) = (BTreeSet::new(), String::new());
    for _ in 0..3 {
        let request = v1::ListPaymentsRequest {
            page_size: 1,
            page_token,
            ..Default::default()
        };
        let page = list(&client, request).await.unwrap();
        ids.extend(
            page.transactions
                .into_iter()
                .map(|payment| payment.transaction_id),
        );
        page_token = page.next_page_token;
    }
    assert_eq!(ids.len(), 3);
    assert!(page_token.is_empty());
}
