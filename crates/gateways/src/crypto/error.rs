//! Errors of the crypto module. None carries key material.

/// Why a key or certificate was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// Neither PEM nor base64 of a known structure.
    #[error("neither PEM nor one line of base64 of an RSA key")]
    Unreadable,
    /// Readable, and not an RSA key.
    #[error("not an RSA key")]
    NotRsa,
    /// Too short to be safe.
    #[error("an RSA key of {bits} bits, at least {bits_min} are needed")]
    TooShort {
        /// The key's length.
        bits: usize,
        /// The shortest that is taken.
        bits_min: usize,
    },
    /// The numbers of the key do not fit together.
    #[error("an RSA key whose numbers do not fit together")]
    Inconsistent,
    /// Not an X.509 certificate.
    #[error("not an X.509 certificate in PEM form")]
    NotACertificate,
}

/// A signature could not be made; only a fault of the library can cause it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the message could not be signed")]
pub struct SignFailed;

/// A sealed text does not open: wrong key, nonce or associated data, or altered bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the sealed text does not open with this key")]
pub struct OpenFailed;
