//! From arguments to a checked configuration.

use std::collections::BTreeMap;
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use kassa_core::Secret;
use runtime::config::{Config, ConfigErrors, LoadOptions};
use runtime::keyring::{Keyring, LOCAL_KEY_FILE, LOCAL_KEY_ID, local_key};
use serde_json::{Value, json};

use crate::cli::Global;
use crate::data_dir;

/// Where a configuration says that it has no keys.
const KEYS_PATH: &str = "keyring.keys";
/// What is logged by commands that serve nothing, unless `-v` asks for more.
const QUIET_FILTER: &str = "warn";

/// What is logged unless `-v` says otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Logs {
    /// What the configuration says: for what serves.
    Configured,
    /// Warnings: for commands.
    Quiet,
    /// This filter.
    Filter(&'static str),
}

/// Whether a key for the keyring is made where there is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LocalKey {
    /// One in the data folder is used if it is there.
    Use,
    /// One is made in the data folder: a trial on servers of one's own.
    Make,
    /// None is needed: the command touches nothing sealed. A configuration without keys passes.
    NotNeeded,
}

/// The configuration for a command.
///
/// A configuration without keys for a database that is not embedded takes the key in the data
/// folder, so that `kassa up --database-url` and the commands after it work without more ado.
///
/// # Errors
/// [`ConfigErrors`] with everything that is wrong.
pub fn load(global: &Global, logs: Logs, key: LocalKey) -> Result<Config, ConfigErrors> {
    let mut options = options(global, logs);
    let errors = match Config::load(&options) {
        Ok(config) => return Ok(config),
        Err(errors) => errors,
    };
    if !errors
        .problems
        .iter()
        .any(|problem| problem.path == KEYS_PATH)
    {
        return Err(errors);
    }
    if key == LocalKey::NotNeeded {
        let Ok(unused) = Keyring::generate_key() else {
            return Err(errors);
        };
        let unused = STANDARD.encode(unused.expose());
        options
            .overrides
            .insert("keyring.keys".to_owned(), json!({ LOCAL_KEY_ID: unused }));
        return Config::load(&options);
    }
    let Some(data_dir) = data_dir_of(&options) else {
        return Err(errors);
    };
    let file = data_dir.join(LOCAL_KEY_FILE);
    if key == LocalKey::Make {
        let made = data_dir::prepare(&data_dir).is_ok() && local_key(&data_dir).is_ok();
        tracing::debug!(made, "the local key of a trial installation");
    }
    if !file.is_file() {
        return Err(errors);
    }
    options.overrides.insert(
        "keyring.keys_file".to_owned(),
        json!({ LOCAL_KEY_ID: path_value(&file) }),
    );
    Config::load(&options)
}

/// The data folder of a configuration that may be wrong elsewhere.
fn data_dir_of(options: &LoadOptions) -> Option<std::path::PathBuf> {
    // The embedded default needs no key, so it shows the rest.
    let mut without_database = options.clone();
    without_database
        .overrides
        .insert("database.url".to_owned(), Value::Null);
    without_database
        .overrides
        .insert("database.url_file".to_owned(), Value::Null);
    Config::load(&without_database)
        .ok()
        .map(|config| config.data_dir)
}

fn options(global: &Global, logs: Logs) -> LoadOptions {
    let mut overrides = BTreeMap::new();
    let mut set = |key: &str, value: Value| overrides.insert(key.to_owned(), value);
    if let Some(folder) = &global.data_dir {
        set("data_dir", path_value(folder));
    }
    if let Some(url) = &global.servers.database_url {
        set("database.url", secret_value(url));
        set("database.url_file", Value::Null);
    }
    if let Some(url) = &global.servers.amqp_url {
        set("queue.amqp_url", secret_value(url));
        set("queue.amqp_url_file", Value::Null);
    }
    let filter = match (global.verbose, logs) {
        (0, Logs::Configured) => None,
        (0, Logs::Quiet) => Some(QUIET_FILTER),
        (0, Logs::Filter(filter)) => Some(filter),
        (1, _) => Some("info"),
        (2, _) => Some("debug"),
        (_, _) => Some("trace"),
    };
    if let Some(filter) = filter {
        set("telemetry.log_filter", Value::from(filter));
    }
    LoadOptions {
        file: global.config.clone(),
        overrides,
        ..LoadOptions::default()
    }
}

fn path_value(path: &Path) -> Value {
    Value::from(path.to_string_lossy().into_owned())
}

fn secret_value(secret: &Secret) -> Value {
    Value::from(secret.expose().clone())
}
