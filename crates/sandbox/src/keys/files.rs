//! Keys and certificates as PEM files in one folder, readable by their owner only.

use std::{
    collections::BTreeSet,
    fs::{self, OpenOptions},
    io::{ErrorKind, Write},
    path::Path,
};

use super::{CERTIFICATE_NAMES, KEY_NAMES, PemFiles};
use crate::error::KeysError;

/// The committed throw-away files. Never used outside tests and demonstrations on one machine.
macro_rules! committed {
    ($($file:literal),+ $(,)?) => {
        [$(($file, include_str!(concat!("../../testkeys/", $file)))),+]
    };
}

pub(super) fn key_file(name: &str) -> String {
    format!("{name}.key.pem")
}

pub(super) fn certificate_file(name: &str) -> String {
    format!("{name}.crt.pem")
}

/// The gateway that a key or certificate belongs to: the first word of its name.
pub(super) fn gateway_of(name: &str) -> &str {
    name.split('_').next().unwrap_or(name)
}

/// The gateways of which there is no file at all.
pub(super) fn missing_gateways(
    folder: &Path,
    found: &PemFiles,
) -> Result<BTreeSet<String>, KeysError> {
    let mut missing = BTreeSet::new();
    for name in all_files() {
        let gateway = gateway_of(&name);
        if found.contains_key(&name) {
            continue;
        }
        if found.keys().any(|found| gateway_of(found) == gateway) {
            return Err(KeysError::Incomplete(folder.join(name)));
        }
        missing.insert(gateway.to_owned());
    }
    Ok(missing)
}

fn all_files() -> Vec<String> {
    let keys = KEY_NAMES.iter().map(|name| key_file(name));
    keys.chain(CERTIFICATE_NAMES.iter().map(|name| certificate_file(name)))
        .collect()
}

pub(super) fn committed() -> PemFiles {
    committed![
        "alipay_root.key.pem",
        "alipay_platform.key.pem",
        "alipay_app.key.pem",
        "alipay_app_certificate_mode.key.pem",
        "alipay_app_foreign.key.pem",
        "wechat_platform_1.key.pem",
        "wechat_platform_2.key.pem",
        "wechat_public_key.key.pem",
        "wechat_merchant.key.pem",
        "wechat_merchant_public_key_mode.key.pem",
        "wechat_merchant_foreign.key.pem",
        "unionpay_root.key.pem",
        "unionpay_middle.key.pem",
        "unionpay_sign.key.pem",
        "unionpay_merchant.key.pem",
        "unionpay_merchant_foreign.key.pem",
        "alipay_root.crt.pem",
        "alipay_app.crt.pem",
        "alipay_platform.crt.pem",
        "wechat_platform_1.crt.pem",
        "wechat_platform_2.crt.pem",
        "unionpay_root.crt.pem",
        "unionpay_middle.crt.pem",
        "unionpay_sign.crt.pem",
        "unionpay_merchant.crt.pem",
        "unionpay_merchant_foreign.crt.pem",
    ]
    .into_iter()
    .map(|(name, text)| (name.to_owned(), text.to_owned()))
    .collect()
}

/// The files that are there.
pub(super) fn load(folder: &Path) -> Result<PemFiles, KeysError> {
    let mut found = PemFiles::new();
    for name in all_files() {
        let path = folder.join(&name);
        match fs::read_to_string(&path) {
            Ok(text) => {
                found.insert(name, text);
            }
            Err(source) if source.kind() == ErrorKind::NotFound => {}
            Err(source) => return Err(KeysError::File { path, source }),
        }
    }
    Ok(found)
}

/// Writes files that must not exist yet.
pub(super) fn save(folder: &Path, files: &PemFiles) -> Result<(), KeysError> {
    let failed = |path: &Path, source| KeysError::File {
        path: path.to_owned(),
        source,
    };
    fs::create_dir_all(folder).map_err(|e| failed(folder, e))?;
    for (name, text) in files {
        let path = folder.join(name);
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(&path).map_err(|e| failed(&path, e))?;
        file.write_all(text.as_bytes())
            .map_err(|e| failed(&path, e))?;
        file.sync_all().map_err(|e| failed(&path, e))?;
    }
    Ok(())
}
