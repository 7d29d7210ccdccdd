//! Settings of an Alipay account (sheet §1).
//!
//! | field | |
//! | --- | --- |
//! | `gateway_url` | for example `https://openapi.alipay.com/gateway.do` |
//! | `app_id` | digits |
//! | `seller_id` | our PID: 16 digits, `2088…` |
//! | `mode` | `public_key` or `certificate`: how the app is set up at Alipay |
//! | `alipay_public_keys` | Alipay's keys, several at once while they rotate |
//! | `alipay_certs` | Alipay's certificates, several at once; the first of each file counts |
//! | `app_cert`, `alipay_root_cert` | certificate mode: our certificate and Alipay's root bundle |
//! | `qr_product_code` | product of QR orders by contract; `QR_CODE_OFFLINE` if left out |
//! | `op_app_id` | the mini program inside which JSAPI orders are paid; `app_id` if left out |
//! | `app_private_key` (secret) | our key: PEM, or one line of base64 |
//!
//! Keys and certificates of either mode are accepted for verification whatever the mode is, since
//! after a switch the old ones stay in use for seven days.

use md5::{Digest, Md5};
use url::Url;

use crate::config::{AccountConfig, ConfigError, FieldReader, gateway_url, list_text};
use crate::crypto::{Certificate, KeyError, RsaPrivateKey, RsaPublicKey};

/// The settings that are secrets.
pub const SECRET_FIELDS: &[&str] = &["app_private_key"];

/// How many keys or certificates of Alipay an account may hold at once.
const KEYS_MAX: usize = 8;
const APP_ID_LENGTH_MAX: usize = 32;
const SELLER_ID_LENGTH: usize = 16;
const SELLER_ID_START: &str = "2088";
const PRODUCT_CODE_LENGTH_MAX: usize = 64;
const PRODUCT_QR: &str = "QR_CODE_OFFLINE";
/// The commonest mistake: the console shows both keys side by side.
const EXPECTED_KEY: &str = "Alipay's key, not the app's own that was uploaded there";
/// All signature algorithms of the RSA family.
const RSA_FAMILY: &str = "1.2.840.113549.1.1.";

/// Typed settings of one account.
#[derive(Debug)]
#[cfg_attr(
    not(feature = "client"),
    expect(dead_code, reason = "without calls only the verifying half is used")
)]
pub(super) struct Settings {
    pub(super) gateway_url: Url,
    pub(super) app_id: String,
    pub(super) seller_id: String,
    pub(super) qr_product_code: String,
    pub(super) op_app_id: String,
    pub(super) app_private_key: RsaPrivateKey,
    /// Alipay's keys, all of them active.
    pub(super) alipay_keys: Vec<AlipayKey>,
    /// Sent with every request in certificate mode.
    pub(super) serials: Option<Serials>,
}

/// A key of Alipay's.
#[derive(Debug)]
pub(super) struct AlipayKey {
    /// The serial of its certificate, if it came with one; answers to calls name it.
    #[cfg_attr(
        not(feature = "client"),
        expect(dead_code, reason = "answers come with calls only")
    )]
    pub(super) serial: Option<String>,
    pub(super) key: RsaPublicKey,
}

/// The certificate serials that certificate mode sends.
#[derive(Debug)]
#[cfg_attr(
    not(feature = "client"),
    expect(dead_code, reason = "sent with calls only")
)]
pub(super) struct Serials {
    pub(super) app: String,
    pub(super) root: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    PublicKey,
    Certificate,
}

impl Settings {
    /// Reads the settings.
    pub(super) fn try_new(config: &AccountConfig) -> Result<Self, ConfigError> {
        let mut reader = FieldReader::new(config);
        let gateway_url = reader.parsed("gateway_url", gateway_url);
        let app_id = reader.parsed("app_id", app_id);
        let seller_id = reader.parsed("seller_id", seller_id);
        let mode = reader.parsed("mode", mode);
        let app_private_key = reader.secret("app_private_key", RsaPrivateKey::try_parse);
        let qr_product_code = reader
            .optional_text("qr_product_code")
            .unwrap_or(PRODUCT_QR);
        if qr_product_code.len() > PRODUCT_CODE_LENGTH_MAX {
            reader.problem("qr_product_code", "a product code of Alipay's");
        }
        let op_app_id = reader.optional_text("op_app_id");
        if let Some(Err(expected)) = op_app_id.map(self::app_id) {
            reader.problem("op_app_id", expected);
        }
        let serials = serials(&mut reader, mode, app_private_key.as_ref());
        let alipay_keys = alipay_keys(&mut reader, mode, app_private_key.as_ref());

        let problems = reader.finish(SECRET_FIELDS);
        match (gateway_url, app_id, seller_id, app_private_key) {
            (Some(gateway_url), Some(app_id), Some(seller_id), Some(app_private_key))
                if problems.is_empty() =>
            {
                let qr_product_code = qr_product_code.to_owned();
                let op_app_id = op_app_id.unwrap_or(&app_id).to_owned();
                Ok(Self {
                    gateway_url,
                    app_id,
                    seller_id,
                    qr_product_code,
                    op_app_id,
                    app_private_key,
                    alipay_keys,
                    serials,
                })
            }
            _ => Err(ConfigError { problems }),
        }
    }
}

