//! Rate limits, message sizes, and messages that are none.

use payment_grpc::{RateLimit, ServerOptions};
use proto::v1;
use tonic::Code;
use tonic_types::StatusExt;

use crate::support::{TestServer, metadata, options, reason, refusal};

const CREATE: &str = "/payment.v1.PaymentService/CreatePayment";
const LIST: &str = "/payment.v1.PaymentService/ListPayments";

#[tokio::test]
async fn an_app_that_calls_too_often_is_told_when_to_come_again_and_others_go_on() {
    let rate_limit = RateLimit {
        per_second: 1,
        burst: 3,
    };
    let server = TestServer::start_with(ServerOptions {
        rate_limit,
        ..options()
    })
    .await;
    let client = server.client().await;
    for _ in 0..3 {
        assert!(client.poke(LIST).await.is_ok());
    }
    let refused = client.poke(LIST).await.unwrap_err();
    assert_eq!(refused.code(), Code::ResourceExhausted);
    assert_eq!(reason(&refused), "RATE_LIMITED");
    assert_eq!(metadata(&refused, "limit"), "calls_of_app");
    let quota = refused.get_details_quota_failure().unwrap();
    assert_eq!(quota.violations[0].subject, "calls_of_app");
    assert!(
        refused
            .get_details_retry_info()
            .unwrap()
            .retry_delay
            .is_some()
    );
    let other = client.with_token(server.token(&server.other));
    assert!(other.poke(LIST).await.is_ok());
}

#[tokio::test]
async fn strangers_use_up_the_limit_of_their_address() {
    let rate_limit = RateLimit {
        per_second: 1,
        burst: 2,
    };
    let server = TestServer::start_with(ServerOptions {
        rate_limit,
        ..options()
    })
    .await;
    let stranger = server.client().await.without_token();
    let mut codes = Vec::new();
    for _ in 0..9 {
        codes.push(stranger.poke(LIST).await.unwrap_err().code());
    }
    // Four times the burst of one app, then no more.
    assert_eq!(codes[..8], [Code::Unauthenticated; 8]);
    assert_eq!(codes[8], Code::ResourceExhausted);
}

#[tokio::test]
async fn a_message_over_the_limit_is_refused() {
    let message_bytes_max = 1024;
    let server = TestServer::start_with(ServerOptions {
        message_bytes_max,
        ..options()
    })
    .await;
    let client = server.client().await;
    let large = v1::CreatePaymentRequest {
        subject: "x".repeat(2000),
        ..Default::default()
    };
    let refused = client
        .call::<_, v1::CreatePaymentResponse>(CREATE, large)
        .await;
    assert_eq!(
        refusal(refused),
        (Code::InvalidArgument, "INVALID_ARGUMENT".to_owned())
    );
}

#[tokio::test]
async fn a_message_that_is_none_is_the_callers_fault() {
    let server = TestServer::start().await;
    let client = server.client().await;
    // Field 1 of the request is a text; here it is bytes that are no UTF-8.
    let bytes = NotText {
        bytes: vec![0xff, 0xfe],
    };
    let refused = client
        .call::<_, v1::CreatePaymentResponse>(CREATE, bytes)
        .await;
    assert_eq!(
        refusal(refused),
        (Code::InvalidArgument, "INVALID_ARGUMENT".to_owned())
    );
}

#[derive(Clone, PartialEq, prost::Message)]
struct NotText {
    #[prost(bytes = "vec", tag = "1")]
    bytes: Vec<u8>,
}
