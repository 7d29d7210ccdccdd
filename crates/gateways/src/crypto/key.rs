//! RSA keys: `rsa` reads them, `aws-lc-rs` uses them.

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeyPair;
use aws_lc_rs::signature::{ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_SHA256};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rsa::pkcs1::{DecodeRsaPrivateKey, DecodeRsaPublicKey, EncodeRsaPrivateKey};
use rsa::pkcs8::{DecodePrivateKey, DecodePublicKey, EncodePublicKey};
use rsa::traits::PublicKeyParts;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{PrivateKeyDer, SubjectPublicKeyInfoDer};
use zeroize::Zeroizing;

use super::{Certificate, KeyError, SignFailed};

/// The shortest modulus that is taken, in bits.
pub const MODULUS_BITS_MIN: usize = 2048;

const ARMOUR: &str = "-----BEGIN ";
const ARMOUR_CERTIFICATE: &str = "-----BEGIN CERTIFICATE-----";
const ARMOUR_PKCS1_PUBLIC: &str = "-----BEGIN RSA PUBLIC KEY-----";

/// A private key that signs SHA-256 with PKCS#1 v1.5. Cheap to clone; never prints.
#[derive(Clone)]
pub struct RsaPrivateKey {
    pair: Arc<KeyPair>,
    public: RsaPublicKey,
}

impl RsaPrivateKey {
    /// Reads a PEM in PKCS#1 or PKCS#8 form, or one line of base64 of either.
    ///
    /// # Errors
    /// [`KeyError`] says what is wrong with it.
    pub fn try_parse(text: &str) -> Result<Self, KeyError> {
        let parsed = parse_private(text)?;
        check_length(parsed.size())?;
        let der = parsed
            .to_pkcs1_der()
            .map_err(|_unencodable| KeyError::Inconsistent)?;
        let pair = KeyPair::from_der(der.as_bytes()).map_err(|_rejected| KeyError::Inconsistent)?;
        let public = RsaPublicKey::try_from_parsed(&parsed.to_public_key())?;
        Ok(Self {
            pair: Arc::new(pair),
            public,
        })
    }

    /// The signature of `message`, in base64 without line breaks.
    ///
    /// # Errors
    /// [`SignFailed`], which a key that was read does not cause.
    pub fn sign_sha256(&self, message: &[u8]) -> Result<String, SignFailed> {
        let mut signature = vec![0; self.pair.public_modulus_len()];
        self.pair
            .sign(
                &RSA_PKCS1_SHA256,
                &SystemRandom::new(),
                message,
                &mut signature,
            )
            .map_err(|_unspecified| SignFailed)?;
        Ok(STANDARD.encode(signature))
    }

    /// The public half.
    pub fn public_key(&self) -> &RsaPublicKey {
        &self.public
    }
}

impl fmt::Debug for RsaPrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RsaPrivateKey([redacted])")
    }
}

/// A public key that verifies SHA-256 with PKCS#1 v1.5. Cheap to clone.
#[derive(Clone)]
pub struct RsaPublicKey {
    key: Arc<ParsedPublicKey>,
    spki_der: Arc<[u8]>,
}

impl RsaPublicKey {
    /// Reads a PEM of a public key (SPKI or PKCS#1) or of an X.509 certificate (the first one
    /// counts), or one line of base64 of any of them.
    ///
    /// # Errors
    /// [`KeyError`] says what is wrong with it.
    pub fn try_parse(text: &str) -> Result<Self, KeyError> {
        Self::try_from_parsed(&parse_public(text)?)
    }

    /// Reads a DER `SubjectPublicKeyInfo`.
    ///
    /// # Errors
    /// [`KeyError`] says what is wrong with it.
    pub fn try_from_spki(der: &[u8]) -> Result<Self, KeyError> {
        let parsed =
            rsa::RsaPublicKey::from_public_key_der(der).map_err(|_other| KeyError::NotRsa)?;
        Self::try_from_parsed(&parsed)
    }

    /// Whether `signature`, in base64, is this key's signature of `message`. Exactly one base64
    /// text is right for one signature: padding and trailing bits are checked.
    pub fn verify_sha256(&self, message: &[u8], signature: &str) -> bool {
        STANDARD
            .decode(signature)
            .is_ok_and(|signature| self.key.verify_sig(message, &signature).is_ok())
    }

