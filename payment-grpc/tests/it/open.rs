//! What needs no token: health and reflection.

use std::time::Duration;

use tokio_stream::{StreamExt, once};
use tonic::Code;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use tonic_health::pb::{HealthCheckRequest, HealthCheckResponse};
use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
use tonic_reflection::pb::v1::server_reflection_response::MessageResponse;
use tonic_reflection::pb::v1::{ServerReflectionRequest, ServerReflectionResponse};

use crate::support::{TestServer, options};

const SERVICES: [&str; 5] = [
    "payment.v1.ChannelService",
    "payment.v1.EventService",
    "payment.v1.OperationsService",
    "payment.v1.PaymentService",
    "payment.v1.RefundService",
];

#[tokio::test]
async fn health_is_told_of_the_server_and_of_every_service() {
    let server = TestServer::start().await;
    let mut health = HealthClient::new(server.channel().await);
    for service in SERVICES.iter().chain([&""]) {
        let request = HealthCheckRequest {
            service: (*service).to_owned(),
        };
        let answer: HealthCheckResponse = health.check(request).await.unwrap().into_inner();
        assert_eq!(answer.status(), ServingStatus::Serving, "{service}");
    }
    let unknown = HealthCheckRequest {
        service: "payment.v1.Nothing".to_owned(),
    };
    assert_eq!(
        health.check(unknown).await.unwrap_err().code(),
        Code::NotFound
    );
}

#[tokio::test]
async fn a_drain_is_told_to_those_who_watch_and_does_not_wait_for_them() {
    let server = TestServer::start().await;
    let mut health = HealthClient::new(server.channel().await);
    let mut watch = health
        .watch(HealthCheckRequest::default())
        .await
        .unwrap()
        .into_inner();
    assert_eq!(
        watch.message().await.unwrap().unwrap().status(),
        ServingStatus::Serving
    );
    server.stop();
    let next = tokio::time::timeout(Duration::from_secs(5), watch.message())
        .await
        .unwrap();
    assert_eq!(next.unwrap().unwrap().status(), ServingStatus::NotServing);
    let _database = server.stopped().await;
}

async fn listed(server: &TestServer) -> Result<Vec<String>, tonic::Status> {
    let mut client = ServerReflectionClient::new(server.channel().await);
    let request = ServerReflectionRequest {
        host: String::new(),
        message_request: Some(MessageRequest::ListServices(String::new())),
    };
    let mut answers = client
        .server_reflection_info(once(request))
        .await?
        .into_inner();
    let answer: ServerReflectionResponse = answers.next().await.unwrap()?;
    let Some(MessageResponse::ListServicesResponse(list)) = answer.message_response else {
        panic!("another answer: {answer:?}");
    };
    Ok(list
        .service
        .into_iter()
        .map(|service| service.name)
        .collect())
}

#[tokio::test]
async fn the_server_describes_itself_unless_that_is_off() {
    let server = TestServer::start().await;
    let names = listed(&server).await.unwrap();
    for service in SERVICES {
        assert!(names.contains(&service.to_owned()), "{names:?}");
    }
    let silent = TestServer::start_with(payment_grpc::ServerOptions {
        reflection: false,
        ..options()
    })
    .await;
    assert!(listed(&silent).await.is_err());
}
