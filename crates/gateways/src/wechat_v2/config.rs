//! Settings of a WeChat Pay account at API v2 (sheet §1).
//!
//! | field | |
//! | --- | --- |
//! | `api_base_url` | for example `https://api.mch.weixin.qq.com` |
//! | `api_backup_base_url` | used when a connection to the first cannot be made; may be left out |
//! | `mtls_base_url` | of the calls that need the client certificate; `api_base_url` if left out |
//! | `mtls_root_certificate` | PEM of the authority that certifies that host, where it is none that the system knows; may be left out |
//! | `mch_id`, `appid` | merchant and application |
//! | `sign_type` | `HMAC-SHA256`, which is meant if it is left out, or `MD5` |
//! | `client_certificate` | `apiclient_cert.pem` |
//! | `h5_app_name`, `h5_app_url` | of the site that sends payers to H5; without them no H5 orders |
//! | `client_private_key` (secret) | `apiclient_key.pem` |
//! | `api_key` (secret) | 32 ASCII characters |
//! | `api_key_previous` (secret) | still verifies while callbacks signed with it may come; may be left out |

use kassa_core::Secret;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use url::Url;

use super::sign::SignType;
use crate::config::{AccountConfig, ConfigError, FieldReader, gateway_url};
use crate::crypto::{Certificate, RsaPrivateKey};

/// The settings that are secrets.
pub const SECRET_FIELDS: &[&str] = &["client_private_key", "api_key", "api_key_previous"];

const MCH_ID_LENGTH_MAX: usize = 32;
const APPID_LENGTH_MAX: usize = 32;
const API_KEY_LENGTH: usize = 32;
const H5_TEXT_LENGTH_MAX: usize = 128;

/// Typed settings of one account.
#[derive(Debug)]
#[cfg_attr(
    not(feature = "client"),
    expect(dead_code, reason = "without calls only the verifying half is used")
)]
pub(super) struct Settings {
    pub(super) api_base_url: Url,
    pub(super) api_backup_base_url: Option<Url>,
    pub(super) mtls_base_url: Option<Url>,
    pub(super) mtls_root_certificate: Option<String>,
    pub(super) mch_id: String,
    pub(super) appid: String,
    pub(super) sign_type: SignType,
    pub(super) client_certificate: String,
    pub(super) client_private_key: Secret,
    pub(super) h5: Option<H5>,
    /// The key that signs first; all verify.
    pub(super) api_keys: Vec<Secret>,
}

/// The site that sends payers to H5.
#[derive(Debug)]
#[cfg_attr(
    not(feature = "client"),
    expect(dead_code, reason = "sent with calls only")
)]
pub(super) struct H5 {
    pub(super) app_name: String,
    pub(super) app_url: String,
}

impl Settings {
    /// Reads the settings.
    pub(super) fn try_new(config: &AccountConfig) -> Result<Self, ConfigError> {
        let mut reader = FieldReader::new(config);
        let api_base_url = reader.parsed("api_base_url", gateway_url);
        let api_backup_base_url = optional_url(&mut reader, "api_backup_base_url");
        let mtls_base_url = optional_url(&mut reader, "mtls_base_url");
        let mtls_root_certificate = root_certificate(&mut reader);
        let mch_id = reader.parsed("mch_id", mch_id);
        let appid = reader.parsed("appid", appid);
        let sign_type = sign_type(&mut reader);
        let h5 = h5(&mut reader);
        let current = reader.secret("api_key", api_key);
        let previous = reader.optional_secret("api_key_previous", api_key);
        let identity = identity(&mut reader);

        let problems = reader.finish(SECRET_FIELDS);
        match (api_base_url, mch_id, appid, current, identity) {
            (Some(api_base_url), Some(mch_id), Some(appid), Some(current), Some(identity))
                if problems.is_empty() =>
            {
                let (client_certificate, client_private_key) = identity;
                Ok(Self {
                    api_base_url,
                    api_backup_base_url,
                    mtls_base_url,
                    mtls_root_certificate,
                    mch_id,
                    appid,
                    sign_type,
                    client_certificate,
                    client_private_key,
                    h5,
                    api_keys: [current].into_iter().chain(previous).collect(),
                })
            }
            _ => Err(ConfigError { problems }),
        }
    }
}

fn optional_url(reader: &mut FieldReader<'_>, field: &'static str) -> Option<Url> {
    let url = gateway_url(reader.optional_text(field)?);
    if let Err(expected) = url {
        reader.problem(field, expected);
    }
    url.ok()
}

fn root_certificate(reader: &mut FieldReader<'_>) -> Option<String> {
    const FIELD: &str = "mtls_root_certificate";
    let pem = reader.optional_text(FIELD)?;
    if CertificateDer::from_pem_slice(pem.as_bytes()).is_err() {
        reader.problem(FIELD, "an X.509 certificate in PEM form");
    }
    Some(pem.to_owned())
}

fn sign_type(reader: &mut FieldReader<'_>) -> SignType {
    const FIELD: &str = "sign_type";
    let word = reader.optional_text(FIELD);
    let known = word.map(SignType::parse);
    if known == Some(None) {
        reader.problem(FIELD, "HMAC-SHA256 or MD5");
    }
    known.flatten().unwrap_or(SignType::HmacSha256)
}

fn h5(reader: &mut FieldReader<'_>) -> Option<H5> {
    let app_name = reader.optional_text("h5_app_name");
    let app_url = reader.optional_text("h5_app_url");
    if app_name.is_some() != app_url.is_some() {
        reader.problem("h5_app_url", "both h5_app_name and h5_app_url, or neither");
    }
    for (field, text) in [("h5_app_name", app_name), ("h5_app_url", app_url)] {
        if text.is_some_and(|text| text.chars().count() > H5_TEXT_LENGTH_MAX) {
            reader.problem(field, "at most 128 characters");
        }
    }
    Some(H5 {
        app_name: app_name?.to_owned(),
        app_url: app_url?.to_owned(),
    })
}

/// The client certificate and its key.
fn identity(reader: &mut FieldReader<'_>) -> Option<(String, Secret)> {
    const FIELD: &str = "client_certificate";
    let pem = reader.text(FIELD);
    let certificate = reader.parsed(FIELD, Certificate::try_parse);
    let key = reader.secret("client_private_key", |text| {
        RsaPrivateKey::try_parse(text).map(|key| (key, Secret::new(text.to_owned())))
    });
    let (certificate, (key, text)) = (certificate?, key?);
    if certificate.public_key().as_ref() != Ok(key.public_key()) {
        reader.problem(FIELD, "the certificate of client_private_key");
    }
    Some((pem?.to_owned(), text))
}

fn mch_id(text: &str) -> Result<String, &'static str> {
    let is_id = text.len() <= MCH_ID_LENGTH_MAX && text.bytes().all(|b| b.is_ascii_digit());
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

fn api_key(text: &str) -> Result<Secret, &'static str> {
    let is_key = text.len() == API_KEY_LENGTH && text.bytes().all(|b| b.is_ascii_graphic());
    if is_key {
        Ok(Secret::new(text.to_owned()))
    } else {
        Err("exactly 32 printable ASCII characters")
    }
}
