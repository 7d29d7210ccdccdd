//! UnionPay's text to sign and its signatures (unionpay sheet §3): the signature is over the hex of a
//! digest, so that SHA-256 is applied twice.

use rsa::RsaPublicKey;
use sha2::{Digest, Sha256};

use super::Fields;
use crate::{
    accounts::UnionpayPlatform,
    crypto::{is_signed_by, sign_sha256},
};

/// Lower-case hex of the digest of all fields but the signature.
pub(crate) fn digest(fields: &Fields) -> String {
    let pairs: Vec<String> = fields
        .iter()
        .filter(|(name, value)| *name != "signature" && !value.trim().is_empty())
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    hex::encode(Sha256::digest(pairs.join("&")))
}

/// Whether the merchant signed this message.
pub(crate) fn is_signed(key: &RsaPublicKey, fields: &Fields) -> bool {
    let signature = fields
        .get("signature")
        .map(String::as_str)
        .unwrap_or_default();
    is_signed_by(key, digest(fields).as_bytes(), signature)
}

/// Makes a message UnionPay's: what it is written in, the certificate, the signature.
pub(crate) fn sign(platform: &UnionpayPlatform, fields: &mut Fields) {
    for (name, value) in [
        ("version", "5.1.0"),
        ("encoding", "UTF-8"),
        ("signMethod", "01"),
        ("signPubKeyCert", &platform.certificate_pem),
    ] {
        fields.insert(name.to_owned(), value.to_owned());
    }
    let signature = sign_sha256(&platform.private, digest(fields).as_bytes());
    fields.insert("signature".to_owned(), signature.unwrap_or_default());
}
