//! Settings: everything that is wrong is said at once, and no value is.

use kassa_core::Secret;
use serde_json::json;

use super::super::Paypal;
use super::super::config::{Environment, is_certificate_url};
use super::{BASE, CERT_URL, CLIENT_SECRET, SIGNED, account, deps, now, settings};
use crate::testing::text;

fn fields(settings: serde_json::Value) -> Vec<&'static str> {
    let error = Paypal::try_new(&account(settings), &deps(now())).unwrap_err();
    let mut fields: Vec<_> = error.problems.iter().map(|problem| problem.field).collect();
    fields.sort_unstable();
    fields
}

#[test]
fn every_bad_field_is_named_at_once_and_no_value_is_shown() {
    let mut bad = account(json!({
        "api_base_url": "http://paypal.example",
        "environment": "play",
        "merchant_id": "O0O0O0O0O0O0O",
        "client_id": "a:b",
        "webhook_id": "not one!",
        "webhook_id_previous": "nor this!",
        "certificates": [{"url": "https://evil.example/v1/notifications/certs/C", "pem": "x"}],
        "intermediate_certs": ["nothing"],
        "brand_name": "",
        "colour": "red",
    }));
    bad.secrets
        .insert("password".to_owned(), Secret::new("hunter2".to_owned()));
    bad.secrets.insert(
        "client_secret".to_owned(),
        Secret::new("sesame open".to_owned()),
    );
    let error = Paypal::try_new(&bad, &deps(now())).unwrap_err();
    let mut fields: Vec<_> = error.problems.iter().map(|problem| problem.field).collect();
    fields.sort_unstable();
    fields.dedup();
    assert_eq!(
        fields,
        [
            "api_base_url",
            "brand_name",
            "certificates",
            "client_id",
            "client_secret",
            "environment",
            "intermediate_certs",
            "merchant_id",
            "root_certs",
            "secrets",
            "settings",
            "webhook_id",
            "webhook_id_previous",
        ]
    );
    let shown = format!("{error} {error:?}");
    for value in ["sesame", "hunter2", "paypal.example", "evil", "not one"] {
        assert!(!shown.contains(value), "{value}");
    }
}

#[test]
fn certificates_of_the_other_world_do_not_sign_real_money() {
    let mut live = settings("https://api-m.paypal.com");
    assert_eq!(fields(live.clone()), ["environment"]);
    live["environment"] = json!("live");
    assert!(Paypal::try_new(&account(live.clone()), &deps(now())).is_ok());
    live["certificates"][0]["url"] = json!(CERT_URL.replace("api.", "api.sandbox."));
    assert_eq!(fields(live), ["certificates", "certificates"]);
}

#[test]
fn intermediates_are_issued_by_the_roots() {
    let mut config = settings(BASE);
    config["root_certs"] = json!([text(&SIGNED, "/leaf_pem")]);
    assert_eq!(fields(config), ["intermediate_certs"]);
}

#[test]
fn only_names_below_the_folder_of_certificates_are_addresses_of_certificates() {
    let good = [
        CERT_URL,
        "https://api.sandbox.paypal.com/v1/notifications/certs/CERT-1",
    ];
    for url in good {
        assert!(is_certificate_url(url, Environment::Sandbox), "{url}");
    }
    assert!(!is_certificate_url(good[1], Environment::Live));
    for url in [
        "http://api.paypal.com/v1/notifications/certs/CERT-1",
        "https://evil.example.com/v1/notifications/certs/CERT-1",
        "https://api.paypal.com.evil.example.com/v1/notifications/certs/CERT-1",
        "https://api.paypal.com@evil.example.com/v1/notifications/certs/CERT-1",
        "https://x@api.paypal.com/v1/notifications/certs/CERT-1",
        "https://api.paypal.com:8443/v1/notifications/certs/CERT-1",
        "https://api.paypal.com:443/v1/notifications/certs/CERT-1",
        "https://api.paypal.com/v1/anything/CERT-1",
        "https://api.paypal.com/v1/notifications/certs/",
        "https://api.paypal.com/v1/notifications/certs/a/b",
        "https://api.paypal.com/v1/notifications/certs/../../evil",
        "https://api.paypal.com/v1/notifications/certs/%2e%2e",
        "https://api.paypal.com/v1/notifications/certs/CERT-1?x=1",
        "https://api.paypal.com/v1/notifications/certs/CERT-1#x",
        "HTTPS://api.paypal.com/v1/notifications/certs/CERT-1",
        " https://api.paypal.com/v1/notifications/certs/CERT-1",
        "",
    ] {
        assert!(!is_certificate_url(url, Environment::Sandbox), "{url}");
    }
}

#[test]
fn a_room_does_not_print_its_secret() {
    let room = Paypal::try_new(&account(settings(BASE)), &deps(now())).unwrap();
    assert!(!format!("{room:?}").contains(CLIENT_SECRET));
}
