//! What the doctor found.

use std::error::Error;
use std::io;

use serde::Serialize;
use serde_json::json;

use crate::output::{Mark, Output, chain};

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Check {
    /// The part.
    pub part: String,
    /// How it stands.
    pub state: Mark,
    /// What was seen.
    pub seen: String,
    /// What to do about it; empty where nothing is to be done.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub mend: String,
}

impl Check {
    /// Something that needs no mend.
    pub fn new(part: impl Into<String>, state: Mark, seen: impl Into<String>) -> Self {
        Self {
            part: part.into(),
            state,
            seen: seen.into(),
            mend: String::new(),
        }
    }

    /// In order.
    pub fn ok(part: impl Into<String>, seen: impl Into<String>) -> Self {
        Self::new(part, Mark::Ok, seen)
    }

    /// Broken, with the mend.
    pub fn broken(
        part: impl Into<String>,
        seen: impl Into<String>,
        mend: impl Into<String>,
    ) -> Self {
        Self {
            part: part.into(),
            state: Mark::Broken,
            seen: seen.into(),
            mend: mend.into(),
        }
    }

    /// Broken, as an error with its causes says.
    pub fn failed(
        part: impl Into<String>,
        error: &(dyn Error + 'static),
        mend: impl Into<String>,
    ) -> Self {
        Self::broken(part, chain(error), mend)
    }

    /// In order for now, with advice.
    pub fn advised(
        part: impl Into<String>,
        seen: impl Into<String>,
        mend: impl Into<String>,
    ) -> Self {
        Self {
            part: part.into(),
            state: Mark::Warn,
            seen: seen.into(),
            mend: mend.into(),
        }
    }
}

/// Everything that was looked at, in order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// What was looked at.
    pub checks: Vec<Check>,
}

impl Report {
    /// Adds a check.
    pub fn add(&mut self, check: Check) {
        self.checks.push(check);
    }

    /// Whether nothing is broken.
    pub fn is_healthy(&self) -> bool {
        self.broken() == 0
    }

    fn broken(&self) -> usize {
        self.checks
            .iter()
            .filter(|check| check.state == Mark::Broken)
            .count()
    }

    /// Prints it.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn print(&self, output: Output) -> io::Result<()> {
        output.object(&json!({ "ok": self.is_healthy(), "checks": self.checks }))?;
        for check in &self.checks {
            let mark = output.mark(check.state);
            output.line(format_args!("{mark} {:<22} {}", check.part, check.seen))?;
            if !check.mend.is_empty() {
                output.line(format_args!("  {:<22} mend: {}", "", check.mend))?;
            }
        }
        match self.broken() {
            0 => output.line("\nnothing is broken"),
            1 => output.line("\n1 part is broken"),
            count => output.line(format_args!("\n{count} parts are broken")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_broken_part_makes_the_whole_unhealthy_and_a_warning_does_not() {
        let mut report = Report::default();
        report.add(Check::ok("a", "fine"));
        report.add(Check::advised("b", "hm", "look"));
        assert!(report.is_healthy());
        report.add(Check::broken("c", "bad", "mend it"));
        assert!(!report.is_healthy());
    }

    #[test]
    fn a_check_as_json_has_a_mend_only_where_there_is_one() {
        let plain = serde_json::to_value(Check::ok("a", "fine")).unwrap();
        assert_eq!(plain, json!({ "part": "a", "state": "ok", "seen": "fine" }));
        let broken = serde_json::to_value(Check::broken("a", "bad", "mend")).unwrap();
        assert_eq!(broken["mend"], "mend");
    }
}
