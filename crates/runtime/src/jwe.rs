//! Encrypting to somebody else's public key: JWE in its compact form (RFC 7516), `RSA-OAEP-256` and
//! `A256GCM` (RFC 7518, sections 4.3 and 5.3), which every language has a library for.

use std::fmt;

use aws_lc_rs::aead::{AES_256_GCM, Aad, RandomizedNonceKey};
use aws_lc_rs::rsa::{OAEP_SHA256_MGF1SHA256, OaepPublicEncryptingKey, PublicEncryptingKey};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use kassa_core::Secret;
use rustls_pki_types::SubjectPublicKeyInfoDer;
use rustls_pki_types::pem::PemObject;
use serde_json::json;

/// Bytes of a content key.
const CONTENT_KEY_BYTES: usize = 32;
/// The smallest key that is encrypted to, in bits.
const MODULUS_BITS_MIN: usize = 2048;
/// The most characters of a key's name.
const KID_CHARS_MAX: usize = 64;

/// Why a public key cannot be encrypted to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RecipientKeyError {
    /// Its name.
    #[error("kid must have 1 to {KID_CHARS_MAX} printable ASCII characters")]
    Kid,
    /// Its form.
    #[error(
        "public_key must be an RSA public key of {MODULUS_BITS_MIN} bits or more in PEM (SPKI)"
    )]
    Key,
}

/// The library failed to encrypt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("encrypting failed")]
pub struct EncryptFailed;

/// A public key that can be encrypted to.
pub struct RecipientKey {
    kid: String,
    key: OaepPublicEncryptingKey,
}

impl fmt::Debug for RecipientKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RecipientKey")
            .field("kid", &self.kid)
            .finish_non_exhaustive()
    }
}

impl RecipientKey {
    /// Reads a public key: SPKI in PEM.
    ///
    /// # Errors
    /// [`RecipientKeyError`].
    pub fn try_parse(kid: &str, public_key_pem: &str) -> Result<Self, RecipientKeyError> {
        let is_name = (1..=KID_CHARS_MAX).contains(&kid.len())
            && kid.bytes().all(|byte| byte.is_ascii_graphic());
        if !is_name {
            return Err(RecipientKeyError::Kid);
        }
        let spki = SubjectPublicKeyInfoDer::from_pem_slice(public_key_pem.as_bytes())
            .map_err(|_malformed| RecipientKeyError::Key)?;
        let key =
            PublicEncryptingKey::from_der(&spki).map_err(|_not_rsa| RecipientKeyError::Key)?;
        if key.key_size_bits() < MODULUS_BITS_MIN {
            return Err(RecipientKeyError::Key);
        }
        let key =
            OaepPublicEncryptingKey::new(key).map_err(|_unspecified| RecipientKeyError::Key)?;
        Ok(Self {
            kid: kid.to_owned(),
            key,
        })
    }

    /// Encrypts to the key: five parts in base64url with points between them.
    ///
    /// # Errors
    /// [`EncryptFailed`].
    pub fn encrypt(&self, plaintext: &[u8]) -> Result<String, EncryptFailed> {
        let failed = |_unspecified| EncryptFailed;
        let header = json!({ "alg": "RSA-OAEP-256", "enc": "A256GCM", "kid": self.kid });
        let header = URL_SAFE_NO_PAD.encode(header.to_string());

        let mut content_key = [0; CONTENT_KEY_BYTES];
        aws_lc_rs::rand::fill(&mut content_key).map_err(failed)?;
        let content_key = Secret::new(content_key);
        let mut wrapped = vec![0; self.key.ciphertext_size()];
        let wrapped = self
            .key
            .encrypt(
                &OAEP_SHA256_MGF1SHA256,
                content_key.expose(),
                &mut wrapped,
                None,
            )
            .map_err(failed)?;

        let sealer = RandomizedNonceKey::new(&AES_256_GCM, content_key.expose()).map_err(failed)?;
        let mut text = plaintext.to_vec();
        let aad = Aad::from(header.as_bytes());
        let (nonce, tag) = sealer
            .seal_in_place_separate_tag(aad, &mut text)
            .map_err(failed)?;
        let parts: [&[u8]; 4] = [wrapped, nonce.as_ref(), &text, tag.as_ref()];
        let parts = parts.map(|part| URL_SAFE_NO_PAD.encode(part));
        Ok(format!("{header}.{}", parts.join(".")))
    }
}

