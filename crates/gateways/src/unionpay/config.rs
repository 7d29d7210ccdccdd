//! Settings of a UnionPay account (sheet §1).
//!
//! | field | |
//! | --- | --- |
//! | `gateway_url` | base of the calls, for example `https://gateway.95516.com/gateway/api/` |
//! | `mer_id` | 15 letters and digits |
//! | `environment` | `production` or `test`: whose certificates may sign |
//! | `sign_cert` | our certificate (PEM); its serial number is sent along |
//! | `middle_certs`, `root_certs` | the chain of UnionPay's certificate (PEM), several at once while it changes |
//! | `sign_private_key` (secret) | our key: PEM, or one line of base64 |
//!
//! The certificate that UnionPay signs with comes with each message and needs no configuration: it is
//! believed if its chain ends here and its name is UnionPay's. So it rotates without us.

use url::Url;

use crate::config::{AccountConfig, ConfigError, FieldReader, gateway_url, list_text};
use crate::crypto::{Certificate, Chain, RsaPrivateKey};

/// The settings that are secrets.
pub const SECRET_FIELDS: &[&str] = &["sign_private_key"];

/// How many intermediates, and how many roots, an account may hold at once.
const CERTIFICATES_MAX: usize = 8;
const MER_ID_LENGTH: usize = 15;
/// Where no test certificate may sign (sheet §14.11).
const PRODUCTION_HOST: &str = "gateway.95516.com";

/// Typed settings of one account.
#[derive(Debug)]
#[cfg_attr(
    not(feature = "client"),
    expect(dead_code, reason = "without calls only the verifying half is used")
)]
pub(super) struct Settings {
    /// Ends with a slash.
    pub(super) gateway_url: Url,
    pub(super) mer_id: String,
    pub(super) environment: Environment,
    /// The serial number of our certificate, in decimal.
    pub(super) cert_id: String,
    pub(super) sign_private_key: RsaPrivateKey,
    pub(super) chain: Chain,
}

/// Whose certificates may sign.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Environment {
    Production,
    Test,
}

impl Settings {
    /// Reads the settings.
    pub(super) fn try_new(config: &AccountConfig) -> Result<Self, ConfigError> {
        let mut reader = FieldReader::new(config);
        let gateway_url = reader.parsed("gateway_url", base_url);
        let mer_id = reader.parsed("mer_id", mer_id);
        let environment = reader.parsed("environment", environment);
        let sign_cert = reader.parsed("sign_cert", Certificate::try_parse);
        let sign_private_key = reader.secret("sign_private_key", RsaPrivateKey::try_parse);
        if let (Some(certificate), Some(key)) = (&sign_cert, &sign_private_key)
            && certificate.public_key().as_ref() != Ok(key.public_key())
        {
            reader.problem("sign_cert", "the certificate of sign_private_key");
        }
        let is_production = gateway_url
            .as_ref()
            .is_some_and(|url| url.host_str() == Some(PRODUCTION_HOST));
        if is_production && environment == Some(Environment::Test) {
            reader.problem("environment", "production at the production address");
        }
        let chain = chain(&mut reader);

        let problems = reader.finish(SECRET_FIELDS);
        match (
            gateway_url,
            mer_id,
            environment,
            sign_cert,
            sign_private_key,
            chain,
        ) {
            (
                Some(gateway_url),
                Some(mer_id),
                Some(environment),
                Some(sign_cert),
                Some(sign_private_key),
                Some(chain),
            ) if problems.is_empty() => Ok(Self {
                gateway_url,
                mer_id,
                environment,
                cert_id: sign_cert.serial_decimal().to_owned(),
                sign_private_key,
                chain,
            }),
            _ => Err(ConfigError { problems }),
        }
    }
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
    let (middle, roots) = (read("middle_certs"), read("root_certs"));
    if middle.is_empty() || roots.is_empty() {
        return None;
    }
    let middle: Vec<&str> = middle.iter().map(String::as_str).collect();
    let roots: Vec<&str> = roots.iter().map(String::as_str).collect();
    match Chain::try_new(&middle, &roots) {
        Ok(chain) => Some(chain),
        Err(error) => {
            reader.problem(
                "middle_certs",
                format!("issued by one of root_certs ({error})"),
            );
            None
        }
    }
}

/// An address to which names of calls are appended.
fn base_url(text: &str) -> Result<Url, &'static str> {
    let with_slash = format!("{}/", text.trim_end_matches('/'));
    gateway_url(&with_slash)
}

fn mer_id(text: &str) -> Result<String, &'static str> {
    if text.len() == MER_ID_LENGTH && text.bytes().all(|b| b.is_ascii_alphanumeric()) {
        Ok(text.to_owned())
    } else {
        Err("15 letters and digits")
    }
}

fn environment(text: &str) -> Result<Environment, &'static str> {
    match text {
        "production" => Ok(Environment::Production),
        "test" => Ok(Environment::Test),
        _ => Err("production or test"),
    }
}
