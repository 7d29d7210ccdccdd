//! Tests of the room: vectors, settings, translation and calls against a loopback gateway.

mod failure;
mod hostile;
mod inbound;
mod money;
mod outbound;
mod settings;
mod token;

use std::collections::BTreeMap;
use std::sync::LazyLock;

use chrono::{DateTime, Utc};
use kassa_core::channel::GatewayName;
use kassa_core::{Clock, IdSource, Secret};
use serde_json::{Value, json};

use super::Paypal;
use crate::AccountConfig;
use crate::http::HttpClient;
use crate::registry::Deps;
use crate::testing::text;

const BASE: &str = "https://api-m.sandbox.paypal.com";
const CERT_URL: &str =
    "https://api.paypal.com/v1/notifications/certs/CERT-360caa42-fca2a594-ab66f33d";
const MERCHANT: &str = "WMK7Q2NPT5D8E";
const CLIENT_SECRET: &str = "CSEC";

static SIGNED: LazyLock<Value> =
    LazyLock::new(|| serde_json::from_str(include_str!("../testdata/webhook.json")).unwrap());

/// When the vectors are verified.
fn now() -> DateTime<Utc> {
    let at = DateTime::parse_from_rfc3339(text(&SIGNED, "/verify_at")).unwrap();
    at.with_timezone(&Utc)
}

/// So many seconds from then on.
fn later(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(now().timestamp().checked_add(seconds).unwrap(), 0).unwrap()
}

fn deps(now: DateTime<Utc>) -> Deps {
    let clock = Clock::settable(now);
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
        "environment": "sandbox",
        "merchant_id": MERCHANT,
        "client_id": "CID",
        "webhook_id": text(&SIGNED, "/webhook_id"),
        "certificates": [{"url": CERT_URL, "pem": text(&SIGNED, "/leaf_pem")}],
        "intermediate_certs": [text(&SIGNED, "/intermediate_pem")],
        "root_certs": [text(&SIGNED, "/trust_root_pem")],
    })
}

fn account(settings: Value) -> AccountConfig {
    let secret = Secret::new(CLIENT_SECRET.to_owned());
    AccountConfig {
        gateway: GatewayName::Paypal,
        settings,
        secrets: BTreeMap::from([("client_secret".to_owned(), secret)]),
    }
}

fn open(settings: Value) -> Paypal {
    Paypal::try_new(&account(settings), &deps(now())).unwrap()
}
