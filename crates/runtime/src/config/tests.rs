use std::collections::BTreeMap;

use super::*;

const KEY: &str = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=";

/// Loads a file's text with these variables and nothing of this machine.
fn load(toml: &str, variables: &[(&str, &str)]) -> Result<Config, ConfigErrors> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("kassa.toml");
    std::fs::write(&file, toml).unwrap();
    let variables = variables
        .iter()
        .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
        .collect();
    Config::load(&LoadOptions {
        file: Some(file),
        environment: Environment::Given(variables),
        ..LoadOptions::default()
    })
}

/// The paths of what is wrong.
fn wrong(toml: &str, variables: &[(&str, &str)]) -> Vec<String> {
    let errors = load(toml, variables).unwrap_err();
    errors
        .problems
        .into_iter()
        .map(|problem| problem.path)
        .collect()
}

fn expected(toml: &str) -> String {
    load(toml, &[])
        .unwrap_err()
        .problems
        .into_iter()
        .map(|p| p.expected)
        .collect()
}

#[test]
fn an_empty_file_gives_the_documented_defaults() {
    let config = load("", &[]).unwrap();
    assert_eq!(config.grpc.listen.to_string(), "127.0.0.1:50051");
    assert_eq!(config.ingress.body_bytes_max, 65_536);
    assert_eq!(config.queue.kind(), QueueKind::Embedded);
    assert_eq!(
        config.database_url().expose(),
        "sqlite://./data/kassa.db?mode=rwc"
    );
}

#[test]
fn the_environment_wins_over_the_file_and_overrides_over_both() {
    let file = "[worker]\nconcurrency = 2\nrelay_batch = 3\nrelay_poll_ms = 50";
    let variables = [
        ("KASSA__WORKER__CONCURRENCY", "7"),
        ("KASSA__WORKER__RELAY_POLL_MS", "60"),
    ];
    let config = load(file, &variables).unwrap();
    assert_eq!(
        (config.worker.concurrency, config.worker.relay_batch),
        (7, 3)
    );

    let options = LoadOptions {
        overrides: BTreeMap::from([("worker.relay_poll_ms".to_owned(), 90.into())]),
        environment: Environment::Given(
            variables
                .iter()
                .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
                .collect(),
        ),
        file: None,
    };
    assert_eq!(Config::load(&options).unwrap().worker.relay_poll_ms, 90);
}

#[test]
fn the_environment_can_name_the_file_and_every_kind_of_value() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("other.toml");
    std::fs::write(&file, "[events]\nsource = '/from-file'").unwrap();
    let variables = [
        ("KASSA_CONFIG", file.to_str().unwrap()),
        ("KASSA__DATA_DIR", "/var/lib/kassa"),
        ("KASSA__GRPC__REFLECTION", "false"),
        ("KASSA__INGRESS__TRUSTED_PROXIES", "[10.0.0.0/8, fd00::/8]"),
        ("KASSA__INGRESS__LISTEN", "[::1]:8080"),
        ("KASSA__TELEMETRY__LOG_FORMAT", "json"),
        ("KASSA__TELEMETRY__LOG_FILTER", "info,runtime=debug"),
        ("UNRELATED", "x"),
    ];
    let variables = variables
        .iter()
        .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
        .collect();
    let environment = Environment::Given(variables);
    let config = Config::load(&LoadOptions {
        environment,
        ..LoadOptions::default()
    })
    .unwrap();
    assert_eq!(config.events.source, "/from-file");
    assert_eq!(config.data_dir, Path::new("/var/lib/kassa"));
    assert!(!config.grpc.reflection);
    assert_eq!(config.ingress.trusted_proxies.len(), 2);
    assert_eq!(config.ingress.listen.to_string(), "[::1]:8080");
    assert_eq!(config.telemetry.log_format, LogFormat::Json);
    assert_eq!(config.telemetry.log_filter, "info,runtime=debug");
}

