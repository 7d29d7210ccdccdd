//! Settings of a Stripe account (sheet §1).
//!
//! | field | |
//! | --- | --- |
//! | `api_base_url` | `https://api.stripe.com` |
//! | `mode` | `test` or `live`: the world that the keys belong to |
//! | `stripe_account` | `acct_…` of a connected account; may be left out |
//! | `publishable_key` | `pk_…`, handed on to the client that confirms a card payment; may be left out |
//! | `secret_key` (secret) | `sk_…`, or a restricted `rk_…` |
//! | `signing_secret` (secret) | `whsec_…` of the endpoint |
//! | `signing_secret_previous` (secret) | the one before it, while it is rolled (at most 24 h); may be left out |

use kassa_core::Secret;
use url::Url;

use crate::config::{AccountConfig, ConfigError, FieldReader, gateway_url};

/// The settings that are secrets.
pub const SECRET_FIELDS: &[&str] = &["secret_key", "signing_secret", "signing_secret_previous"];

const KEY_LENGTH_MAX: usize = 255;
/// A signing key that is shorter could be guessed.
const WEBHOOK_SECRET_LENGTH_MIN: usize = 16;

/// Which of Stripe's two worlds an account lives in; objects of one are not there in the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    /// Play money.
    Test,
    /// Real money.
    Live,
}

impl Mode {
    fn parse(text: &str) -> Result<Self, &'static str> {
        match text {
            "test" => Ok(Self::Test),
            "live" => Ok(Self::Live),
            _ => Err("test or live"),
        }
    }

    /// What `livemode` says on every object of this world.
    pub(super) fn is_live(self) -> bool {
        match self {
            Self::Test => false,
            Self::Live => true,
        }
    }

    fn word(self) -> &'static str {
        match self {
            Self::Test => "test",
            Self::Live => "live",
        }
    }

    /// Whether `key` is one of `kinds` of this world, such as `sk_test_…`.
    fn has_key(self, key: &str, kinds: &[&str]) -> bool {
        let is_plain =
            key.len() <= KEY_LENGTH_MAX && key.bytes().all(|byte| byte.is_ascii_graphic());
        let rest = kinds.iter().find_map(|kind| {
            key.strip_prefix(kind)?
                .strip_prefix(self.word())?
                .strip_prefix('_')
        });
        is_plain && rest.is_some_and(|rest| !rest.is_empty())
    }
}

/// Typed settings of one account.
#[derive(Debug)]
#[cfg_attr(
    not(feature = "client"),
    expect(dead_code, reason = "without calls only the verifying half is used")
)]
pub(super) struct Settings {
    pub(super) api_base_url: Url,
    pub(super) mode: Mode,
    pub(super) stripe_account: Option<String>,
    pub(super) publishable_key: Option<String>,
    pub(super) secret_key: Secret,
    /// The newest first.
    pub(super) signing_secrets: Vec<Secret>,
}

impl Settings {
    /// Reads the settings.
    pub(super) fn try_new(config: &AccountConfig) -> Result<Self, ConfigError> {
        let mut reader = FieldReader::new(config);
        let api_base_url = reader.parsed("api_base_url", gateway_url);
        let mode = reader.parsed("mode", Mode::parse);
        let stripe_account = stripe_account(&mut reader);
        let publishable_key = publishable_key(&mut reader, mode);
        let secret_key = reader.secret("secret_key", |text| {
            let fits = mode.is_none_or(|mode| mode.has_key(text, &["sk_", "rk_"]));
            let expected = "a key of this mode: sk_test_…, rk_test_…, sk_live_… or rk_live_…";
            fits.then(|| Secret::new(text.to_owned())).ok_or(expected)
        });
        let newest = reader.secret("signing_secret", signing_secret);
        let previous = reader.optional_secret("signing_secret_previous", signing_secret);
        let problems = reader.finish(SECRET_FIELDS);
        match (api_base_url, mode, secret_key, newest) {
            (Some(api_base_url), Some(mode), Some(secret_key), Some(newest))
                if problems.is_empty() =>
            {
                Ok(Self {
                    api_base_url,
                    mode,
                    stripe_account,
                    publishable_key,
                    secret_key,
                    signing_secrets: [newest].into_iter().chain(previous).collect(),
                })
            }
            _ => Err(ConfigError { problems }),
        }
    }
}

fn stripe_account(reader: &mut FieldReader<'_>) -> Option<String> {
    let text = reader.optional_text("stripe_account")?;
    let id = text.strip_prefix("acct_").unwrap_or_default();
    let is_id = !id.is_empty()
        && text.len() <= KEY_LENGTH_MAX
        && id.bytes().all(|byte| byte.is_ascii_alphanumeric());
    if !is_id {
        reader.problem("stripe_account", "acct_ and letters and digits");
    }
    Some(text.to_owned())
}

fn publishable_key(reader: &mut FieldReader<'_>, mode: Option<Mode>) -> Option<String> {
    let text = reader.optional_text("publishable_key")?;
    if mode.is_some_and(|mode| !mode.has_key(text, &["pk_"])) {
        reader.problem(
            "publishable_key",
            "a key of this mode: pk_test_… or pk_live_…",
        );
    }
    Some(text.to_owned())
}

fn signing_secret(text: &str) -> Result<Secret, &'static str> {
    let is_secret = text.starts_with("whsec_")
        && (WEBHOOK_SECRET_LENGTH_MIN..=KEY_LENGTH_MAX).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_graphic());
    if is_secret {
        Ok(Secret::new(text.to_owned()))
    } else {
        Err("a text that begins with whsec_")
    }
}
