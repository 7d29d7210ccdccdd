//! The primitives that both gateways use: `SHA256withRSA` by the `rsa` crate and AES-256-GCM by
//! `aes-gcm`, on purpose not the crates that Kassa's own adapters use, so that each side judges the
//! other.

use aes_gcm::{
    Aes256Gcm, KeyInit,
    aead::{Aead, Payload},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use rand::Rng;
use rsa::{
    RsaPrivateKey, RsaPublicKey,
    pkcs1v15::{Signature, SigningKey, VerifyingKey},
    signature::{SignatureEncoding, Signer, Verifier},
};
use sha2::Sha256;

/// Letters and digits of nonces and tokens.
const ALPHABET: [char; 62] = [
    '0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'A', 'B', 'C', 'D', 'E', 'F', 'G', 'H', 'I',
    'J', 'K', 'L', 'M', 'N', 'O', 'P', 'Q', 'R', 'S', 'T', 'U', 'V', 'W', 'X', 'Y', 'Z', 'a', 'b',
    'c', 'd', 'e', 'f', 'g', 'h', 'i', 'j', 'k', 'l', 'm', 'n', 'o', 'p', 'q', 'r', 's', 't', 'u',
    'v', 'w', 'x', 'y', 'z',
];

/// Signs and answers base64; `None` only for keys too short for SHA-256, which key loading refuses.
pub(crate) fn sign_sha256(key: &RsaPrivateKey, message: &[u8]) -> Option<String> {
    let signer = SigningKey::<Sha256>::new(key.clone());
    let signature = signer.try_sign(message).ok()?;
    Some(STANDARD.encode(signature.to_vec()))
}

/// Whether `signature` (base64) is the key holder's signature over `message`.
pub(crate) fn is_signed_by(key: &RsaPublicKey, message: &[u8], signature: &str) -> bool {
    let Ok(bytes) = STANDARD.decode(signature) else {
        return false;
    };
    let Ok(signature) = Signature::try_from(bytes.as_slice()) else {
        return false;
    };
    VerifyingKey::<Sha256>::new(key.clone())
        .verify(message, &signature)
        .is_ok()
}

/// The same signature with one bit turned: well formed and wrong.
pub(crate) fn corrupt(signature: &str) -> String {
    let mut bytes = STANDARD.decode(signature).unwrap_or_default();
    if let Some(last) = bytes.last_mut() {
        *last ^= 1;
    }
    STANDARD.encode(bytes)
}

/// AES-256-GCM, base64 of ciphertext and tag (`wechat_v3` sheet §10). `None` when the key is not 32
/// or the nonce not 12 bytes long.
pub(crate) fn seal(key: &str, nonce: &str, aad: &str, plaintext: &[u8]) -> Option<String> {
    if nonce.len() != 12 {
        return None;
    }
    let cipher = Aes256Gcm::new_from_slice(key.as_bytes()).ok()?;
    let payload = Payload {
        msg: plaintext,
        aad: aad.as_bytes(),
    };
    let sealed = cipher
        .encrypt(aes_gcm::Nonce::from_slice(nonce.as_bytes()), payload)
        .ok()?;
    Some(STANDARD.encode(sealed))
}

/// The reverse of [`seal`].
#[cfg(test)]
pub(crate) fn open(key: &str, nonce: &str, aad: &str, ciphertext: &str) -> Option<Vec<u8>> {
    let cipher = Aes256Gcm::new_from_slice(key.as_bytes()).ok()?;
    let sealed = STANDARD.decode(ciphertext).ok()?;
    let payload = Payload {
        msg: &sealed,
        aad: aad.as_bytes(),
    };
    cipher
        .decrypt(aes_gcm::Nonce::from_slice(nonce.as_bytes()), payload)
        .ok()
}

/// `length` random letters and digits.
pub(crate) fn random_text(length: usize) -> String {
    let mut rng = rand::rng();
    (0..length)
        .filter_map(|_| ALPHABET.get(rng.random_range(0..ALPHABET.len())))
        .collect()
}

/// `length` random digits.
pub(crate) fn random_digits(length: usize) -> String {
    let mut rng = rand::rng();
    (0..length)
        .filter_map(|_| ALPHABET.get(rng.random_range(0..10)))
        .collect()
}
