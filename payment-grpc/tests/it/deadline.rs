//! Deadlines. The store is kept busy by an open transaction on the row that the flow needs, so the
//! flow waits as long as the test likes.

use std::time::Duration;

use kassa_core::text::AccountCode;
use payment_grpc::ServerOptions;
use proto::v1;
use tonic::Code;

use crate::channel::create;
use crate::support::{TestServer, options, refusal};

const DISABLE: &str = "/payment.v1.ChannelService/DisableChannelAccount";
const CODE: &str = "alipay-main";

fn request() -> v1::DisableChannelAccountRequest {
    v1::DisableChannelAccountRequest {
        code: CODE.to_owned(),
    }
}

#[tokio::test]
async fn a_deadline_cuts_the_answer_off_but_not_the_flow() {
    let server = TestServer::start().await;
    let client = server.client().await;
    create(&client, CODE).await;
    let (kassa, code) = (server.kassa.clone(), AccountCode::try_new(CODE).unwrap());
    let id = kassa
        .store
        .find_channel_account_by_code(&code)
        .await
        .unwrap()
        .unwrap()
        .account
        .id;
    let tx = kassa.store.begin().await.unwrap();
    let locked = tx.load_channel_account_for_update_in_tx(id).await.unwrap();

    let mut late = client.request(request());
    late.set_timeout(Duration::from_millis(400));
    let refused = client
        .send::<_, v1::DisableChannelAccountResponse>(DISABLE, late)
        .await;
    assert_eq!(
        refusal(refused),
        (Code::DeadlineExceeded, "DEADLINE_EXCEEDED".to_owned())
    );

    assert!(locked.get().account.is_active);
    drop(tx);
    let _database = server.stopped().await;
    let account = kassa
        .store
        .find_channel_account_by_code(&code)
        .await
        .unwrap()
        .unwrap()
        .account;
    assert!(!account.is_active, "the flow was cut in the middle");
}

#[tokio::test]
async fn a_caller_without_a_deadline_gets_the_configured_one() {
    let deadline_max = Duration::from_millis(300);
    let server = TestServer::start_with(ServerOptions {
        deadline_max,
        ..options()
    })
    .await;
    let client = server.client().await;
    create(&client, CODE).await;
    let (kassa, code) = (server.kassa.clone(), AccountCode::try_new(CODE).unwrap());
    let id = kassa
        .store
        .find_channel_account_by_code(&code)
        .await
        .unwrap()
        .unwrap()
        .account
        .id;
    let tx = kassa.store.begin().await.unwrap();
    let _locked = tx.load_channel_account_for_update_in_tx(id).await.unwrap();
    let refused = client
        .call::<_, v1::DisableChannelAccountResponse>(DISABLE, request())
        .await;
    assert_eq!(
        refusal(refused),
        (Code::DeadlineExceeded, "DEADLINE_EXCEEDED".to_owned())
    );
}

#[tokio::test]
async fn no_time_at_all_is_a_deadline_that_passed() {
    let server = TestServer::start().await;
    let client = server.client().await;
    let mut request = client.request(v1::ListPaymentsRequest::default());
    request
        .metadata_mut()
        .insert("grpc-timeout", "0n".parse().unwrap());
    let path = "/payment.v1.PaymentService/ListPayments";
    let refused = client
        .send::<_, v1::ListPaymentsResponse>(path, request)
        .await
        .unwrap_err();
    assert!(
        [Code::DeadlineExceeded, Code::Cancelled].contains(&refused.code()),
        "{refused:?}"
    );
}
