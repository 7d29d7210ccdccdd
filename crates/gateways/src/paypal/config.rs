//! Settings of a PayPal account (sheet §1).
//!
//! | field | |
//! | --- | --- |
//! | `api_base_url` | `https://api-m.paypal.com`, or `https://api-m.sandbox.paypal.com` |
//! | `environment` | `live` or `sandbox`: whose certificates may sign |
//! | `merchant_id` | the account that is paid: 13 letters and digits |
//! | `client_id` | of the REST app |
//! | `webhook_id` | PayPal's number of the registered webhook: a part of what is signed |
//! | `webhook_id_previous` | the one before it, while PayPal may repeat events to it (three days); may be left out |
//! | `certificates` | what PayPal signs webhooks with: `url` as `PAYPAL-CERT-URL` names it, and the `pem` from there |
//! | `intermediate_certs`, `root_certs` | the chain of those certificates (PEM), several at once while it changes |
//! | `brand_name` | shown to the payer; may be left out |
//! | `client_secret` (secret) | of the REST app |
//!
//! Certificates are configured and never fetched: what verifies webhooks calls nobody out. A webhook signed with
//! another one is refused, and PayPal repeats it for three days.

use kassa_core::Secret;
use serde_json::Value;
use url::Url;

use crate::config::{AccountConfig, ConfigError, FieldReader, gateway_url, list_text};
use crate::crypto::{Certificate, Chain};

/// The settings that are secrets.
pub const SECRET_FIELDS: &[&str] = &["client_secret"];

/// How many certificates of each kind an account may hold at once.
const CERTIFICATES_MAX: usize = 8;
const MERCHANT_ID_LENGTH: usize = 13;
/// PayPal's limit (sheet §10.3).
const WEBHOOK_ID_LENGTH_MAX: usize = 50;
const CREDENTIAL_LENGTH_MAX: usize = 255;
/// PayPal's limit (sheet §1).
const BRAND_NAME_LENGTH_MAX: usize = 127;
/// UNVERIFIED beyond these two: where certificates may come from (sheet §10.2). The second serves test
/// accounts only.
const CERT_HOSTS: [(&str, Environment); 2] = [
    ("api.paypal.com", Environment::Live),
    ("api.sandbox.paypal.com", Environment::Sandbox),
];
const CERT_PATH: &str = "/v1/notifications/certs/";
/// Where no certificate of the other world may sign.
const LIVE_API_HOST: &str = "api-m.paypal.com";

/// Which of PayPal's two worlds an account lives in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Environment {
    /// Real money.
    Live,
    /// Play money.
    Sandbox,
}

/// A certificate that PayPal signs webhooks with, by the address that its signatures name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SigningCertificate {
    pub(super) url: String,
    pub(super) pem: String,
}

/// Typed settings of one account.
#[derive(Debug)]
#[cfg_attr(
    not(feature = "client"),
    expect(dead_code, reason = "without calls only the verifying half is used")
)]
pub(super) struct Settings {
    pub(super) api_base_url: Url,
    pub(super) merchant_id: String,
    pub(super) client_id: String,
    pub(super) client_secret: Secret,
    /// The newest first; events to each of them verify.
    pub(super) webhook_ids: Vec<String>,
    pub(super) certificates: Vec<SigningCertificate>,
    pub(super) chain: Chain,
    pub(super) brand_name: Option<String>,
}

impl Settings {
    /// Reads the settings.
    pub(super) fn try_new(config: &AccountConfig) -> Result<Self, ConfigError> {
        let mut reader = FieldReader::new(config);
        let api_base_url = reader.parsed("api_base_url", gateway_url);
        let environment = environment(&mut reader, api_base_url.as_ref());
        let merchant_id = reader.parsed("merchant_id", merchant_id);
        let client_id = reader.parsed("client_id", |text| credential(text).map(str::to_owned));
        let client_secret = reader.secret("client_secret", |text| {
            credential(text).map(|text| Secret::new(text.to_owned()))
        });
        let newest = reader.parsed("webhook_id", webhook_id);
        let previous = webhook_id_previous(&mut reader);
        let certificates = certificates(&mut reader, environment);
        let chain = chain(&mut reader);
        let brand_name = brand_name(&mut reader);
        let problems = reader.finish(SECRET_FIELDS);
        match (
            api_base_url,
            merchant_id,
            client_id,
            client_secret,
            newest,
            chain,
        ) {
            (
                Some(api_base_url),
                Some(merchant_id),
                Some(client_id),
                Some(client_secret),
                Some(newest),
                Some(chain),
            ) if problems.is_empty() => Ok(Self {
                api_base_url,
                merchant_id,
                client_id,
                client_secret,
                webhook_ids: [newest].into_iter().chain(previous).collect(),
                certificates,
                chain,
                brand_name,
            }),
            _ => Err(ConfigError { problems }),
        }
    }
}

fn environment(reader: &mut FieldReader<'_>, base: Option<&Url>) -> Option<Environment> {
    let environment = reader.parsed("environment", |text| match text {
        "live" => Ok(Environment::Live),
        "sandbox" => Ok(Environment::Sandbox),
        _ => Err("live or sandbox"),
    });
    let is_live = base.is_some_and(|url| url.host_str() == Some(LIVE_API_HOST));
    if is_live && environment == Some(Environment::Sandbox) {
        reader.problem("environment", "live at the live address");
    }
    environment
}

