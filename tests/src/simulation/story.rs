//! What happened, line by line. Two runs of a seed tell the same story to the letter; its digest is
//! what the test of that compares.

use std::fmt::Write as _;

use sha2::{Digest, Sha256};

use super::Time;

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Line {
    at: Time,
    payment: Option<usize>,
    text: String,
}

/// Everything that happened.
#[derive(Debug, Default)]
pub struct Story(Vec<Line>);

impl Story {
    /// Adds a line; `payment` is whom it concerns.
    pub fn tell(&mut self, at: Time, payment: Option<usize>, text: String) {
        self.0.push(Line { at, payment, text });
    }

    /// How many lines there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether nothing happened.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// SHA-256 over all of it, the first half, in hex.
    pub fn digest(&self) -> String {
        let mut hasher = Sha256::new();
        for line in &self.0 {
            hasher.update(line.at.timestamp_micros().to_le_bytes());
            hasher.update(line.text.as_bytes());
            hasher.update([0]);
        }
        let digest = hasher.finalize();
        digest.iter().take(16).fold(String::new(), |mut hex, byte| {
            write!(hex, "{byte:02x}").expect("a string takes text");
            hex
        })
    }

    /// The lines that concern a payment, and those that concern everybody.
    pub fn of(&self, payment: Option<usize>) -> String {
        let mut text = String::new();
        for line in &self.0 {
            if payment.is_none() || line.payment.is_none() || line.payment == payment {
                let at = line.at.format("%m-%d %H:%M:%S%.3f");
                let who = line.payment.map_or(String::new(), |who| format!("p{who}"));
                writeln!(text, "{at} {who:>5} {}", line.text).expect("a string takes text");
            }
        }
        text
    }
}
