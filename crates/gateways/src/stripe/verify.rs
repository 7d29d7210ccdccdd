//! Events: their signature over the raw bytes (sheet §11), and the replies.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde_json::Value;

use super::config::Settings;
use super::wire::EventHead;
use crate::acknowledgement::{Acknowledgement, Outcome};
use crate::crypto::{hmac_sha256_hex, is_same};
use crate::{RawCallback, Verified, VerifyError};

const SIGNATURE: &str = "stripe-signature";
/// The scheme that counts; `v0` is a decoy of test mode.
const SCHEME: &str = "v1";
/// How many signatures of one event are looked at: one for each secret while one is rolled.
const SIGNATURES_MAX: usize = 8;
/// How far the time of signing may be from ours, in seconds. Stripe's SDKs look at the age only; a time
/// ahead of ours is refused here too.
const WINDOW_SECS: u64 = 300;
/// How long an event's id may be.
const KEY_LENGTH_MAX: usize = 255;

/// The parts of a signature header that count.
#[derive(Debug)]
struct Signed<'a> {
    timestamp: &'a str,
    signatures: Vec<&'a str>,
}

impl<'a> Signed<'a> {
    fn parse(header: &'a str) -> Result<Self, VerifyError> {
        let (mut timestamps, mut signatures) = (Vec::new(), Vec::new());
        for part in header.split(',') {
            let (name, value) = part
                .trim()
                .split_once('=')
                .ok_or(VerifyError::Malformed(SIGNATURE))?;
            match name {
                "t" => timestamps.push(value),
                SCHEME => signatures.push(value),
                _other_scheme => {}
            }
        }
        let [timestamp] = timestamps.as_slice() else {
            return Err(VerifyError::Malformed(SIGNATURE));
        };
        if signatures.is_empty() || signatures.len() > SIGNATURES_MAX {
            return Err(VerifyError::Malformed(SIGNATURE));
        }
        Ok(Self {
            timestamp,
            signatures,
        })
    }

    fn seconds(&self) -> Result<i64, VerifyError> {
        let is_number = self.timestamp.bytes().all(|byte| byte.is_ascii_digit());
        self.timestamp
            .parse()
            .ok()
            .filter(|_| is_number)
            .ok_or(VerifyError::Malformed(SIGNATURE))
    }
}

/// Verifies an event.
pub(super) fn callback(
    settings: &Settings,
    callback: &RawCallback<'_>,
    now: DateTime<Utc>,
) -> Result<Verified, VerifyError> {
    let header = header(callback)?;
    let signed = Signed::parse(header)?;
    let seconds = signed.seconds()?;
    let message = [signed.timestamp.as_bytes(), b".", callback.body].concat();
    let holds = settings.signing_secrets.iter().any(|secret| {
        // Lower-case hex is compared as text, as Stripe's own SDKs do.
        let expected = hmac_sha256_hex(secret.expose().as_bytes(), &message);
        let mut signatures = signed.signatures.iter();
        signatures.any(|signature| is_same(&expected, signature))
    });
    if !holds {
        return Err(VerifyError::BadSignature);
    }
    if now.timestamp().abs_diff(seconds) > WINDOW_SECS {
        return Err(VerifyError::OutsideWindow);
    }
    let head: EventHead = serde_json::from_slice(callback.body)
        .map_err(|_other_shape| VerifyError::Malformed("body"))?;
    if head.id.is_empty() || head.id.len() > KEY_LENGTH_MAX {
        return Err(VerifyError::Malformed("id"));
    }
    Ok(Verified {
        key: head.id,
        kind: head.kind,
        headers: BTreeMap::from([(SIGNATURE.to_owned(), header.to_owned())]),
    })
}

/// Events about intents carry the client secret, with which an order that is still open could be confirmed.
/// Nothing else of the body is changed.
pub(super) fn kept_body(callback: &RawCallback<'_>) -> Option<Vec<u8>> {
    let body = str::from_utf8(callback.body).ok()?;
    let event: Value = serde_json::from_str(body).ok()?;
    let secret = event.pointer("/data/object/client_secret")?.as_str()?;
    let is_there = !secret.is_empty();
    is_there.then(|| body.replace(secret, "[redacted]").into_bytes())
}

/// The signature header, which is there exactly once.
fn header<'a>(callback: &RawCallback<'a>) -> Result<&'a str, VerifyError> {
    let mut values = callback.headers.get_all(SIGNATURE).iter();
    match (values.next(), values.next()) {
        (Some(value), None) => value
            .to_str()
            .map_err(|_not_ascii| VerifyError::Malformed(SIGNATURE)),
        (_, _) => Err(VerifyError::Malformed(SIGNATURE)),
    }
}

/// Any 2xx is a success, and its body is not read; a bad signature is a 400 (sheet §11).
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
