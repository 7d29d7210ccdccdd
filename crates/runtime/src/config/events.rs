//! `[events]`: the events for the business systems.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::check::Check;
use super::error::Problem;

/// The source of events unless configured otherwise.
pub const SOURCE_DEFAULT: &str = "/kassa";
/// The longest source, in bytes.
pub const SOURCE_BYTES_MAX: usize = 255;

/// The events for the business systems.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct EventsConfig {
    /// The `source` of every event: a path or a URI. Give each installation its own.
    #[schemars(length(min = 1, max = SOURCE_BYTES_MAX))]
    pub source: String,
}

impl Default for EventsConfig {
    fn default() -> Self {
        Self {
            source: SOURCE_DEFAULT.to_owned(),
        }
    }
}

impl EventsConfig {
    /// The default.
    pub fn for_testing() -> Self {
        Self::default()
    }

    /// Adds everything that is wrong.
    pub fn validate(&self, path: &str, problems: &mut Vec<Problem>) {
        let mut check = Check::new(path, problems);
        let allowed = |b: u8| b.is_ascii_graphic() && !b"\"<>\\^`{|}".contains(&b);
        let source =
            (1..=SOURCE_BYTES_MAX).contains(&self.source.len()) && self.source.bytes().all(allowed);
        check.that(
            source,
            "source",
            "a URI or a path such as /kassa, at most 255 bytes",
        );
    }
}
