//! What is wrong with a configuration.

use std::fmt;

use kassa_core::ErrorKind;

/// One thing that is wrong. Never holds the value.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    /// The key's path, for example `grpc.listen`, or the file's name.
    pub path: String,
    /// What was expected there.
    pub expected: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: expected {}", self.path, self.expected)
    }
}

/// Everything that is wrong with a configuration, sorted by path.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the configuration is not usable:{}", lines(.problems))]
pub struct ConfigErrors {
    /// One entry per problem; at least one.
    pub problems: Vec<Problem>,
}

impl ConfigErrors {
    /// What it means for the caller.
    pub fn kind(&self) -> ErrorKind {
        ErrorKind::InvalidInput
    }
}

fn lines(problems: &[Problem]) -> String {
    let lines: Vec<_> = problems.iter().map(ToString::to_string).collect();
    lines.iter().flat_map(|line| ["\n  ", line]).collect()
}
