//! `ChannelService`, with keys as Alipay's console would make them.

use proto::v1;
use proto::v1::channel_settings::Settings;
use rcgen::{KeyPair, PKCS_RSA_SHA256};
use tonic::{Code, Status};
use tonic_types::StatusExt;

use crate::support::{Caller, TestServer, reason, refusal};

const CREATE: &str = "/payment.v1.ChannelService/CreateChannelAccount";
const UPDATE: &str = "/payment.v1.ChannelService/UpdateChannelAccount";
const GET: &str = "/payment.v1.ChannelService/GetChannelAccount";
const LIST: &str = "/payment.v1.ChannelService/ListChannelAccounts";
const DISABLE: &str = "/payment.v1.ChannelService/DisableChannelAccount";
const ENABLE: &str = "/payment.v1.ChannelService/EnableChannelAccount";

fn money(amount: &str) -> v1::Money {
    v1::Money {
        amount: amount.to_owned(),
        currency_code: "CNY".to_owned(),
    }
}

/// Settings with fresh keys, and the private one among them.
fn settings() -> (v1::ChannelSettings, String) {
    let own = KeyPair::generate_for(&PKCS_RSA_SHA256).unwrap();
    let alipays = KeyPair::generate_for(&PKCS_RSA_SHA256).unwrap();
    let secret = own.serialize_pem();
    let alipay = v1::AlipaySettings {
        app_id: "2021000000000001".to_owned(),
        seller_id: "2088000000000001".to_owned(),
        app_private_key: secret.clone(),
        alipay_public_keys: vec![alipays.public_key_pem()],
        ..Default::default()
    };
    (
        v1::ChannelSettings {
            settings: Some(Settings::Alipay(alipay)),
        },
        secret,
    )
}

fn create_request(code: &str) -> (v1::CreateChannelAccountRequest, String) {
    let (settings, secret) = settings();
    let request = v1::CreateChannelAccountRequest {
        code: code.to_owned(),
        display_name: "Main".to_owned(),
        settings: Some(settings),
        amount_min: Some(money("0.10")),
        amount_max: Some(money("500.00")),
        callback_cidrs: vec!["203.0.113.0/24".to_owned()],
        fee_rate: "0.0060".to_owned(),
        fee_returned: true,
    };
    (request, secret)
}

pub(crate) async fn create(client: &Caller, code: &str) -> (v1::ChannelAccount, String) {
    let (request, secret) = create_request(code);
    let answer: v1::CreateChannelAccountResponse = client.call(CREATE, request).await.unwrap();
    (answer.channel_account.unwrap(), secret)
}

async fn get(client: &Caller, code: &str) -> Result<v1::ChannelAccount, Status> {
    let request = v1::GetChannelAccountRequest {
        code: code.to_owned(),
    };
    let answer: v1::GetChannelAccountResponse = client.call(GET, request).await?;
    Ok(answer.channel_account.unwrap())
}

#[tokio::test]
async fn an_account_is_made_and_read_back_without_its_secrets() {
    let server = TestServer::start().await;
    let client = server.client().await;
    let (made, secret) = create(&client, "alipay-main").await;
    assert!(made.is_active);
    assert_eq!(made.gateway(), v1::Gateway::Alipay);
    assert_eq!(made.payment_channel(), v1::PaymentChannel::Alipay);
    assert_eq!(
        (made.amount_min.clone(), made.amount_max.clone()),
        (Some(money("0.10")), Some(money("500.00")))
    );
    assert_eq!((made.fee_rate.as_str(), made.fee_returned), ("0.006", true));
    assert_eq!(
        made.callback_url_payment,
        "https://pay.example.com/callbacks/alipay/alipay-main/payment"
    );
    let read = get(&client, "alipay-main").await.unwrap();
    assert_eq!(read, made);
    let shown = format!("{read:?}");
    let secret_line = secret.lines().nth(1).unwrap();
    assert!(!shown.contains(secret_line));
    assert_eq!(read.secret_fingerprints.len(), 1);
    assert!(!read.secret_fingerprints["app_private_key"].is_empty());
}

