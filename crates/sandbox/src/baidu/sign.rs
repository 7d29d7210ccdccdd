//! Baidu's canonical string, its signatures (SHA-1 with RSA) and its access tokens (baidu sheet §2 and §8).

use base64::{Engine, engine::general_purpose::STANDARD};
use md5::{Digest, Md5};
use rsa::{
    RsaPrivateKey, RsaPublicKey,
    pkcs1v15::{Signature, SigningKey, VerifyingKey},
    signature::{SignatureEncoding, Signer, Verifier},
};
use sha1::Sha1;

use super::Params;
use crate::accounts::BaiduMerchant;

/// Everything but the signature itself.
pub(crate) fn string_to_sign(params: &Params) -> String {
    let pairs: Vec<String> = params
        .iter()
        .filter(|(name, _)| !["rsaSign", "sign", "sign_type"].contains(&name.as_str()))
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    pairs.join("&")
}

pub(crate) fn sign(key: &RsaPrivateKey, params: &Params) -> Option<String> {
    let signer = SigningKey::<Sha1>::new(key.clone());
    let signature = signer.try_sign(string_to_sign(params).as_bytes()).ok()?;
    Some(STANDARD.encode(signature.to_vec()))
}

pub(crate) fn is_signed(key: &RsaPublicKey, params: &Params, signature: &str) -> bool {
    let signature = STANDARD
        .decode(signature)
        .ok()
        .and_then(|bytes| Signature::try_from(bytes.as_slice()).ok());
    signature.is_some_and(|signature| {
        VerifyingKey::<Sha1>::new(key.clone())
            .verify(string_to_sign(params).as_bytes(), &signature)
            .is_ok()
    })
}

/// A token that says when it was given and that only the sandbox can make.
pub(crate) fn token(merchant: &BaiduMerchant, given_at: i64) -> String {
    let proof = Md5::digest(format!("{} {given_at}", merchant.client_secret));
    format!("24.{given_at}.{}", hex::encode(proof))
}

/// Whether the call carries a token of this merchant that is not over.
pub(crate) fn is_token_of(
    merchant: &BaiduMerchant,
    params: &Params,
    now: i64,
    valid_secs: i64,
) -> bool {
    let Some(given) = params.get("access_token") else {
        return false;
    };
    let given_at = given.split('.').nth(1).and_then(|at| at.parse().ok());
    given_at
        .is_some_and(|at: i64| now.saturating_sub(at) < valid_secs && *given == token(merchant, at))
}

/// The form of a callback.
pub(crate) fn encode(params: &Params) -> String {
    form_urlencoded::Serializer::new(String::new())
        .extend_pairs(params)
        .finish()
}