#[test]
fn everything_that_is_wrong_is_named_at_once() {
    let file = r#"
        data_dirr = "x"
        [grpc]
        listen = "nonsense"
        deadline_max_ms = "soon"
        reflection = 3
        port = 1
        [grpc.tls]
        cert = "x"
        [ingress]
        body_bytes_max = 70000
        trusted_proxies = ["10.0.0.0/99"]
        [queue]
        kind = "kafka"
        prefetch = 70000
        [workers]
        concurrency = 1
    "#;
    let found = wrong(
        file,
        &[("KASSA__AUTH__AUDIENCES", "x"), ("KASSA__EVENTS", "1")],
    );
    let paths = [
        "auth.audiences",
        "data_dirr",
        "events",
        "grpc.deadline_max_ms",
        "grpc.listen",
        "grpc.port",
        "grpc.reflection",
        "grpc.tls.cert",
        "ingress.body_bytes_max",
        "ingress.trusted_proxies.0",
        "queue.kind",
        "queue.prefetch",
        "workers",
    ];
    assert_eq!(found, paths);
}

#[test]
fn a_problem_says_what_was_expected() {
    assert_eq!(
        expected("[queue]\nkind = 'kafka'"),
        "one of embedded, rabbitmq"
    );
    assert_eq!(expected("[grpc]\nreflection = 3"), "true or false");
    assert_eq!(
        expected("[worker]\nconcurrency = 0"),
        "a number from 1 to 512"
    );
    assert_eq!(
        expected("[worker]\nconcurrency = -1"),
        "a whole number from 0 to 65535"
    );
    assert!(expected("[evens]\n").starts_with("no such key; known are data_dir, database"));
    assert!(expected("[events]\nsauce = 1").contains("known are source"));
}

#[test]
fn no_complaint_holds_a_value_of_the_configuration() {
    let files = [
        "[database]\nurl = 1234567",
        "[database]\nurl = 'mysql://u:1234567@h/d'",
        "[queue]\namqp_url = ['1234567']",
        "[queue]\namqp_url = 'http://u:1234567@h'",
        "[queue]\nkind = '1234567'",
        "[keyring.keys]\nk1 = '1234567'",
        "[keyring.keys]\nk1 = 1234567",
        "[keyring.keys]\nk1 = '1234567",
        "[keyring]\nactive = '1234567'",
        "[ingress]\npublic_base_url = 'http://u:1234567@h'",
        "[telemetry]\notlp_endpoint = 'http://u:1234567@h'",
    ];
    for file in files {
        let errors = load(file, &[]).unwrap_err();
        assert!(!errors.problems.is_empty(), "{file}");
        let shown = format!("{errors} {errors:?}");
        assert!(!shown.contains("1234567"), "{file}: {shown}");
    }
}

/// Every key there is, dotted, with the names that operators choose.
fn all_keys() -> Vec<String> {
    let mut keys = vec![
        "keyring.keys.k1".to_owned(),
        "keyring.keys_file.k1".to_owned(),
    ];
    let defaults = serde_json::to_value(Config::default()).unwrap();
    let mut open = vec![(String::new(), defaults)];
    while let Some((path, value)) = open.pop() {
        match value {
            serde_json::Value::Object(fields) => {
                open.extend(fields.into_iter().map(|(name, value)| {
                    let path = if path.is_empty() {
                        name
                    } else {
                        format!("{path}.{name}")
                    };
                    (path, value)
                }));
            }
            _ => keys.push(path),
        }
    }
    keys
}

#[test]
fn a_value_of_the_wrong_kind_under_any_key_is_named_and_not_shown() {
    let keys = all_keys();
    assert!(keys.len() > 50, "{keys:?}");
    let wrong = [
        serde_json::json!("hunter2 \"'<"),
        serde_json::json!(-4_815_162_342_i64),
        serde_json::json!({ "hunter2": "hunter2" }),
        serde_json::json!(["hunter2", 4_815_162_342_u64]),
    ];
    for key in &keys {
        let mut refused = 0;
        for value in &wrong {
            let options = LoadOptions {
                overrides: BTreeMap::from([(key.clone(), value.clone())]),
                environment: Environment::Given(BTreeMap::new()),
                file: None,
            };
            assert!(
                !format!("{options:?}").contains("4815162342"),
                "{options:?}"
            );
            let Err(errors) = Config::load(&options) else {
                continue;
            };
            refused += 1;
            let section = key.split('.').next().unwrap();
            assert!(
                errors.problems.iter().any(|p| p.path.starts_with(section)),
                "{key}: {errors}"
            );
            let expected: String = errors
                .problems
                .iter()
                .map(|p| p.expected.as_str())
                .collect();
            assert!(
                !expected.contains("hunter2") && !expected.contains("4815162342"),
                "{errors}"
            );
        }
        assert!(refused >= 2, "{key} takes anything");
    }
}

