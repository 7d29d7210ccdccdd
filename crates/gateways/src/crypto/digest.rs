//! MD5 and HMAC-SHA256, the signatures of older protocols, the CRC-32 that another one signs, the SHA-256 that
//! tells two messages apart, and the comparison that leaks nothing.

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::{digest, hmac};
use crc::{CRC_32_ISO_HDLC, Crc};
use md5::{Digest, Md5};

/// As in zlib.
static CRC32: Crc<u32> = Crc::<u32>::new(&CRC_32_ISO_HDLC);

/// CRC-32 (IEEE). A checksum, not a digest: others with the same one are easily made.
pub fn crc32(message: &[u8]) -> u32 {
    CRC32.checksum(message)
}

/// MD5 in lower-case hex. Only where a gateway's protocol leaves no choice.
pub fn md5_hex(message: &[u8]) -> String {
    hex::encode(Md5::digest(message))
}

/// SHA-256 in lower-case hex.
pub fn sha256_hex(message: &[u8]) -> String {
    hex::encode(digest::digest(&digest::SHA256, message))
}

/// HMAC-SHA256 in lower-case hex.
pub fn hmac_sha256_hex(key: &[u8], message: &[u8]) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, key);
    hex::encode(hmac::sign(&key, message))
}

/// Whether two texts are the same; takes as long whatever differs.
pub fn is_same(left: &str, right: &str) -> bool {
    verify_slices_are_equal(left.as_bytes(), right.as_bytes()).is_ok()
}
