//! How a command ends.

use std::fmt::Display;
use std::process::ExitCode;

use runtime::config::ConfigErrors;

/// Everything was done, everything that was looked at is in order.
pub const DONE: u8 = 0;
/// Something failed: a step of the demo was not seen, a check of the doctor found a broken part, a
/// server is away.
pub const FAILED: u8 = 1;
/// The command line, the configuration or an input file is wrong; nothing was done.
pub const BAD_INPUT: u8 = 2;

/// How a command that ran to its end ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Outcome {
    /// In order: exit code 0.
    Done,
    /// Something that was looked at is not in order, and was reported: exit code 1.
    Failed,
}

impl Outcome {
    /// `Done` if `holds`.
    pub fn of(holds: bool) -> Self {
        if holds { Self::Done } else { Self::Failed }
    }
}

/// An input that cannot be used, with everything that is wrong with it: exit code 2.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what} is not usable:{}", lines(.problems))]
pub struct BadInput {
    /// The file or argument.
    pub what: String,
    /// One line per problem.
    pub problems: Vec<String>,
}

fn lines(problems: &[String]) -> String {
    problems.iter().flat_map(|line| ["\n  ", line]).collect()
}

impl BadInput {
    /// One problem.
    pub fn one(what: impl Into<String>, problem: impl Display) -> Self {
        Self {
            what: what.into(),
            problems: vec![problem.to_string()],
        }
    }
}

/// The exit code of a command.
pub fn code(result: &anyhow::Result<Outcome>) -> u8 {
    match result {
        Ok(Outcome::Done) => DONE,
        Err(error) if error.is::<BadInput>() || error.is::<ConfigErrors>() => BAD_INPUT,
        Err(error) if is_broken_pipe(error) => DONE,
        Ok(Outcome::Failed) | Err(_) => FAILED,
    }
}

/// The exit code for the operating system.
pub fn exit_code(result: &anyhow::Result<Outcome>) -> ExitCode {
    ExitCode::from(code(result))
}

/// Whether the reader of our output went away, as `head` does.
pub fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        cause
            .downcast_ref::<std::io::Error>()
            .is_some_and(|error| error.kind() == std::io::ErrorKind::BrokenPipe)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bad_input_a_failure_and_success_have_codes_of_their_own() {
        assert_eq!(code(&Ok(Outcome::Done)), DONE);
        assert_eq!(code(&Ok(Outcome::Failed)), FAILED);
        assert_eq!(
            code(&Err(BadInput::one("accounts.toml", "no").into())),
            BAD_INPUT
        );
        assert_eq!(
            code(&Err(ConfigErrors {
                problems: Vec::new()
            }
            .into())),
            BAD_INPUT
        );
        assert_eq!(code(&Err(anyhow::anyhow!("the server is away"))), FAILED);
    }

    #[test]
    fn a_reader_that_went_away_is_no_failure() {
        let gone = std::io::Error::from(std::io::ErrorKind::BrokenPipe);
        assert_eq!(
            code(&Err(anyhow::Error::new(gone).context("printing"))),
            DONE
        );
    }
}
