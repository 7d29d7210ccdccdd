//! `[keyring]`: the keys that seal secret columns.

use std::collections::BTreeMap;
use std::path::PathBuf;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use kassa_core::Secret;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::check::Check;
use super::error::Problem;
use super::secret::{self, SecretValue};
use crate::keyring::{KEY_BYTES, KEYS_MAX, KeyId};

const KEY_EXPECTED: &str = "32 bytes in base64, as `openssl rand -base64 32` makes them";
const ID_EXPECTED: &str = "a key id of at most 32 lowercase letters, digits and - _ characters";

/// The keys that seal secret columns. To change the key: add the new one, make it active, reseal,
/// then take the old one away.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct KeyringConfig {
    /// The id of the key that seals. May be left out while there is only one.
    pub active: Option<String>,
    /// Keys by id: 32 bytes in base64, made by `openssl rand -base64 32`. At most 16.
    pub keys: BTreeMap<String, SecretValue>,
    /// Files that hold keys, by id, in the same form.
    pub keys_file: BTreeMap<String, PathBuf>,
}

impl KeyringConfig {
    /// No keys: the embedded default makes its own.
    pub fn for_testing() -> Self {
        Self::default()
    }

    /// Whether there is a key.
    pub fn has_keys(&self) -> bool {
        !self.keys.is_empty()
    }

    /// The id of the key that seals.
    pub fn active_id(&self) -> Option<&str> {
        match (&self.active, self.keys.len()) {
            (Some(id), _) => Some(id),
            (None, 1) => self.keys.keys().next().map(String::as_str),
            (None, _) => None,
        }
    }

    pub(super) fn resolve(&mut self, path: &str, problems: &mut Vec<Problem>) {
        for (id, file) in &self.keys_file {
            let key = format!("{path}.keys_file.{id}");
            if self.keys.contains_key(id) {
                let expected = format!("no file, since {path}.keys.{id} is given");
                problems.push(Problem {
                    path: key,
                    expected,
                });
                continue;
            }
            match secret::read(file) {
                Ok(secret) => {
                    self.keys.insert(id.clone(), secret);
                }
                Err(expected) => problems.push(Problem {
                    path: key,
                    expected,
                }),
            }
        }
    }

    /// Adds everything that is wrong.
    pub fn validate(&self, path: &str, problems: &mut Vec<Problem>) {
        let mut check = Check::new(path, problems);
        check.that(self.keys.len() <= KEYS_MAX, "keys", "at most 16 keys");
        for (id, key) in &self.keys {
            let name = format!("keys.{id}");
            check.that(KeyId::try_new(id.as_str()).is_ok(), &name, ID_EXPECTED);
            check.that(decode_key(key).is_some(), &name, KEY_EXPECTED);
        }
        match &self.active {
            Some(id) => check.that(
                self.keys.contains_key(id),
                "active",
                "the id of one of the keys",
            ),
            None => check.that(
                self.keys.len() <= 1,
                "active",
                "the id of the key that seals, since there are several",
            ),
        }
    }
}

/// The bytes of a key, if it is one.
pub(crate) fn decode_key(key: &SecretValue) -> Option<Secret<Vec<u8>>> {
    let bytes = Secret::new(STANDARD.decode(key.secret().expose()).ok()?);
    (bytes.expose().len() == KEY_BYTES).then_some(bytes)
}
