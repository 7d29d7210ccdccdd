//! The keys of every party: the gateways' own and those of the merchants that are registered with
//! them. Kept as PEM files; everything else (serial numbers, `APIv3` keys) follows from the keys.

mod certificate;
mod files;

use std::{collections::BTreeMap, fmt, net::IpAddr, path::Path, thread};

use rsa::{
    RsaPrivateKey, RsaPublicKey,
    pkcs8::{DecodePrivateKey, EncodePrivateKey, EncodePublicKey, LineEnding},
    rand_core::CryptoRngCore,
};
use sha2::{Digest, Sha256};

pub(crate) use certificate::{serial_decimal, serial_number_sn};

use crate::error::KeysError;

/// Length of every generated key.
const KEY_BITS: usize = 2048;

/// Bytes of a WeChat Pay certificate serial number (`wechat_v3` sheet §1: 40 hex characters).
const SERIAL_BYTES: usize = 20;

/// Private keys by file stem.
pub(crate) const KEY_NAMES: [&str; 16] = [
    "alipay_root",
    "alipay_platform",
    "alipay_app",
    "alipay_app_certificate_mode",
    "alipay_app_foreign",
    "wechat_platform_1",
    "wechat_platform_2",
    "wechat_public_key",
    "wechat_merchant",
    "wechat_merchant_public_key_mode",
    "wechat_merchant_foreign",
    "unionpay_root",
    "unionpay_middle",
    "unionpay_sign",
    "unionpay_merchant",
    "unionpay_merchant_foreign",
];

/// Certificates by file stem.
pub(crate) const CERTIFICATE_NAMES: [&str; 10] = [
    "alipay_root",
    "alipay_app",
    "alipay_platform",
    "wechat_platform_1",
    "wechat_platform_2",
    "unionpay_root",
    "unionpay_middle",
    "unionpay_sign",
    "unionpay_merchant",
    "unionpay_merchant_foreign",
];

/// PEM texts by file name.
pub(crate) type PemFiles = BTreeMap<String, String>;

/// One RSA key with both halves as PEM.
#[derive(Clone)]
pub(crate) struct KeyPair {
    pub(crate) private: RsaPrivateKey,
    pub(crate) public: RsaPublicKey,
    pub(crate) private_pem: String,
    pub(crate) public_pem: String,
}

impl KeyPair {
    fn try_new(name: &str, private_pem: &str) -> Result<Self, KeysError> {
        let private =
            RsaPrivateKey::from_pkcs8_pem(private_pem).map_err(|source| KeysError::PrivateKey {
                name: name.to_owned(),
                source,
            })?;
        let public = private.to_public_key();
        let public_pem =
            public
                .to_public_key_pem(LineEnding::LF)
                .map_err(|source| KeysError::PublicKey {
                    name: name.to_owned(),
                    source,
                })?;
        Ok(Self {
            private,
            public,
            private_pem: private_pem.to_owned(),
            public_pem,
        })
    }

    /// Upper-case hex of 20 bytes that follow from the public key.
    pub(crate) fn serial(&self) -> String {
        hex::encode_upper(serial_bytes(&self.public_pem))
    }

    /// 32 letters and digits that follow from the private key.
    pub(crate) fn apiv3_key(&self) -> String {
        self.secret("apiv3")
    }

    /// 32 letters and digits that follow from the private key, others for each use.
    pub(crate) fn secret(&self, of: &str) -> String {
        let digest = Sha256::digest(format!("{of} {}", self.private_pem));
        hex::encode(digest).chars().take(32).collect()
    }
}

/// Serial number of the certificate over this public key: positive and exactly 20 bytes long.
fn serial_bytes(public_pem: &str) -> Vec<u8> {
    let mut bytes: Vec<u8> = Sha256::digest(public_pem)
        .iter()
        .copied()
        .take(SERIAL_BYTES)
        .collect();
    if let Some(first) = bytes.first_mut() {
        *first = (*first & 0x3f) | 0x40;
    }
    bytes
}

/// Keys and certificates of all parties. Prints nothing of them.
#[derive(Clone)]
pub struct Keys {
    pairs: BTreeMap<String, KeyPair>,
    certificates: BTreeMap<String, String>,
}

impl fmt::Debug for Keys {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Keys([redacted])")
    }
}

impl Keys {
    /// Makes new keys and certificates. Takes seconds: call it off the async threads.
    ///
    /// # Errors
    /// The random source or the certificate issuer failed.
    pub fn generate() -> Result<Self, KeysError> {
        Self::from_files(&generate_files(&KEY_NAMES, &PemFiles::new())?)
    }

