//! `kassa channel apply` and `kassa app apply`: declarative, idempotent, all problems at once.

use crate::support::{Place, Ran};
use sandbox::{Keys, Sandbox, SandboxConfig};
use serde_json::Value;

/// A place with a database and the files of one Alipay account. The gateway need not run.
async fn prepared() -> Place {
    let place = Place::new();
    assert_eq!(place.run(&["migrate", "up"]).code, 0);
    let sandbox = Sandbox::start(SandboxConfig::new(Keys::for_tests().unwrap()))
        .await
        .unwrap();
    let from = sandbox.credentials().alipay.clone();
    place.write("app.key.pem", &from.app_private_key_pem);
    place.write("alipay.pub.pem", &from.alipay_public_key_pem);
    place.write(
        "other.key.pem",
        &sandbox.credentials().alipay_foreign.app_private_key_pem,
    );
    place.write("accounts.toml", &accounts("Main shop", "app.key.pem", true));
    sandbox.stop().await;
    place
}

fn accounts(display_name: &str, key_file: &str, is_active: bool) -> String {
    format!(
        r#"
[[account]]
code = "alipay-main"
display_name = "{display_name}"
gateway = "ALIPAY"
amount_max = {{ amount = "5000.00", currency = "CNY" }}
fee_rate = "0.006"
callback_cidrs = ["127.0.0.0/8"]
active = {is_active}

[account.settings]
gateway_url = "https://openapi.alipay.com/gateway.do"
app_id = "2021000000000001"
seller_id = "2088101106499364"
mode = "public_key"
alipay_public_keys_file = ["alipay.pub.pem"]

[account.secrets]
app_private_key_file = "{key_file}"
"#
    )
}

fn apply(place: &Place, more: &[&str]) -> Ran {
    let mut arguments = vec!["channel", "apply", "-f", "accounts.toml", "--json"];
    arguments.extend(more);
    place.run(&arguments)
}

/// Action and fields of the first entry.
fn change(ran: &Ran) -> (String, Vec<String>) {
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let first = ran.json()["changes"][0].clone();
    let fields = first["fields"].as_array().unwrap();
    let fields = fields
        .iter()
        .map(|field| field.as_str().unwrap().to_owned())
        .collect();
    (first["action"].as_str().unwrap().to_owned(), fields)
}

