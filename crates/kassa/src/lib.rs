//! All roles in one process, the demo, and the operator's command line.
//!
//! | room | owns |
//! | --- | --- |
//! | [`node`] | every role in one process, started and drained together |
//! | [`cli`] | the commands and their help; what each exit code means |
//! | [`command`] | what each command does |
//! | [`demo`] | the story that `kassa demo` tells, step by step, each observed |
//! | [`explain`] | the life of a payment as a text |
//! | [`doctor`] | what `kassa doctor` looks at |
//! | [`spec`] | `accounts.toml` and `apps.toml` |
//! | [`token`] | development tokens and their keys |
//! | [`data_dir`] | the folder of a trial installation |
//!
//! The services are libraries; what runs here is the very code that runs in their own processes.

pub mod cli;
pub mod command;
pub mod data_dir;
pub mod demo;
pub mod doctor;
pub mod exit;
pub mod explain;
pub mod node;
pub mod output;
pub mod settings;
pub mod spec;
pub mod token;
