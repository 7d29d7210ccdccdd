//! What comes in: back notifications, front notifications and answers (sheet §3.3 and §11). All are
//! signed alike, with a certificate that comes along; it is believed for its chain and its name.

use std::collections::BTreeMap;

use aws_lc_rs::digest::{Context, SHA256};
use chrono::{DateTime, Utc};
use http::header::CONTENT_TYPE;

use super::config::{Environment, Settings};
use super::wire::{ENCODING, SIGN_METHOD, VERSION, field};
use crate::acknowledgement::{Acknowledgement, Outcome};
use crate::form::Form;
use crate::{RawCallback, ReturnClaim, Verified, VerifyError};

/// The organisation in the name of UnionPay's certificate (sheet §3.3).
const ORGANISATION: &str = "中国银联股份有限公司";
/// Where it stands in the name, whose parts are divided by `@`.
const ORGANISATION_PART: usize = 2;
/// What stands there in the test environment.
const TEST_ORGANISATION: &str = "00040000:SIGN";
/// How long each part of a notification's identity may be; an order number has at most 40 characters.
const KEY_PART_LENGTH_MAX: usize = 40;

/// Lower-case hex of the SHA-256 of what is signed: all fields but `signature` that have a value,
/// sorted by name. That text, not the fields, is what the signature is over: the hashing is double.
pub(super) fn digest<'a>(fields: impl Iterator<Item = (&'a [u8], &'a [u8])>) -> String {
    let mut context = Context::new(&SHA256);
    let mut is_first = true;
    for (name, value) in fields {
        if name == field::SIGNATURE.as_bytes() || value.trim_ascii().is_empty() {
            continue;
        }
        if !is_first {
            context.update(b"&");
        }
        is_first = false;
        context.update(name);
        context.update(b"=");
        context.update(value);
    }
    hex::encode(context.finish())
}

/// Checks a message: what it is written in, the certificate's chain and name, the signature.
pub(super) fn message(
    settings: &Settings,
    form: &Form,
    now: DateTime<Utc>,
) -> Result<(), VerifyError> {
    for (name, expected) in [
        (field::VERSION, VERSION),
        (field::ENCODING, ENCODING),
        (field::SIGN_METHOD, SIGN_METHOD),
    ] {
        if form.get(name) != Some(expected) {
            return Err(VerifyError::Malformed(name));
        }
    }
    let certificate = required(form, field::SIGN_PUB_KEY_CERT)?;
    let signature = required(form, field::SIGNATURE)?;
    let leaf = settings
        .chain
        .verify(certificate, now)
        .map_err(|_not_trusted| VerifyError::UnknownKey)?;
    if !is_unionpay(settings.environment, &leaf.common_name) {
        return Err(VerifyError::UnknownKey);
    }
    let fields = form.fields().iter();
    let digest = digest(fields.map(|(name, value)| (name.as_slice(), value.as_slice())));
    if leaf.key.verify_sha256(digest.as_bytes(), signature) {
        Ok(())
    } else {
        Err(VerifyError::BadSignature)
    }
}

fn is_unionpay(environment: Environment, common_name: &str) -> bool {
    let organisation = common_name.split('@').nth(ORGANISATION_PART);
    match environment {
        Environment::Production => organisation == Some(ORGANISATION),
        Environment::Test => {
            organisation == Some(ORGANISATION) || organisation == Some(TEST_ORGANISATION)
        }
    }
}

fn required<'a>(form: &'a Form, name: &'static str) -> Result<&'a str, VerifyError> {
    form.get(name).ok_or(VerifyError::Malformed(name))
}

/// Verifies a back notification. A repeat has the same order, time, kind and result.
pub(super) fn callback(
    settings: &Settings,
    callback: &RawCallback<'_>,
    now: DateTime<Utc>,
) -> Result<Verified, VerifyError> {
    let form = Form::parse(callback.body)?;
    message(settings, &form, now)?;
    let mut parts = Vec::new();
    for name in [
        field::TXN_TYPE,
        field::ORDER_ID,
        field::TXN_TIME,
        field::RESP_CODE,
    ] {
        let part = required(&form, name)?;
        if part.len() > KEY_PART_LENGTH_MAX {
            return Err(VerifyError::Malformed(name));
        }
        parts.push(part);
    }
    let headers = callback
        .headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .map(|value| (CONTENT_TYPE.as_str().to_owned(), value.to_owned()));
    Ok(Verified {
        key: parts.join("."),
        kind: kind(&form),
        headers: BTreeMap::from_iter(headers),
    })
}

/// What a notification is about, in UnionPay's codes: type and result.
pub(super) fn kind(form: &Form) -> String {
    let word = |name| form.get(name).unwrap_or("-");
    format!(
        "txnType {} respCode {}",
        word(field::TXN_TYPE),
        word(field::RESP_CODE)
    )
}

/// UnionPay looks at the status alone (sheet §11).
pub(super) fn acknowledgement(outcome: Outcome) -> Acknowledgement {
    let (status, body) = match outcome {
        Outcome::Accepted => (200, "ok"),
        Outcome::Refused => (400, "fail"),
        Outcome::NotKept => (503, "fail"),
    };
    Acknowledgement {
        status,
        content_type: Some("text/plain"),
        body,
    }
}

/// Verifies a front notification: the form that the payer's browser posts to `frontUrl`. It says who
/// came back and nothing else.
pub(super) fn front_notification(
    settings: &Settings,
    form: &str,
    now: DateTime<Utc>,
) -> Result<ReturnClaim, VerifyError> {
    let form = Form::parse(form.as_bytes())?;
    message(settings, &form, now)?;
    if form.get(field::MER_ID) != Some(settings.mer_id.as_str()) {
        return Err(VerifyError::Malformed(field::MER_ID));
    }
    Ok(ReturnClaim {
        request_number: required(&form, field::ORDER_ID)?.to_owned(),
    })
}
