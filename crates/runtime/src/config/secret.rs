//! Secrets in the configuration: a value, or a file that holds it.

use std::borrow::Cow;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use kassa_core::Secret;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize, Serializer};

use super::error::Problem;

/// What stands in place of a secret wherever configuration is shown.
pub(super) const REDACTED: &str = "[redacted]";
/// The largest secret file that is read, in bytes.
const SECRET_FILE_BYTES_MAX: u64 = 64 * 1024;

/// A secret read from the configuration. It prints and serialises as `[redacted]`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(transparent)]
pub struct SecretValue(Secret);

impl SecretValue {
    /// Wraps a value.
    pub fn new(value: impl Into<String>) -> Self {
        Self(Secret::new(value.into()))
    }

    /// The secret.
    pub fn secret(&self) -> &Secret {
        &self.0
    }
}

impl Serialize for SecretValue {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(REDACTED)
    }
}

impl JsonSchema for SecretValue {
    fn schema_name() -> Cow<'static, str> {
        "Secret".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_generator: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "writeOnly": true })
    }
}

/// Puts the content of `file` into `value`; both given is a problem, and so is an unreadable file.
pub(super) fn resolve(
    value: &mut Option<SecretValue>,
    file: Option<&Path>,
    path: &str,
    problems: &mut Vec<Problem>,
) {
    let Some(file) = file else { return };
    if value.is_some() {
        let expected = format!("either {path} or {path}_file, not both");
        problems.push(Problem {
            path: path.to_owned(),
            expected,
        });
        return;
    }
    match read(file) {
        Ok(secret) => *value = Some(secret),
        Err(expected) => problems.push(Problem {
            path: format!("{path}_file"),
            expected,
        }),
    }
}

/// Reads a secret file; one newline at its end does not belong to the secret.
pub(super) fn read(path: &Path) -> Result<SecretValue, String> {
    let file = File::open(path).map_err(|error| format!("a readable file ({})", error.kind()))?;
    let mut text = zeroize::Zeroizing::new(String::new());
    let mut bounded = file.take(SECRET_FILE_BYTES_MAX.saturating_add(1));
    let read = bounded
        .read_to_string(&mut text)
        .map_err(|error| format!("a readable file of UTF-8 text ({})", error.kind()))?;
    if u64::try_from(read).unwrap_or(u64::MAX) > SECRET_FILE_BYTES_MAX {
        return Err(format!("a file of at most {SECRET_FILE_BYTES_MAX} bytes"));
    }
    let line = text.strip_suffix('\n').unwrap_or(&text);
    let secret = line.strip_suffix('\r').unwrap_or(line);
    if secret.is_empty() {
        return Err("a file that is not empty".to_owned());
    }
    Ok(SecretValue::new(secret))
}
