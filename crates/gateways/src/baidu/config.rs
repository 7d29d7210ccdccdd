//! Settings of an account at Baidu's cashier (sheet §1).
//!
//! | field | |
//! | --- | --- |
//! | `api_base_url` | for example `https://openapi.baidu.com` |
//! | `deal_id` | settlement agreement: digits |
//! | `app_key` | the payment appKey, not the smart program's |
//! | `client_id` | the smart program's App Key, for the access token |
//! | `platform_public_keys` | Baidu's keys, several at once while they rotate |
//! | `refund_audit` | what Baidu is answered when it asks whether a refund that nobody asked for here may be made: `undecided`, which is meant if it is left out, or `approve` |
//! | `merchant_private_key` (secret) | our key, RSA of 1024 bits or more: PEM, or one line of base64 |
//! | `client_secret` (secret) | of the smart program |

use kassa_core::Secret;
use url::Url;

use crate::config::{AccountConfig, ConfigError, FieldReader, gateway_url, list_text};
use crate::crypto::{LegacyRsaPrivateKey, LegacyRsaPublicKey};

/// The settings that are secrets.
pub const SECRET_FIELDS: &[&str] = &["merchant_private_key", "client_secret"];

/// How many keys of Baidu's an account may hold at once.
const KEYS_MAX: usize = 8;
const DEAL_ID_LENGTH_MAX: usize = 32;
const APP_KEY_LENGTH_MAX: usize = 64;
const CLIENT_LENGTH_MAX: usize = 128;

/// Typed settings of one account.
#[derive(Debug)]
#[cfg_attr(
    not(feature = "client"),
    expect(dead_code, reason = "without calls only the verifying half is used")
)]
pub(super) struct Settings {
    pub(super) api_base_url: Url,
    pub(super) deal_id: String,
    pub(super) app_key: String,
    pub(super) client_id: String,
    pub(super) client_secret: Secret,
    /// Baidu's keys, all of them active.
    pub(super) platform_keys: Vec<LegacyRsaPublicKey>,
    pub(super) merchant_private_key: LegacyRsaPrivateKey,
    pub(super) refund_audit: RefundAudit,
}

/// What Baidu is answered when it asks about a refund that we did not submit (sheet §5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RefundAudit {
    Approve,
    Undecided,
}

impl Settings {
    /// Reads the settings.
    pub(super) fn try_new(config: &AccountConfig) -> Result<Self, ConfigError> {
        let mut reader = FieldReader::new(config);
        let api_base_url = reader.parsed("api_base_url", gateway_url);
        let deal_id = reader.parsed("deal_id", deal_id);
        let app_key = reader.parsed("app_key", app_key);
        let client_id = reader.parsed("client_id", client_text);
        let client_secret =
            reader.secret("client_secret", |text| client_text(text).map(Secret::new));
        let merchant_private_key =
            reader.secret("merchant_private_key", LegacyRsaPrivateKey::try_parse);
        let platform_keys = platform_keys(&mut reader, merchant_private_key.as_ref());
        let refund_audit = refund_audit(&mut reader);

        let problems = reader.finish(SECRET_FIELDS);
        match (
            api_base_url,
            deal_id,
            app_key,
            client_id,
            client_secret,
            merchant_private_key,
        ) {
            (
                Some(api_base_url),
                Some(deal_id),
                Some(app_key),
                Some(client_id),
                Some(client_secret),
                Some(merchant_private_key),
            ) if problems.is_empty() => Ok(Self {
                api_base_url,
                deal_id,
                app_key,
                client_id,
                client_secret,
                platform_keys,
                merchant_private_key,
                refund_audit,
            }),
            _ => Err(ConfigError { problems }),
        }
    }
}

fn platform_keys(
    reader: &mut FieldReader<'_>,
    merchant_key: Option<&LegacyRsaPrivateKey>,
) -> Vec<LegacyRsaPublicKey> {
    const FIELD: &str = "platform_public_keys";
    let keys = reader.list(FIELD, KEYS_MAX, |value| {
        LegacyRsaPublicKey::try_parse(list_text(value)?).map_err(|error| error.to_string())
    });
    if keys.is_empty() {
        reader.problem(FIELD, "at least one key");
    }
    if merchant_key.is_some_and(|own| keys.contains(own.public_key())) {
        reader.problem(FIELD, "Baidu's keys, not the merchant's own");
    }
    keys
}

fn refund_audit(reader: &mut FieldReader<'_>) -> RefundAudit {
    const FIELD: &str = "refund_audit";
    match reader.optional_text(FIELD) {
        None | Some("undecided") => RefundAudit::Undecided,
        Some("approve") => RefundAudit::Approve,
        Some(_) => {
            reader.problem(FIELD, "undecided or approve");
            RefundAudit::Undecided
        }
    }
}

fn deal_id(text: &str) -> Result<String, &'static str> {
    let is_id = text.len() <= DEAL_ID_LENGTH_MAX && text.bytes().all(|b| b.is_ascii_digit());
    if is_id {
        Ok(text.to_owned())
    } else {
        Err("at most 32 digits")
    }
}

fn app_key(text: &str) -> Result<String, &'static str> {
    let is_key =
        text.len() <= APP_KEY_LENGTH_MAX && text.bytes().all(|b| b.is_ascii_alphanumeric());
    if is_key {
        Ok(text.to_owned())
    } else {
        Err("at most 64 letters and digits")
    }
}

fn client_text(text: &str) -> Result<String, &'static str> {
    let is_text = text.len() <= CLIENT_LENGTH_MAX && text.bytes().all(|b| b.is_ascii_graphic());
    if is_text && !text.is_empty() {
        Ok(text.to_owned())
    } else {
        Err("at most 128 printable ASCII characters")
    }
}
