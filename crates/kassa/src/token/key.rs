//! The key that an app signs its tokens with: Ed25519, PKCS#8 in PEM.

use std::fs;
use std::io;
use std::path::Path;

use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use kassa_core::Secret;
use kassa_core::app::{AppKey, KeyAlgorithm};
use sha2::{Digest, Sha256};

use super::pem::{PRIVATE_LABEL, PUBLIC_LABEL, pem, unpem};
use crate::data_dir;

/// Bytes of the public key's digest that name the key: enough to tell the keys of an app apart.
const KID_BYTES: usize = 8;

/// Why a key cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The random source or the library failed.
    #[error("the key cannot be made")]
    Generate,
    /// It is not what is written there.
    #[error("not a private key in PKCS#8 PEM")]
    Malformed,
    /// The file.
    #[error("the key file {path} cannot be {operation}")]
    File {
        /// The file.
        path: String,
        /// What was being done.
        operation: &'static str,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// A private key of an app, with its public half. Does not print.
#[derive(Debug, Clone)]
pub struct AppSigningKey {
    private_pem: Secret,
    public: AppKey,
}

impl AppSigningKey {
    /// A new key.
    ///
    /// # Errors
    /// [`KeyError::Generate`].
    pub fn generate() -> Result<Self, KeyError> {
        let pair = Ed25519KeyPair::generate().map_err(|_unspecified| KeyError::Generate)?;
        let der = pair
            .to_pkcs8v1()
            .map_err(|_unspecified| KeyError::Generate)?;
        Self::of(&pair, pem(PRIVATE_LABEL, der.as_ref()))
    }

    /// Reads a private key.
    ///
    /// # Errors
    /// [`KeyError::Malformed`].
    pub fn try_parse(private_pem: &str) -> Result<Self, KeyError> {
        let der = unpem(PRIVATE_LABEL, private_pem).ok_or(KeyError::Malformed)?;
        let pair = Ed25519KeyPair::from_pkcs8_maybe_unchecked(der.expose())
            .map_err(|_rejected| KeyError::Malformed)?;
        Self::of(&pair, private_pem.to_owned())
    }

    /// Reads the key in a file.
    ///
    /// # Errors
    /// [`KeyError::File`], [`KeyError::Malformed`].
    pub fn load(path: &Path) -> Result<Self, KeyError> {
        let text = fs::read_to_string(path)
            .map(Secret::new)
            .map_err(failed(path, "read"))?;
        Self::try_parse(text.expose())
    }

    /// Reads the key in a file, or makes one and puts it there.
    ///
    /// # Errors
    /// [`KeyError`].
    pub fn load_or_generate(path: &Path) -> Result<Self, KeyError> {
        match Self::load(path) {
            Err(KeyError::File { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                let key = Self::generate()?;
                key.save(path)?;
                Ok(key)
            }
            loaded => loaded,
        }
    }

    /// Writes the key into a new file for its owner alone.
    ///
    /// # Errors
    /// [`KeyError::File`], also if there is a file.
    pub fn save(&self, path: &Path) -> Result<(), KeyError> {
        data_dir::write_key(path, self.private_pem.expose().as_bytes())
            .map_err(failed(path, "written"))
    }

    /// The name of the key in token headers: the beginning of its public half's SHA-256.
    pub fn kid(&self) -> &str {
        &self.public.kid
    }

    /// The private half.
    pub fn private_pem(&self) -> &Secret {
        &self.private_pem
    }

    /// The public half, as an app holds it.
    pub fn public(&self) -> &AppKey {
        &self.public
    }

    fn of(pair: &Ed25519KeyPair, private_pem: String) -> Result<Self, KeyError> {
        let spki = pair
            .public_key()
            .as_der()
            .map_err(|_unspecified| KeyError::Generate)?;
        let digest = Sha256::digest(spki.as_ref());
        let kid = hex::encode(digest.get(..KID_BYTES).unwrap_or_default());
        let public_key_pem = pem(PUBLIC_LABEL, spki.as_ref());
        let public = AppKey {
            kid,
            algorithm: KeyAlgorithm::EdDsa,
            public_key_pem,
        };
        Ok(Self {
            private_pem: Secret::new(private_pem),
            public,
        })
    }
}

pub(super) fn failed(path: &Path, operation: &'static str) -> impl FnOnce(io::Error) -> KeyError {
    move |source| KeyError::File {
        path: path.display().to_string(),
        operation,
        source,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_reads_back_with_the_same_public_half() {
        let key = AppSigningKey::generate().unwrap();
        let again = AppSigningKey::try_parse(key.private_pem().expose()).unwrap();
        assert_eq!(again.public(), key.public());
        assert_eq!(key.kid().len(), 2 * KID_BYTES);
        assert_ne!(AppSigningKey::generate().unwrap().kid(), key.kid());
    }

    #[test]
    fn a_key_does_not_print() {
        let key = AppSigningKey::generate().unwrap();
        let body = key
            .private_pem()
            .expose()
            .lines()
            .nth(1)
            .unwrap()
            .to_owned();
        assert!(!format!("{key:?}").contains(&body));
    }

    #[test]
    fn what_is_no_private_key_is_refused() {
        let key = AppSigningKey::generate().unwrap();
        let public = &key.public().public_key_pem;
        for bad in [
            "",
            "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----",
            public,
        ] {
            assert!(
                matches!(AppSigningKey::try_parse(bad), Err(KeyError::Malformed)),
                "{bad}"
            );
        }
    }

    #[test]
    fn a_missing_key_is_made_once() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("apps/demo.key.pem");
        let made = AppSigningKey::load_or_generate(&path).unwrap();
        let again = AppSigningKey::load_or_generate(&path).unwrap();
        assert_eq!(made.kid(), again.kid());
        assert!(matches!(
            made.save(&path),
            Err(KeyError::File {
                operation: "written",
                ..
            })
        ));
    }
}
