//! What the architecture says, checked: directions between crates, who may use which library, rooms
//! alike, words. A rule that matters is a lint or a test.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use regex::RegexBuilder;
use toml::{Table, Value};

/// A file longer than this is several files.
const FILE_LINES_MAX: usize = 700;

/// Own crates that each crate may use. Services do not know each other; what is further left in
/// DESIGN §2 knows nothing of what is further right.
const DIRECTIONS: [(&str, &[&str]); 11] = [
    ("kassa-core", &[]),
    ("proto", &[]),
    ("entities", &[]),
    ("migrations", &[]),
    ("sandbox", &[]),
    ("gateways", &["kassa-core"]),
    ("runtime", &["kassa-core", "entities", "migrations"]),
    ("flows", &["kassa-core", "proto", "gateways", "runtime"]),
    ("callback-ingress", &["kassa-core", "gateways", "runtime"]),
    (
        "payment-grpc",
        &["kassa-core", "proto", "gateways", "runtime", "flows"],
    ),
    ("worker", &["kassa-core", "gateways", "runtime", "flows"]),
];
/// These wire everything together and may use every other crate.
const ON_TOP: [&str; 2] = ["kassa", "tests"];

/// Libraries that only these crates may use.
const ONLY_IN: [(&str, &[&str]); 8] = [
    ("sea-orm", &["entities", "runtime"]),
    ("sea-orm-migration", &["migrations", "runtime"]),
    ("sqlx", &["runtime"]),
    ("lapin", &["runtime", "kassa", "tests"]),
    ("reqwest", &["gateways", "sandbox", "kassa", "tests"]),
    ("tonic", &["proto", "payment-grpc", "kassa", "tests"]),
    ("axum", &["sandbox"]),
    // The tests open what is encrypted for an app with other cryptography than what closed it.
    ("aes-gcm", &["sandbox", "tests"]),
];

/// The rules of the domain do no IO, wait for nothing and know no format of a wire or a row.
const NOT_IN_CORE: [&str; 12] = [
    "tokio",
    "async-trait",
    "futures-util",
    "sea-orm",
    "sqlx",
    "lapin",
    "reqwest",
    "hyper",
    "http",
    "tonic",
    "prost",
    "tracing",
];

/// Furniture that not every room has: calls that carry a key are not signed, and some gateways count money in
/// units of their own.
const NOT_IN_EVERY_ROOM: [&str; 2] = ["sign", "money"];

/// Gateways' own names of their settings, which may have words that the glossary forbids.
const NAMES_OF_SETTINGS: [&str; 2] = ["webhook_secret", "webhook_id"];

/// Words that the glossary forbids in the API.
const NOT_IN_PROTO: [&str; 3] = ["merchant order", "charge", "webhook"];

struct Package {
    name: String,
    folder: PathBuf,
    manifest: Table,
}

