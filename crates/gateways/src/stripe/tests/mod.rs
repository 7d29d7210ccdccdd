//! Tests of the room: vectors, settings, translation and calls against a loopback gateway.

mod failure;
mod hostile;
mod inbound;
mod money;
mod outbound;
mod settings;

use std::collections::BTreeMap;

use chrono::DateTime;
use kassa_core::channel::GatewayName;
use kassa_core::{Clock, IdSource, Secret};
use serde_json::{Value, json};

use super::Stripe;
use crate::AccountConfig;
use crate::http::HttpClient;
use crate::registry::Deps;

const NOW: i64 = 1_760_000_123;
const BASE: &str = "https://api.stripe.com";
const SECRET: &str = "whsec_throwaway_5f1c0b6a9d2e4f73";
const KEY: &str = "sk_test_throwaway";

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
    json!({ "api_base_url": base, "mode": "test", "publishable_key": "pk_test_public" })
}

fn account(settings: Value, signing_secrets: &[&str]) -> AccountConfig {
    let names = ["signing_secret", "signing_secret_previous"];
    let mut secrets = BTreeMap::from([("secret_key".to_owned(), Secret::new(KEY.to_owned()))]);
    for (name, secret) in names.iter().zip(signing_secrets) {
        secrets.insert((*name).to_owned(), Secret::new((*secret).to_owned()));
    }
    AccountConfig {
        gateway: GatewayName::Stripe,
        settings,
        secrets,
    }
}

fn open(settings: Value, now: i64) -> Stripe {
    Stripe::try_new(&account(settings, &[SECRET]), &deps(now)).unwrap()
}
