//! `kassa completions`.

use clap::CommandFactory;

use crate::cli::{Cli, Shell};
use crate::exit::Outcome;
use crate::output::Output;

/// Prints the completion script.
///
/// # Errors
/// If it cannot be written.
pub fn run(args: &Shell, output: Output) -> anyhow::Result<Outcome> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "kassa", &mut script);
    output.raw(&String::from_utf8_lossy(&script))?;
    Ok(Outcome::Done)
}