fn listed(place: &Place) -> Value {
    let ran = place.run(&["channel", "list", "--json"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    ran.json()
}

#[tokio::test]
async fn applying_an_account_again_changes_nothing() {
    let place = prepared().await;
    assert_eq!(change(&apply(&place, &[])), ("create".to_owned(), vec![]));
    let before = listed(&place);
    assert_eq!(before[0]["version"], 1);
    assert_eq!(before[0]["amount_max"]["amount"], "5000.00");
    assert_eq!(before[0]["fee_rate"], "0.006");
    assert_eq!(before[0]["fee_returned"], false);
    let url = before[0]["callback_url_payment"].as_str().unwrap();
    assert!(
        url.ends_with("/callbacks/alipay/alipay-main/payment"),
        "{url}"
    );

    assert_eq!(
        change(&apply(&place, &[])),
        ("unchanged".to_owned(), vec![])
    );
    assert_eq!(listed(&place), before);
}

#[tokio::test]
async fn a_dry_run_says_what_would_be_done_and_does_nothing() {
    let place = prepared().await;
    assert_eq!(change(&apply(&place, &["--dry-run"])).0, "create");
    assert_eq!(listed(&place), serde_json::json!([]));
}

#[tokio::test]
async fn what_differs_is_named_and_changed_and_secrets_are_never_shown() {
    let place = prepared().await;
    change(&apply(&place, &[]));
    let old = listed(&place)[0]["secret_fingerprints"]["app_private_key"].clone();

    place.write(
        "accounts.toml",
        &accounts("Renamed", "other.key.pem", false)
            .replace("\"0.006\"", "\"0.0060\"\nfee_returned = true"),
    );
    let ran = apply(&place, &[]);
    let (action, fields) = change(&ran);
    assert_eq!(action, "update");
    assert_eq!(
        fields,
        [
            "display_name",
            "fee_returned",
            "active",
            "secrets.app_private_key"
        ]
    );
    assert!(!ran.stdout.contains("PRIVATE KEY") && !ran.stderr.contains("PRIVATE KEY"));

    let account = listed(&place)[0].clone();
    assert_eq!(account["display_name"], "Renamed");
    assert_eq!(account["is_active"], false);
    assert_ne!(account["secret_fingerprints"]["app_private_key"], old);
    assert_eq!(change(&apply(&place, &[])).0, "unchanged");
}

#[tokio::test]
async fn everything_wrong_with_the_file_is_named_and_nothing_is_done() {
    let place = prepared().await;
    let text = accounts("Main shop", "nowhere.pem", true)
        .replace("\"ALIPAY\"", "\"NOWHERE\"")
        .replace("5000.00", "5000.001")
        .replace("0.006", "0.6 %");
    place.write("accounts.toml", &text);
    let ran = apply(&place, &[]);
    assert_eq!(ran.code, 2);
    for problem in ["gateway", "amount_max", "fee_rate", "app_private_key_file"] {
        assert!(
            ran.stderr.contains(problem),
            "{problem} is missing in {}",
            ran.stderr
        );
    }
    assert_eq!(listed(&place), serde_json::json!([]));
}

#[tokio::test]
async fn an_account_that_would_not_open_is_refused_before_anything_is_done() {
    let place = prepared().await;
    let good = accounts("Main shop", "app.key.pem", true);
    let bad = good
        .replace("alipay-main", "alipay-second")
        .replace("2088101106499364", "77");
    place.write("accounts.toml", &format!("{good}{bad}"));
    let ran = apply(&place, &[]);
    assert_eq!(ran.code, 2);
    assert!(
        ran.stderr.contains("alipay-second: seller_id"),
        "{}",
        ran.stderr
    );
    assert_eq!(listed(&place), serde_json::json!([]));
}

#[tokio::test]
async fn an_app_is_applied_once_and_its_accounts_and_keys_must_exist() {
    let place = prepared().await;
    change(&apply(&place, &[]));
    let keygen = place.run(&["token", "keygen", "--app", "shop"]);
    let block = keygen.stdout.clone();
    let app = |account: &str, key: &str| {
        format!(
            "[[app]]\nid = \"shop\"\ndisplay_name = \"The shop\"\nscopes = [\"payments:read\"]\n\
             channel_accounts = [\"{account}\"]\n{key}"
        )
    };
    let run = || place.run(&["app", "apply", "-f", "apps.toml", "--json"]);

    place.write("apps.toml", &app("nowhere", &block));
    let ran = run();
    assert_eq!(ran.code, 2);
    assert!(
        ran.stderr.contains("no channel account nowhere"),
        "{}",
        ran.stderr
    );

    let not_a_key = "[[app.keys]]\nkid = \"k\"\nalgorithm = \"EdDSA\"\npublic_key = \"no\"\n";
    place.write("apps.toml", &app("alipay-main", not_a_key));
    let ran = run();
    assert_eq!(ran.code, 2);
    assert!(
        ran.stderr.contains("app[0].keys[0].public_key"),
        "{}",
        ran.stderr
    );

    place.write("apps.toml", &app("alipay-main", &block));
    assert_eq!(change(&run()).0, "create");
    assert_eq!(change(&run()).0, "unchanged");
    let list = place.run(&["app", "list", "--json"]).json();
    assert_eq!(
        list[0]["channel_accounts"],
        serde_json::json!(["alipay-main"])
    );
    assert_eq!(list[0]["version"], 1);
    assert_eq!(
        list[0]["policies"]["refund_late_payments"], true,
        "the default"
    );

    let policies = "policies = { refund_late_payments = false }\n";
    let block = format!("{policies}{block}");
    place.write("apps.toml", &app("alipay-main", &block));
    assert_eq!(change(&run()).0, "update");
    assert_eq!(change(&run()).0, "unchanged");
    let list = place.run(&["app", "list", "--json"]).json();
    assert_eq!(list[0]["policies"]["refund_late_payments"], false);
    assert_eq!(list[0]["policies"]["refund_duplicate_payments"], true);

    let doctor = place.run(&["doctor", "--json"]);
    assert_eq!(doctor.code, 0, "{}", doctor.stdout);
}

#[tokio::test]
async fn bad_password_rules_are_refused_before_anything_is_done() {
    let place = prepared().await;
    let app = |id: &str, password: &str| {
        format!(
            "[[app]]\nid = \"{id}\"\ndisplay_name = \"A shop\"\n\
             [app.policies.payment_config.password]\n{password}\n"
        )
    };
    let good = app("first", "rules = { tries_max = 3 }");
    for (bad, named) in [
        (
            "rules = { tries_max = 0 }",
            "rules.tries_max: must be a number from 1 to 10",
        ),
        (
            "rules = { length_min = 5 }",
            "rules.length_min: must be a number from 6 to 20",
        ),
        (
            "rules = { length_min = 8, length_max = 7 }",
            "rules.length_max: must be a number from 8 to 20",
        ),
        ("rules = { lock_minutes = 10081 }", "rules.lock_minutes"),
        ("rules = { code_digits = 13 }", "rules.code_digits"),
        ("rules = { codes_per_day = 101 }", "rules.codes_per_day"),
        (
            "code_key = { kid = \"k\", public_key = \"no\" }",
            "code_key",
        ),
        ("rules = { tries = 5 }", "unknown field `tries`"),
        ("rules = { tries_max = -1 }", "expected u16"),
    ] {
        place.write("apps.toml", &format!("{good}{}", app("second", bad)));
        for more in [&["--dry-run"][..], &[]] {
            let ran = place.run(&[&["app", "apply", "-f", "apps.toml", "--json"], more].concat());
            assert_eq!(ran.code, 2, "{bad}: {}", ran.stderr);
            assert!(ran.stderr.contains(named), "{bad}: {}", ran.stderr);
        }
        let list = place.run(&["app", "list", "--json"]).json();
        assert_eq!(list, serde_json::json!([]), "{bad}");
    }
    place.write("apps.toml", &good);
    let ran = place.run(&["app", "apply", "-f", "apps.toml", "--json"]);
    assert_eq!(change(&ran).0, "create");
}

#[tokio::test]
async fn doctor_names_an_account_whose_credentials_do_not_open() {
    let place = prepared().await;
    change(&apply(&place, &[]));
    // Another key in place of the one that sealed them.
    let key = place.data().join("keyring.key");
    std::fs::write(&key, "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n").unwrap();
    let ran = place.run(&["doctor", "--json"]);
    assert_eq!(ran.code, 1, "{}", ran.stdout);
    let report = ran.json();
    let checks = report["checks"].as_array().unwrap();
    let account = checks
        .iter()
        .find(|check| check["part"] == "account alipay-main");
    let account = account.unwrap_or_else(|| panic!("{report}"));
    assert_eq!(account["state"], "broken");
}
