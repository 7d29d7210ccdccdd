//! The documents of the configuration are those of the code: the schema and the table of keys are
//! generated, the example names every key with its default. `KASSA_UPDATE=1` rewrites what is
//! generated.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use runtime::config::{self, Config, Environment, LoadOptions};
use serde_json::Value;

const BEGIN: &str = "--test config_schema -->\n";
const END: &str = "<!-- Generated until here. -->";

fn repository(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .join(file)
}

/// Compares a file with what it should be, or rewrites it.
fn expect_file(file: &str, expected: &str) {
    let path = repository(file);
    if std::env::var_os("KASSA_UPDATE").is_some() {
        std::fs::write(&path, expected).unwrap();
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        found == expected,
        "{file} is out of date: KASSA_UPDATE=1 cargo test -p runtime --test config_schema"
    );
}

/// One key of the schema.
struct Key {
    description: String,
    default: Value,
    secret: bool,
}

/// All keys by dotted path; `*` stands for a name that the operator chooses.
fn keys() -> BTreeMap<String, Key> {
    let schema = config::schema();
    let mut defaults = serde_json::to_value(Config::default()).unwrap();
    let mut keys = BTreeMap::new();
    collect(&schema, &schema, "", &mut defaults, &mut keys);
    keys
}

fn collect(
    root: &Value,
    schema: &Value,
    path: &str,
    defaults: &mut Value,
    keys: &mut BTreeMap<String, Key>,
) {
    for (name, property) in schema["properties"].as_object().unwrap() {
        let path = if path.is_empty() {
            name.clone()
        } else {
            format!("{path}.{name}")
        };
        let target = resolve(root, property);
        let mut default = defaults.get(name).cloned().unwrap_or_default();
        if target.get("properties").is_some() {
            collect(root, target, &path, &mut default, keys);
            continue;
        }
        let description = property["description"]
            .as_str()
            .unwrap_or_default()
            .replace('\n', " ");
        assert!(!description.is_empty(), "{path} has no description");
        let text = property.to_string();
        let by_name = target.get("additionalProperties").is_some();
        let path = if by_name { format!("{path}.*") } else { path };
        let default = if by_name { Value::Null } else { default };
        keys.insert(
            path,
            Key {
                description,
                default,
                secret: text.contains("writeOnly"),
            },
        );
    }
}

fn resolve<'a>(root: &'a Value, schema: &'a Value) -> &'a Value {
    match schema.get("$ref").and_then(Value::as_str) {
        Some(reference) => root.pointer(reference.trim_start_matches('#')).unwrap(),
        None => schema,
    }
}

fn table() -> String {
    let mut table = String::from("\n| key | default | meaning |\n| --- | --- | --- |\n");
    for (path, key) in keys() {
        let default = match &key.default {
            Value::Null => String::new(),
            default => format!("`{default}`"),
        };
        let secret = if key.secret { " Secret." } else { "" };
        writeln!(
            table,
            "| `{path}` | {default} | {}{secret} |",
            key.description
        )
        .unwrap();
    }
    table.push('\n');
    table
}

#[test]
fn the_committed_schema_is_the_one_of_the_code() {
    let schema = serde_json::to_string_pretty(&config::schema()).unwrap();
    expect_file("docs/config.schema.json", &(schema + "\n"));
}

#[test]
fn the_documented_keys_are_those_of_the_code() {
    let text = std::fs::read_to_string(repository("docs/configuration.md")).unwrap();
    let (before, rest) = text.split_once(BEGIN).unwrap();
    let (_old, after) = rest.split_once(END).unwrap();
    expect_file(
        "docs/configuration.md",
        &format!("{before}{BEGIN}{}{END}{after}", table()),
    );
}

fn example() -> String {
    std::fs::read_to_string(repository("kassa.example.toml")).unwrap()
}

#[test]
fn the_example_loads_as_it_is_and_gives_the_defaults() {
    let config = Config::load(&LoadOptions {
        file: Some(repository("kassa.example.toml")),
        environment: Environment::Given(BTreeMap::new()),
        ..LoadOptions::default()
    });
    assert_eq!(config.unwrap().effective(), Config::default().effective());
}

#[test]
fn the_example_names_every_key_with_its_default() {
    // "#key = …" is a key to uncomment, "# …" is prose.
    let uncommented: String = example()
        .lines()
        .map(|line| match line.strip_prefix('#') {
            Some(key) if key.starts_with(|c: char| c.is_ascii_lowercase()) => format!("{key}\n"),
            _ => format!("{line}\n"),
        })
        .collect();
    let mut found = BTreeMap::new();
    flatten(
        "",
        &toml::from_str::<toml::Table>(&uncommented).unwrap(),
        &mut found,
    );
    let keys = keys();
    // Keys that the example leaves out on purpose.
    let left_out = BTreeSet::from(["ingress.tls.client_ca_file", "keyring.keys.*"]);
    for (path, key) in &keys {
        let Some(value) = found.remove(&path.replace('*', "k1")) else {
            assert!(left_out.contains(path.as_str()), "{path} is missing");
            continue;
        };
        if !key.default.is_null() {
            assert_eq!(value, key.default, "{path}");
        }
    }
    assert!(found.is_empty(), "no such keys: {found:?}");
}

fn flatten(path: &str, table: &toml::Table, found: &mut BTreeMap<String, Value>) {
    for (name, value) in table {
        let path = if path.is_empty() {
            name.clone()
        } else {
            format!("{path}.{name}")
        };
        match value {
            toml::Value::Table(inner) => flatten(&path, inner, found),
            value => {
                found.insert(path, serde_json::to_value(value).unwrap());
            }
        }
    }
}

#[test]
fn the_schema_bounds_numbers_and_marks_secrets() {
    let schema = config::schema();
    let defs = &schema["$defs"];
    let body = &defs["IngressConfig"]["properties"]["body_bytes_max"];
    assert_eq!(
        (&body["minimum"], &body["maximum"]),
        (&1024.into(), &65536.into())
    );
    assert_eq!(defs["IngressConfig"]["additionalProperties"], false);
    assert!(
        defs["DatabaseConfig"]["properties"]["url"]
            .to_string()
            .contains("writeOnly")
    );
}
