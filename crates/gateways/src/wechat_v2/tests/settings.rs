//! Settings: every mistake at once, and nothing secret prints.

use kassa_core::Secret;
use serde_json::{Value, json};

use super::super::WechatV2;
use super::super::sign::SignType;
use super::{BASE, account, api_key, deps, identity, open, settings};

fn problems(settings: Value) -> Vec<&'static str> {
    let error = WechatV2::try_new(&account(settings), &deps()).unwrap_err();
    let problems = error.problems.into_iter();
    problems.map(|problem| problem.field).collect()
}

#[test]
fn the_safer_signature_is_the_default() {
    let mut without = settings(BASE);
    without.as_object_mut().unwrap().remove("sign_type");
    assert_eq!(open(without).settings.sign_type, SignType::HmacSha256);
    let mut wrong = settings(BASE);
    wrong["sign_type"] = json!("SHA1");
    assert_eq!(problems(wrong), ["sign_type"]);
}

#[test]
fn a_key_of_another_certificate_is_noticed() {
    let mut config = account(settings(BASE));
    let alipay: Value =
        serde_json::from_str(include_str!("../../alipay/testdata/vectors.json")).unwrap();
    let other = crate::testing::text(&alipay, "/keys/app_private_key_pkcs8_pem");
    config.secrets.insert(
        "client_private_key".to_owned(),
        Secret::new(other.to_owned()),
    );
    let error = WechatV2::try_new(&config, &deps()).unwrap_err();
    assert_eq!(error.problems[0].field, "client_certificate");
}

#[test]
fn nothing_secret_prints() {
    let printed = format!("{:?}", open(settings(BASE)));
    assert!(printed.contains("[redacted]"));
    assert!(!printed.contains(api_key().expose().as_str()) && !printed.contains(&identity().1));
}

#[test]
fn every_bad_field_is_named_at_once() {
    let mut config = account(json!({
        "api_base_url": "http://gateway.example",
        "api_backup_base_url": "nonsense",
        "mtls_base_url": "ftp://x",
        "mtls_root_certificate": "x",
        "mch_id": "m",
        "appid": "8888",
        "sign_type": "none",
        "h5_app_name": "name alone",
        "client_certificate": "x",
        "colour": "red",
    }));
    config
        .secrets
        .insert("api_key".to_owned(), Secret::new("short".to_owned()));
    config
        .secrets
        .insert("api_key_previous".to_owned(), Secret::new("old".to_owned()));
    config.secrets.remove("client_private_key");
    let error = WechatV2::try_new(&config, &deps()).unwrap_err();
    let fields: Vec<_> = error.problems.iter().map(|problem| problem.field).collect();
    assert_eq!(
        fields,
        [
            "api_base_url",
            "api_backup_base_url",
            "mtls_base_url",
            "mtls_root_certificate",
            "mch_id",
            "appid",
            "sign_type",
            "h5_app_url",
            "api_key",
            "api_key_previous",
            "client_certificate",
            "client_private_key",
            "settings",
        ]
    );
    assert!(!error.to_string().contains("short"));
}
