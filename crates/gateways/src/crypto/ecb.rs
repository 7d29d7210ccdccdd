//! AES-256-ECB, opening only. It hides, badly, and proves nothing: whoever opens something must not
//! believe it.

use aws_lc_rs::cipher::{AES_256, DecryptionContext, PaddedBlockDecryptingKey, UnboundCipherKey};

use super::OpenFailed;

/// Opens `sealed`, padded by PKCS#7.
///
/// # Errors
/// [`OpenFailed`] for a key that is not 32 bytes, a length that is no multiple of 16 and a padding
/// that is none.
pub fn open_aes_256_ecb(key: &[u8], mut sealed: Vec<u8>) -> Result<Vec<u8>, OpenFailed> {
    let key = UnboundCipherKey::new(&AES_256, key).map_err(|_wrong_length| OpenFailed)?;
    let key = PaddedBlockDecryptingKey::ecb_pkcs7(key).map_err(|_unusable| OpenFailed)?;
    let length = key
        .decrypt(&mut sealed, DecryptionContext::None)
        .map_err(|_malformed| OpenFailed)?
        .len();
    sealed.truncate(length);
    Ok(sealed)
}