fn serials(
    reader: &mut FieldReader<'_>,
    mode: Option<Mode>,
    app_key: Option<&RsaPrivateKey>,
) -> Option<Serials> {
    if mode != Some(Mode::Certificate) {
        reader.optional_text("app_cert");
        reader.optional_text("alipay_root_cert");
        return None;
    }
    let app = reader.parsed("app_cert", Certificate::try_parse);
    let root = reader.parsed("alipay_root_cert", root_serial);
    if let (Some(certificate), Some(key)) = (&app, app_key)
        && certificate.public_key().as_ref() != Ok(key.public_key())
    {
        reader.problem("app_cert", "the certificate of app_private_key");
    }
    Some(Serials {
        app: serial(&app?),
        root: root?,
    })
}

fn alipay_keys(
    reader: &mut FieldReader<'_>,
    mode: Option<Mode>,
    app_key: Option<&RsaPrivateKey>,
) -> Vec<AlipayKey> {
    let public_keys = reader.list("alipay_public_keys", KEYS_MAX, |value| {
        let key = RsaPublicKey::try_parse(list_text(value)?).map_err(|e| e.to_string())?;
        Ok::<_, String>(AlipayKey { serial: None, key })
    });
    let certificates = reader.list("alipay_certs", KEYS_MAX, |value| {
        let certificate = Certificate::try_parse(list_text(value)?).map_err(|e| e.to_string())?;
        let key = certificate.public_key().map_err(|e| e.to_string())?;
        Ok::<_, String>(AlipayKey {
            serial: Some(serial(&certificate)),
            key,
        })
    });
    let is_own = |key: &AlipayKey| app_key.is_some_and(|own| *own.public_key() == key.key);
    if public_keys.iter().any(is_own) {
        reader.problem("alipay_public_keys", EXPECTED_KEY);
    }
    if certificates.iter().any(is_own) {
        reader.problem("alipay_certs", EXPECTED_KEY);
    }
    match mode {
        Some(Mode::PublicKey) if public_keys.is_empty() => {
            reader.problem("alipay_public_keys", "at least one key in mode public_key");
        }
        Some(Mode::Certificate) if certificates.is_empty() => {
            reader.problem(
                "alipay_certs",
                "at least one certificate in mode certificate",
            );
        }
        Some(Mode::PublicKey | Mode::Certificate) | None => {}
    }
    public_keys.into_iter().chain(certificates).collect()
}

/// Alipay's serial of a certificate: MD5 of the issuer and the decimal serial number (sheet §1).
pub(super) fn serial(certificate: &Certificate) -> String {
    let digest = Md5::new()
        .chain_update(certificate.issuer())
        .chain_update(certificate.serial_decimal())
        .finalize();
    hex::encode(digest)
}

/// The serials of the root bundle's RSA certificates, in file order. Members of other families, and
/// members that cannot be read, are passed over.
pub(super) fn root_serial(bundle: &str) -> Result<String, KeyError> {
    let serials: Vec<String> = Certificate::parse_bundle(bundle)
        .iter()
        .filter(|certificate| certificate.signature_algorithm().starts_with(RSA_FAMILY))
        .map(serial)
        .collect();
    if serials.is_empty() {
        Err(KeyError::NotACertificate)
    } else {
        Ok(serials.join("_"))
    }
}

fn app_id(text: &str) -> Result<String, &'static str> {
    let is_id = text.len() <= APP_ID_LENGTH_MAX && text.bytes().all(|b| b.is_ascii_digit());
    if is_id {
        Ok(text.to_owned())
    } else {
        Err("at most 32 digits")
    }
}

fn seller_id(text: &str) -> Result<String, &'static str> {
    let is_id = text.len() == SELLER_ID_LENGTH
        && text.starts_with(SELLER_ID_START)
        && text.bytes().all(|b| b.is_ascii_digit());
    if is_id {
        Ok(text.to_owned())
    } else {
        Err("16 digits that begin with 2088")
    }
}

fn mode(text: &str) -> Result<Mode, &'static str> {
    match text {
        "public_key" => Ok(Mode::PublicKey),
        "certificate" => Ok(Mode::Certificate),
        _ => Err("public_key or certificate"),
    }
}
