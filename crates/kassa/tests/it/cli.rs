//! The commands through the binary itself.

use std::os::unix::fs::PermissionsExt;

use crate::support::{Place, Ran};
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use kassa::token::Claims;
use serde_json::Value;

/// Nobody listens on port 1.
const NOBODY_DATABASE: &str = "postgres://kassa:hunter2@127.0.0.1:1/kassa";
const NOBODY_BROKER: &str = "amqp://kassa:hunter2@127.0.0.1:1/%2f";
const KEY: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";

#[test]
fn config_check_names_every_problem_at_once_and_no_value() {
    let place = Place::new();
    place.write(
        "kassa.toml",
        "[grpc]\nlisten = \"nowhere\"\nconcurrency_max = 0\ntypo = 1\n\
         [ingress]\npublic_base_url = \"http://shop.example\"\n\
         [database]\nurl = \"mysql://kassa:hunter2@db/kassa\"\n",
    );
    let ran = place.run(&["config", "check"]);
    assert_eq!(ran.code, 2, "{}", ran.stderr);
    for path in [
        "grpc.listen",
        "grpc.concurrency_max",
        "grpc.typo",
        "ingress.public_base_url",
        "database.url",
    ] {
        assert!(
            ran.stderr.contains(path),
            "{path} is missing in {}",
            ran.stderr
        );
    }
    assert!(!ran.stderr.contains("hunter2"), "{}", ran.stderr);

    let ran = place.run(&["config", "check", "--json"]);
    assert_eq!(ran.code, 2);
    let problems = ran.json()["problems"].as_array().unwrap().len();
    assert!(problems >= 5, "{}", ran.stdout);
    assert!(!ran.stdout.contains("hunter2"));
}

#[test]
fn config_check_shows_what_is_in_force_without_secrets() {
    let place = Place::new();
    let variables = [
        ("KASSA__DATABASE__URL", NOBODY_DATABASE),
        ("KASSA__KEYRING__KEYS__K1", KEY),
        ("KASSA__GRPC__LISTEN", "127.0.0.1:6000"),
    ];
    let ran = place.run_with(&["config", "check", "--json"], &variables);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert_eq!(ran.json()["effective"]["grpc"]["listen"], "127.0.0.1:6000");
    assert!(
        !ran.stdout.contains("hunter2") && !ran.stdout.contains(KEY),
        "{}",
        ran.stdout
    );
}

#[test]
fn config_schema_is_a_json_schema() {
    let ran = Place::new().run(&["config", "schema"]);
    let schema: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(ran.code, 0);
    assert!(schema["properties"]["grpc"].is_object(), "{schema}");
}

fn check<'a>(report: &'a Value, part: &str) -> &'a Value {
    let checks = report["checks"].as_array().unwrap();
    checks
        .iter()
        .find(|check| check["part"].as_str().unwrap().starts_with(part))
        .unwrap_or_else(|| panic!("no {part} in {report}"))
}

#[test]
fn doctor_finds_nothing_broken_before_the_first_start_and_makes_nothing() {
    let place = Place::new();
    let ran = place.run(&["doctor", "--json"]);
    assert_eq!(ran.code, 0, "{}{}", ran.stdout, ran.stderr);
    let report = ran.json();
    assert_eq!(report["ok"], true);
    assert_eq!(check(&report, "data folder")["state"], "warn");
    assert_eq!(check(&report, "database")["state"], "warn");
    assert!(!place.data().exists());
}

#[test]
fn doctor_names_servers_that_are_away_with_the_mend_and_without_passwords() {
    let place = Place::new();
    let variables = [
        ("KASSA__DATABASE__URL", NOBODY_DATABASE),
        ("KASSA__QUEUE__AMQP_URL", NOBODY_BROKER),
        ("KASSA__KEYRING__KEYS__K1", KEY),
    ];
    let ran = place.run_with(&["doctor", "--json"], &variables);
    assert_eq!(ran.code, 1, "{}", ran.stderr);
    let report = ran.json();
    for (part, key) in [("database", "database.url"), ("broker", "queue.amqp_url")] {
        let check = check(&report, part);
        assert_eq!(check["state"], "broken", "{check}");
        assert!(check["mend"].as_str().unwrap().contains(key), "{check}");
    }
    assert_eq!(check(&report, "keyring")["state"], "ok");
    assert!(!ran.stdout.contains("hunter2"), "{}", ran.stdout);
}

