//! The accounts of the vectors, sealed in the database and opened from it.

use std::collections::BTreeMap;
use std::sync::Arc;

use gateways::{AccountConfig, Gateway, registry};
use kassa_core::channel::{AccountLimits, ChannelAccount, FeeTerms, GatewayName};
use kassa_core::id::ChannelAccountId;
use kassa_core::text::AccountCode;
use kassa_core::{Clock, IdSource, Secret};
use runtime::accounts::{AccountDirectory, seal_credentials};
use runtime::keyring::{KeyId, Keyring};
use runtime::store::{SealedAccount, Store};
use serde_json::{Value, json};

use super::rooms::{self, Room};
use super::vectors;

/// Writes the accounts, as `change` leaves them, and loads them.
pub(crate) async fn directory(
    store: &Store,
    clock: &Clock,
    ids: &IdSource,
    change: impl Fn(&mut ChannelAccount),
) -> AccountDirectory<Arc<dyn Gateway>> {
    let keyring = Arc::new(keyring());
    let mut all = vec![
        alipay("alipay-main"),
        alipay("alipay-other"),
        wechat("wechat-main"),
    ];
    all.extend(rooms::all().iter().map(Room::account));
    for (code, gateway, settings, secrets) in all {
        let mut account = account(code, gateway, settings, clock, ids);
        change(&mut account);
        write(store, &keyring, account, &secrets).await;
    }
    let directory = unloaded(store, keyring, clock, ids);
    directory.refresh().await.expect("the accounts");
    directory
}

/// A directory that has read nothing yet.
pub(crate) fn unloaded(
    store: &Store,
    keyring: Arc<Keyring>,
    clock: &Clock,
    ids: &IdSource,
) -> AccountDirectory<Arc<dyn Gateway>> {
    let deps = registry::Deps::verifying(clock.clone(), ids.clone());
    AccountDirectory::new(store.clone(), keyring, move |account, secrets| {
        let config = AccountConfig {
            gateway: account.gateway,
            settings: account.settings.clone(),
            secrets,
        };
        registry::open(&config, &deps).map_err(|error| error.to_string())
    })
}

pub(crate) fn keyring() -> Keyring {
    let id = KeyId::try_new("test").expect("a key id");
    Keyring::try_new(id.clone(), BTreeMap::from([(id, Secret::new(vec![7; 32]))]))
        .expect("a keyring")
}

async fn write(
    store: &Store,
    keyring: &Keyring,
    account: ChannelAccount,
    secrets: &BTreeMap<String, Secret>,
) {
    let credentials_sealed = seal_credentials(keyring, account.id, secrets).expect("sealed");
    let tx = store.begin().await.expect("a transaction");
    let sealed = SealedAccount {
        account,
        credentials_sealed,
    };
    tx.insert_channel_account_in_tx(&sealed)
        .await
        .expect("an account");
    tx.commit().await.expect("committed");
}

fn account(
    code: &str,
    gateway: GatewayName,
    settings: Value,
    clock: &Clock,
    ids: &IdSource,
) -> ChannelAccount {
    ChannelAccount {
        id: ChannelAccountId::new(ids),
        code: AccountCode::try_new(code).expect("a code"),
        display_name: code.to_owned(),
        gateway,
        settings,
        fingerprints: BTreeMap::new(),
        limits: AccountLimits::default(),
        fee: FeeTerms::default(),
        callback_cidrs: Vec::new(),
        is_active: true,
        version: 1,
        created_at: clock.now(),
        updated_at: clock.now(),
    }
}

/// Code, gateway, settings and secrets of an account.
pub(crate) type Parts = (&'static str, GatewayName, Value, BTreeMap<String, Secret>);

fn alipay(code: &'static str) -> Parts {
    let keys = &vectors::alipay()["keys"];
    let settings = json!({
        "gateway_url": "https://openapi.alipay.com/gateway.do",
        "app_id": "2021000000000001",
        "seller_id": "2088101106499364",
        "mode": "public_key",
        "alipay_public_keys": [keys["alipay_public_key_pem"]],
    });
    let secrets = secrets(&[("app_private_key", &keys["app_private_key_pkcs8_pem"])]);
    (code, GatewayName::Alipay, settings, secrets)
}

fn wechat(code: &'static str) -> Parts {
    let own = vectors::wechat();
    let settings = json!({
        "api_base_url": "https://api.mch.weixin.qq.com",
        "mchid": own["mchid"],
        "appid": own["appid"],
        "merchant_serial_no": own["merchant_serial_no"],
        "platform_certificates": [{
            "serial": own["platform_certificate_mode"]["serial_no"],
            "pem": own["platform_certificate_mode"]["certificate_pem"],
        }],
        "public_keys": [{
            "id": own["public_key_mode"]["public_key_id"],
            "pem": own["public_key_mode"]["public_key_pem"],
        }],
    });
    let secrets = secrets(&[
        (
            "merchant_private_key",
            &own["merchant_private_key_pkcs8_pem"],
        ),
        ("apiv3_key", &own["apiv3_key"]),
    ]);
    (code, GatewayName::WechatV3, settings, secrets)
}

pub(crate) fn secrets(fields: &[(&str, &Value)]) -> BTreeMap<String, Secret> {
    fields
        .iter()
        .map(|(name, value)| ((*name).to_owned(), Secret::new(vectors::text(value))))
        .collect()
}
