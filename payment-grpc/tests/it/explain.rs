//! `OperationsService.ExplainPayment`.

use proto::v1::explain_payment_request::Key;
use proto::v1::{ExplainPaymentRequest, ExplainPaymentResponse, PaymentStatus, StoryEntryKind};
use tonic::{Code, Status};
use tonic_types::StatusExt;

use crate::support::{Caller, Claims, TestServer, payment, refusal};

const EXPLAIN: &str = "/payment.v1.OperationsService/ExplainPayment";

async fn explain(
    client: &Caller,
    key: Option<Key>,
    app: &str,
) -> Result<ExplainPaymentResponse, Status> {
    let app_id = app.to_owned();
    client
        .call(EXPLAIN, ExplainPaymentRequest { key, app_id })
        .await
}

fn of_order(order: &str) -> Key {
    Key::BusinessOrderId(order.to_owned())
}

#[tokio::test]
async fn a_payment_is_explained_by_its_id_and_by_its_order_whoever_asks() {
    let server = TestServer::start().await;
    let row = payment(&server.kassa, &server.shop.app, "tea").await;
    let client = server
        .client()
        .await
        .with_token(server.token(&server.other));
    let id = row.id.to_string();
    let told = explain(&client, Some(Key::TransactionId(id.clone())), "").await;
    let told = told.unwrap();
    let transaction = told.transaction.clone().unwrap();
    assert_eq!(transaction.transaction_id, id);
    assert_eq!(transaction.status(), PaymentStatus::PendingPayment);
    let titles: Vec<_> = told
        .entries
        .iter()
        .map(|entry| (entry.kind(), entry.title.as_str()))
        .collect();
    let transition = StoryEntryKind::Transition;
    let expected = [
        (transition, "payment begins as PENDING_CREATE"),
        (transition, "attempt 1 begins as PREPARED"),
        (transition, "attempt 1 is OPEN"),
    ];
    assert_eq!(titles, expected);
    for app in ["", "shop"] {
        let by_order = explain(&client, Some(of_order("tea")), app).await;
        assert_eq!(by_order.unwrap(), told, "{app}");
    }
}

#[tokio::test]
async fn what_there_is_not_is_not_found() {
    let server = TestServer::start().await;
    payment(&server.kassa, &server.shop.app, "tea").await;
    let client = server.client().await;
    let unknown = Some(Key::TransactionId("0".repeat(32)));
    for (key, app) in [
        (unknown, ""),
        (Some(of_order("coffee")), ""),
        (Some(of_order("tea")), "other"),
        (Some(of_order("tea")), "nobody"),
    ] {
        let refused = refusal(explain(&client, key, app).await);
        assert_eq!(refused, (Code::NotFound, "RESOURCE_NOT_FOUND".to_owned()));
    }
}

#[tokio::test]
async fn every_bad_field_is_named() {
    let server = TestServer::start().await;
    let client = server.client().await;
    for (key, app, fields) in [
        (None, "", &["key"][..]),
        (None, "\u{1}", &["app_id", "key"]),
        (
            Some(Key::TransactionId("x".to_owned())),
            "",
            &["transaction_id"],
        ),
        (
            Some(Key::TransactionId(String::new())),
            "",
            &["transaction_id"],
        ),
        (Some(of_order("")), "", &["business_order_id"]),
    ] {
        let refused = explain(&client, key, app).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument);
        let named = refused.get_details_bad_request().unwrap().field_violations;
        let named: Vec<_> = named.iter().map(|it| it.field.as_str()).collect();
        assert_eq!(named, fields);
    }
}

#[tokio::test]
async fn whoever_may_only_read_payments_may_not_have_them_explained() {
    let server = TestServer::start().await;
    payment(&server.kassa, &server.shop.app, "tea").await;
    let client = server.client().await;
    let mut claims = Claims::good(&server.clock, &server.shop);
    claims.scope = "payments:read operations:write".to_owned();
    let client = client.with_token(server.shop.sign(&claims));
    let refused = refusal(explain(&client, Some(of_order("tea")), "shop").await);
    assert_eq!(
        refused,
        (Code::PermissionDenied, "SCOPE_MISSING".to_owned())
    );
}