#[test]
fn doctor_names_each_problem_of_the_configuration() {
    let place = Place::new();
    place.write(
        "kassa.toml",
        "[grpc]\nconcurrency_max = 0\nlisten = \"x\"\n",
    );
    let ran = place.run(&["doctor"]);
    assert_eq!(ran.code, 1);
    assert!(
        ran.stdout.contains("grpc.concurrency_max"),
        "{}",
        ran.stdout
    );
    assert!(ran.stdout.contains("grpc.listen"), "{}", ran.stdout);
    assert!(ran.stdout.contains("mend:"), "{}", ran.stdout);
}

#[test]
fn doctor_names_a_folder_that_others_may_read_and_a_schema_that_is_behind() {
    let place = Place::new();
    assert_eq!(place.run(&["migrate", "up"]).code, 0);
    assert_eq!(place.run(&["migrate", "down", "--yes"]).code, 0);
    let open = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(place.data(), open).unwrap();
    let ran = place.run(&["doctor", "--json"]);
    assert_eq!(ran.code, 1);
    let report = ran.json();
    let folder = check(&report, "data folder");
    assert_eq!(folder["state"], "broken");
    assert!(
        folder["mend"].as_str().unwrap().starts_with("chmod go-rwx"),
        "{folder}"
    );
    let schema = check(&report, "database schema");
    assert_eq!(schema["state"], "broken");
    assert_eq!(schema["mend"], "kassa migrate up");
    assert_eq!(check(&report, "channel accounts")["state"], "skipped");
}

#[test]
fn doctor_says_that_a_port_is_in_use() {
    let place = Place::new();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let ran = place.run_with(
        &["doctor", "--json"],
        &[("KASSA__INGRESS__LISTEN", &address)],
    );
    let check = check(&ran.json(), "ingress.listen").clone();
    assert_eq!(check["state"], "warn");
    assert!(
        check["seen"].as_str().unwrap().contains("in use"),
        "{check}"
    );
}

#[test]
fn migrations_go_up_down_and_up_again() {
    let place = Place::new();
    let status = || place.run(&["migrate", "status", "--json"]);
    assert_eq!(status().code, 1, "there is no database yet");
    assert_eq!(place.run(&["migrate", "up"]).code, 0);
    let ran = status();
    assert_eq!(ran.code, 0);
    let count = ran.json().as_array().unwrap().len();
    assert!(count >= 9, "{count}");

    let refused = place.run(&["migrate", "down", "--steps", "2"]);
    assert_eq!(refused.code, 2, "it asks for --yes: {}", refused.stderr);
    assert_eq!(
        place
            .run(&["migrate", "down", "--steps", "2", "--yes"])
            .code,
        0
    );
    let ran = status();
    assert_eq!(ran.code, 1);
    let rows = ran.json();
    let pending = rows
        .as_array()
        .unwrap()
        .iter()
        .filter(|row| row["applied"] == false);
    assert_eq!(pending.count(), 2);
    assert_eq!(place.run(&["migrate", "up"]).code, 0);
    assert_eq!(status().code, 0);
}

