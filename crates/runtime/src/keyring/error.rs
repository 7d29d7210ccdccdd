//! Errors of the keyring. None of them holds a key, a secret or a sealed value.

use kassa_core::ErrorKind;

use super::key_id::KeyId;

/// What went wrong with a key or a sealed value.
#[derive(Debug, thiserror::Error)]
pub enum KeyringError {
    /// No key has the id that is to seal.
    #[error("no key has the active id {id}")]
    ActiveMissing {
        /// The active id.
        id: KeyId,
    },
    /// A key is not 32 bytes long.
    #[error("key {id} must be 32 bytes, in base64 in the configuration")]
    KeyLength {
        /// The key's id.
        id: KeyId,
    },
    /// More keys than allowed.
    #[error("more than 16 keys")]
    TooManyKeys,
    /// Not a key id.
    #[error("a key id has 1 to 32 lowercase letters, digits and - _ characters")]
    InvalidKeyId,
    /// More than is ever sealed.
    #[error("a secret of more than 64 KiB cannot be sealed")]
    TooLarge,
    /// The library refused to seal.
    #[error("sealing failed")]
    Seal,
    /// Not a sealed value, or one of a form to come.
    #[error("not a sealed value")]
    Malformed,
    /// Sealed under a key that this keyring lacks.
    #[error("sealed under key {id}, which the keyring does not hold")]
    UnknownKey {
        /// The id of the key.
        id: KeyId,
    },
    /// The value was changed, or belongs to another table, column or row.
    #[error("a sealed value does not open here: it was changed or belongs elsewhere")]
    Open,
    /// The system has no randomness.
    #[error("no random bytes from the system")]
    Random,
    /// The key file of a trial installation could not be read or made.
    #[error("{operation} the key file failed")]
    KeyFile {
        /// What was being done.
        operation: &'static str,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The key file of a trial installation does not hold a key.
    #[error("the key file does not hold 32 bytes in base64")]
    KeyFileContent,
}

impl KeyringError {
    /// What it means for the caller.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::TooLarge => ErrorKind::InvalidInput,
            Self::ActiveMissing { .. }
            | Self::KeyLength { .. }
            | Self::TooManyKeys
            | Self::InvalidKeyId
            | Self::Seal
            | Self::Malformed
            | Self::UnknownKey { .. }
            | Self::Open
            | Self::Random
            | Self::KeyFile { .. }
            | Self::KeyFileContent => ErrorKind::Internal,
        }
    }
}