#[cfg(test)]
mod tests {
    use aes_gcm::aead::{Aead, KeyInit, Payload};
    use rsa::pkcs8::{EncodePublicKey, LineEnding};

    use super::*;

    fn private_key() -> rsa::RsaPrivateKey {
        rsa::RsaPrivateKey::new(&mut rsa::rand_core::OsRng, 2048).unwrap()
    }

    fn pem(key: &rsa::RsaPublicKey) -> String {
        key.to_public_key_pem(LineEnding::LF).unwrap()
    }

    /// Opens a JWE with other people's cryptography than made it.
    fn open(key: &rsa::RsaPrivateKey, jwe: &str) -> Option<Vec<u8>> {
        let parts: Vec<_> = jwe.split('.').collect();
        let [header, wrapped, nonce, text, tag] = parts.as_slice() else {
            panic!("five parts: {jwe}");
        };
        let bytes = |part: &str| URL_SAFE_NO_PAD.decode(part).unwrap();
        let padding = rsa::Oaep::new::<sha2::Sha256>();
        let content_key = key.decrypt(padding, &bytes(wrapped)).ok()?;
        let msg = [bytes(text), bytes(tag)].concat();
        let payload = Payload {
            msg: &msg,
            aad: header.as_bytes(),
        };
        aes_gcm::Aes256Gcm::new_from_slice(&content_key)
            .unwrap()
            .decrypt(aes_gcm::Nonce::from_slice(&bytes(nonce)), payload)
            .ok()
    }

    #[test]
    fn whoever_holds_the_private_key_reads_it_and_nobody_else() {
        let (key, other) = (private_key(), private_key());
        let recipient = RecipientKey::try_parse("codes-1", &pem(&key.to_public_key())).unwrap();
        let jwe = recipient.encrypt(b"a secret").unwrap();
        assert_eq!(open(&key, &jwe).unwrap(), b"a secret");
        assert_eq!(open(&other, &jwe), None);
        assert_ne!(recipient.encrypt(b"a secret").unwrap(), jwe);
        let header = URL_SAFE_NO_PAD.decode(jwe.split('.').next().unwrap());
        let header: serde_json::Value = serde_json::from_slice(&header.unwrap()).unwrap();
        assert_eq!(
            header,
            json!({ "alg": "RSA-OAEP-256", "enc": "A256GCM", "kid": "codes-1" })
        );
    }

    #[test]
    fn a_changed_header_does_not_open() {
        let key = private_key();
        let recipient = RecipientKey::try_parse("codes-1", &pem(&key.to_public_key())).unwrap();
        let jwe = recipient.encrypt(b"a secret").unwrap();
        let rest = jwe.split_once('.').unwrap().1;
        let header = URL_SAFE_NO_PAD.encode(r#"{"alg":"RSA-OAEP-256","enc":"A256GCM"}"#);
        assert_eq!(open(&key, &format!("{header}.{rest}")), None);
    }

    #[test]
    fn what_is_no_rsa_public_key_of_2048_bits_is_refused() {
        let short = rsa::RsaPrivateKey::new(&mut rsa::rand_core::OsRng, 1024).unwrap();
        let short = pem(&short.to_public_key());
        for bad in ["", "PEM", short.as_str()] {
            assert_eq!(
                RecipientKey::try_parse("k", bad).unwrap_err(),
                RecipientKeyError::Key
            );
        }
        for kid in ["", "a b", &"k".repeat(65)] {
            assert_eq!(
                RecipientKey::try_parse(kid, "").unwrap_err(),
                RecipientKeyError::Kid
            );
        }
    }
}