#[test]
fn bad_toml_is_named_with_its_line() {
    let errors = load("[grpc]\nlisten = ", &[]).unwrap_err();
    assert_eq!(errors.problems[0].expected, "valid TOML at line 2");
}

#[test]
fn a_named_file_must_exist() {
    let options = LoadOptions {
        file: Some(PathBuf::from("/nowhere/kassa.toml")),
        environment: Environment::Given(BTreeMap::new()),
        ..LoadOptions::default()
    };
    let errors = Config::load(&options).unwrap_err();
    assert_eq!(errors.problems[0].path, "/nowhere/kassa.toml");
}

#[test]
fn secrets_come_from_files_without_their_last_newline() {
    let folder = tempfile::tempdir().unwrap();
    let (url, key) = (folder.path().join("url"), folder.path().join("key"));
    std::fs::write(&url, "postgres://kassa:hunter2@db/kassa\n").unwrap();
    std::fs::write(&key, format!("{KEY}\n")).unwrap();
    let variables = [
        ("KASSA__DATABASE__URL_FILE", url.to_str().unwrap()),
        ("KASSA__KEYRING__KEYS_FILE__K1", key.to_str().unwrap()),
    ];
    let config = load("", &variables).unwrap();
    assert_eq!(
        config.database_url().expose(),
        "postgres://kassa:hunter2@db/kassa"
    );
    assert_eq!(config.keyring.active_id(), Some("k1"));
    let keyring = crate::keyring::Keyring::from_config(&config.keyring).unwrap();
    assert_eq!(keyring.unwrap().active().as_str(), "k1");
}

#[test]
fn a_secret_is_either_a_value_or_a_file_that_can_be_read() {
    let folder = tempfile::tempdir().unwrap();
    let empty = folder.path().join("empty");
    std::fs::write(&empty, "\n").unwrap();
    let empty = empty.to_str().unwrap();
    let both = [
        ("KASSA__QUEUE__AMQP_URL", "amqp://h"),
        ("KASSA__QUEUE__AMQP_URL_FILE", empty),
    ];
    assert_eq!(wrong("", &both), ["queue.amqp_url"]);
    assert_eq!(
        wrong("", &[("KASSA__QUEUE__AMQP_URL_FILE", empty)]),
        ["queue.amqp_url_file"]
    );
    assert_eq!(
        wrong("", &[("KASSA__DATABASE__URL_FILE", "/nowhere")]),
        ["database.url_file"]
    );
    let key = [("KASSA__KEYRING__KEYS_FILE__K1", "/nowhere")];
    assert_eq!(wrong("", &key), ["keyring.keys_file.k1"]);
}

#[test]
fn a_configured_database_needs_a_key_and_the_complaint_says_how_to_make_one() {
    let errors = load("[database]\nurl = 'postgres://db/kassa'", &[]).unwrap_err();
    assert_eq!(errors.problems.len(), 1);
    assert!(
        errors.to_string().contains("openssl rand -base64 32"),
        "{errors}"
    );
    let file = format!("[database]\nurl = 'postgres://db/kassa'\n[keyring.keys]\nk1 = '{KEY}'");
    assert!(load(&file, &[]).is_ok());
}

#[test]
fn keys_must_be_32_bytes_under_proper_ids_with_one_active() {
    let two = format!("[keyring.keys]\nk1 = '{KEY}'\nk2 = '{KEY}'");
    assert_eq!(wrong(&two, &[]), ["keyring.active"]);
    assert_eq!(
        wrong(&format!("[keyring]\nactive = 'k3'\n{two}"), &[]),
        ["keyring.active"]
    );
    let active = [("KASSA__KEYRING__ACTIVE", "k2")];
    assert_eq!(load(&two, &active).unwrap().keyring.active_id(), Some("k2"));
    assert_eq!(
        wrong("[keyring.keys]\nk1 = 'c2hvcnQ='", &[]),
        ["keyring.keys.k1"]
    );
    assert_eq!(
        wrong(&format!("[keyring.keys]\nK1 = '{KEY}'"), &[]),
        ["keyring.keys.K1"]
    );
}