#[tokio::test]
async fn every_bad_setting_is_named_and_no_value_is_repeated() {
    let server = TestServer::start().await;
    let client = server.client().await;
    let alipay = v1::AlipaySettings {
        gateway_url: "not a url".to_owned(),
        app_id: "letters".to_owned(),
        app_private_key: "hunter2-is-not-a-key".to_owned(),
        ..Default::default()
    };
    let request = v1::CreateChannelAccountRequest {
        code: "alipay-main".to_owned(),
        settings: Some(v1::ChannelSettings {
            settings: Some(Settings::Alipay(alipay)),
        }),
        callback_cidrs: vec!["203.0.113.0/33".to_owned()],
        ..Default::default()
    };
    let refused = client.call::<_, ()>(CREATE, request).await.unwrap_err();
    assert_eq!(
        (refused.code(), reason(&refused).as_str()),
        (Code::InvalidArgument, "INVALID_ARGUMENT")
    );
    let bad = refused.get_details_bad_request().unwrap();
    let fields: Vec<_> = bad
        .field_violations
        .iter()
        .map(|v| v.field.as_str())
        .collect();
    for field in [
        "display_name",
        "callback_cidrs[0]",
        "settings.alipay.gateway_url",
        "settings.alipay.app_id",
        "settings.alipay.seller_id",
        "settings.alipay.app_private_key",
    ] {
        assert!(fields.contains(&field), "{field} is missing in {fields:?}");
    }
    assert!(!format!("{refused:?}").contains("hunter2"));
}

#[tokio::test]
async fn a_fee_is_a_part_of_the_payment() {
    let server = TestServer::start().await;
    let client = server.client().await;
    for rate in ["0.6%", "1", "-0.006", "0.0000001"] {
        let (mut request, _) = create_request("alipay-main");
        rate.clone_into(&mut request.fee_rate);
        let refused = client.call::<_, ()>(CREATE, request).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument, "{rate}");
        let bad = refused.get_details_bad_request().unwrap();
        assert_eq!(bad.field_violations[0].field, "fee_rate", "{rate}");
    }
}

#[tokio::test]
async fn a_code_is_given_once() {
    let server = TestServer::start().await;
    let client = server.client().await;
    create(&client, "alipay-main").await;
    let (again, _) = create_request("alipay-main");
    let refused = client.call::<_, ()>(CREATE, again).await.unwrap_err();
    assert_eq!(
        (refused.code(), reason(&refused).as_str()),
        (Code::AlreadyExists, "ALREADY_EXISTS")
    );
    assert_eq!(
        refused.get_details_resource_info().unwrap().resource_name,
        "channel_accounts/alipay-main"
    );
    assert_eq!(refusal(get(&client, "nothing").await).0, Code::NotFound);
}

#[tokio::test]
async fn a_change_keeps_the_secrets_that_are_not_given_and_refuses_a_stale_version() {
    let server = TestServer::start().await;
    let client = server.client().await;
    let (made, _) = create(&client, "alipay-main").await;
    let request = v1::UpdateChannelAccountRequest {
        code: made.code.clone(),
        version: made.version,
        display_name: "Renamed".to_owned(),
        settings: made.settings.clone(),
        amount_min: None,
        amount_max: None,
        callback_cidrs: Vec::new(),
        fee_rate: "0.029".to_owned(),
        fee_returned: false,
    };
    let answer: v1::UpdateChannelAccountResponse =
        client.call(UPDATE, request.clone()).await.unwrap();
    let changed = answer.channel_account.unwrap();
    assert_eq!(changed.display_name, "Renamed");
    assert_eq!(changed.secret_fingerprints, made.secret_fingerprints);
    assert_eq!(changed.amount_max, None);
    assert_eq!(
        (changed.fee_rate.as_str(), changed.fee_returned),
        ("0.029", false)
    );
    let stale = client.call::<_, ()>(UPDATE, request).await.unwrap_err();
    assert_eq!(
        (stale.code(), reason(&stale).as_str()),
        (Code::Aborted, "VERSION_CONFLICT")
    );
}

#[tokio::test]
async fn accounts_are_listed_by_code_page_by_page() {
    let server = TestServer::start().await;
    let client = server.client().await;
    for code in ["b", "a", "c"] {
        create(&client, code).await;
    }
    let (mut seen, mut page_token) = (Vec::new(), String::new());
    loop {
        let request = v1::ListChannelAccountsRequest {
            page_size: 2,
            page_token,
        };
        let page: v1::ListChannelAccountsResponse = client.call(LIST, request).await.unwrap();
        seen.extend(
            page.channel_accounts
                .into_iter()
                .map(|account| account.code),
        );
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
    assert_eq!(seen, ["a", "b", "c"]);
}

#[tokio::test]
async fn switching_is_repeatable() {
    let server = TestServer::start().await;
    let client = server.client().await;
    create(&client, "alipay-main").await;
    for (path, expected) in [(DISABLE, false), (DISABLE, false), (ENABLE, true)] {
        let request = v1::DisableChannelAccountRequest {
            code: "alipay-main".to_owned(),
        };
        let answer: v1::DisableChannelAccountResponse = client.call(path, request).await.unwrap();
        assert_eq!(answer.channel_account.unwrap().is_active, expected);
    }
}
