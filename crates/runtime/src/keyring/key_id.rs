//! The name of a key.

use std::fmt;

use super::error::KeyringError;

/// The name of a key: 1 to 32 lowercase letters, digits and `-` `_` characters. It is stored with
/// every sealed value and is no secret.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KeyId(String);

impl KeyId {
    /// The longest id, in characters.
    pub const LENGTH_MAX: usize = 32;

    /// Checks and wraps an id.
    ///
    /// # Errors
    /// [`KeyringError::InvalidKeyId`].
    pub fn try_new(id: impl Into<String>) -> Result<Self, KeyringError> {
        let id = id.into();
        let allowed =
            |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'_');
        if (1..=Self::LENGTH_MAX).contains(&id.len()) && id.bytes().all(allowed) {
            Ok(Self(id))
        } else {
            Err(KeyringError::InvalidKeyId)
        }
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
