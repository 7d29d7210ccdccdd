//! The harness of the tests across crates: a whole installation in one process, over a database of
//! its own, with a clock that stands still until it is moved and gateways that do nothing unasked.
//!
//! | file | owns |
//! | --- | --- |
//! | [`app`] | [`TestApp`]: how it starts and ends |
//! | [`business`] | what a business system does with it |
//! | [`world`] | what payers, gateways and workers do; looks behind the API |
//! | [`caller`] | gRPC clients with a token |
//! | [`wish`] | requests to create payments, ready-made and changeable |
//! | [`account`] | channel accounts: what their gateways keep as a fee |
//! | [`wallet`] | wallets: filling them, legs, what is booked |
//! | [`callback`] | callbacks posted by hand: altered, repeated |
//! | [`event`] | events as business systems read them, from the API and from the broker |
//! | [`checks`] | what must hold at the end of every test |
//! | [`hostile`] | callbacks altered at random and made to exhaust a parser |
//! | [`fault`] | another harness: services as processes, over lines and servers that fail |
//!
//! A test ends with [`TestApp::finish`]; dropping an app without it fails the test. Nothing here
//! sleeps: work is drained by `run_until_idle`, and what happens on another task is waited for with
//! [`until`].
//!
//! `KASSA_TEST_BACKEND=servers` runs everything on PostgreSQL and RabbitMQ
//! (`KASSA_TEST_DATABASE_URL`, `KASSA_TEST_AMQP_URL`); anything else on SQLite and the embedded queue.

#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::missing_panics_doc,
    reason = "a harness that cannot do what a test asks for has failed that test"
)]

pub mod account;
pub mod app;
pub mod business;
pub mod callback;
pub mod caller;
pub mod checks;
pub mod codes;
pub mod event;
pub mod fault;
pub mod hostile;
mod queues;
pub mod simulation;
pub mod wallet;
pub mod wish;
pub mod world;

use std::time::Duration;

use tonic::Status;
use tonic_types::StatusExt;

pub use app::{Builder, TestApp};
pub use caller::Caller;
pub use wish::{Created, Wish, money};

/// How long something that happens on another task may take.
pub const PATIENCE: Duration = Duration::from_mins(2);

/// Looks again and again until `look` finds something; other tasks run in between.
pub async fn until<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let found = async {
        loop {
            if let Some(found) = look().await {
                return found;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, found)
        .await
        .unwrap_or_else(|_elapsed| panic!("waited in vain: {what}"))
}

/// The machine-readable reason of a refusal.
pub fn reason(status: &Status) -> String {
    let info = status.get_details_error_info();
    info.unwrap_or_else(|| panic!("a refusal without ErrorInfo: {status:?}"))
        .reason
}