fn keygen(place: &Place, app: &str) -> Value {
    let ran = place.run(&["token", "keygen", "--app", app, "--json"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    ran.json()
}

#[test]
fn a_token_is_verified_with_the_public_key_that_keygen_printed() {
    let place = Place::new();
    let key = keygen(&place, "shop");
    let arguments = [
        "token",
        "--app",
        "shop",
        "--scopes",
        "payments:read,events:read",
        "--ttl",
        "10m",
    ];
    let ran = place.run(&arguments);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let token = ran.stdout.trim();

    let header = jsonwebtoken::decode_header(token).unwrap();
    assert_eq!(header.alg, Algorithm::EdDSA);
    assert_eq!(header.kid.as_deref(), key["kid"].as_str());
    let public = key["public_key_pem"].as_str().unwrap();
    let public = DecodingKey::from_ed_pem(public.as_bytes()).unwrap();
    let mut validation = Validation::new(Algorithm::EdDSA);
    validation.set_audience(&["kassa"]);
    validation.set_issuer(&["shop"]);
    let claims = jsonwebtoken::decode::<Claims>(token, &public, &validation)
        .unwrap()
        .claims;
    assert_eq!(claims.sub, "shop");
    assert_eq!(claims.scope, "payments:read events:read");
    assert_eq!(claims.exp - claims.iat, 600);

    let other = keygen(&place, "other")["public_key_pem"]
        .as_str()
        .unwrap()
        .to_owned();
    let other = DecodingKey::from_ed_pem(other.as_bytes()).unwrap();
    assert!(jsonwebtoken::decode::<Claims>(token, &other, &validation).is_err());
}

#[test]
fn a_token_without_a_key_is_refused_with_what_to_do() {
    let place = Place::new();
    let ran = place.run(&["token", "--app", "shop"]);
    assert_eq!(ran.code, 1);
    assert!(
        ran.stderr.contains("kassa token keygen --app shop"),
        "{}",
        ran.stderr
    );
    assert!(ran.stdout.is_empty());
}

#[test]
fn a_token_that_would_live_too_long_or_allow_the_unknown_is_refused() {
    let place = Place::new();
    keygen(&place, "shop");
    let ran = place.run(&["token", "--app", "shop", "--ttl", "2h"]);
    assert_eq!(ran.code, 2);
    assert!(
        ran.stderr.contains("auth.token_ttl_max_secs"),
        "{}",
        ran.stderr
    );
    let ran = place.run(&["token", "--app", "shop", "--scopes", "everything"]);
    assert_eq!(ran.code, 2);
    assert!(ran.stderr.contains("payments:write"), "{}", ran.stderr);
}

#[test]
fn a_key_is_never_overwritten() {
    let place = Place::new();
    let file = keygen(&place, "shop")["private_key_file"]
        .as_str()
        .unwrap()
        .to_owned();
    let file = place.path().join(file);
    let before = std::fs::read(&file).unwrap();
    let mode = std::fs::metadata(&file).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let ran = place.run(&["token", "keygen", "--app", "shop"]);
    assert_eq!(ran.code, 1, "{}", ran.stderr);
    assert_eq!(std::fs::read(&file).unwrap(), before);
}

#[test]
fn books_and_audit_log_of_a_new_installation_are_in_order() {
    let place = Place::new();
    assert_eq!(place.run(&["migrate", "up"]).code, 0);
    for arguments in [
        ["ledger", "verify", "--json"],
        ["audit", "verify", "--json"],
    ] {
        let Ran {
            code,
            stdout,
            stderr,
        } = place.run(&arguments);
        assert_eq!(code, 0, "{stderr}");
        assert!(stdout.contains("\"ok\":true"), "{stdout}");
    }
}

#[test]
fn commands_refuse_a_schema_that_is_not_there() {
    let place = Place::new();
    let ran = place.run(&["channel", "list"]);
    assert_eq!(ran.code, 1);
    assert!(ran.stderr.contains("kassa migrate up"), "{}", ran.stderr);
}

#[test]
fn completions_are_printed_for_each_shell() {
    let place = Place::new();
    for shell in ["bash", "zsh", "fish"] {
        let ran = place.run(&["completions", shell]);
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        assert!(ran.stdout.contains("doctor"), "{shell}");
    }
}

#[test]
fn an_unknown_command_is_bad_input() {
    let ran = Place::new().run(&["frobnicate"]);
    assert_eq!(ran.code, 2);
    assert!(ran.stderr.contains("frobnicate"), "{}", ran.stderr);
}

#[test]
fn the_demo_fails_at_the_step_that_is_not_seen_with_what_was_expected_and_seen() {
    let place = Place::new();
    let ran = place.run(&["demo", "--json", "--amqp-url", NOBODY_BROKER]);
    assert_eq!(ran.code, 1, "{}{}", ran.stdout, ran.stderr);
    let last: Value = serde_json::from_str(ran.stdout.lines().last().unwrap()).unwrap();
    assert_eq!(last["step"], "start");
    assert_eq!(last["ok"], false);
    let detail = last["detail"].as_str().unwrap();
    assert!(
        detail.contains("expected") && detail.contains("the broker does not serve"),
        "{detail}"
    );
    assert!(!ran.stdout.contains("hunter2") && !ran.stderr.contains("hunter2"));
    assert!(!place.data().exists(), "a demo leaves nothing behind");
}

#[test]
fn a_demo_on_something_that_is_no_database_is_bad_input() {
    let ran = Place::new().run(&["demo", "--database-url", "mysql://kassa:hunter2@db/kassa"]);
    assert_eq!(ran.code, 2, "{}", ran.stderr);
    assert!(ran.stderr.contains("database.url"), "{}", ran.stderr);
    assert!(!ran.stderr.contains("hunter2"));
}

#[test]
fn a_demo_of_a_channel_without_a_gateway_is_bad_input() {
    for channel in ["BALANCE", "cash"] {
        let ran = Place::new().run(&["demo", "--channel", channel]);
        assert_eq!(ran.code, 2, "{}", ran.stderr);
        assert!(ran.stderr.contains("ALIPAY"), "{}", ran.stderr);
        assert!(!ran.stderr.contains("POINTS"), "{}", ran.stderr);
    }
}
