//! Faults for real: two of each service as processes of their own, over PostgreSQL and RabbitMQ,
//! with the sandbox gateways in this process. Lines are cut, processes and servers are killed in the
//! middle of work; in the end everything must have come as agreed.
//!
//! | file | owns |
//! | --- | --- |
//! | [`site`] | [`Site`]: the whole installation; how it starts, drains and ends |
//! | `ground` | what a site stands on: its lines, ports, database, configuration |
//! | [`servers`] | the database server and the broker, through `scripts/servers` |
//! | [`mod@line`] | a TCP line that can be cut, slowed, blocked and half-closed |
//! | [`process`] | a service as a process that is restarted when it dies |
//! | [`binaries`] | where the services' programs are |
//! | [`shop`] | a business system under load: its customers, and what it was promised |
//! | [`subscription`] | the queue on which a business system gets its events |
//! | [`trouble`] | what goes wrong, chosen by a seed |
//! | [`checks`] | what must hold in the end |
//! | [`tally`] | what happened, counted |
//!
//! Here time is real and moments are random, unlike everywhere else in the tests: the seed chooses
//! what is done to whom, and is printed, but does not reproduce the interleaving.

pub mod binaries;
pub mod checks;
mod ground;
pub mod line;
pub mod process;
pub mod servers;
pub mod shop;
pub mod site;
pub mod subscription;
pub mod tally;
pub mod trouble;

pub use process::Service;
pub use servers::Server;
pub use site::{Ending, Options, Site};
pub use tally::Tally;
