//! Tests of the room: vectors, config, translation and calls against a loopback gateway.

mod counter;
mod failure;
mod hostile;
mod inbound;
mod outbound;
mod requests;
mod settings;

use std::collections::BTreeMap;

use chrono::DateTime;
use kassa_core::channel::GatewayName;
use kassa_core::{Clock, IdSource, Secret};
use serde_json::{Value, json};

use super::WechatV2;
use super::wire::Message;
use crate::AccountConfig;
use crate::http::HttpClient;
use crate::registry::Deps;
use crate::testing::text;

/// 2026-01-01 08:00:00 in China, the time of the vectors.
const NOW: i64 = 1_767_225_600;
const BASE: &str = "https://api.mch.weixin.qq.com";
const MCH_ID: &str = "1900000001";
const APPID: &str = "wx8888888888888888";

fn vectors() -> Value {
    serde_json::from_str(include_str!("../testdata/vectors.json")).unwrap()
}

fn api_key() -> Secret {
    Secret::new(text(&vectors(), "/api_key").to_owned())
}

/// A certificate and its key, of the other version's vectors.
fn identity() -> (String, String) {
    let vectors: Value =
        serde_json::from_str(include_str!("../../wechat_v3/testdata/vectors.json")).unwrap();
    let own = |name: &str| text(&vectors, &format!("/own/{name}")).to_owned();
    (
        own("merchant_certificate_pem"),
        own("merchant_private_key_pkcs8_pem"),
    )
}

fn deps() -> Deps {
    let clock = Clock::settable(DateTime::from_timestamp(NOW, 0).unwrap());
    let ids = IdSource::seeded(1, clock.clone());
    Deps {
        clock,
        ids,
        http: HttpClient::try_new().unwrap(),
    }
}

fn settings(base: &str) -> Value {
    json!({
        "api_base_url": base,
        "mch_id": MCH_ID,
        "appid": APPID,
        "sign_type": "MD5",
        "client_certificate": identity().0,
        "h5_app_name": "测试",
        "h5_app_url": "https://pay.example.com",
    })
}

fn account(settings: Value) -> AccountConfig {
    AccountConfig {
        gateway: GatewayName::WechatV2,
        settings,
        secrets: BTreeMap::from([
            ("api_key".to_owned(), api_key()),
            ("client_private_key".to_owned(), Secret::new(identity().1)),
        ]),
    }
}

fn open(settings: Value) -> WechatV2 {
    WechatV2::try_new(&account(settings), &deps()).unwrap()
}

/// The fields of a vector's `params`.
fn message(params: &Value) -> Message {
    let fields = params.as_object().unwrap().iter();
    fields
        .map(|(name, value)| (name.clone(), value.as_str().unwrap().to_owned()))
        .collect()
}
