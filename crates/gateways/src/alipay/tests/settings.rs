//! Settings: both modes, certificate serials, and every mistake at once.

use serde_json::json;

use super::super::Alipay;
use super::super::config::{root_serial, serial};
use super::{account, certificate_settings, deps, open, settings, vectors};
use crate::ConfigError;
use crate::crypto::Certificate;
use crate::testing::text;

fn problems(settings: serde_json::Value, private_key: &str) -> Vec<&'static str> {
    let error: ConfigError = Alipay::try_new(&account(settings, private_key), &deps()).unwrap_err();
    error
        .problems
        .into_iter()
        .map(|problem| problem.field)
        .collect()
}

#[test]
fn serials_are_those_of_the_vectors_also_for_alipays_real_files() {
    let vectors = vectors();
    let of = |pointer: &str| serial(&Certificate::try_parse(text(&vectors, pointer)).unwrap());
    for (pem, expected) in [
        ("/cert_sn/own/app_cert_pem", "/cert_sn/own/app_cert/sn"),
        (
            "/cert_sn/own/alipay_cert_pem",
            "/cert_sn/own/alipay_cert/sn",
        ),
        (
            "/cert_sn/real_files/alipayPublicCert.crt/pem",
            "/cert_sn/real_files/alipayPublicCert.crt/expected_alipay_cert_sn",
        ),
        (
            "/cert_sn/real_files/appPublicCert.crt/pem",
            "/cert_sn/real_files/appPublicCert.crt/expected_app_cert_sn",
        ),
    ] {
        assert_eq!(of(pem), text(&vectors, expected), "{pem}");
    }
    let root = |pointer: &str| root_serial(text(&vectors, pointer)).unwrap();
    assert_eq!(
        root("/cert_sn/own/root_cert_pem"),
        text(&vectors, "/cert_sn/own/root_cert_sn")
    );
    assert_eq!(
        root("/cert_sn/real_files/alipayRootCert.crt/pem"),
        text(
            &vectors,
            "/cert_sn/real_files/alipayRootCert.crt/expected_root_sn"
        )
    );
}

#[test]
fn a_root_bundle_with_broken_members_still_gives_its_serial() {
    let vectors = vectors();
    let good = text(&vectors, "/cert_sn/own/root_cert_pem");
    let broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let expected = text(&vectors, "/cert_sn/own/root_cert_sn");
    assert_eq!(
        root_serial(&format!("{broken}{good}{broken}")).unwrap(),
        expected
    );
    assert!(root_serial(broken).is_err());
}

#[test]
fn both_modes_open_and_nothing_secret_prints() {
    for settings in [
        settings("https://a.example/"),
        certificate_settings("https://a.example/"),
    ] {
        let printed = format!("{:?}", open(settings));
        assert!(
            printed.contains("[redacted]") && !printed.contains("MII"),
            "{printed}"
        );
    }
}

#[test]
fn every_bad_field_is_named_at_once() {
    let bad = json!({
        "gateway_url": "http://gateway.example/",
        "app_id": "not digits",
        "seller_id": "12345",
        "mode": "both",
        "alipay_public_keys": ["nonsense", 7],
        "op_app_id": "a mini program",
        "colour": "red",
    });
    assert_eq!(
        problems(bad, "nonsense"),
        [
            "gateway_url",
            "app_id",
            "seller_id",
            "mode",
            "app_private_key",
            "op_app_id",
            "alipay_public_keys",
            "alipay_public_keys",
            "settings",
        ]
    );
    let all = problems(json!({}), "nonsense");
    assert_eq!(
        all,
        [
            "gateway_url",
            "app_id",
            "seller_id",
            "mode",
            "app_private_key"
        ]
    );
    assert!(problems(json!(null), "nonsense").contains(&"settings"));
}

#[test]
fn a_mode_without_its_keys_is_refused() {
    let vectors = vectors();
    let key = text(&vectors, "/keys/app_private_key_pkcs8_pem");
    let mut bare = settings("https://a.example/");
    bare["alipay_public_keys"] = json!([]);
    assert_eq!(problems(bare.clone(), key), ["alipay_public_keys"]);
    bare["mode"] = json!("certificate");
    assert_eq!(
        problems(bare, key),
        ["app_cert", "alipay_root_cert", "alipay_certs"]
    );
}

#[test]
fn the_apps_own_key_in_the_place_of_alipays_is_noticed() {
    let vectors = vectors();
    let key = text(&vectors, "/keys/app_private_key_pkcs8_pem");
    let mut swapped = settings("https://a.example/");
    swapped["alipay_public_keys"] = json!([text(&vectors, "/keys/app_public_key_pem")]);
    assert_eq!(problems(swapped, key), ["alipay_public_keys"]);
    let mut swapped = certificate_settings("https://a.example/");
    swapped["app_cert"] = json!(text(&vectors, "/cert_sn/own/alipay_cert_pem"));
    assert_eq!(problems(swapped, key), ["app_cert"]);
}

#[test]
fn an_error_names_no_value() {
    let vectors = vectors();
    let config = account(
        json!({"app_id": "s3cret"}),
        text(&vectors, "/keys/app_public_key_pem"),
    );
    let error = Alipay::try_new(&config, &deps()).unwrap_err();
    let printed = format!("{error} {error:?}");
    assert!(
        !printed.contains("s3cret") && !printed.contains("MII"),
        "{printed}"
    );
}
