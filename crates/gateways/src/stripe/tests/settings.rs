//! Settings: everything that is wrong is said at once, and no value is.

use kassa_core::Secret;
use serde_json::json;

use super::super::Stripe;
use super::{BASE, KEY, SECRET, account, deps, settings};

#[test]
fn every_bad_field_is_named_at_once_and_no_value_is_shown() {
    let mut bad = account(
        json!({
            "api_base_url": "http://stripe.example",
            "mode": "play",
            "stripe_account": "not one",
            "publishable_key": "",
            "colour": "red",
        }),
        &["sesame"],
    );
    bad.secrets
        .insert("password".to_owned(), Secret::new("hunter2".to_owned()));
    let error = Stripe::try_new(&bad, &deps(0)).unwrap_err();
    let mut fields: Vec<_> = error.problems.iter().map(|problem| problem.field).collect();
    fields.sort_unstable();
    assert_eq!(
        fields,
        [
            "api_base_url",
            "mode",
            "publishable_key",
            "secrets",
            "settings",
            "signing_secret",
            "stripe_account",
        ]
    );
    let shown = format!("{error} {error:?}");
    for value in ["sesame", "hunter2", KEY, "stripe.example", "not one"] {
        assert!(!shown.contains(value), "{value}");
    }
}

#[test]
fn keys_of_the_other_world_are_refused() {
    let mut live = settings(BASE);
    live["mode"] = json!("live");
    let error = Stripe::try_new(&account(live, &[SECRET]), &deps(0)).unwrap_err();
    let fields: Vec<_> = error.problems.iter().map(|problem| problem.field).collect();
    assert_eq!(fields, ["publishable_key", "secret_key"]);
}

#[test]
fn a_restricted_key_and_a_connected_account_do() {
    let mut config = settings(BASE);
    config["stripe_account"] = json!("acct_1032D82eZvKYlo2C");
    let mut account = account(config, &[SECRET]);
    let key = Secret::new("rk_test_51".to_owned());
    account.secrets.insert("secret_key".to_owned(), key);
    assert!(Stripe::try_new(&account, &deps(0)).is_ok());
}

#[test]
fn a_room_does_not_print_its_keys() {
    let room = Stripe::try_new(&account(settings(BASE), &[SECRET]), &deps(0)).unwrap();
    let shown = format!("{room:?}");
    assert!(!shown.contains(SECRET) && !shown.contains(KEY), "{shown}");
}
