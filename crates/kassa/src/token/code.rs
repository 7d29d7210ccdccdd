//! The key that an app's one-time codes are encrypted to: RSA, PKCS#8 in PEM. In production it is the app's
//! own and Kassa never sees it; here the demo plays the app that sends a code to its user.

use std::fs;
use std::io;
use std::path::Path;

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der, PublicKeyX509Der};
use aws_lc_rs::rsa::{
    KeySize, OAEP_SHA256_MGF1SHA256, OaepPrivateDecryptingKey, PrivateDecryptingKey,
};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use kassa_core::Secret;
use kassa_core::payment_config::CodeKey;
use serde::Deserialize;

use super::key::{KeyError, failed};
use super::pem::{PRIVATE_LABEL, PUBLIC_LABEL, pem, unpem};
use crate::data_dir;

/// Names the key in the header of what is encrypted to it.
const KID: &str = "codes-1";

/// A code that cannot be opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the code is not encrypted to this key, or was changed")]
pub struct NotOpened;

/// A private key for codes, with its public half. Does not print.
#[derive(Debug, Clone)]
pub struct AppCodeKey {
    private_pem: Secret,
    private: PrivateDecryptingKey,
}

#[derive(Deserialize)]
struct Content {
    code: Secret,
}

impl AppCodeKey {
    /// A new key.
    ///
    /// # Errors
    /// [`KeyError::Generate`].
    pub fn generate() -> Result<Self, KeyError> {
        let private = PrivateDecryptingKey::generate(KeySize::Rsa2048)
            .map_err(|_unspecified| KeyError::Generate)?;
        let der: Pkcs8V1Der<'_> = private
            .as_der()
            .map_err(|_unspecified| KeyError::Generate)?;
        let private_pem = Secret::new(pem(PRIVATE_LABEL, der.as_ref()));
        Ok(Self {
            private_pem,
            private,
        })
    }

    /// Reads the key in a file, or makes one and puts it there for its owner alone.
    ///
    /// # Errors
    /// [`KeyError`].
    pub fn load_or_generate(path: &Path) -> Result<Self, KeyError> {
        let text = match fs::read_to_string(path).map(Secret::new) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let key = Self::generate()?;
                data_dir::write_key(path, key.private_pem.expose().as_bytes())
                    .map_err(failed(path, "written"))?;
                return Ok(key);
            }
            Err(error) => return Err(failed(path, "read")(error)),
        };
        let der = unpem(PRIVATE_LABEL, text.expose()).ok_or(KeyError::Malformed)?;
        let private = PrivateDecryptingKey::from_pkcs8(der.expose())
            .map_err(|_rejected| KeyError::Malformed)?;
        Ok(Self {
            private_pem: text,
            private,
        })
    }

    /// The public half, as an app holds it.
    ///
    /// # Errors
    /// [`KeyError::Generate`].
    pub fn public(&self) -> Result<CodeKey, KeyError> {
        let spki: PublicKeyX509Der<'_> = self
            .private
            .public_key()
            .as_der()
            .map_err(|_unspecified| KeyError::Generate)?;
        Ok(CodeKey {
            kid: KID.to_owned(),
            public_key_pem: pem(PUBLIC_LABEL, spki.as_ref()),
        })
    }

    /// Opens a code as its event carries it: JWE in compact form, `RSA-OAEP-256` and `A256GCM` (RFC 7516).
    ///
    /// # Errors
    /// [`NotOpened`].
    pub fn open(&self, jwe: &str) -> Result<Secret, NotOpened> {
        let parts: Vec<&str> = jwe.split('.').collect();
        let [header, wrapped, nonce, text, tag] = parts.as_slice() else {
            return Err(NotOpened);
        };
        let bytes = |part: &str| {
            let decoded = URL_SAFE_NO_PAD.decode(part);
            decoded.map_err(|_not_base64| NotOpened)
        };
        let failed = |_unspecified| NotOpened;
        let key = OaepPrivateDecryptingKey::new(self.private.clone()).map_err(failed)?;
        let mut unwrapped = vec![0; key.min_output_size()];
        let content_key = key
            .decrypt(
                &OAEP_SHA256_MGF1SHA256,
                &bytes(wrapped)?,
                &mut unwrapped,
                None,
            )
            .map_err(failed)?;
        let content = RandomizedNonceKey::new(&AES_256_GCM, content_key).map_err(failed)?;
        let nonce: [u8; NONCE_LEN] = bytes(nonce)?.try_into().map_err(|_length| NotOpened)?;
        let mut sealed = [bytes(text)?, bytes(tag)?].concat();
        let aad = Aad::from(header.as_bytes());
        let opened = content
            .open_in_place(Nonce::assume_unique_for_key(nonce), aad, &mut sealed)
            .map_err(failed)?;
        let content: Content = serde_json::from_slice(opened).map_err(|_not_json| NotOpened)?;
        Ok(content.code)
    }
}

#[cfg(test)]
mod tests {
    use runtime::jwe::RecipientKey;

    use super::*;

    fn encrypted_to(key: &AppCodeKey) -> String {
        let CodeKey {
            kid,
            public_key_pem,
        } = key.public().unwrap();
        let recipient = RecipientKey::try_parse(&kid, &public_key_pem).unwrap();
        recipient.encrypt(br#"{"code":"471100"}"#).unwrap()
    }

    #[test]
    fn a_code_is_opened_by_the_key_that_it_is_encrypted_to_and_by_no_other() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("apps/demo.codes.pem");
        let key = AppCodeKey::load_or_generate(&path).unwrap();
        let jwe = encrypted_to(&key);
        let again = AppCodeKey::load_or_generate(&path).unwrap();
        assert_eq!(again.open(&jwe).unwrap().expose(), "471100");
        let other = AppCodeKey::generate().unwrap();
        assert!(other.open(&jwe).is_err());
        let longer = format!("{jwe}.");
        for bad in ["", "a.b.c.d.e", &jwe.replace('.', ","), &longer] {
            assert!(key.open(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_key_for_codes_does_not_print() {
        let key = AppCodeKey::generate().unwrap();
        let line = key.private_pem.expose().lines().nth(3).unwrap();
        assert!(!format!("{key:?}").contains(line));
    }
}
