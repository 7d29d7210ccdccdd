//! What comes in: payment notices, which are signed, and refund notices, which are encrypted and
//! nothing else (sheet §7 and §8).

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::config::Settings;
use super::sign::is_signed;
use super::wire::{Message, field};
use crate::acknowledgement::{Acknowledgement, Outcome};
use crate::crypto::{OpenFailed, md5_hex, open_aes_256_ecb, sha256_hex};
use crate::{RawCallback, Verified, VerifyError};

/// How long a notification's identity may be; genuine ones stay below 64, or 128 with a digest.
const KEY_LENGTH_MAX: usize = 192;

/// Verifies a notice. Payment notices must be signed by a key of the account. A refund notice has no
/// signature: that it opens with one only shows that its parts come from somebody who has it.
pub(super) fn callback(
    settings: &Settings,
    callback: &RawCallback<'_>,
) -> Result<Verified, VerifyError> {
    let message =
        Message::parse(callback.body).map_err(|_malformed| VerifyError::Malformed("body"))?;
    if !message.is_success(field::RETURN_CODE) {
        return Err(VerifyError::Malformed(field::RETURN_CODE));
    }
    let (kind, key) = match message.get(field::REQ_INFO) {
        Some(sealed) => {
            // Nothing signs these, so nobody's word makes them another merchant's.
            for (name, ours) in [
                (field::MCH_ID, &settings.mch_id),
                (field::APPID, &settings.appid),
            ] {
                if message.get(name) != Some(ours.as_str()) {
                    return Err(VerifyError::Malformed(name));
                }
            }
            refund(settings, sealed)?
        }
        None => payment(settings, &message)?,
    };
    if key.len() > KEY_LENGTH_MAX {
        return Err(VerifyError::Malformed("identity"));
    }
    Ok(Verified {
        key,
        kind,
        headers: BTreeMap::new(),
    })
}

fn payment(settings: &Settings, message: &Message) -> Result<(String, String), VerifyError> {
    let required = |name| message.get(name).ok_or(VerifyError::Malformed(name));
    required(field::SIGN)?;
    if !is_signed(message, &settings.api_keys) {
        return Err(VerifyError::BadSignature);
    }
    // A notice has no number of its own; a paid order has one notice, however often it is posted.
    let key = if message.is_success(field::RESULT_CODE) {
        required(field::TRANSACTION_ID)?.to_owned()
    } else {
        format!(
            "{}:{}",
            required(field::OUT_TRADE_NO)?,
            required(field::ERR_CODE)?
        )
    };
    Ok((payment_kind(message), key))
}

/// What a payment notice is about, for people.
pub(super) fn payment_kind(message: &Message) -> String {
    format!(
        "payment.{}",
        message.get(field::RESULT_CODE).unwrap_or("unnamed")
    )
}

fn refund(settings: &Settings, sealed: &str) -> Result<(String, String), VerifyError> {
    let opened = open(settings, sealed).map_err(|_sealed_otherwise| VerifyError::BadSignature)?;
    let required = |name| opened.get(name).ok_or(VerifyError::Malformed(name));
    let status = required(field::REFUND_STATUS)?;
    // Whoever has seen sealed blocks can put others together of them: what is said is a part of the identity,
    // or such a notice would take the place of the genuine one.
    let digest = sha256_hex(sealed.as_bytes());
    let key = format!("{}:{status}:{digest}", required(field::REFUND_ID)?);
    Ok((refund_kind(&opened), key))
}

/// What a refund notice is about, for people.
pub(super) fn refund_kind(opened: &Message) -> String {
    format!(
        "refund.{}",
        opened.get(field::REFUND_STATUS).unwrap_or("unnamed")
    )
}

/// Opens a refund notice with whichever key of the account opens it.
pub(super) fn open(settings: &Settings, sealed: &str) -> Result<Message, OpenFailed> {
    let sealed = STANDARD.decode(sealed).map_err(|_not_base64| OpenFailed)?;
    settings
        .api_keys
        .iter()
        .find_map(|key| {
            let key = md5_hex(key.expose().as_bytes());
            let plain = open_aes_256_ecb(key.as_bytes(), sealed.clone()).ok()?;
            Message::parse_opened(&plain).ok()
        })
        .ok_or(OpenFailed)
}

/// The replies of sheet §7, the same for both kinds of notices. Whatever is not `SUCCESS` makes
/// WeChat repeat.
pub(super) fn acknowledgement(outcome: Outcome) -> Acknowledgement {
    let (status, body) = match outcome {
        Outcome::Accepted => (
            200,
            concat!(
                "<xml><return_code><![CDATA[SUCCESS]]></return_code>",
                "<return_msg><![CDATA[OK]]></return_msg></xml>"
            ),
        ),
        Outcome::Refused => (
            400,
            concat!(
                "<xml><return_code><![CDATA[FAIL]]></return_code>",
                "<return_msg><![CDATA[refused]]></return_msg></xml>"
            ),
        ),
        Outcome::NotKept => (
            503,
            concat!(
                "<xml><return_code><![CDATA[FAIL]]></return_code>",
                "<return_msg><![CDATA[try again]]></return_msg></xml>"
            ),
        ),
    };
    Acknowledgement {
        status,
        content_type: Some("text/xml"),
        body,
    }
}
