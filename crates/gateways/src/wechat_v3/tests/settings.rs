//! Settings: both kinds of keys, and every mistake at once.

use kassa_core::Secret;
use serde_json::{Value, json};

use super::super::WechatV3;
use super::{BASE, NOW, account, deps, open, settings, vectors};
use crate::testing::text;

fn problems(settings: Value) -> Vec<&'static str> {
    let error = WechatV3::try_new(&account(settings), &deps(NOW)).unwrap_err();
    error
        .problems
        .into_iter()
        .map(|problem| problem.field)
        .collect()
}

fn without(field: &str) -> Value {
    let mut settings = settings(BASE);
    settings.as_object_mut().unwrap().remove(field);
    settings
}

#[test]
fn either_kind_of_key_is_enough_and_none_is_not() {
    open(without("platform_certificates"), NOW);
    open(without("public_keys"), NOW);
    let mut none = without("public_keys");
    none["platform_certificates"] = json!([]);
    assert_eq!(problems(none), ["public_keys"]);
}

#[test]
fn nothing_secret_prints() {
    let printed = format!("{:?}", open(settings(BASE), NOW));
    let vectors = vectors();
    assert!(printed.contains("[redacted]"));
    assert!(!printed.contains(text(&vectors, "/own/apiv3_key")) && !printed.contains("MII"));
}

#[test]
fn every_bad_field_is_named_at_once() {
    let mut config = account(json!({
        "api_base_url": "http://gateway.example",
        "api_backup_base_url": "nonsense",
        "mchid": "m",
        "appid": "8888",
        "merchant_serial_no": "51:57",
        "h5_app_name": 7,
        "platform_certificates": [{"serial": "00"}, "x"],
        "public_keys": [{"id": "KEY", "pem": "x"}],
        "colour": "red",
    }));
    config
        .secrets
        .insert("apiv3_key".to_owned(), Secret::new("short".to_owned()));
    config.secrets.insert(
        "apiv3_key_previous".to_owned(),
        Secret::new("old".to_owned()),
    );
    config.secrets.remove("merchant_private_key");
    let error = WechatV3::try_new(&config, &deps(NOW)).unwrap_err();
    let fields: Vec<_> = error.problems.iter().map(|problem| problem.field).collect();
    assert_eq!(
        fields,
        [
            "api_base_url",
            "api_backup_base_url",
            "mchid",
            "appid",
            "merchant_serial_no",
            "h5_app_name",
            "merchant_private_key",
            "apiv3_key",
            "apiv3_key_previous",
            "platform_certificates",
            "platform_certificates",
            "public_keys",
            "public_keys",
            "settings",
        ]
    );
    assert!(!error.to_string().contains("short"));
}

#[test]
fn a_serial_that_is_not_the_certificates_is_refused() {
    let mut wrong = settings(BASE);
    wrong["platform_certificates"][0]["serial"] = json!("00");
    assert_eq!(problems(wrong), ["platform_certificates"]);
}

#[test]
fn the_merchants_own_key_in_the_place_of_wechats_is_noticed() {
    let vectors = vectors();
    let mut swapped = settings(BASE);
    swapped["public_keys"][0]["pem"] = json!(text(&vectors, "/own/merchant_certificate_pem"));
    assert_eq!(problems(swapped), ["public_keys"]);
}

#[test]
fn a_key_that_is_listed_twice_is_refused() {
    let mut twice = settings(BASE);
    let key = twice["public_keys"][0].clone();
    twice["public_keys"].as_array_mut().unwrap().push(key);
    assert_eq!(problems(twice), ["public_keys"]);
}
