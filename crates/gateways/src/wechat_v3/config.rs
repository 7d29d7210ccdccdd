//! Settings of a WeChat Pay account (sheet §1).
//!
//! | field | |
//! | --- | --- |
//! | `api_base_url` | for example `https://api.mch.weixin.qq.com` |
//! | `api_backup_base_url` | used when a connection to the first cannot be made; may be left out |
//! | `mchid`, `appid` | merchant and application |
//! | `merchant_serial_no` | serial of our certificate: upper-case hex |
//! | `platform_certificates` | list of `{serial, pem}` |
//! | `public_keys` | list of `{id, pem}`, ids beginning with `PUB_KEY_ID_` |
//! | `h5_app_name`, `h5_app_url` | of the site that sends payers to H5; may be left out |
//! | `store_id`, `store_out_id` | where the till stands: WeChat's number of the place, or the merchant's own; bar codes need one of the two |
//! | `device_id`, `device_ip` | of the till; may be left out; an address that comes with a payment goes before |
//! | `merchant_private_key` (secret) | our key: PEM, or one line of base64 |
//! | `apiv3_key` (secret) | 32 letters and digits |
//! | `apiv3_key_previous` (secret) | still opens what was sealed with it while notifications of that time may come; may be left out |
//!
//! Both kinds of WeChat's keys may be there at once, as they are while an account changes over; at
//! least one is needed. Callbacks and answers name their key, and only that one is tried.

use std::collections::BTreeMap;

use kassa_core::Secret;
use serde_json::Value;
use url::Url;

use crate::config::{AccountConfig, ConfigError, FieldReader, gateway_url, list_text};
use crate::crypto::{Certificate, RsaPrivateKey, RsaPublicKey};

/// The settings that are secrets.
pub const SECRET_FIELDS: &[&str] = &["merchant_private_key", "apiv3_key", "apiv3_key_previous"];

/// How many keys of WeChat's an account may hold at once, of each kind.
const KEYS_MAX: usize = 8;
const MCHID_LENGTH_MAX: usize = 32;
const APPID_LENGTH_MAX: usize = 32;
const SERIAL_LENGTH_MAX: usize = 40;
const APIV3_KEY_LENGTH: usize = 32;
/// UNVERIFIED: the longest number of a store and of a device; the sheet gives no lengths for code pay (§5).
const SCENE_TEXT_LENGTH_MAX: usize = 32;
const PUBLIC_KEY_ID_START: &str = "PUB_KEY_ID_";

/// Typed settings of one account.
#[derive(Debug)]
#[cfg_attr(
    not(feature = "client"),
    expect(dead_code, reason = "without calls only the verifying half is used")
)]
pub(super) struct Settings {
    pub(super) api_base_url: Url,
    pub(super) api_backup_base_url: Option<Url>,
    pub(super) mchid: String,
    pub(super) appid: String,
    pub(super) merchant_serial_no: String,
    /// WeChat's keys by the name that messages give: certificate serial or public key id.
    pub(super) platform_keys: BTreeMap<String, RsaPublicKey>,
    /// The public key that answers shall be signed with, where the account has one.
    pub(super) public_key_id: Option<String>,
    pub(super) h5_app_name: Option<String>,
    pub(super) h5_app_url: Option<String>,
    /// Absent where the account takes no bar codes.
    pub(super) till: Option<Till>,
    pub(super) merchant_private_key: RsaPrivateKey,
    /// The newest first; all open.
    pub(super) apiv3_keys: Vec<Secret>,
}

/// Where payers' codes are scanned (sheet §5). One of the two store numbers is there.
#[derive(Debug)]
#[cfg_attr(
    not(feature = "client"),
    expect(dead_code, reason = "only calls say where the till stands")
)]
pub(super) struct Till {
    /// WeChat's number of the place: digits.
    pub(super) store_id: Option<String>,
    /// The merchant's own number of it.
    pub(super) store_out_id: Option<String>,
    pub(super) device_id: Option<String>,
    pub(super) device_ip: Option<String>,
}

impl Settings {
    /// Reads the settings.
    pub(super) fn try_new(config: &AccountConfig) -> Result<Self, ConfigError> {
        let mut reader = FieldReader::new(config);
        let api_base_url = reader.parsed("api_base_url", gateway_url);
        let api_backup_base_url = backup(&mut reader);
        let mchid = reader.parsed("mchid", mchid);
        let appid = reader.parsed("appid", appid);
        let merchant_serial_no = reader.parsed("merchant_serial_no", serial);
        let h5_app_name = reader.optional_text("h5_app_name").map(str::to_owned);
        let h5_app_url = reader.optional_text("h5_app_url").map(str::to_owned);
        let till = till(&mut reader);
        let merchant_private_key = reader.secret("merchant_private_key", RsaPrivateKey::try_parse);
        let current = reader.secret("apiv3_key", apiv3_key);
        let previous = reader.optional_secret("apiv3_key_previous", apiv3_key);
        let (platform_keys, public_key_id) =
            platform_keys(&mut reader, merchant_private_key.as_ref());

        let problems = reader.finish(SECRET_FIELDS);
        match (
            api_base_url,
            mchid,
            appid,
            merchant_serial_no,
            merchant_private_key,
            current,
        ) {
            (
                Some(api_base_url),
                Some(mchid),
                Some(appid),
                Some(merchant_serial_no),
                Some(merchant_private_key),
                Some(current),
            ) if problems.is_empty() => Ok(Self {
                api_base_url,
                api_backup_base_url,
                mchid,
                appid,
                merchant_serial_no,
                platform_keys,
                public_key_id,
                h5_app_name,
                h5_app_url,
                till,
                merchant_private_key,
                apiv3_keys: [current].into_iter().chain(previous).collect(),
            }),
            _ => Err(ConfigError { problems }),
        }
    }
}

