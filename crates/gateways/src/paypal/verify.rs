//! Webhooks: their signature over a digest of the raw bytes (sheet §10), and the replies. Nothing is fetched:
//! the certificates are settings.
//!
//! What is signed is a CRC-32 of the body. It finds every accident, but whoever has seen one delivery can write
//! other bodies of the same CRC: what an event says of money is never believed, only asked about (`translate`), and
//! an event is known by its id and a digest of its body, so that no other body takes its place in the inbox.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use http::HeaderMap;

use super::config::Settings;
use super::wire::EventHead;
use crate::acknowledgement::{Acknowledgement, Outcome};
use crate::crypto::{crc32, sha256_hex};
use crate::{RawCallback, Verified, VerifyError};

const TRANSMISSION_ID: &str = "paypal-transmission-id";
const TRANSMISSION_TIME: &str = "paypal-transmission-time";
const SIGNATURE: &str = "paypal-transmission-sig";
const CERT_URL: &str = "paypal-cert-url";
const AUTH_ALGO: &str = "paypal-auth-algo";
const AUTH_VERSION: &str = "paypal-auth-version";

/// The algorithm of the signature; there is no other.
const ALGORITHM: &str = "SHA256withRSA";
/// The name in the certificate that signs.
const SIGNER: &str = "messageverificationcerts.paypal.com";
/// PayPal's limits (sheet §10.3), and one for an event's id and all other texts.
const TRANSMISSION_ID_LENGTH_MAX: usize = 50;
const SIGNATURE_LENGTH_MAX: usize = 500;
const KEY_LENGTH_MAX: usize = 255;
/// UNVERIFIED: PayPal documents no tolerance, and not whether a repetition gets a new time. It repeats for
/// three days.
const AGE_MAX: TimeDelta = TimeDelta::days(4);
/// UNVERIFIED, too: how far ahead of ours PayPal's clock may be.
const AHEAD_MAX: TimeDelta = TimeDelta::minutes(5);

/// Verifies an event.
pub(super) fn callback(
    settings: &Settings,
    callback: &RawCallback<'_>,
    now: DateTime<Utc>,
) -> Result<Verified, VerifyError> {
    let headers = callback.headers;
    let id = header(headers, TRANSMISSION_ID, TRANSMISSION_ID_LENGTH_MAX)?;
    let time = header(headers, TRANSMISSION_TIME, KEY_LENGTH_MAX)?;
    let signature = header(headers, SIGNATURE, SIGNATURE_LENGTH_MAX)?;
    let url = header(headers, CERT_URL, KEY_LENGTH_MAX)?;
    header(headers, AUTH_VERSION, KEY_LENGTH_MAX)?;
    if header(headers, AUTH_ALGO, KEY_LENGTH_MAX)? != ALGORITHM {
        return Err(VerifyError::Malformed(AUTH_ALGO));
    }
    let at = DateTime::parse_from_rfc3339(time)
        .map_err(|_not_a_time| VerifyError::Malformed(TRANSMISSION_TIME))?;
    let checksum = crc32(callback.body);
    let webhooks = settings.webhook_ids.iter();
    let messages: Vec<String> = webhooks
        .map(|webhook| format!("{id}|{time}|{webhook}|{checksum}"))
        .collect();
    check(settings, url, &messages, signature, now)?;
    let (age, ahead) = (now.signed_duration_since(at), at.signed_duration_since(now));
    if age > AGE_MAX || ahead > AHEAD_MAX {
        return Err(VerifyError::OutsideWindow);
    }
    let head: EventHead = serde_json::from_slice(callback.body)
        .map_err(|_other_shape| VerifyError::Malformed("body"))?;
    if head.id.is_empty() || head.id.len() > KEY_LENGTH_MAX {
        return Err(VerifyError::Malformed("id"));
    }
    let kept = [
        (TRANSMISSION_ID, id),
        (TRANSMISSION_TIME, time),
        (SIGNATURE, signature),
        (CERT_URL, url),
    ];
    Ok(Verified {
        key: format!("{}:{}", head.id, sha256_hex(callback.body)),
        kind: head.kind,
        headers: BTreeMap::from(kept.map(|(name, value)| (name.to_owned(), value.to_owned()))),
    })
}

/// Whether a certificate that is known by this address, issued as the settings say and to PayPal's signer,
/// signed one of the messages.
fn check(
    settings: &Settings,
    url: &str,
    messages: &[String],
    signature: &str,
    now: DateTime<Utc>,
) -> Result<(), VerifyError> {
    let mut is_known = false;
    for certificate in settings.certificates.iter().filter(|it| it.url == url) {
        let Ok(leaf) = settings.chain.verify(&certificate.pem, now) else {
            continue;
        };
        if !leaf.is_named(SIGNER) {
            continue;
        }
        is_known = true;
        let is_signed = |it: &String| leaf.key.verify_sha256(it.as_bytes(), signature);
        if messages.iter().any(is_signed) {
            return Ok(());
        }
    }
    Err(if is_known {
        VerifyError::BadSignature
    } else {
        VerifyError::UnknownKey
    })
}

/// A header that is there exactly once.
fn header<'a>(
    headers: &'a HeaderMap,
    name: &'static str,
    length_max: usize,
) -> Result<&'a str, VerifyError> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (Some(value), None) => value
            .to_str()
            .ok()
            .filter(|text| !text.is_empty() && text.len() <= length_max)
            .ok_or(VerifyError::Malformed(name)),
        (_, _) => Err(VerifyError::Malformed(name)),
    }
}

/// Any 2xx is a success, and its body is not read (sheet §10.4).
pub(super) fn acknowledgement(outcome: Outcome) -> Acknowledgement {
    let status = match outcome {
        Outcome::Accepted => 200,
        Outcome::Refused => 400,
        Outcome::NotKept => 503,
    };
    Acknowledgement {
        status,
        content_type: None,
        body: "",
    }
}
