//! The machinery under the use cases: nothing here knows what a payment is worth.
//!
//! | room | owns |
//! | --- | --- |
//! | [`store`] | every row: transactions, locks, claims, conversions between rows and `kassa_core` |
//! | [`open`] | opens all of it as the configuration says |
//! | [`queue`] | the work queues and the event exchange: RabbitMQ or embedded, one contract |
//! | [`accounts`] | the channel accounts in memory |
//! | [`checkpoint`] | places where the tests stop, interleave and kill processes |
//! | [`config`] | configuration: defaults, file, environment; checked as a whole |
//! | [`jwe`] | encrypting to an app's public key |
//! | [`keyring`] | sealing of secret columns |
//! | [`telemetry`] | logs, traces, metrics |
//! | [`lifecycle`] | start, readiness, drain and stop of a process |

pub mod accounts;
pub mod checkpoint;
pub mod config;
pub mod jwe;
pub mod keyring;
pub mod lifecycle;
pub mod open;
pub mod queue;
pub mod store;
pub mod telemetry;
