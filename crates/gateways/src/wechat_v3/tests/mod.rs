//! Tests of the room: vectors, config, translation and calls against a loopback gateway.

mod certificates;
mod counter;
mod failure;
mod hostile;
mod inbound;
mod outbound;
mod requests;
mod settings;

use std::collections::BTreeMap;

use chrono::DateTime;
use http::{HeaderMap, HeaderName, HeaderValue};
use kassa_core::channel::GatewayName;
use kassa_core::{Clock, IdSource, Secret};
use serde_json::{Value, json};

use super::WechatV3;
use crate::AccountConfig;
use crate::http::HttpClient;
use crate::registry::Deps;
use crate::testing::text;

/// 2026-01-01 08:00:00 in China, the time of the vectors.
const NOW: i64 = 1_767_225_600;
const BASE: &str = "https://api.mch.weixin.qq.com";

fn vectors() -> Value {
    serde_json::from_str(include_str!("../testdata/vectors.json")).unwrap()
}

fn deps(now: i64) -> Deps {
    let clock = Clock::settable(DateTime::from_timestamp(now, 0).unwrap());
    let ids = IdSource::seeded(1, clock.clone());
    Deps {
        clock,
        ids,
        http: HttpClient::try_new().unwrap(),
    }
}

fn settings(base: &str) -> Value {
    let vectors = vectors();
    let own = |pointer: &str| text(&vectors, &format!("/own/{pointer}")).to_owned();
    json!({
        "api_base_url": base,
        "mchid": own("mchid"),
        "appid": own("appid"),
        "merchant_serial_no": own("merchant_serial_no"),
        "platform_certificates": [{
            "serial": own("platform_certificate_mode/serial_no"),
            "pem": own("platform_certificate_mode/certificate_pem"),
        }],
        "public_keys": [{
            "id": own("public_key_mode/public_key_id"),
            "pem": own("public_key_mode/public_key_pem"),
        }],
    })
}

fn account(settings: Value) -> AccountConfig {
    let vectors = vectors();
    let secret = |pointer: &str| Secret::new(text(&vectors, pointer).to_owned());
    AccountConfig {
        gateway: GatewayName::WechatV3,
        settings,
        secrets: BTreeMap::from([
            (
                "merchant_private_key".to_owned(),
                secret("/own/merchant_private_key_pkcs8_pem"),
            ),
            ("apiv3_key".to_owned(), secret("/own/apiv3_key")),
        ]),
    }
}

fn open(settings: Value, now: i64) -> WechatV3 {
    WechatV3::try_new(&account(settings), &deps(now)).unwrap()
}

/// The headers of a vector.
fn headers(case: &Value) -> HeaderMap {
    let pairs = case["headers"].as_object().unwrap().iter();
    pairs
        .map(|(name, value)| {
            let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
            (
                name,
                HeaderValue::from_str(value.as_str().unwrap()).unwrap(),
            )
        })
        .collect()
}
