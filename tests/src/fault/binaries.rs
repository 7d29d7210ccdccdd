//! Where the services' programs are. They are built by Cargo with this very program's profile, so
//! that what is tested is what the sources say.

use std::path::{Path, PathBuf};

use tokio::process::Command;
use tokio::sync::OnceCell;

/// The folder that Cargo puts the programs of this profile into.
pub fn folder() -> PathBuf {
    let program = std::env::current_exe().expect("the program's path");
    let folder = program.parent().expect("a folder");
    // Test programs are one folder deeper.
    let is_test = folder.file_name().is_some_and(|name| name == "deps");
    if is_test {
        folder.parent().expect("a folder").to_owned()
    } else {
        folder.to_owned()
    }
}

/// The folder that Cargo puts everything into.
pub fn target() -> PathBuf {
    let folder = folder();
    folder.parent().expect("the target folder").to_owned()
}

/// The root of the repository.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("the root of the repository")
}

/// Builds the services, once, with the checkpoints that this crate's feature of `runtime` brings: Cargo joins
/// the features of everything that it builds in one go.
///
/// # Panics
/// If they cannot be built.
pub async fn build() {
    static BUILT: OnceCell<()> = OnceCell::const_new();
    BUILT.get_or_init(run_cargo).await;
}

async fn run_cargo() {
    // With a test among the targets Cargo chooses the same features as for all tests, and finds most of
    // it built.
    let targets = ["--workspace", "--bins", "--test", "fault"];
    let mut command = Command::new(env!("CARGO"));
    command
        .current_dir(root())
        .args(["build", "--quiet", "--locked"])
        .args(targets)
        .arg("--target-dir")
        .arg(target());
    if folder().file_name().is_some_and(|name| name == "release") {
        command.arg("--release");
    }
    let built = command.status().await.expect("cargo runs");
    assert!(built.success(), "the services cannot be built");
}