fn certificates(
    reader: &mut FieldReader<'_>,
    environment: Option<Environment>,
) -> Vec<SigningCertificate> {
    let certificates = reader.list("certificates", CERTIFICATES_MAX, |value| {
        certificate(value, environment)
    });
    if certificates.is_empty() {
        reader.problem("certificates", "at least one certificate");
    }
    certificates
}

fn certificate(
    value: &Value,
    environment: Option<Environment>,
) -> Result<SigningCertificate, &'static str> {
    const URL: &str = "an url such as https://api.paypal.com/v1/notifications/certs/CERT-…";
    let url = value.get("url").ok_or(URL).and_then(list_text)?;
    if environment.is_some_and(|environment| !is_certificate_url(url, environment)) {
        return Err(URL);
    }
    let pem = value.get("pem").ok_or("a pem").and_then(list_text)?;
    Certificate::try_parse(pem).map_err(|_no_certificate| "a certificate (PEM)")?;
    Ok(SigningCertificate {
        url: url.to_owned(),
        pem: pem.to_owned(),
    })
}

/// Whether certificates of this world may be there: one of PayPal's hosts, nothing but a name below the
/// folder of certificates (sheet §10.2).
pub(super) fn is_certificate_url(text: &str, environment: Environment) -> bool {
    let Ok(url) = Url::parse(text) else {
        return false;
    };
    let is_host = CERT_HOSTS.iter().any(|(host, world)| {
        let is_of_world = match environment {
            Environment::Live => *world == Environment::Live,
            Environment::Sandbox => true,
        };
        is_of_world && url.host_str() == Some(*host)
    });
    let name = url.path().strip_prefix(CERT_PATH).unwrap_or_default();
    let is_name = !name.is_empty()
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_');
    let is_plain = url.username().is_empty()
        && url.password().is_none()
        && url.port().is_none()
        && url.query().is_none()
        && url.fragment().is_none();
    // What a parser would have changed was written to deceive.
    url.scheme() == "https" && is_host && is_name && is_plain && url.as_str() == text
}

fn chain(reader: &mut FieldReader<'_>) -> Option<Chain> {
    let mut read = |field: &'static str| {
        let pems = reader.list(field, CERTIFICATES_MAX, |value| {
            let pem = list_text(value)?;
            Certificate::try_parse(pem).map_err(|_no_certificate| "a certificate (PEM)")?;
            Ok::<_, &'static str>(pem.to_owned())
        });
        if pems.is_empty() {
            reader.problem(field, "at least one certificate");
        }
        pems
    };
    let (middle, roots) = (read("intermediate_certs"), read("root_certs"));
    if middle.is_empty() || roots.is_empty() {
        return None;
    }
    let middle: Vec<&str> = middle.iter().map(String::as_str).collect();
    let roots: Vec<&str> = roots.iter().map(String::as_str).collect();
    match Chain::try_new(&middle, &roots) {
        Ok(chain) => Some(chain),
        Err(error) => {
            let expected = format!("issued by one of root_certs ({error})");
            reader.problem("intermediate_certs", expected);
            None
        }
    }
}

/// Sheet §1: `^[2-9A-HJ-NP-Z]{13}$`.
fn merchant_id(text: &str) -> Result<String, &'static str> {
    let is_letter = |byte: u8| {
        matches!(byte, b'2'..=b'9') || (byte.is_ascii_uppercase() && !matches!(byte, b'I' | b'O'))
    };
    if text.len() == MERCHANT_ID_LENGTH && text.bytes().all(is_letter) {
        Ok(text.to_owned())
    } else {
        Err("13 letters and digits, without 0, 1, I and O")
    }
}

/// One half of what proves who we are: the two are joined by a colon.
fn credential(text: &str) -> Result<&str, &'static str> {
    let is_credential = !text.is_empty()
        && text.len() <= CREDENTIAL_LENGTH_MAX
        && text
            .bytes()
            .all(|byte| byte.is_ascii_graphic() && byte != b':');
    is_credential
        .then_some(text)
        .ok_or("a text without blanks and colons")
}

fn webhook_id_previous(reader: &mut FieldReader<'_>) -> Option<String> {
    const FIELD: &str = "webhook_id_previous";
    let id = webhook_id(reader.optional_text(FIELD)?);
    if let Err(expected) = id {
        reader.problem(FIELD, expected);
    }
    id.ok()
}

fn webhook_id(text: &str) -> Result<String, &'static str> {
    let is_id = text.len() <= WEBHOOK_ID_LENGTH_MAX
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    if is_id {
        Ok(text.to_owned())
    } else {
        Err("at most 50 letters and digits")
    }
}

fn brand_name(reader: &mut FieldReader<'_>) -> Option<String> {
    let text = reader.optional_text("brand_name")?;
    if text.chars().count() > BRAND_NAME_LENGTH_MAX {
        reader.problem("brand_name", "at most 127 characters");
    }
    Some(text.to_owned())
}
