//! What comes in: notifications, and the answers to our calls, verified alike over their raw bytes
//! (sheet §3 and §10).

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use http::HeaderMap;

use super::config::Settings;
use super::wire::EnvelopeHead;
use crate::acknowledgement::{Acknowledgement, Outcome};
use crate::crypto::RsaPublicKey;
use crate::{RawCallback, Verified, VerifyError};

const SERIAL: &str = "wechatpay-serial";
const TIMESTAMP: &str = "wechatpay-timestamp";
const NONCE: &str = "wechatpay-nonce";
const SIGNATURE: &str = "wechatpay-signature";
const SIGNATURE_TYPE: &str = "wechatpay-signature-type";
/// How the signatures begin by which WeChat tests whether we verify (sheet §10).
const PROBE_START: &str = "WECHATPAY/SIGNTEST/";
/// The signature scheme, in both directions.
pub(super) const SCHEME: &str = "WECHATPAY2-SHA256-RSA2048";

/// How far the time of signing may be from ours, in seconds, either way.
const WINDOW_SECS: u64 = 300;
/// How long a notification's identity may be; the sheet says 36.
const KEY_LENGTH_MAX: usize = 128;

/// Checks the signature of a message with the key that it names.
pub(super) fn signed(
    keys: &BTreeMap<String, RsaPublicKey>,
    headers: &HeaderMap,
    body: &[u8],
    now: DateTime<Utc>,
) -> Result<(), VerifyError> {
    let serial = header(headers, SERIAL)?;
    let timestamp = header(headers, TIMESTAMP)?;
    let nonce = header(headers, NONCE)?;
    let signature = header(headers, SIGNATURE)?;
    if headers.contains_key(SIGNATURE_TYPE) && header(headers, SIGNATURE_TYPE)? != SCHEME {
        return Err(VerifyError::Malformed(SIGNATURE_TYPE));
    }
    let is_number = timestamp.bytes().all(|byte| byte.is_ascii_digit());
    let seconds: i64 = timestamp
        .parse()
        .ok()
        .filter(|_| is_number)
        .ok_or(VerifyError::Malformed(TIMESTAMP))?;
    if now.timestamp().abs_diff(seconds) > WINDOW_SECS {
        return Err(VerifyError::OutsideWindow);
    }
    let message = [
        timestamp.as_bytes(),
        b"\n",
        nonce.as_bytes(),
        b"\n",
        body,
        b"\n",
    ]
    .concat();
    match keys.get(serial) {
        Some(key) if key.verify_sha256(&message, signature) => Ok(()),
        // Said only of what does not hold: the mark is no way in.
        Some(_) | None if signature.starts_with(PROBE_START) => Err(VerifyError::Probe),
        Some(_) => Err(VerifyError::BadSignature),
        None => Err(VerifyError::UnknownKey),
    }
}

/// A header that is there exactly once.
fn header<'a>(headers: &'a HeaderMap, name: &'static str) -> Result<&'a str, VerifyError> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (Some(value), None) => value
            .to_str()
            .map_err(|_not_ascii| VerifyError::Malformed(name)),
        (_, _) => Err(VerifyError::Malformed(name)),
    }
}

/// Verifies a notification. Requests that only probe whether we verify fail like any other with a bad
/// signature, as they should, under a name of their own: nobody is attacking.
pub(super) fn callback(
    settings: &Settings,
    callback: &RawCallback<'_>,
    now: DateTime<Utc>,
) -> Result<Verified, VerifyError> {
    signed(
        &settings.platform_keys,
        callback.headers,
        callback.body,
        now,
    )?;
    let head: EnvelopeHead = serde_json::from_slice(callback.body)
        .map_err(|_other_shape| VerifyError::Malformed("body"))?;
    if head.id.is_empty() || head.id.len() > KEY_LENGTH_MAX {
        return Err(VerifyError::Malformed("id"));
    }
    let kept = [SERIAL, TIMESTAMP, NONCE, SIGNATURE, SIGNATURE_TYPE].into_iter();
    let headers = kept.filter_map(|name| {
        let value = callback.headers.get(name)?.to_str().ok()?;
        Some((name.to_owned(), value.to_owned()))
    });
    Ok(Verified {
        key: head.id,
        kind: head.event_type,
        headers: headers.collect(),
    })
}

/// The replies of sheet §10; they are due within five seconds.
pub(super) fn acknowledgement(outcome: Outcome) -> Acknowledgement {
    const JSON: Option<&str> = Some("application/json");
    let (status, content_type, body) = match outcome {
        Outcome::Accepted => (204, None, ""),
        Outcome::Refused => (401, JSON, r#"{"code":"FAIL","message":"refused"}"#),
        Outcome::NotKept => (503, JSON, r#"{"code":"FAIL","message":"try again"}"#),
    };
    Acknowledgement {
        status,
        content_type,
        body,
    }
}
