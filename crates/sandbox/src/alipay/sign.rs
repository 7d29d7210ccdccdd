//! Alipay's canonical strings and signatures (alipay sheet §2, §4, §8).

use rsa::{RsaPrivateKey, RsaPublicKey};

use super::Params;
use crate::crypto::{is_signed_by, sign_sha256};

/// What a merchant signs in a request: everything but `sign`, without empty values.
pub(crate) fn request_string(params: &Params) -> String {
    join(params, &["sign"])
}

/// What Alipay signs in a notice and in the browser's return: neither `sign` nor `sign_type`.
pub(crate) fn notice_string(params: &Params) -> String {
    join(params, &["sign", "sign_type"])
}

/// Names sorted as bytes, which is the order of the map.
fn join(params: &Params, dropped: &[&str]) -> String {
    let pairs: Vec<String> = params
        .iter()
        .filter(|(name, value)| !dropped.contains(&name.as_str()) && !value.is_empty())
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    pairs.join("&")
}

/// Whether the merchant signed this request.
pub(crate) fn is_request_signed(key: &RsaPublicKey, params: &Params) -> bool {
    let signature = params.get("sign").map(String::as_str).unwrap_or_default();
    is_signed_by(key, request_string(params).as_bytes(), signature)
}

/// Adds `sign_type` and `sign` to the parameters of a notice or return.
pub(crate) fn sign_notice(key: &RsaPrivateKey, params: &mut Params) -> Option<()> {
    params.insert("sign_type".to_owned(), "RSA2".to_owned());
    let signature = sign_sha256(key, notice_string(params).as_bytes())?;
    params.insert("sign".to_owned(), signature);
    Some(())
}

/// Parameters as a form or query: every value encoded once.
pub(crate) fn encode(params: &Params) -> String {
    form_urlencoded::Serializer::new(String::new())
        .extend_pairs(params)
        .finish()
}
