//! What commands print: lines for people, or JSON. Results go to standard output, logs to standard
//! error.

use std::error::Error;
use std::fmt::Display;
use std::io::{self, Write};

use console::Style;
use serde::Serialize;

/// Where and how a command prints.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Output {
    /// Whether results are JSON.
    pub json: bool,
    /// Whether there is a terminal that shows colours.
    pub colour: bool,
    /// Whether a person is watching: spinners, redrawn lines.
    pub interactive: bool,
}

/// An error with its causes in one line.
pub fn chain(error: &(dyn Error + 'static)) -> String {
    let links = std::iter::successors(Some(error), |error| (*error).source());
    links
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(": ")
}

/// How a checked thing stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Mark {
    /// In order.
    Ok,
    /// In order for now, or not to be judged from here.
    Warn,
    /// Broken.
    Broken,
    /// Not looked at, because something before it is broken.
    Skipped,
}

impl Output {
    /// Standard output, with colour where a terminal shows it.
    pub fn new(json: bool) -> Self {
        let interactive = !json && console::user_attended();
        Self {
            json,
            colour: !json && console::colors_enabled(),
            interactive,
        }
    }

    /// Prints a line for people; nothing when results are JSON.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn line(self, text: impl Display) -> io::Result<()> {
        if self.json {
            Ok(())
        } else {
            writeln!(io::stdout().lock(), "{text}")
        }
    }

    /// Prints a text as it is, whatever the mode: for output that has one form only.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn raw(self, text: &str) -> io::Result<()> {
        let mut out = io::stdout().lock();
        out.write_all(text.as_bytes())?;
        out.flush()
    }

    /// Prints a value as one line of JSON; nothing when results are lines.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn object(self, value: &impl Serialize) -> io::Result<()> {
        if !self.json {
            return Ok(());
        }
        let text = serde_json::to_string(value).map_err(io::Error::other)?;
        let mut out = io::stdout().lock();
        writeln!(out, "{text}")?;
        out.flush()
    }

    /// A sign for how a thing stands.
    pub fn mark(self, mark: Mark) -> String {
        match mark {
            Mark::Ok => self.paint("✓", &Style::new().green()),
            Mark::Warn => self.paint("!", &Style::new().yellow()),
            Mark::Broken => self.paint("✗", &Style::new().red().bold()),
            Mark::Skipped => self.paint("-", &Style::new().dim()),
        }
    }

    /// Text that is less important.
    pub fn dim(self, text: &str) -> String {
        self.paint(text, &Style::new().dim())
    }

    /// Text that stands out.
    pub fn bold(self, text: &str) -> String {
        self.paint(text, &Style::new().bold())
    }

    fn paint(self, text: &str, style: &Style) -> String {
        if self.colour {
            style.apply_to(text).to_string()
        } else {
            text.to_owned()
        }
    }
}
