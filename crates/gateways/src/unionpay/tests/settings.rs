//! Settings: the chain, our certificate, and every mistake at once.

use serde_json::{Value, json};

use super::super::Unionpay;
use super::{NOW, account, deps, settings, unionpay, vectors};
use crate::testing::text;

fn problems(settings: Value, private_key: &str) -> Vec<&'static str> {
    let error = Unionpay::try_new(&account(settings, private_key), &deps(NOW)).unwrap_err();
    error
        .problems
        .into_iter()
        .map(|problem| problem.field)
        .collect()
}

fn key() -> String {
    text(&vectors(), "/merchant/private_key_pem").to_owned()
}

#[test]
fn nothing_secret_prints() {
    let printed = format!("{:?}", unionpay());
    assert!(
        printed.contains("[redacted]") && !printed.contains("PRIVATE"),
        "{printed}"
    );
}

#[test]
fn the_certificate_id_is_the_serial_number_in_decimal() {
    let expected = text(&vectors(), "/merchant/certId_decimal").to_owned();
    assert_eq!(unionpay().settings.cert_id, expected);
}

#[test]
fn every_bad_field_is_named_at_once() {
    let bad = json!({
        "gateway_url": "http://gateway.example/",
        "mer_id": "too-short",
        "environment": "sandbox",
        "sign_cert": "nonsense",
        "middle_certs": ["nonsense", 7],
        "root_certs": [],
        "colour": "red",
    });
    assert_eq!(
        problems(bad, "nonsense"),
        [
            "gateway_url",
            "mer_id",
            "environment",
            "sign_cert",
            "sign_private_key",
            "middle_certs",
            "middle_certs",
            "middle_certs",
            "root_certs",
            "settings",
        ]
    );
}

#[test]
fn a_certificate_of_another_key_is_noticed() {
    let mut swapped = settings("https://a.example/");
    swapped["sign_cert"] = json!(text(&vectors(), "/unionpay_leaf/prod/pem"));
    assert_eq!(problems(swapped, &key()), ["sign_cert"]);
}

#[test]
fn an_intermediate_that_no_root_issued_is_refused() {
    let mut swapped = settings("https://a.example/");
    swapped["middle_certs"] = json!([text(&vectors(), "/unionpay_leaf/prod/pem")]);
    assert_eq!(problems(swapped, &key()), ["middle_certs"]);
}

#[test]
fn test_certificates_may_not_sign_at_the_production_address() {
    let mut lenient = settings("https://gateway.95516.com/gateway/api/");
    lenient["environment"] = json!("test");
    assert_eq!(problems(lenient, &key()), ["environment"]);
}

#[test]
fn an_error_names_no_value() {
    let config = account(json!({"mer_id": "s3cret"}), "s3cret");
    let error = Unionpay::try_new(&config, &deps(NOW)).unwrap_err();
    assert!(!format!("{error} {error:?}").contains("s3cret"));
}
