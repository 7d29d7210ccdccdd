//! Tests of the room: vectors, config, translation and calls against a loopback gateway.

mod failure;
mod hostile;
mod inbound;
mod outbound;
mod requests;
mod settings;

use std::collections::BTreeMap;

use chrono::DateTime;
use kassa_core::channel::GatewayName;
use kassa_core::id::AttemptId;
use kassa_core::{Clock, IdSource, Secret};
use rsa::sha2::{Digest, Sha256};
use serde_json::{Value, json};

use super::Unionpay;
use crate::AccountConfig;
use crate::http::HttpClient;
use crate::registry::Deps;
use crate::testing::{peer_sign, text};

/// 2025-10-09 12:00:10 in China, the time of the vectors.
const NOW: i64 = 1_759_982_410;
const MER_ID: &str = "777290058110048";

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

fn account(settings: Value, private_key: &str) -> AccountConfig {
    AccountConfig {
        gateway: GatewayName::Unionpay,
        settings,
        secrets: BTreeMap::from([(
            "sign_private_key".to_owned(),
            Secret::new(private_key.to_owned()),
        )]),
    }
}

fn settings(gateway_url: &str) -> Value {
    let vectors = vectors();
    json!({
        "gateway_url": gateway_url,
        "mer_id": MER_ID,
        "environment": "production",
        "sign_cert": text(&vectors, "/merchant/cert_pem"),
        "middle_certs": [text(&vectors, "/unionpay_ca/middle_pem")],
        "root_certs": [text(&vectors, "/unionpay_ca/root_pem")],
    })
}

fn open_at(settings: Value, now: i64) -> Unionpay {
    let vectors = vectors();
    let config = account(settings, text(&vectors, "/merchant/private_key_pem"));
    Unionpay::try_new(&config, &deps(now)).unwrap()
}

fn unionpay() -> Unionpay {
    open_at(settings("https://gateway.95516.com/gateway/api/"), NOW)
}

/// An order number as ours are, made at `NOW`.
fn number() -> String {
    AttemptId::new(&deps(NOW).ids).to_string()
}

type Pairs = Vec<(String, String)>;

/// A message signed as UnionPay signs, with another crate than ours.
fn signed(fields: &[(&str, &str)]) -> Pairs {
    let vectors = vectors();
    let mut pairs: BTreeMap<String, String> = fields
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    for (name, value) in [
        ("version", "5.1.0"),
        ("encoding", "UTF-8"),
        ("signMethod", "01"),
        ("signPubKeyCert", text(&vectors, "/unionpay_leaf/prod/pem")),
    ] {
        pairs.entry(name.to_owned()).or_insert(value.to_owned());
    }
    let joined: Vec<String> = pairs
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    let digest = hex::encode(Sha256::digest(joined.join("&")));
    let key = text(&vectors, "/unionpay_leaf/prod/private_key_pem");
    let signature = peer_sign(key, digest.as_bytes());
    pairs.insert("signature".to_owned(), signature);
    pairs.into_iter().collect()
}

/// As a notification comes: percent-encoded.
fn as_form(pairs: &Pairs) -> String {
    form_urlencoded::Serializer::new(String::new())
        .extend_pairs(pairs)
        .finish()
}

/// As an answer comes: raw.
fn as_answer(pairs: &Pairs) -> String {
    let joined: Vec<String> = pairs
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    joined.join("&")
}
