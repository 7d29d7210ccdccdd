//! What comes in: notifications, the payer's return, and the answers to our calls (sheet §4, §8
//! and §9). Everything is verified over the received bytes.

use std::collections::BTreeMap;

use http::header::CONTENT_TYPE;

use super::config::{AlipayKey, Settings};
use crate::acknowledgement::{Acknowledgement, Outcome};
use crate::form::Form;
use crate::{RawCallback, ReturnClaim, Verified, VerifyError};

/// How long a notification's identity may be; genuine ones have 34 characters.
const KEY_LENGTH_MAX: usize = 128;
const SIGN: &str = "sign";
const SIGN_TYPE: &str = "sign_type";
const CERT_SERIAL: &str = "alipay_cert_sn";
const RSA2: &str = "RSA2";

/// How Alipay signs a form.
impl Form {
    /// The bytes that Alipay signed, by one reading of its rules.
    fn string_to_verify(&self, rule: Rule) -> Vec<u8> {
        let mut message = Vec::new();
        for (name, value) in self.fields() {
            let is_left_out = name == SIGN.as_bytes()
                || (name == SIGN_TYPE.as_bytes() && !rule.keep_sign_type)
                || (name == CERT_SERIAL.as_bytes() && rule.drop_cert_serial)
                || (value.is_empty() && rule.drop_empty);
            if is_left_out {
                continue;
            }
            if !message.is_empty() {
                message.push(b'&');
            }
            message.extend_from_slice(name);
            message.push(b'=');
            message.extend_from_slice(value);
        }
        message
    }

    /// Checks the signature, by the plain rule first and then by the other readings that official
    /// and common software has (sheet §8). All are built from what was received, so trying them
    /// accepts nothing that Alipay did not sign.
    pub(in crate::alipay) fn verify(&self, keys: &[AlipayKey]) -> Result<(), VerifyError> {
        if self.get(SIGN_TYPE) != Some(RSA2) {
            return Err(VerifyError::Malformed(SIGN_TYPE));
        }
        let signature = self.get(SIGN).ok_or(VerifyError::Malformed(SIGN))?;
        let has_empty = self.fields().values().any(Vec::is_empty);
        let has_serial = self.fields().contains_key(CERT_SERIAL.as_bytes());
        for keep_sign_type in [false, true] {
            for drop_empty in [false, true].into_iter().filter(|drop| has_empty || !drop) {
                for drop_cert_serial in [false, true].into_iter().filter(|d| has_serial || !d) {
                    let rule = Rule {
                        keep_sign_type,
                        drop_empty,
                        drop_cert_serial,
                    };
                    let message = self.string_to_verify(rule);
                    if keys
                        .iter()
                        .any(|key| key.key.verify_sha256(&message, signature))
                    {
                        return Ok(());
                    }
                }
            }
        }
        Err(VerifyError::BadSignature)
    }
}

/// One reading of what is signed.
#[derive(Debug, Clone, Copy)]
struct Rule {
    keep_sign_type: bool,
    drop_empty: bool,
    drop_cert_serial: bool,
}

/// Verifies a notification.
pub(super) fn callback(
    settings: &Settings,
    callback: &RawCallback<'_>,
) -> Result<Verified, VerifyError> {
    let form = Form::parse(callback.body)?;
    form.verify(&settings.alipay_keys)?;
    let key = form
        .get("notify_id")
        .filter(|key| key.len() <= KEY_LENGTH_MAX)
        .ok_or(VerifyError::Malformed("notify_id"))?;
    let headers = callback
        .headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .map(|value| (CONTENT_TYPE.as_str().to_owned(), value.to_owned()));
    Ok(Verified {
        key: key.to_owned(),
        kind: kind(&form),
        headers: BTreeMap::from_iter(headers),
    })
}

/// What a notification is about, in Alipay's words.
pub(super) fn kind(form: &Form) -> String {
    form.get("trade_status")
        .or(form.get("notify_type"))
        .unwrap_or("unnamed")
        .to_owned()
}

