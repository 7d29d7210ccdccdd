//! `[telemetry]`: logs and traces. Metrics are always on, at the admin address.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tracing_subscriber::EnvFilter;

use super::check::{self, Check};
use super::error::Problem;

/// What is logged unless configured otherwise.
pub const LOG_FILTER_DEFAULT: &str = "info";
/// The longest service name, in characters.
pub const SERVICE_NAME_LENGTH_MAX: usize = 64;

/// How logs are written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people on a terminal, JSON elsewhere.
    #[default]
    Auto,
    /// One JSON object a line.
    Json,
    /// For people.
    Pretty,
}

/// Logs and traces.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct TelemetryConfig {
    /// `auto`, `json` or `pretty`. Logs go to standard error.
    pub log_format: LogFormat,
    /// What is logged: a level, or `info,runtime=debug` and the like.
    pub log_filter: String,
    /// Where traces are sent by OTLP over gRPC, for example `http://127.0.0.1:4317`. Without it
    /// they aren't sent, but trace ids still travel.
    pub otlp_endpoint: Option<String>,
    /// The name in traces. Without it: the program's.
    pub service_name: Option<String>,
}

impl Default for TelemetryConfig {
    fn default() -> Self {
        Self {
            log_format: LogFormat::default(),
            log_filter: LOG_FILTER_DEFAULT.to_owned(),
            otlp_endpoint: None,
            service_name: None,
        }
    }
}

impl TelemetryConfig {
    /// Warnings only, for people.
    pub fn for_testing() -> Self {
        Self {
            log_format: LogFormat::Pretty,
            log_filter: "warn".to_owned(),
            ..Self::default()
        }
    }

    /// Adds everything that is wrong.
    pub fn validate(&self, path: &str, problems: &mut Vec<Problem>) {
        let mut check = Check::new(path, problems);
        let filter = EnvFilter::try_new(&self.log_filter).is_ok();
        check.that(
            filter,
            "log_filter",
            "a level or a filter such as info,runtime=debug",
        );
        if let Some(endpoint) = &self.otlp_endpoint {
            let expected = "http://host:port or https://host:port without user and query";
            check.that(
                check::web_url(endpoint).is_some(),
                "otlp_endpoint",
                expected,
            );
        }
        if let Some(name) = &self.service_name {
            let length = name.chars().count();
            let plain = name
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b));
            let holds = plain && (1..=SERVICE_NAME_LENGTH_MAX).contains(&length);
            check.that(
                holds,
                "service_name",
                "1 to 64 letters, digits and . _ - characters",
            );
        }
    }
}
