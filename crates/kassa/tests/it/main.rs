//! The commands, through the binary and through their help.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    unreachable_pub,
    reason = "tests"
)]

mod apply;
mod cli;
mod help;
mod operate;
mod rows;
mod support;
mod up;
