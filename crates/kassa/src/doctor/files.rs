//! The data folder, and who may read it.

use std::path::Path;

use runtime::config::Config;
use runtime::keyring::LOCAL_KEY_FILE;

use super::report::{Check, Report};
use crate::data_dir::{self, APPS_FOLDER, SANDBOX_FOLDER};
use crate::output::Mark;

const NAME: &str = "data folder";
/// The bits of group and others.
const STRANGERS: u32 = 0o077;
/// Files that are looked at in one folder; far more than there are.
const FILES_MAX: usize = 1_000;

/// Looks at the data folder and everything in it that must be private.
pub(super) fn examine(config: &Config, report: &mut Report) {
    let folder = &config.data_dir;
    if !folder.exists() {
        let seen = format!(
            "{} is not there yet; the first start makes it",
            folder.display()
        );
        report.add(Check::new(NAME, Mark::Warn, seen));
        return;
    }
    if !folder.is_dir() {
        let seen = format!("{} is not a folder", folder.display());
        report.add(Check::broken(
            NAME,
            seen,
            "move it away, or choose another with --data-dir",
        ));
        return;
    }
    let mut open = Vec::new();
    let mut look = |path: &Path| {
        if is_open_to_strangers(path) {
            open.push(path.display().to_string());
        }
    };
    look(folder);
    // Not the database: its library makes it with the process's mask, and the folder shields it.
    look(&folder.join(LOCAL_KEY_FILE));
    for keys in [APPS_FOLDER, SANDBOX_FOLDER] {
        let entries = std::fs::read_dir(folder.join(keys))
            .into_iter()
            .flatten()
            .flatten();
        for entry in entries.take(FILES_MAX) {
            if entry.file_name().to_string_lossy().ends_with("key.pem") {
                look(&entry.path());
            }
        }
    }
    if open.is_empty() {
        report.add(Check::ok(
            NAME,
            format!("{} is for its owner alone", folder.display()),
        ));
    } else {
        let mend = format!("chmod go-rwx {}", open.join(" "));
        report.add(Check::broken(
            NAME,
            format!("others may read {}", open.join(", ")),
            mend,
        ));
    }
}

fn is_open_to_strangers(path: &Path) -> bool {
    data_dir::mode(path)
        .ok()
        .flatten()
        .is_some_and(|mode| mode & STRANGERS != 0)
}
