//! The key of a trial installation: made at its first start, kept in a file beside its database.
//!
//! Only the embedded default does this. It keeps the database file alone from giving secrets away;
//! whoever has the whole folder has both. Production gives its keys by configuration.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use kassa_core::Secret;
use zeroize::Zeroizing;

use super::error::KeyringError;
use super::key_id::KeyId;
use super::{KEY_BYTES, Keyring};

/// The file in the data folder, readable for its owner alone.
pub const LOCAL_KEY_FILE: &str = "keyring.key";
/// The id of the key in it.
pub const LOCAL_KEY_ID: &str = "local";
/// More than a key in base64 and a newline.
const FILE_BYTES_MAX: u64 = 256;

impl Keyring {
    /// The keyring of the key in the data folder, which is made if it is not there.
    ///
    /// # Errors
    /// [`KeyringError::KeyFile`], [`KeyringError::KeyFileContent`].
    pub fn local(data_dir: &Path) -> Result<Self, KeyringError> {
        let id = KeyId::try_new(LOCAL_KEY_ID)?;
        Self::try_new(id.clone(), BTreeMap::from([(id, local_key(data_dir)?)]))
    }
}

/// The key in the data folder, which is made if it is not there; so is the folder. Two processes
/// that start at once get the same key: only one creates the file, by linking it into place whole.
///
/// # Errors
/// [`KeyringError::KeyFile`], [`KeyringError::KeyFileContent`].
pub fn local_key(data_dir: &Path) -> Result<Secret<Vec<u8>>, KeyringError> {
    let path = data_dir.join(LOCAL_KEY_FILE);
    match File::open(&path) {
        Ok(file) => read(file),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            create(data_dir, &path)?;
            read(File::open(&path).map_err(failed("opening"))?)
        }
        Err(error) => Err(failed("opening")(error)),
    }
}

fn read(file: File) -> Result<Secret<Vec<u8>>, KeyringError> {
    let mut text = Zeroizing::new(String::new());
    file.take(FILE_BYTES_MAX)
        .read_to_string(&mut text)
        .map_err(failed("reading"))?;
    let bytes = STANDARD
        .decode(text.trim_end())
        .map(Secret::new)
        .map_err(|_not_base64| KeyringError::KeyFileContent)?;
    if bytes.expose().len() == KEY_BYTES {
        Ok(bytes)
    } else {
        Err(KeyringError::KeyFileContent)
    }
}

fn create(data_dir: &Path, path: &Path) -> Result<(), KeyringError> {
    std::fs::create_dir_all(data_dir).map_err(failed("making the folder of"))?;
    let key = Keyring::generate_key()?;
    let mut text = Zeroizing::new(STANDARD.encode(key.expose()));
    text.push('\n');
    // Written whole under another name first, so that nobody ever reads half a key.
    let mut name = [0; 8];
    aws_lc_rs::rand::fill(&mut name).map_err(|_unspecified| KeyringError::Random)?;
    let draft = data_dir.join(format!("{LOCAL_KEY_FILE}.{}", hex::encode(name)));
    let written = write(&draft, text.as_bytes());
    let linked = written.and_then(|()| match std::fs::hard_link(&draft, path) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        linked => linked,
    });
    let removed = std::fs::remove_file(&draft);
    linked.map_err(failed("writing"))?;
    removed.map_err(failed("tidying up after"))
}

fn write(path: &Path, content: &[u8]) -> std::io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    file.write_all(content)?;
    file.sync_all()
}

fn failed(operation: &'static str) -> impl FnOnce(std::io::Error) -> KeyringError {
    move |source| KeyringError::KeyFile { operation, source }
}