fn backup(reader: &mut FieldReader<'_>) -> Option<Url> {
    let url = gateway_url(reader.optional_text("api_backup_base_url")?);
    if let Err(expected) = url {
        reader.problem("api_backup_base_url", expected);
    }
    url.ok()
}

fn till(reader: &mut FieldReader<'_>) -> Option<Till> {
    let mut text = |field, parse: fn(&str) -> Result<String, &'static str>| {
        let parsed = parse(reader.optional_text(field)?);
        if let Err(expected) = parsed {
            reader.problem(field, expected);
        }
        parsed.ok()
    };
    let till = Till {
        store_id: text("store_id", store_id),
        store_out_id: text("store_out_id", word),
        device_id: text("device_id", word),
        device_ip: text("device_ip", address),
    };
    (till.store_id.is_some() || till.store_out_id.is_some()).then_some(till)
}

fn store_id(text: &str) -> Result<String, &'static str> {
    let is_id = text.len() <= SCENE_TEXT_LENGTH_MAX && text.bytes().all(|b| b.is_ascii_digit());
    is_id.then(|| text.to_owned()).ok_or("at most 32 digits")
}

fn word(text: &str) -> Result<String, &'static str> {
    let is_word =
        text.len() <= SCENE_TEXT_LENGTH_MAX && text.bytes().all(|b| b.is_ascii_alphanumeric());
    let expected = "at most 32 letters and digits";
    is_word.then(|| text.to_owned()).ok_or(expected)
}

fn address(text: &str) -> Result<String, &'static str> {
    let address: Result<std::net::IpAddr, _> = text.parse();
    address
        .map(|address| address.to_string())
        .map_err(|_not_one| "an IP address")
}

fn platform_keys(
    reader: &mut FieldReader<'_>,
    merchant_key: Option<&RsaPrivateKey>,
) -> (BTreeMap<String, RsaPublicKey>, Option<String>) {
    let certificates = reader.list("platform_certificates", KEYS_MAX, certificate);
    let public_keys = reader.list("public_keys", KEYS_MAX, public_key);
    if certificates.is_empty() && public_keys.is_empty() {
        reader.problem(
            "public_keys",
            "at least one key here or in platform_certificates",
        );
    }
    let public_key_id = public_keys.first().map(|(id, _)| id.clone());
    let mut keys = BTreeMap::new();
    for (field, list) in [
        ("platform_certificates", certificates),
        ("public_keys", public_keys),
    ] {
        for (name, key) in list {
            if merchant_key.is_some_and(|own| *own.public_key() == key) {
                reader.problem(field, "WeChat Pay's keys, not the merchant's own");
            }
            if keys.insert(name, key).is_some() {
                reader.problem(field, "every key once");
            }
        }
    }
    (keys, public_key_id)
}

fn certificate(entry: &Value) -> Result<(String, RsaPublicKey), String> {
    let (serial, pem) = pair(entry, "serial")?;
    let certificate = Certificate::try_parse(pem).map_err(|error| error.to_string())?;
    if certificate.serial_hex() != serial {
        return Err(format!(
            "serial is not the certificate's ({})",
            certificate.serial_hex()
        ));
    }
    let key = certificate
        .public_key()
        .map_err(|error| error.to_string())?;
    Ok((serial.to_owned(), key))
}

fn public_key(entry: &Value) -> Result<(String, RsaPublicKey), String> {
    let (id, pem) = pair(entry, "id")?;
    if !id.starts_with(PUBLIC_KEY_ID_START) {
        return Err(format!("id must begin with {PUBLIC_KEY_ID_START}"));
    }
    let key = RsaPublicKey::try_parse(pem).map_err(|error| error.to_string())?;
    Ok((id.to_owned(), key))
}

fn pair<'a>(entry: &'a Value, name: &str) -> Result<(&'a str, &'a str), String> {
    let text = |field: &str| {
        list_text(entry.get(field).unwrap_or(&Value::Null)).map_err(|e| format!("{field}: {e}"))
    };
    Ok((text(name)?, text("pem")?))
}

fn mchid(text: &str) -> Result<String, &'static str> {
    let is_id = text.len() <= MCHID_LENGTH_MAX && text.bytes().all(|b| b.is_ascii_digit());
    if is_id {
        Ok(text.to_owned())
    } else {
        Err("at most 32 digits")
    }
}

fn appid(text: &str) -> Result<String, &'static str> {
    let is_id = text.len() <= APPID_LENGTH_MAX
        && text.starts_with("wx")
        && text.bytes().all(|b| b.is_ascii_alphanumeric());
    if is_id {
        Ok(text.to_owned())
    } else {
        Err("at most 32 letters and digits that begin with wx")
    }
}

fn serial(text: &str) -> Result<String, &'static str> {
    let is_serial = text.len() <= SERIAL_LENGTH_MAX
        && text
            .bytes()
            .all(|b| b.is_ascii_digit() || (b'A'..=b'F').contains(&b));
    if is_serial {
        Ok(text.to_owned())
    } else {
        Err("at most 40 upper-case hex digits")
    }
}

fn apiv3_key(text: &str) -> Result<Secret, &'static str> {
    let is_key = text.len() == APIV3_KEY_LENGTH && text.is_ascii();
    if is_key {
        Ok(Secret::new(text.to_owned()))
    } else {
        Err("exactly 32 ASCII characters")
    }
}
