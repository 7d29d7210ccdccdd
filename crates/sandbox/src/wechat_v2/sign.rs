//! Signatures and sealed parts of WeChat Pay v2 (`wechat_v2` sheet §3 and §8).

use aes_gcm::aes::{
    Aes256,
    cipher::{BlockEncrypt, KeyInit, generic_array::GenericArray},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use hmac::{Hmac, Mac};
use md5::{Digest, Md5};
use sha2::Sha256;

use super::xml::Fields;

pub(crate) const MD5: &str = "MD5";
pub(crate) const HMAC_SHA256: &str = "HMAC-SHA256";

const BLOCK_BYTES: usize = 16;

/// The signature of a message; `None` for a kind that WeChat Pay does not know.
pub(crate) fn sign(sign_type: &str, fields: &Fields, api_key: &str) -> Option<String> {
    let pairs: Vec<String> = fields
        .iter()
        .filter(|(name, value)| name.as_str() != "sign" && !value.is_empty())
        .map(|(name, value)| format!("{name}={value}"))
        .chain([format!("key={api_key}")])
        .collect();
    let text = pairs.join("&");
    match sign_type {
        MD5 => Some(hex::encode_upper(Md5::digest(text))),
        HMAC_SHA256 => {
            let mut mac = <Hmac<Sha256> as Mac>::new_from_slice(api_key.as_bytes()).ok()?;
            mac.update(text.as_bytes());
            Some(hex::encode_upper(mac.finalize().into_bytes()))
        }
        _ => None,
    }
}

/// The kind of signature that a request asks for.
pub(crate) fn sign_type(fields: &Fields) -> &str {
    fields
        .get("sign_type")
        .map(String::as_str)
        .filter(|it| !it.is_empty())
        .unwrap_or(MD5)
}

/// Whether the holder of the key signed the message.
pub(crate) fn is_signed(fields: &Fields, api_key: &str) -> bool {
    let expected = sign(sign_type(fields), fields, api_key);
    expected.is_some() && fields.get("sign") == expected.as_ref()
}

/// `req_info`: AES-256-ECB with PKCS#7 under the hex text of the key's MD5, in base64.
pub(crate) fn seal(plaintext: &str, api_key: &str) -> Option<String> {
    let key = hex::encode(Md5::digest(api_key));
    let cipher = Aes256::new_from_slice(key.as_bytes()).ok()?;
    let mut bytes = plaintext.as_bytes().to_vec();
    let missing = BLOCK_BYTES.saturating_sub(bytes.len() % BLOCK_BYTES);
    let padded = bytes.len().saturating_add(missing);
    bytes.resize(padded, u8::try_from(missing).ok()?);
    for block in bytes.chunks_exact_mut(BLOCK_BYTES) {
        cipher.encrypt_block(GenericArray::from_mut_slice(block));
    }
    Some(STANDARD.encode(bytes))
}
