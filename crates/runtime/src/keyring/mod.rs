//! Sealing of secret columns: AES-256-GCM under keys that the configuration gives.
//!
//! A sealed value opens only in the place it was sealed for: table, column, row and key id are
//! authenticated with it, so a value copied into another row or column is refused. (An older value
//! put back in its own place opens: the audit log is what shows that.)
//!
//! Form: version (1 byte, `1`) ‖ length of the key id (1 byte) ‖ key id ‖ nonce (12 bytes) ‖
//! ciphertext with its tag (16 bytes). Nonces are random; one key is good for 2³² values, far above
//! the number of channel accounts that will ever be.
//!
//! To rotate: add a key, make it active, reseal every value for which [`Keyring::needs_rotation`]
//! holds, take the old key away.

mod error;
mod key_id;
mod local;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use aws_lc_rs::hmac;
use kassa_core::Secret;

pub use error::KeyringError;
pub use key_id::KeyId;
pub use local::{LOCAL_KEY_FILE, LOCAL_KEY_ID, local_key};

use crate::config::{KeyringConfig, decode_key};

/// The length of a key.
pub const KEY_BYTES: usize = 32;
/// The most keys that a keyring holds.
pub const KEYS_MAX: usize = 16;
/// The largest secret that is sealed, in bytes: several times the longest private key.
pub const PLAINTEXT_BYTES_MAX: usize = 64 * 1024;

/// The only form there is so far.
const VERSION: u8 = 1;
const SEAL_DOMAIN: &[u8] = b"kassa.keyring.seal.v1";
const FINGERPRINT_DOMAIN: &[u8] = b"kassa.keyring.fingerprint.v1";
const MAC_DOMAIN: &[u8] = b"kassa.keyring.mac.v1";
/// Enough to tell secrets apart.
const FINGERPRINT_BYTES: usize = 8;

/// Where a sealed value is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place<'a> {
    /// The table.
    pub table: &'a str,
    /// The column.
    pub column: &'a str,
    /// The row's primary key.
    pub row: &'a str,
}

/// A sealed value, as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sealed(Vec<u8>);

impl Sealed {
    /// The bytes to store.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The bytes to store.
    pub fn into_bytes(self) -> Vec<u8> {
        self.0
    }
}

/// The keys of an installation. Sealing and opening are meant to be done with one keyring made at
/// the start; it is shared by reference.
pub struct Keyring {
    active: KeyId,
    keys: BTreeMap<KeyId, Key>,
}

struct Key {
    seal: RandomizedNonceKey,
    fingerprint: hmac::Key,
    mac: hmac::Key,
}

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ids: Vec<_> = self.keys.keys().collect();
        f.debug_struct("Keyring")
            .field("active", &self.active)
            .field("ids", &ids)
            .finish()
    }
}

impl Keyring {
    /// A keyring that seals with `active` and opens with all of `keys`.
    ///
    /// # Errors
    /// [`KeyringError::ActiveMissing`], [`KeyringError::KeyLength`], [`KeyringError::TooManyKeys`].
    pub fn try_new(
        active: KeyId,
        keys: BTreeMap<KeyId, Secret<Vec<u8>>>,
    ) -> Result<Self, KeyringError> {
        if keys.len() > KEYS_MAX {
            return Err(KeyringError::TooManyKeys);
        }
        if !keys.contains_key(&active) {
            return Err(KeyringError::ActiveMissing { id: active });
        }
        let keys = keys
            .into_iter()
            .map(|(id, bytes)| Key::try_new(&id, bytes.expose()).map(|key| (id, key)))
            .collect::<Result<_, _>>()?;
        Ok(Self { active, keys })
    }

