//! Tests of the room: vectors, config, translation and calls against a loopback gateway.

mod failure;
mod inbound;
mod outbound;
mod requests;
mod settings;

use std::collections::BTreeMap;

use chrono::DateTime;
use kassa_core::channel::GatewayName;
use kassa_core::{Clock, IdSource, Secret};
use serde_json::{Value, json};

use super::Baidu;
use crate::AccountConfig;
use crate::http::HttpClient;
use crate::registry::Deps;
use crate::testing::text;

/// 2026-01-01 08:00:00 in China, the time of the vectors.
const NOW: i64 = 1_767_225_600;
const BASE: &str = "https://openapi.baidu.com";
const DEAL_ID: &str = "470193086";
const APP_KEY: &str = "MMUBBH";
const CLIENT_SECRET: &str = "smart-program-secret";

fn vectors() -> Value {
    serde_json::from_str(include_str!("../testdata/vectors.json")).unwrap()
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
        "deal_id": DEAL_ID,
        "app_key": APP_KEY,
        "client_id": "smart-program",
        "platform_public_keys": [text(&vectors(), "/keys/platform_public_key_one_line")],
    })
}

fn account(settings: Value) -> AccountConfig {
    let key = text(&vectors(), "/keys/merchant_private_key_pkcs1_pem").to_owned();
    AccountConfig {
        gateway: GatewayName::Baidu,
        settings,
        secrets: BTreeMap::from([
            ("merchant_private_key".to_owned(), Secret::new(key)),
            (
                "client_secret".to_owned(),
                Secret::new(CLIENT_SECRET.to_owned()),
            ),
        ]),
    }
}

fn open_with(settings: Value, deps: &Deps) -> Baidu {
    Baidu::try_new(&account(settings), deps).unwrap()
}

fn open(settings: Value) -> Baidu {
    open_with(settings, &deps())
}
