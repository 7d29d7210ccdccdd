//! Tests of the room: vectors, config, translation and calls against a loopback gateway.

mod counter;
mod failure;
mod inbound;
mod jsapi;
mod outbound;
mod requests;
mod settings;

use std::collections::BTreeMap;

use chrono::DateTime;
use kassa_core::channel::GatewayName;
use kassa_core::{Clock, IdSource, Secret};
use serde_json::{Value, json};

use super::Alipay;
use crate::AccountConfig;
use crate::http::HttpClient;
use crate::registry::Deps;
use crate::testing::text;

/// 2026-01-01 08:00:00 in China, the time of the vectors.
const NOW: i64 = 1_767_225_600;
const APP_ID: &str = "2021000000000001";
const SELLER_ID: &str = "2088101106499364";

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

fn account(settings: Value, private_key: &str) -> AccountConfig {
    AccountConfig {
        gateway: GatewayName::Alipay,
        settings,
        secrets: BTreeMap::from([(
            "app_private_key".to_owned(),
            Secret::new(private_key.to_owned()),
        )]),
    }
}

fn settings(gateway_url: &str) -> Value {
    let vectors = vectors();
    json!({
        "gateway_url": gateway_url,
        "app_id": APP_ID,
        "seller_id": SELLER_ID,
        "mode": "public_key",
        "alipay_public_keys": [text(&vectors, "/keys/alipay_public_key_one_line")],
    })
}

fn certificate_settings(gateway_url: &str) -> Value {
    let vectors = vectors();
    json!({
        "gateway_url": gateway_url,
        "app_id": APP_ID,
        "seller_id": SELLER_ID,
        "mode": "certificate",
        "app_cert": text(&vectors, "/cert_sn/own/app_cert_pem"),
        "alipay_certs": [text(&vectors, "/cert_sn/own/alipay_cert_pem")],
        "alipay_root_cert": text(&vectors, "/cert_sn/own/root_cert_pem"),
    })
}

fn open(settings: Value) -> Alipay {
    let vectors = vectors();
    let config = account(
        settings,
        text(&vectors, "/keys/app_private_key_pkcs1_one_line"),
    );
    Alipay::try_new(&config, &deps()).unwrap()
}

fn alipay() -> Alipay {
    open(settings("https://openapi.alipay.com/gateway.do"))
}
