//! Random text for requests.

use kassa_core::IdSource;

/// 32 upper-case hex characters of 128 random bits.
pub fn nonce(ids: &IdSource) -> String {
    hex::encode_upper(ids.random_bytes::<16>())
}
