//! What we send: the strings that are signed and what carries the signature (sheet §2 and §9).
//! Pure.

use super::config::Settings;
use super::verify::SCHEME;
use crate::crypto::{RsaPrivateKey, SignFailed};

/// When and with what randomness something is signed.
#[derive(Debug)]
pub(super) struct Stamp {
    /// Unix seconds.
    pub(super) timestamp: String,
    /// At most 32 letters and digits.
    pub(super) nonce: String,
}

/// The string that is signed for a request. `target` is path and query exactly as sent.
pub(super) fn request_string(verb: &str, target: &str, stamp: &Stamp, body: &str) -> String {
    format!(
        "{verb}\n{target}\n{}\n{}\n{body}\n",
        stamp.timestamp, stamp.nonce
    )
}

/// The `Authorization` header of a request.
pub(super) fn authorization(
    settings: &Settings,
    verb: &str,
    target: &str,
    stamp: &Stamp,
    body: &str,
) -> Result<String, SignFailed> {
    let message = request_string(verb, target, stamp, body);
    let signature = settings
        .merchant_private_key
        .sign_sha256(message.as_bytes())?;
    Ok(format!(
        concat!(
            r#"{scheme} mchid="{mchid}",nonce_str="{nonce}",signature="{signature}","#,
            r#"timestamp="{timestamp}",serial_no="{serial}""#
        ),
        scheme = SCHEME,
        mchid = settings.mchid,
        nonce = stamp.nonce,
        signature = signature,
        timestamp = stamp.timestamp,
        serial = settings.merchant_serial_no,
    ))
}

/// The signature of what a client needs to call up WeChat. `order` is `prepay_id=…` for JSAPI and
/// mini programs, and the bare prepay id for apps.
pub(super) fn invoke(
    appid: &str,
    stamp: &Stamp,
    order: &str,
    key: &RsaPrivateKey,
) -> Result<String, SignFailed> {
    let message = format!("{appid}\n{}\n{}\n{order}\n", stamp.timestamp, stamp.nonce);
    key.sign_sha256(message.as_bytes())
}