    fn try_from_parsed(parsed: &rsa::RsaPublicKey) -> Result<Self, KeyError> {
        check_length(parsed.size())?;
        let der = parsed
            .to_public_key_der()
            .map_err(|_unencodable| KeyError::Inconsistent)?;
        let key = ParsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, der.as_bytes())
            .map_err(|_rejected| KeyError::Inconsistent)?;
        Ok(Self {
            key: Arc::new(key),
            spki_der: der.as_bytes().into(),
        })
    }
}

impl PartialEq for RsaPublicKey {
    fn eq(&self, other: &Self) -> bool {
        self.spki_der == other.spki_der
    }
}

impl Eq for RsaPublicKey {}

impl fmt::Debug for RsaPublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RsaPublicKey").finish_non_exhaustive()
    }
}

fn check_length(modulus_bytes: usize) -> Result<(), KeyError> {
    let bits = modulus_bytes.saturating_mul(8);
    if bits < MODULUS_BITS_MIN {
        Err(KeyError::TooShort {
            bits,
            bits_min: MODULUS_BITS_MIN,
        })
    } else {
        Ok(())
    }
}

pub(super) fn parse_private(text: &str) -> Result<rsa::RsaPrivateKey, KeyError> {
    if text.contains(ARMOUR) {
        let key = PrivateKeyDer::from_pem_slice(text.as_bytes())
            .map_err(|_no_private_key| KeyError::Unreadable)?;
        return match key {
            PrivateKeyDer::Pkcs1(der) => rsa::RsaPrivateKey::from_pkcs1_der(der.secret_pkcs1_der())
                .map_err(|_invalid| KeyError::Inconsistent),
            PrivateKeyDer::Pkcs8(der) => rsa::RsaPrivateKey::from_pkcs8_der(der.secret_pkcs8_der())
                .map_err(|_invalid| KeyError::NotRsa),
            PrivateKeyDer::Sec1(_) | _ => Err(KeyError::NotRsa),
        };
    }
    let der = Zeroizing::new(one_line(text)?);
    rsa::RsaPrivateKey::from_pkcs8_der(&der)
        .or_else(|_not_pkcs8| rsa::RsaPrivateKey::from_pkcs1_der(&der))
        .map_err(|_neither| KeyError::Unreadable)
}

pub(super) fn parse_public(text: &str) -> Result<rsa::RsaPublicKey, KeyError> {
    if text.contains(ARMOUR_CERTIFICATE) {
        let certificate = Certificate::try_parse(text)?;
        return rsa::RsaPublicKey::from_public_key_der(certificate.spki_der())
            .map_err(|_other| KeyError::NotRsa);
    }
    if text.contains(ARMOUR_PKCS1_PUBLIC) {
        return rsa::RsaPublicKey::from_pkcs1_pem(text.trim())
            .map_err(|_invalid| KeyError::Unreadable);
    }
    if text.contains(ARMOUR) {
        let spki = SubjectPublicKeyInfoDer::from_pem_slice(text.as_bytes())
            .map_err(|_no_public_key| KeyError::Unreadable)?;
        return rsa::RsaPublicKey::from_public_key_der(&spki).map_err(|_other| KeyError::NotRsa);
    }
    let der = one_line(text)?;
    if let Ok(certificate) = Certificate::try_from_der(&der) {
        return rsa::RsaPublicKey::from_public_key_der(certificate.spki_der())
            .map_err(|_other| KeyError::NotRsa);
    }
    rsa::RsaPublicKey::from_public_key_der(&der)
        .or_else(|_not_spki| rsa::RsaPublicKey::from_pkcs1_der(&der))
        .map_err(|_neither| KeyError::Unreadable)
}

fn one_line(text: &str) -> Result<Vec<u8>, KeyError> {
    let compact: Zeroizing<String> =
        Zeroizing::new(text.chars().filter(|c| !c.is_ascii_whitespace()).collect());
    if compact.is_empty() {
        return Err(KeyError::Unreadable);
    }
    STANDARD
        .decode(compact.as_bytes())
        .map_err(|_not_base64| KeyError::Unreadable)
}
