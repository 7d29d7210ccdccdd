//! Settings: short keys are taken here, shorter ones are not, and every mistake is named at once.

use kassa_core::Secret;
use serde_json::json;

use super::super::Baidu;
use super::{BASE, CLIENT_SECRET, account, deps, open, settings, vectors};
use crate::crypto::{KeyError, LegacyRsaPublicKey, RsaPublicKey};
use crate::testing::text;

#[test]
fn a_key_of_1024_bits_is_taken_here_and_nowhere_else() {
    let vectors = vectors();
    let key = text(&vectors, "/keys/platform_public_key_pem");
    assert!(LegacyRsaPublicKey::try_parse(key).is_ok());
    let elsewhere = RsaPublicKey::try_parse(key);
    assert!(matches!(
        elsewhere,
        Err(KeyError::TooShort { bits: 1024, .. })
    ));
}

#[test]
fn the_merchants_own_key_in_the_place_of_baidus_is_noticed() {
    let mut swapped = settings(BASE);
    swapped["platform_public_keys"] = json!([text(&vectors(), "/keys/merchant_public_key_pem")]);
    let error = Baidu::try_new(&account(swapped), &deps()).unwrap_err();
    assert_eq!(error.problems[0].field, "platform_public_keys");
}

#[test]
fn nothing_secret_prints() {
    let printed = format!("{:?}", open(settings(BASE)));
    assert!(printed.contains("[redacted]") && printed.contains("LegacyRsaPrivateKey([redacted])"));
    assert!(!printed.contains(CLIENT_SECRET) && !printed.contains("MII"));
}

#[test]
fn every_bad_field_is_named_at_once() {
    let mut config = account(json!({
        "api_base_url": "http://gateway.example",
        "deal_id": "d",
        "app_key": "with space",
        "client_id": 7,
        "platform_public_keys": [],
        "refund_audit": "reject",
        "colour": "red",
    }));
    config.secrets.insert(
        "merchant_private_key".to_owned(),
        Secret::new("no key at all".to_owned()),
    );
    config.secrets.remove("client_secret");
    let error = Baidu::try_new(&config, &deps()).unwrap_err();
    let fields: Vec<_> = error.problems.iter().map(|problem| problem.field).collect();
    assert_eq!(
        fields,
        [
            "api_base_url",
            "deal_id",
            "app_key",
            "client_id",
            "client_secret",
            "merchant_private_key",
            "platform_public_keys",
            "refund_audit",
            "settings",
        ]
    );
    assert!(!error.to_string().contains("no key at all"));
}
