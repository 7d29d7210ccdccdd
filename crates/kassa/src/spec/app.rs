//! Apps as `apps.toml` wants them.

use std::collections::BTreeSet;
use std::path::Path;

use flows::app::NewApp;
use flows::{FieldViolation, Kassa, app};
use kassa_core::app::{App, AppKey, KeyAlgorithm, OPERATIONS_APP, Policies, Scope};
use kassa_core::text::{AccountCode, AppId};
use serde::Deserialize;

use super::account::named;
use super::file::{self, Resolver};
use super::{Action, Change};
use crate::exit::BadInput;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AppsFile {
    #[serde(default)]
    app: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    id: String,
    display_name: String,
    #[serde(default)]
    scopes: Vec<String>,
    #[serde(default)]
    channel_accounts: Vec<String>,
    #[serde(default = "yes")]
    active: bool,
    #[serde(default)]
    policies: toml::Table,
    #[serde(default)]
    keys: Vec<toml::Table>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct KeyEntry {
    kid: String,
    algorithm: KeyAlgorithm,
    public_key: String,
}

fn yes() -> bool {
    true
}

/// Reads the file.
///
/// # Errors
/// [`BadInput`] with everything that is wrong with it.
pub fn load(path: &Path) -> Result<Vec<NewApp>, BadInput> {
    let file: AppsFile = file::read(path)?;
    let mut problems = Vec::new();
    let mut apps = Vec::new();
    let mut ids = BTreeSet::new();
    if file.app.is_empty() {
        problems.push("expected at least one [[app]]".to_owned());
    }
    for (number, entry) in file.app.into_iter().enumerate() {
        if !ids.insert(entry.id.clone()) {
            problems.push(format!("app[{number}].id: expected every id once"));
        }
        apps.extend(read(entry, path, &format!("app[{number}]"), &mut problems));
    }
    if problems.is_empty() {
        Ok(apps)
    } else {
        Err(BadInput {
            what: path.display().to_string(),
            problems,
        })
    }
}

fn read(entry: Entry, path: &Path, at: &str, problems: &mut Vec<String>) -> Option<NewApp> {
    if entry.id == OPERATIONS_APP {
        problems.push(format!("{at}.id: {OPERATIONS_APP} is Kassa's own"));
    }
    let id = AppId::try_new(entry.id)
        .map_err(|error| problems.push(format!("{at}.id: {error}")))
        .ok();
    let mut scopes = BTreeSet::new();
    for (number, scope) in entry.scopes.iter().enumerate() {
        match scope.parse::<Scope>() {
            Ok(scope) => {
                scopes.insert(scope);
            }
            Err(_unknown) => {
                let known: Vec<_> = Scope::ALL.iter().map(|scope| scope.as_str()).collect();
                let known = known.join(", ");
                problems.push(format!("{at}.scopes[{number}]: expected one of {known}"));
            }
        }
    }
    let mut channel_accounts = Vec::new();
    for (number, code) in entry.channel_accounts.into_iter().enumerate() {
        match AccountCode::try_new(code) {
            Ok(code) => channel_accounts.push(code),
            Err(error) => problems.push(format!("{at}.channel_accounts[{number}]: {error}")),
        }
    }
    let mut keys = Vec::new();
    for (number, table) in entry.keys.into_iter().enumerate() {
        keys.extend(key(table, path, &format!("{at}.keys[{number}]"), problems));
    }
    let policies = policies(entry.policies, path, &format!("{at}.policies"), problems);
    let (display_name, is_active) = (entry.display_name, entry.active);
    Some(NewApp {
        policies: policies?,
        id: id?,
        display_name,
        scopes,
        keys,
        channel_accounts,
        is_active,
    })
}

fn policies(
    table: toml::Table,
    path: &Path,
    at: &str,
    problems: &mut Vec<String>,
) -> Option<Policies> {
    let table = Resolver::new(path, problems).table(table, at);
    serde_json::from_value(table.into())
        .map_err(|error| problems.push(format!("{at}: {error}")))
        .ok()
}

fn key(table: toml::Table, path: &Path, at: &str, problems: &mut Vec<String>) -> Option<AppKey> {
    let known = problems.len();
    let table = Resolver::new(path, problems).table(table, at);
    if problems.len() > known {
        return None;
    }
    let key: KeyEntry = match serde_json::from_value(table.into()) {
        Ok(key) => key,
        Err(error) => {
            problems.push(format!("{at}: {error}"));
            return None;
        }
    };
    if let Err(expected) = check_public_key(key.algorithm, &key.public_key) {
        problems.push(format!("{at}.public_key: expected {expected}"));
        return None;
    }
    Some(AppKey {
        kid: key.kid,
        algorithm: key.algorithm,
        public_key_pem: key.public_key,
    })
}

/// Whether a key can verify tokens; otherwise what was expected.
///
/// # Errors
/// What was expected.
pub fn check_public_key(algorithm: KeyAlgorithm, pem: &str) -> Result<(), &'static str> {
    let (parsed, expected) = match algorithm {
        KeyAlgorithm::EdDsa => (
            jsonwebtoken::DecodingKey::from_ed_pem(pem.as_bytes()),
            "an Ed25519 public key in PEM (SPKI)",
        ),
        KeyAlgorithm::Rs256 => (
            jsonwebtoken::DecodingKey::from_rsa_pem(pem.as_bytes()),
            "an RSA public key in PEM (SPKI)",
        ),
    };
    let is_public = pem.contains("PUBLIC KEY") && !pem.contains("PRIVATE KEY");
    if parsed.is_ok() && is_public {
        Ok(())
    } else {
        Err(expected)
    }
}