    /// Reads the keys from PEM files in `folder`, or makes them and keeps them there (mode 0600): those
    /// of every gateway of which there is no file yet.
    ///
    /// # Errors
    /// Some files of a gateway are there and others are not, or one cannot be read or written.
    pub fn load_or_generate(folder: &Path) -> Result<Self, KeysError> {
        let mut all = files::load(folder)?;
        let missing = files::missing_gateways(folder, &all)?;
        if !missing.is_empty() {
            let of_missing = |name: &&str| missing.contains(files::gateway_of(name));
            let names: Vec<&str> = KEY_NAMES.into_iter().filter(of_missing).collect();
            let made = generate_files(&names, &all)?;
            files::save(folder, &made)?;
            all.extend(made);
        }
        Self::from_files(&all)
    }

    /// The committed throw-away keys, so that tests need not wait for key generation.
    ///
    /// # Errors
    /// A committed file is damaged.
    pub fn for_tests() -> Result<Self, KeysError> {
        Self::from_files(&files::committed())
    }

    fn from_files(found: &PemFiles) -> Result<Self, KeysError> {
        let text = |file: String| {
            found
                .get(&file)
                .cloned()
                .ok_or_else(|| KeysError::Incomplete(file.into()))
        };
        let mut pairs = BTreeMap::new();
        for name in KEY_NAMES {
            let pair = KeyPair::try_new(name, &text(files::key_file(name))?)?;
            pairs.insert(name.to_owned(), pair);
        }
        let mut certificates = BTreeMap::new();
        for name in CERTIFICATE_NAMES {
            certificates.insert(name.to_owned(), text(files::certificate_file(name))?);
        }
        Ok(Self {
            pairs,
            certificates,
        })
    }

    pub(crate) fn pair(&self, name: &str) -> Result<KeyPair, KeysError> {
        self.pairs
            .get(name)
            .cloned()
            .ok_or_else(|| KeysError::Incomplete(name.into()))
    }

    /// The certificate (PEM) of the sandbox's own authority.
    pub(crate) fn root_certificate(&self) -> Result<String, KeysError> {
        self.certificate("alipay_root")
    }

    /// A certificate (PEM) over a key, issued by the sandbox's own authority: the same each time.
    pub(crate) fn issue(
        &self,
        key: &str,
        common_name: &str,
        address: Option<IpAddr>,
    ) -> Result<String, KeysError> {
        let files: PemFiles = self
            .pairs
            .iter()
            .map(|(name, pair)| (files::key_file(name), pair.private_pem.clone()))
            .collect();
        certificate::issue(&files, key, common_name, address)
    }

    pub(crate) fn certificate(&self, name: &str) -> Result<String, KeysError> {
        self.certificates
            .get(name)
            .cloned()
            .ok_or_else(|| KeysError::Incomplete(name.into()))
    }
}

/// Generates keys, a few threads at a time, and issues the certificates that `there` lacks.
fn generate_files(names: &[&str], there: &PemFiles) -> Result<PemFiles, KeysError> {
    let workers = thread::available_parallelism().map_or(2, usize::from);
    let chunk = names.len().div_ceil(workers).max(1);
    let made: Vec<Result<PemFiles, KeysError>> = thread::scope(|scope| {
        let running: Vec<_> = names
            .chunks(chunk)
            .map(|names| scope.spawn(move || generate_pairs(names, &mut rng())))
            .collect();
        running
            .into_iter()
            .map(|thread| thread.join().unwrap_or(Err(KeysError::GeneratorStopped)))
            .collect()
    });
    let mut all = there.clone();
    for part in made {
        all.extend(part?);
    }
    certificate::issue_all(&mut all)?;
    all.retain(|name, _| !there.contains_key(name));
    Ok(all)
}

fn rng() -> impl CryptoRngCore {
    aes_gcm::aead::OsRng
}

fn generate_pairs(names: &[&str], rng: &mut impl CryptoRngCore) -> Result<PemFiles, KeysError> {
    let mut made = PemFiles::new();
    for name in names {
        let key = RsaPrivateKey::new(rng, KEY_BITS).map_err(KeysError::Generate)?;
        let pem = key
            .to_pkcs8_pem(LineEnding::LF)
            .map_err(|source| KeysError::PrivateKey {
                name: (*name).to_owned(),
                source,
            })?;
        made.insert(files::key_file(name), pem.to_string());
    }
    Ok(made)
}

#[cfg(test)]
mod tests;