#[test]
fn plain_http_is_for_loopback_hosts_alone() {
    for url in [
        "http://127.0.0.1:8080",
        "http://localhost",
        "http://[::1]:1",
        "https://pay.example",
    ] {
        assert!(
            load(&format!("[ingress]\npublic_base_url = '{url}'"), &[]).is_ok(),
            "{url}"
        );
    }
    for url in [
        "http://pay.example",
        "http://10.0.0.1",
        "ftp://localhost",
        "pay.example",
        "",
    ] {
        let file = format!("[ingress]\npublic_base_url = '{url}'");
        assert_eq!(wrong(&file, &[]), ["ingress.public_base_url"], "{url}");
    }
}

#[test]
fn the_public_url_joins_with_one_slash() {
    let config = load(
        "[ingress]\npublic_base_url = 'https://pay.example/kassa/'",
        &[],
    )
    .unwrap();
    assert_eq!(
        config.ingress.public_url("/callbacks"),
        "https://pay.example/kassa/callbacks"
    );
}

#[test]
fn the_queue_follows_the_broker_url_and_contradictions_are_refused() {
    let config = load("[queue]\namqp_url = 'amqp://guest:guest@mq'", &[]).unwrap();
    assert_eq!(config.queue.kind(), QueueKind::Rabbitmq);
    assert_eq!(wrong("[queue]\nkind = 'rabbitmq'", &[]), ["queue.amqp_url"]);
    let both = "[queue]\nkind = 'embedded'\namqp_url = 'amqp://mq'";
    assert_eq!(wrong(both, &[]), ["queue.kind"]);
}

#[test]
fn tls_needs_both_files_and_they_must_exist() {
    let file = "[grpc.tls]\ncert_file = '/nowhere'";
    assert_eq!(
        wrong(file, &[]),
        ["grpc.tls.cert_file", "grpc.tls.key_file"]
    );
    assert_eq!(
        wrong("[ingress.tls]\nclient_ca_file = '/nowhere'", &[]),
        ["ingress.tls.client_ca_file"; 3]
    );
}

#[test]
fn a_gateway_is_called_within_the_callers_deadline() {
    let file = "[grpc]\ndeadline_max_ms = 5000\n[gateway]\ncall_timeout_ms = 5000";
    assert_eq!(wrong(file, &[]), ["gateway.call_timeout_ms"]);
}

#[test]
fn the_effective_view_shows_hosts_and_no_secrets() {
    let file = format!(
        "[database]\nurl = 'postgres://kassa:hunter2@db:5432/kassa?sslpassword=hunter2'\n\
         [queue]\namqp_url = 'amqps://kassa:hunter2@mq/%2f'\n[keyring.keys]\nk1 = '{KEY}'"
    );
    let config = load(&file, &[]).unwrap();
    let view = config.effective();
    assert_eq!(
        view["database"]["url"],
        "postgres://[redacted]@db:5432/kassa"
    );
    assert_eq!(view["queue"]["amqp_url"], "amqps://[redacted]@mq/%2f");
    assert_eq!(view["queue"]["kind"], "rabbitmq");
    assert_eq!(view["keyring"]["keys"]["k1"], "[redacted]");
    let shown = format!("{view} {config:?}");
    assert!(
        !shown.contains("hunter2") && !shown.contains(KEY),
        "{shown}"
    );
}

#[test]
fn a_data_folder_with_odd_characters_makes_a_proper_database_url() {
    let config = Config {
        data_dir: PathBuf::from("/tmp/50%?#"),
        ..Config::default()
    };
    assert_eq!(
        config.database_url().expose(),
        "sqlite:///tmp/50%25%3F%23/kassa.db?mode=rwc"
    );
}

#[test]
fn defaults_and_testing_settings_are_valid() {
    for config in [
        Config::default(),
        Config::for_testing(Path::new("/tmp/kassa-test")),
    ] {
        let mut problems = Vec::new();
        config.validate(&mut problems);
        assert_eq!(problems, []);
    }
}
