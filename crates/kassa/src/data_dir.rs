//! The folder of a trial installation: the embedded database, the key that seals its secrets, the
//! sandbox's keys, the keys of development apps. All of it is for its owner alone.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use kassa_core::text::AppId;

/// The mode of the folder.
pub const FOLDER_MODE: u32 = 0o700;
/// The mode of files that hold keys.
pub const KEY_FILE_MODE: u32 = 0o600;
/// The folder of the sandbox's keys.
pub const SANDBOX_FOLDER: &str = "sandbox";
/// The folder of the apps' development keys.
pub const APPS_FOLDER: &str = "apps";

/// Why the folder cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("the data folder {folder} cannot be prepared")]
pub struct DataDirError {
    /// The folder.
    pub folder: String,
    /// Why.
    #[source]
    pub source: io::Error,
}

/// Makes the folder for its owner alone, if it is not there. One that is there keeps its mode.
///
/// # Errors
/// [`DataDirError`].
pub fn prepare(folder: &Path) -> Result<(), DataDirError> {
    if folder.is_dir() {
        return Ok(());
    }
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, FOLDER_MODE);
    builder.create(folder).map_err(|source| DataDirError {
        folder: folder.display().to_string(),
        source,
    })
}

/// Where the sandbox keeps its keys.
pub fn sandbox_folder(data_dir: &Path) -> PathBuf {
    data_dir.join(SANDBOX_FOLDER)
}

/// Where the private key of an app's development tokens is.
pub fn app_key_file(data_dir: &Path, app: &AppId) -> PathBuf {
    data_dir.join(APPS_FOLDER).join(format!("{app}.key.pem"))
}

/// Where the private key to which an app's one-time codes are encrypted is.
pub fn code_key_file(data_dir: &Path, app: &AppId) -> PathBuf {
    data_dir.join(APPS_FOLDER).join(format!("{app}.codes.pem"))
}

/// Writes a key for its owner alone; refuses to overwrite one.
///
/// # Errors
/// Of kind `AlreadyExists` if there is a file.
pub fn write_key(path: &Path, content: &[u8]) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        prepare(folder).map_err(|error| error.source)?;
    }
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, KEY_FILE_MODE);
    let mut file = options.open(path)?;
    io::Write::write_all(&mut file, content)?;
    file.sync_all()
}

/// The permission bits of a file or folder; `None` where the system has none.
///
/// # Errors
/// If it cannot be looked at.
pub fn mode(path: &Path) -> io::Result<Option<u32>> {
    let metadata = fs::metadata(path)?;
    #[cfg(unix)]
    {
        let bits = std::os::unix::fs::MetadataExt::mode(&metadata);
        Ok(Some(bits & 0o777))
    }
    #[cfg(not(unix))]
    {
        drop(metadata);
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_folder_and_its_keys_are_for_their_owner_alone() {
        let temp = tempfile::tempdir().unwrap();
        let folder = temp.path().join("data");
        prepare(&folder).unwrap();
        let key = app_key_file(&folder, &AppId::try_new("demo").unwrap());
        write_key(&key, b"secret").unwrap();
        assert_eq!(mode(&folder).unwrap(), Some(FOLDER_MODE));
        assert_eq!(mode(key.parent().unwrap()).unwrap(), Some(FOLDER_MODE));
        assert_eq!(mode(&key).unwrap(), Some(KEY_FILE_MODE));
    }

    #[test]
    fn a_key_is_never_overwritten() {
        let temp = tempfile::tempdir().unwrap();
        let key = temp.path().join("a.key.pem");
        write_key(&key, b"first").unwrap();
        let error = write_key(&key, b"second").unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(fs::read(&key).unwrap(), b"first");
    }
}
