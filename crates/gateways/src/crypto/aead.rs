//! AES-256-GCM, opening only: gateways seal, we open.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};

use super::OpenFailed;

/// Opens `sealed` (ciphertext with the 16-byte tag at its end).
///
/// # Errors
/// [`OpenFailed`] for a key that is not 32 bytes, a nonce that is not 12, and everything that does
/// not authenticate.
pub fn open_aes_256_gcm(
    key: &[u8],
    nonce: &[u8],
    associated_data: &[u8],
    mut sealed: Vec<u8>,
) -> Result<Vec<u8>, OpenFailed> {
    let key = UnboundKey::new(&AES_256_GCM, key).map_err(|_wrong_length| OpenFailed)?;
    let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_wrong_length| OpenFailed)?;
    let length = LessSafeKey::new(key)
        .open_in_place(nonce, Aad::from(associated_data), &mut sealed)
        .map_err(|_unauthentic| OpenFailed)?
        .len();
    sealed.truncate(length);
    Ok(sealed)
}