    /// The keyring of a configuration; `None` if it has no keys.
    ///
    /// # Errors
    /// Those of [`Keyring::try_new`] and [`KeyringError::InvalidKeyId`]; a checked configuration
    /// has none of them.
    pub fn from_config(config: &KeyringConfig) -> Result<Option<Self>, KeyringError> {
        let Some(active) = config.active_id() else {
            return Ok(None);
        };
        let active = KeyId::try_new(active)?;
        let mut keys = BTreeMap::new();
        for (id, key) in &config.keys {
            let id = KeyId::try_new(id.as_str())?;
            let bytes =
                decode_key(key).ok_or_else(|| KeyringError::KeyLength { id: id.clone() })?;
            keys.insert(id, bytes);
        }
        Self::try_new(active, keys).map(Some)
    }

    /// A new random key.
    ///
    /// # Errors
    /// [`KeyringError::Random`] if the system has no randomness.
    pub fn generate_key() -> Result<Secret<Vec<u8>>, KeyringError> {
        let mut bytes = vec![0; KEY_BYTES];
        aws_lc_rs::rand::fill(&mut bytes).map_err(|_unspecified| KeyringError::Random)?;
        Ok(Secret::new(bytes))
    }

    /// The id of the key that seals.
    pub fn active(&self) -> &KeyId {
        &self.active
    }

    /// Seals `plaintext` for `place` with the active key.
    ///
    /// # Errors
    /// [`KeyringError::TooLarge`], or [`KeyringError::Seal`] if the library fails.
    pub fn seal(&self, place: Place<'_>, plaintext: &[u8]) -> Result<Sealed, KeyringError> {
        if plaintext.len() > PLAINTEXT_BYTES_MAX {
            return Err(KeyringError::TooLarge);
        }
        let key = self.key(&self.active)?;
        let aad = Aad::from(associated_data(place, &self.active));
        let mut text = plaintext.to_vec();
        let nonce = key
            .seal
            .seal_in_place_append_tag(aad, &mut text)
            .map_err(|_unspecified| KeyringError::Seal)?;
        let id = self.active.as_str().as_bytes();
        let mut sealed = vec![VERSION, u8::try_from(id.len()).unwrap_or(u8::MAX)];
        sealed.extend_from_slice(id);
        sealed.extend_from_slice(nonce.as_ref());
        sealed.append(&mut text);
        Ok(Sealed(sealed))
    }

    /// Opens what was sealed for `place`.
    ///
    /// # Errors
    /// [`KeyringError::Malformed`], [`KeyringError::UnknownKey`], or [`KeyringError::Open`] if the
    /// bytes were changed or belong elsewhere.
    pub fn open(&self, place: Place<'_>, sealed: &[u8]) -> Result<Secret<Vec<u8>>, KeyringError> {
        let parts = Parts::read(sealed)?;
        let key = self.key(&parts.id)?;
        let aad = Aad::from(associated_data(place, &parts.id));
        let mut text = parts.ciphertext.to_vec();
        let length = key
            .seal
            .open_in_place(Nonce::assume_unique_for_key(parts.nonce), aad, &mut text)
            .map_err(|_unspecified| KeyringError::Open)?
            .len();
        text.truncate(length);
        Ok(Secret::new(text))
    }

    /// Whether the value should be sealed anew: it is not under the active key.
    pub fn needs_rotation(&self, sealed: &[u8]) -> bool {
        !Parts::read(sealed).is_ok_and(|parts| parts.id == self.active)
    }

    /// 16 hex characters by which people can tell secrets apart without seeing them.
    ///
    /// It is a keyed digest under the active key, so it says nothing to whoever lacks the key, not
    /// even about a short secret, and is comparable only inside one installation and as long as its
    /// active key stays; across rotations use [`Keyring::is_fingerprint_of`].
    pub fn fingerprint(&self, secret: &[u8]) -> String {
        self.keys
            .get(&self.active)
            .map(|key| key.fingerprint(secret))
            .unwrap_or_default()
    }

    /// Whether `fingerprint` was made of `secret` under any key of this keyring.
    pub fn is_fingerprint_of(&self, fingerprint: &str, secret: &[u8]) -> bool {
        self.keys
            .values()
            .any(|key| key.fingerprint(secret) == fingerprint)
    }