/// The exact replies of sheet §8. Whatever is not `success` makes Alipay repeat.
pub(super) fn acknowledgement(outcome: Outcome) -> Acknowledgement {
    let (status, body) = match outcome {
        Outcome::Accepted => (200, "success"),
        Outcome::Refused => (400, "fail"),
        Outcome::NotKept => (503, "fail"),
    };
    Acknowledgement {
        status,
        content_type: Some("text/plain"),
        body,
    }
}

/// Verifies the query string of the payer's return. It says who came back and nothing else: the
/// state of the order is not in it.
pub(super) fn return_query(settings: &Settings, query: &str) -> Result<ReturnClaim, VerifyError> {
    let form = Form::parse(query.as_bytes())?;
    form.verify(&settings.alipay_keys)?;
    if form.get("app_id") != Some(settings.app_id.as_str()) {
        return Err(VerifyError::Malformed("app_id"));
    }
    let number = form
        .get("out_trade_no")
        .ok_or(VerifyError::Malformed("out_trade_no"))?;
    Ok(ReturnClaim {
        request_number: number.to_owned(),
    })
}

#[cfg(feature = "client")]
pub(super) use answer::open_answer;
#[cfg(all(feature = "client", test))]
pub(super) use answer::{AnswerError, OpenedAnswer};

#[cfg(feature = "client")]
mod answer {
    use std::collections::BTreeMap;

    use serde_json::value::RawValue;

    use super::super::config::AlipayKey;
    use super::{CERT_SERIAL, SIGN};

    /// Why an answer's body may not be believed.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
    pub(in super::super) enum AnswerError {
        #[error("the answer cannot be read")]
        Unreadable,
        #[error("the answer names a certificate that the account does not have")]
        UnknownCertificate,
        #[error("the answer's signature does not hold")]
        BadSignature,
    }

    /// The result node of an answer.
    #[derive(Debug, PartialEq, Eq)]
    pub(in super::super) struct OpenedAnswer<'a> {
        /// The node's JSON, to the byte.
        pub(in super::super) node: &'a str,
        /// Whether it was signed; what was not may only be read as an error (sheet §4).
        pub(in super::super) is_signed: bool,
    }

    /// Takes the result node of `method` out of an answer and checks its signature, if it has one.
    pub(in super::super) fn open_answer<'a>(
        body: &'a [u8],
        method: &str,
        keys: &[AlipayKey],
    ) -> Result<OpenedAnswer<'a>, AnswerError> {
        let members: BTreeMap<String, &'a RawValue> =
            serde_json::from_slice(body).map_err(|_not_json| AnswerError::Unreadable)?;
        let node = members
            .get(&format!("{}_response", method.replace('.', "_")))
            .or_else(|| members.get("error_response"))
            .ok_or(AnswerError::Unreadable)?
            .get();
        let Some(signature) = text(&members, SIGN)? else {
            return Ok(OpenedAnswer {
                node,
                is_signed: false,
            });
        };
        let serial = text(&members, CERT_SERIAL)?;
        let mut keys = keys
            .iter()
            .filter(|key| serial.is_none() || key.serial == serial)
            .peekable();
        if keys.peek().is_none() {
            return Err(AnswerError::UnknownCertificate);
        }
        if keys.any(|key| key.key.verify_sha256(node.as_bytes(), &signature)) {
            Ok(OpenedAnswer {
                node,
                is_signed: true,
            })
        } else {
            Err(AnswerError::BadSignature)
        }
    }

    fn text(
        members: &BTreeMap<String, &RawValue>,
        name: &str,
    ) -> Result<Option<String>, AnswerError> {
        members
            .get(name)
            .map(|raw| serde_json::from_str(raw.get()).map_err(|_no_text| AnswerError::Unreadable))
            .transpose()
    }
}