impl Package {
    /// What its code depends on; what only its tests need is left out.
    fn dependencies(&self) -> BTreeMap<&str, &Value> {
        let tables = ["dependencies", "build-dependencies"].into_iter();
        let tables = tables.filter_map(|name| self.manifest.get(name)?.as_table());
        tables
            .flatten()
            .map(|(name, value)| (name.as_str(), value))
            .collect()
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn manifest(path: &Path) -> Table {
    read(path)
        .parse()
        .unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn packages() -> Vec<Package> {
    let workspace = manifest(&root().join("Cargo.toml"));
    let members = workspace["workspace"]["members"].as_array().unwrap();
    let package = |member: &Value| {
        let folder = root().join(member.as_str().unwrap());
        let manifest = manifest(&folder.join("Cargo.toml"));
        let name = manifest["package"]["name"].as_str().unwrap().to_owned();
        Package {
            name,
            folder,
            manifest,
        }
    };
    members.iter().map(package).collect()
}

/// All files below a folder with this ending, sorted.
fn files(folder: &Path, ending: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let Ok(entries) = fs::read_dir(folder) else {
        return found;
    };
    for entry in entries {
        let path = entry.unwrap().path();
        if path.is_dir() {
            let name = path.file_name().unwrap_or_default();
            if name != "target" && name != "node_modules" {
                found.extend(files(&path, ending));
            }
        } else if path.extension().is_some_and(|it| it == ending) {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// Lines of code: comments are left out.
fn code(path: &Path) -> String {
    let text = read(path);
    let lines = text
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"));
    lines.collect::<Vec<_>>().join("\n")
}

/// Lines of all Rust files that `pattern` matches, with their places.
fn matches(folder: &Path, pattern: &str) -> Vec<String> {
    let pattern = RegexBuilder::new(pattern).unicode(false).build().unwrap();
    let mut found = Vec::new();
    for path in files(folder, "rs") {
        let code = code(&path);
        let lines = code.lines().filter(|line| pattern.is_match(line));
        found.extend(lines.map(|line| format!("{}: {}", path.display(), line.trim())));
    }
    found
}

#[test]
fn crates_depend_on_each_other_only_in_the_direction_of_the_design() {
    let packages = packages();
    let own: BTreeSet<&str> = packages
        .iter()
        .map(|package| package.name.as_str())
        .collect();
    let directions = BTreeMap::from(DIRECTIONS);
    for package in &packages {
        if ON_TOP.contains(&package.name.as_str()) {
            continue;
        }
        let allowed = directions.get(package.name.as_str());
        let allowed = allowed.unwrap_or_else(|| panic!("{} has no place", package.name));
        for name in package
            .dependencies()
            .into_keys()
            .filter(|name| own.contains(name))
        {
            assert!(
                allowed.contains(&name),
                "{} must not use {name}",
                package.name
            );
        }
    }
    let known: BTreeSet<&str> = DIRECTIONS
        .iter()
        .map(|(name, _)| *name)
        .chain(ON_TOP)
        .collect();
    assert_eq!(own, known, "the table names every crate and no other");
}

#[test]
fn libraries_stay_in_the_crates_that_own_them() {
    for package in packages() {
        let name = package.name.as_str();
        for (library, owners) in ONLY_IN {
            let uses = package.dependencies().contains_key(library);
            assert!(
                !uses || owners.contains(&name),
                "{name} must not use {library}"
            );
        }
    }
}

#[test]
fn sea_orm_is_named_only_where_rows_are() {
    for package in packages() {
        if ["entities", "migrations", "runtime"].contains(&package.name.as_str()) {
            continue;
        }
        let found = matches(&package.folder, r"\bsea_orm(_migration)?::");
        assert_eq!(found, Vec::<String>::new());
    }
}

#[test]
fn the_core_does_no_io() {
    let packages = packages();
    let core = packages
        .iter()
        .find(|package| package.name == "kassa-core")
        .unwrap();
    for library in NOT_IN_CORE {
        assert!(
            !core.dependencies().contains_key(library),
            "core must not use {library}"
        );
    }
    let io = matches(
        &core.folder.join("src"),
        r"\bstd::(fs|process|thread)\b|\b(Tcp|Udp|Unix)(Stream|Listener|Socket)\b|\basync fn\b",
    );
    assert_eq!(io, Vec::<String>::new());
}

#[test]
fn the_callback_ingress_never_links_the_outbound_client() {
    let workspace = manifest(&root().join("Cargo.toml"));
    let gateways = &workspace["workspace"]["dependencies"]["gateways"];
    assert_eq!(
        gateways.get("default-features"),
        Some(&Value::Boolean(false))
    );
    assert_eq!(gateways.get("features"), None);
    let packages = packages();
    for name in ["callback-ingress", "runtime", "kassa-core"] {
        let package = packages
            .iter()
            .find(|package| package.name == name)
            .unwrap();
        assert!(!package.dependencies().contains_key("reqwest"), "{name}");
        if let Some(gateways) = package.dependencies().get("gateways") {
            let features = gateways.get("features").and_then(Value::as_array);
            let has_client = features.is_some_and(|found| found.contains(&Value::from("client")));
            assert!(!has_client, "{name} must use gateways without `client`");
        }
    }
}

#[test]
fn every_crate_inherits_the_lints_and_the_packages_data() {
    for package in packages() {
        let lints = package
            .manifest
            .get("lints")
            .and_then(|lints| lints.get("workspace"));
        assert_eq!(lints, Some(&Value::Boolean(true)), "{}", package.name);
        for key in ["version", "edition", "license", "rust-version"] {
            let inherited = package.manifest["package"]
                .get(key)
                .and_then(|it| it.get("workspace"));
            assert_eq!(
                inherited,
                Some(&Value::Boolean(true)),
                "{}: {key}",
                package.name
            );
        }
    }
}

#[test]
fn every_dependency_is_listed_once_in_the_workspace() {
    for package in packages() {
        for table in ["dependencies", "dev-dependencies", "build-dependencies"] {
            let found = package.manifest.get(table).and_then(Value::as_table);
            for (name, value) in found.into_iter().flatten() {
                if *name == package.name {
                    // A crate's own tests may switch on one of its features.
                    continue;
                }
                let inherited = value.get("workspace");
                assert_eq!(
                    inherited,
                    Some(&Value::Boolean(true)),
                    "{}: {name}",
                    package.name
                );
            }
        }
    }
}

#[test]
fn the_gateways_rooms_are_furnished_alike() {
    let gateways = root().join("crates/gateways/src");
    let furniture = |room: &str| -> BTreeSet<String> {
        let entries = fs::read_dir(gateways.join(room)).unwrap();
        let names = entries.map(|entry| entry.unwrap().path());
        names
            .map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned())
            .filter(|name| !NOT_IN_EVERY_ROOM.contains(&name.as_str()))
            .collect()
    };
    let is_room = |path: &Path| path.join("translate.rs").is_file();
    let rooms = fs::read_dir(&gateways)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let rooms: Vec<String> = rooms
        .filter(|path| is_room(path))
        .map(|path| path.file_name().unwrap().to_str().unwrap().to_owned())
        .collect();
    assert!(rooms.len() >= 2, "{rooms:?}");
    for room in &rooms {
        assert_eq!(
            furniture(room),
            furniture(&rooms[0]),
            "{room} and {}",
            rooms[0]
        );
    }
}

#[test]
fn nothing_is_left_to_be_done_and_no_test_is_left_out() {
    for package in packages() {
        let found = matches(&package.folder, r"\b(todo|unimplemented)!|#\[ignore");
        assert_eq!(found, Vec::<String>::new());
    }
}

#[test]
fn the_tests_across_crates_never_sleep() {
    let mut found = matches(&root().join("tests"), r"\bsleep(_until)?\(");
    // Real processes take real time.
    found.retain(|place| !place.contains("/fault"));
    assert_eq!(found, Vec::<String>::new());
}

#[test]
fn files_have_a_head_and_are_not_too_long() {
    for package in packages() {
        for path in files(&package.folder, "rs") {
            let text = read(&path);
            let needs_head = path.file_name().is_some_and(|name| name != "tests.rs");
            assert!(
                !needs_head || text.starts_with("//!"),
                "{} has no head",
                path.display()
            );
            let lines = text.lines().count();
            assert!(
                lines <= FILE_LINES_MAX,
                "{} has {lines} lines",
                path.display()
            );
        }
    }
}

#[test]
fn the_api_speaks_the_glossarys_words() {
    let protos = files(&root().join("proto"), "proto");
    assert!(protos.len() >= 6, "{protos:?}");
    for path in protos {
        let mut text = read(&path).to_lowercase();
        for name in NAMES_OF_SETTINGS {
            text = text.replace(name, "");
        }
        for word in NOT_IN_PROTO {
            assert!(!text.contains(word), "{} says {word:?}", path.display());
        }
    }
}
