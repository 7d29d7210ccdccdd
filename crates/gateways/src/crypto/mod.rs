//! The one module that owns the choice of cryptography crate.
//!
//! | job | crate | why |
//! | --- | --- | --- |
//! | reading RSA keys in every form that gateways hand out | `rsa` | PKCS#1, PKCS#8 and SPKI, armoured or bare |
//! | RSA signatures, SHA-256, 2048 bits and more | `aws-lc-rs` | several times as fast (the bench says how much), and without the timing side channel of RUSTSEC-2023-0071 |
//! | RSA signatures, SHA-1, 1024 bits and more (Baidu) | `rsa` signs, `aws-lc-rs` verifies | `aws-lc-rs` signs neither |
//! | SHA-256, HMAC-SHA256, AES-256-ECB (WeChat Pay v2) | `aws-lc-rs` | in the tree already |
//! | CRC-32 (PayPal) | `crc` | `aws-lc-rs` has none |
//! | MD5 | `md-5` | `aws-lc-rs` has none |
//! | AES-256-GCM | `aws-lc-rs` | in the tree already, under TLS |
//! | certificate chains, SHA-1 in them included (UnionPay) | `aws-lc-rs` | strict libraries refuse them |
//! | certificates | `x509-parser` | reads what strict parsers refuse |
//!
//! `rsa` signs nothing else: its private-key operations are not constant in time. The bench
//! `sign_verify` measures both crates side by side.

mod aead;
mod certificate;
mod chain;
mod digest;
mod ecb;
mod error;
mod key;
mod legacy;
mod nonce;
#[cfg(test)]
#[cfg(feature = "client")]
mod tests;

pub use aead::open_aes_256_gcm;
pub use certificate::Certificate;
pub use chain::{Chain, ChainError, TrustedLeaf};
pub use digest::{crc32, hmac_sha256_hex, is_same, md5_hex, sha256_hex};
pub use ecb::open_aes_256_ecb;
pub use error::{KeyError, OpenFailed, SignFailed};
pub use key::{MODULUS_BITS_MIN, RsaPrivateKey, RsaPublicKey};
pub use legacy::{LEGACY_MODULUS_BITS_MIN, LegacyRsaPrivateKey, LegacyRsaPublicKey};
pub use nonce::nonce;
