//! `[database]`: where the books are kept.

use std::ops::RangeInclusive;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::check::Check;
use super::error::Problem;
use super::secret::{self, SecretValue};

/// Connections of one process unless configured otherwise.
pub const CONNECTIONS_MAX_DEFAULT: u32 = 16;
/// Connections that a process may be allowed.
pub const CONNECTIONS_MAX: RangeInclusive<u32> = 1..=1_000;

/// The database.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct DatabaseConfig {
    /// `postgres://user:password@host/name`, or `sqlite://path?mode=rwc`. Without it: `kassa.db` in
    /// `data_dir`.
    pub url: Option<SecretValue>,
    /// A file that holds the URL.
    pub url_file: Option<PathBuf>,
    /// Connections of this process: 1 to 1000.
    #[schemars(range(min = *CONNECTIONS_MAX.start(), max = *CONNECTIONS_MAX.end()))]
    pub connections_max: u32,
}

impl Default for DatabaseConfig {
    fn default() -> Self {
        Self {
            url: None,
            url_file: None,
            connections_max: CONNECTIONS_MAX_DEFAULT,
        }
    }
}

impl DatabaseConfig {
    /// The embedded database, few connections.
    pub fn for_testing() -> Self {
        Self {
            connections_max: 4,
            ..Self::default()
        }
    }

    /// Whether it is the file in the data folder: a trial on one machine.
    pub fn is_embedded(&self) -> bool {
        self.url.is_none()
    }

    pub(super) fn resolve(&mut self, path: &str, problems: &mut Vec<Problem>) {
        let key = format!("{path}.url");
        secret::resolve(&mut self.url, self.url_file.as_deref(), &key, problems);
    }

    /// Adds everything that is wrong.
    pub fn validate(&self, path: &str, problems: &mut Vec<Problem>) {
        let mut check = Check::new(path, problems);
        if let Some(url) = &self.url {
            check.that(
                is_known(url.secret().expose()),
                "url",
                "postgres://… or sqlite://…",
            );
        }
        check.range("connections_max", self.connections_max, &CONNECTIONS_MAX);
    }
}

fn is_known(text: &str) -> bool {
    if text.starts_with("sqlite:") {
        return true;
    }
    url::Url::parse(text).is_ok_and(|url| matches!(url.scheme(), "postgres" | "postgresql"))
}