/// Compares the apps with what is there. Changes nothing.
///
/// # Errors
/// [`BadInput`] with everything that is wrong with them, or what the store says.
pub async fn plan(kassa: &Kassa, apps: &[NewApp], what: &str) -> anyhow::Result<Vec<Change>> {
    let mut problems = Vec::new();
    let mut changes = Vec::new();
    for wanted in apps {
        let line = |it: FieldViolation| format!("{}: {}: {}", wanted.id, it.field, it.description);
        problems.extend(app::violations(wanted).into_iter().map(line));
        let mut accounts = Vec::new();
        for code in &wanted.channel_accounts {
            match kassa.store.find_channel_account_by_code(code).await? {
                Some(sealed) => accounts.push(sealed.account.id),
                None => problems.push(format!("{}: no channel account {code}", wanted.id)),
            }
        }
        changes.push(match kassa.store.find_app(&wanted.id).await? {
            None => Change::create(wanted.id.as_str()),
            Some(app) => {
                let mut fields = differences(&app, wanted);
                if app.channel_accounts != accounts {
                    fields.push("channel_accounts".to_owned());
                }
                Change::of(wanted.id.as_str(), fields)
            }
        });
    }
    if problems.is_empty() {
        Ok(changes)
    } else {
        Err(BadInput {
            what: what.to_owned(),
            problems,
        }
        .into())
    }
}

fn differences(app: &App, wanted: &NewApp) -> Vec<String> {
    let pairs = [
        ("display_name", app.display_name != wanted.display_name),
        ("scopes", app.scopes != wanted.scopes),
        ("keys", app.keys != wanted.keys),
        ("active", app.is_active != wanted.is_active),
        ("policies", app.policies != wanted.policies),
    ];
    pairs
        .into_iter()
        .filter(|(_, differs)| *differs)
        .map(|(name, _)| name.to_owned())
        .collect()
}

/// Makes and changes apps until they are as wanted, in order; says what was done.
///
/// # Errors
/// [`BadInput`] with everything that is wrong, or what the store says.
pub async fn apply(
    kassa: &Kassa,
    actor: &str,
    apps: Vec<NewApp>,
    what: &str,
) -> anyhow::Result<Vec<Change>> {
    let changes = plan(kassa, &apps, what).await?;
    for (wanted, change) in apps.into_iter().zip(&changes) {
        if change.action != Action::Unchanged {
            let id = wanted.id.clone();
            app::apply(kassa, actor, wanted)
                .await
                .map_err(|error| named(what, id.as_str(), error))?;
        }
    }
    Ok(changes)
}
