//! The canonical string and its keyed digest, the same in both directions (sheet §3). Pure.

use kassa_core::Secret;

use super::wire::{Message, field};
use crate::crypto::{hmac_sha256_hex, is_same, md5_hex};

/// How a message is signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SignType {
    Md5,
    HmacSha256,
}

impl SignType {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Md5 => "MD5",
            Self::HmacSha256 => "HMAC-SHA256",
        }
    }

    pub(super) fn parse(word: &str) -> Option<Self> {
        [Self::Md5, Self::HmacSha256]
            .into_iter()
            .find(|it| it.as_str() == word)
    }

    /// How many hex digits its signature has.
    fn length(self) -> usize {
        match self {
            Self::Md5 => 32,
            Self::HmacSha256 => 64,
        }
    }
}

/// All fields that are not empty but `sign` itself, by name, and the key.
pub(super) fn string_to_sign(message: &Message, key: &Secret) -> Secret {
    let mut text = String::new();
    for (name, value) in message.fields() {
        if name != field::SIGN && !value.is_empty() {
            text.push_str(name);
            text.push('=');
            text.push_str(value);
            text.push('&');
        }
    }
    text.push_str("key=");
    text.push_str(key.expose());
    Secret::new(text)
}

/// The signature of a message.
pub(super) fn sign(sign_type: SignType, message: &Message, key: &Secret) -> String {
    let text = string_to_sign(message, key);
    let text = text.expose().as_bytes();
    let digest = match sign_type {
        SignType::Md5 => md5_hex(text),
        SignType::HmacSha256 => hmac_sha256_hex(key.expose().as_bytes(), text),
    };
    digest.to_ascii_uppercase()
}

/// Whether one of the keys signed the message. A message that does not say how it was signed
/// (sheet §3) shows it by the length of its signature.
pub(super) fn is_signed(message: &Message, keys: &[Secret]) -> bool {
    let Some(signature) = message.get(field::SIGN) else {
        return false;
    };
    let sign_type = match message.get(field::SIGN_TYPE) {
        Some(word) => SignType::parse(word),
        None => [SignType::Md5, SignType::HmacSha256]
            .into_iter()
            .find(|it| it.length() == signature.len()),
    };
    sign_type.is_some_and(|sign_type| {
        keys.iter()
            .any(|key| is_same(&sign(sign_type, message, key), signature))
    })
}