    /// A keyed digest of a secret that is kept at `place`: whoever has the rows but not the key cannot
    /// find the secret by trying, however short it is.
    ///
    /// # Errors
    /// [`KeyringError::UnknownKey`]; never for a keyring that was made by [`Keyring::try_new`].
    pub fn mac(&self, place: Place<'_>, secret: &[u8]) -> Result<Vec<u8>, KeyringError> {
        let key = self.key(&self.active)?;
        let tag = hmac::sign(&key.mac, mac_data(place, secret).expose());
        Ok(tag.as_ref().to_vec())
    }

    /// Whether `mac` was made of `secret` for `place` under any key of this keyring. Takes the same time
    /// wherever they differ.
    pub fn is_mac_of(&self, place: Place<'_>, mac: &[u8], secret: &[u8]) -> bool {
        let data = mac_data(place, secret);
        self.keys
            .values()
            .any(|key| hmac::verify(&key.mac, data.expose(), mac).is_ok())
    }

    fn key(&self, id: &KeyId) -> Result<&Key, KeyringError> {
        self.keys
            .get(id)
            .ok_or_else(|| KeyringError::UnknownKey { id: id.clone() })
    }
}

impl Key {
    fn try_new(id: &KeyId, bytes: &[u8]) -> Result<Self, KeyringError> {
        let seal = RandomizedNonceKey::new(&AES_256_GCM, bytes)
            .map_err(|_unspecified| KeyringError::KeyLength { id: id.clone() })?;
        let root = hmac::Key::new(hmac::HMAC_SHA256, bytes);
        let derive = |domain| {
            let derived = hmac::sign(&root, domain);
            hmac::Key::new(hmac::HMAC_SHA256, derived.as_ref())
        };
        Ok(Self {
            seal,
            fingerprint: derive(FINGERPRINT_DOMAIN),
            mac: derive(MAC_DOMAIN),
        })
    }

    fn fingerprint(&self, secret: &[u8]) -> String {
        let digest = hmac::sign(&self.fingerprint, secret);
        let start = digest.as_ref().get(..FINGERPRINT_BYTES).unwrap_or_default();
        hex::encode(start)
    }
}

/// A sealed value taken apart.
struct Parts<'a> {
    id: KeyId,
    nonce: [u8; NONCE_LEN],
    ciphertext: &'a [u8],
}

impl<'a> Parts<'a> {
    fn read(sealed: &'a [u8]) -> Result<Self, KeyringError> {
        let [VERSION, id_length, rest @ ..] = sealed else {
            return Err(KeyringError::Malformed);
        };
        let (id, rest) = rest
            .split_at_checked(usize::from(*id_length))
            .ok_or(KeyringError::Malformed)?;
        let (nonce, ciphertext) = rest
            .split_first_chunk::<NONCE_LEN>()
            .ok_or(KeyringError::Malformed)?;
        let id = std::str::from_utf8(id).map_err(|_not_utf8| KeyringError::Malformed)?;
        let id = KeyId::try_new(id).map_err(|_invalid| KeyringError::Malformed)?;
        Ok(Self {
            id,
            nonce: *nonce,
            ciphertext,
        })
    }
}

fn associated_data(place: Place<'_>, id: &KeyId) -> Vec<u8> {
    let id = id.as_str().as_bytes();
    framed(SEAL_DOMAIN, place, id)
}

fn mac_data(place: Place<'_>, secret: &[u8]) -> Secret<Vec<u8>> {
    Secret::new(framed(MAC_DOMAIN, place, secret))
}

/// Each part with its length before it, so that no two places read alike.
fn framed(domain: &[u8], place: Place<'_>, last: &[u8]) -> Vec<u8> {
    let parts = [
        domain,
        place.table.as_bytes(),
        place.column.as_bytes(),
        place.row.as_bytes(),
        last,
    ];
    let mut data = Vec::new();
    for part in parts {
        data.extend_from_slice(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
        data.extend_from_slice(part);
    }
    data
}
