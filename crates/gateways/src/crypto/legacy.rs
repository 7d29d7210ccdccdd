//! RSA with SHA-1 and keys from 1024 bits: what Baidu's cashier demands, and nothing else may use.
//!
//! `aws-lc-rs` verifies it; it signs neither SHA-1 nor with short keys, so `rsa` does, blinded
//! against the timing side channel of RUSTSEC-2023-0071.

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use aws_lc_rs::signature::{ParsedPublicKey, RSA_PKCS1_1024_8192_SHA1_FOR_LEGACY_USE_ONLY};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rsa::Pkcs1v15Sign;
use rsa::pkcs8::EncodePublicKey;
use rsa::rand_core::OsRng;
use rsa::traits::PublicKeyParts;

use super::key::{parse_private, parse_public};
use super::{KeyError, SignFailed};

/// The shortest modulus that is taken, in bits.
pub const LEGACY_MODULUS_BITS_MIN: usize = 1024;

const SHA1_BYTES: usize = 20;
/// `DigestInfo` of SHA-1, up to the digest (RFC 8017 §9.2, note 1).
const SHA1_PREFIX: [u8; 15] = [
    0x30, 0x21, 0x30, 0x09, 0x06, 0x05, 0x2b, 0x0e, 0x03, 0x02, 0x1a, 0x05, 0x00, 0x04, 0x14,
];

/// A private key that signs SHA-1 with PKCS#1 v1.5. Cheap to clone; never prints.
#[derive(Clone)]
pub struct LegacyRsaPrivateKey {
    key: Arc<rsa::RsaPrivateKey>,
    public: LegacyRsaPublicKey,
}

impl LegacyRsaPrivateKey {
    /// Reads a PEM in PKCS#1 or PKCS#8 form, or one line of base64 of either.
    ///
    /// # Errors
    /// [`KeyError`] says what is wrong with it.
    pub fn try_parse(text: &str) -> Result<Self, KeyError> {
        let key = parse_private(text)?;
        key.validate().map_err(|_rejected| KeyError::Inconsistent)?;
        let public = LegacyRsaPublicKey::try_from_parsed(&key.to_public_key())?;
        Ok(Self {
            key: Arc::new(key),
            public,
        })
    }

    /// The signature of `message`, in base64 without line breaks.
    ///
    /// # Errors
    /// [`SignFailed`], which a key that was read does not cause.
    pub fn sign_sha1(&self, message: &[u8]) -> Result<String, SignFailed> {
        let scheme = Pkcs1v15Sign {
            hash_len: Some(SHA1_BYTES),
            prefix: SHA1_PREFIX.into(),
        };
        let hashed = digest(&SHA1_FOR_LEGACY_USE_ONLY, message);
        let signature = self
            .key
            .sign_with_rng(&mut OsRng, scheme, hashed.as_ref())
            .map_err(|_unspecified| SignFailed)?;
        Ok(STANDARD.encode(signature))
    }

    /// The public half.
    pub fn public_key(&self) -> &LegacyRsaPublicKey {
        &self.public
    }
}

impl fmt::Debug for LegacyRsaPrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LegacyRsaPrivateKey([redacted])")
    }
}

/// A public key that verifies SHA-1 with PKCS#1 v1.5. Cheap to clone.
#[derive(Clone)]
pub struct LegacyRsaPublicKey {
    key: Arc<ParsedPublicKey>,
    spki_der: Arc<[u8]>,
}

impl LegacyRsaPublicKey {
    /// Reads a PEM of a public key, or one line of base64 of it.
    ///
    /// # Errors
    /// [`KeyError`] says what is wrong with it.
    pub fn try_parse(text: &str) -> Result<Self, KeyError> {
        Self::try_from_parsed(&parse_public(text)?)
    }

    /// Whether `signature`, in base64, is this key's signature of `message`.
    pub fn verify_sha1(&self, message: &[u8], signature: &str) -> bool {
        STANDARD
            .decode(signature)
            .is_ok_and(|signature| self.key.verify_sig(message, &signature).is_ok())
    }

    fn try_from_parsed(parsed: &rsa::RsaPublicKey) -> Result<Self, KeyError> {
        let bits = parsed.size().saturating_mul(8);
        if bits < LEGACY_MODULUS_BITS_MIN {
            return Err(KeyError::TooShort {
                bits,
                bits_min: LEGACY_MODULUS_BITS_MIN,
            });
        }
        let der = parsed
            .to_public_key_der()
            .map_err(|_unencodable| KeyError::Inconsistent)?;
        let key = ParsedPublicKey::new(
            &RSA_PKCS1_1024_8192_SHA1_FOR_LEGACY_USE_ONLY,
            der.as_bytes(),
        )
        .map_err(|_rejected| KeyError::Inconsistent)?;
        Ok(Self {
            key: Arc::new(key),
            spki_der: der.as_bytes().into(),
        })
    }
}

impl PartialEq for LegacyRsaPublicKey {
    fn eq(&self, other: &Self) -> bool {
        self.spki_der == other.spki_der
    }
}

impl Eq for LegacyRsaPublicKey {}

impl fmt::Debug for LegacyRsaPublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LegacyRsaPublicKey").finish_non_exhaustive()
    }
}
