//! `[auth]`: what a caller's token must be like. The keys of callers belong to their apps.

use std::ops::RangeInclusive;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::check::Check;
use super::error::Problem;

/// The audience unless configured otherwise.
pub const AUDIENCE_DEFAULT: &str = "kassa";
/// The longest audience, in characters.
pub const AUDIENCE_LENGTH_MAX: usize = 128;
/// How far clocks may be apart unless configured otherwise.
pub const LEEWAY_SECS_DEFAULT: u64 = 30;
/// What `leeway_secs` may be.
pub const LEEWAY_SECS: RangeInclusive<u64> = 0..=300;
/// The longest life of a token unless configured otherwise.
pub const TOKEN_TTL_MAX_SECS_DEFAULT: u64 = 3_600;
/// What `token_ttl_max_secs` may be.
pub const TOKEN_TTL_MAX_SECS: RangeInclusive<u64> = 60..=86_400;

/// What a caller's token must be like.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct AuthConfig {
    /// The `aud` that a token must name.
    #[schemars(length(min = 1, max = AUDIENCE_LENGTH_MAX))]
    pub audience: String,
    /// How far the caller's clock may be off: 0 to 300 s.
    #[schemars(range(min = *LEEWAY_SECS.start(), max = *LEEWAY_SECS.end()))]
    pub leeway_secs: u64,
    /// The longest time from `iat` to `exp`: 60 to 86400 s.
    #[schemars(range(min = *TOKEN_TTL_MAX_SECS.start(), max = *TOKEN_TTL_MAX_SECS.end()))]
    pub token_ttl_max_secs: u64,
}

impl Default for AuthConfig {
    fn default() -> Self {
        Self {
            audience: AUDIENCE_DEFAULT.to_owned(),
            leeway_secs: LEEWAY_SECS_DEFAULT,
            token_ttl_max_secs: TOKEN_TTL_MAX_SECS_DEFAULT,
        }
    }
}

impl AuthConfig {
    /// No leeway, so that expiry can be tested to the second.
    pub fn for_testing() -> Self {
        Self {
            leeway_secs: 0,
            ..Self::default()
        }
    }

    /// How far the caller's clock may be off.
    pub fn leeway(&self) -> Duration {
        Duration::from_secs(self.leeway_secs)
    }

    /// The longest life of a token.
    pub fn token_ttl_max(&self) -> Duration {
        Duration::from_secs(self.token_ttl_max_secs)
    }

    /// Adds everything that is wrong.
    pub fn validate(&self, path: &str, problems: &mut Vec<Problem>) {
        let mut check = Check::new(path, problems);
        let length = self.audience.chars().count();
        let audience = (1..=AUDIENCE_LENGTH_MAX).contains(&length)
            && !self
                .audience
                .chars()
                .any(|c| c.is_whitespace() || c.is_control());
        check.that(audience, "audience", "1 to 128 characters without blanks");
        check.range("leeway_secs", self.leeway_secs, &LEEWAY_SECS);
        check.range(
            "token_ttl_max_secs",
            self.token_ttl_max_secs,
            &TOKEN_TTL_MAX_SECS,
        );
    }
}
