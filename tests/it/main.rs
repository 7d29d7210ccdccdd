//! The tests across crates, in one program.
//!
//! | room | about |
//! | --- | --- |
//! | [`flow`] | whole stories, one file per subject: what a caller and a gateway see |
//! | [`guards`] | promises P2 and P4: a test per guard, seen to fail without it |
//! | [`hostile`] | altered and exhausting callbacks against every room |
//! | [`secrets`] | promise P8 |
//! | [`tidy`] | directions, lints, rooms alike, words |

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests"
)]

mod flow;
mod guards;
mod hostile;
mod secrets;
mod tidy;
