//! The simulation: the real flows and the real worker over a real (embedded) store and queue, in a town
//! of simulated gateways, payers and business systems where everything goes wrong that can: lost calls,
//! lost answers, lies, duplicates, crashes at any step, clocks that jump. No real time passes, and a seed
//! repeats everything to the letter.
//!
//! | file | owns |
//! | --- | --- |
//! | `chance` | randomness of a seed |
//! | `turns` | who runs when: one chain at a time |
//! | `bank` | what the gateways really hold: the truth |
//! | `gateway` | the `Gateway` trait over the bank, with calls that fail |
//! | `process` | the installation under test and its processes |
//! | `script` | what will be done about each payment |
//! | `purse` | users' wallets: what is put in, which parts of a payment they pay |
//! | `wish` | the requests of business systems |
//! | `business` | business systems: what they ask, what they are told |
//! | `town` | the loop: time, turns, crashes; and the calm at the end |
//! | `checks` | what the books must be, from the truth alone |
//! | `story` | what happened |
//! | `campaign` | many seeds, and what is shown of them |

#![expect(
    clippy::indexing_slicing,
    reason = "a simulation that loses its own records has failed"
)]

pub mod bank;
pub mod business;
pub mod campaign;
pub mod chance;
pub mod checks;
pub mod gateway;
pub mod process;
pub mod purse;
pub mod script;
pub mod story;
pub mod town;
pub mod turns;
mod wish;

use std::path::PathBuf;
use std::sync::mpsc::{RecvTimeoutError, SyncSender, sync_channel};
use std::time::Duration;

use chrono::{DateTime, Utc};

use self::story::Story;
use self::town::Town;
use self::turns::Turns;

/// A point in time.
pub type Time = DateTime<Utc>;

/// How long one step may take on a busy machine before the run counts as hung.
const STEP_MAX: Duration = Duration::from_mins(1);

/// One run.
#[derive(Debug, Clone)]
pub struct Run {
    /// The seed that decides everything.
    pub seed: u64,
    /// How many payments.
    pub payments: usize,
    /// Where the database lies while it runs.
    pub folder: PathBuf,
}

/// Something that must not be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// The payment that it is about, if it is about one.
    pub payment: Option<usize>,
    /// What is wrong.
    pub what: String,
}

/// What became of a run.
#[derive(Debug)]
pub struct Report {
    /// The seed.
    pub seed: u64,
    /// How many payments were begun.
    pub payments: usize,
    /// What must not be; empty when all is well.
    pub violations: Vec<Violation>,
    /// What happened.
    pub story: Story,
    /// How often each kind of thing happened.
    pub counts: Counts,
}

/// How often things happened: shows that a run was not idle.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Turns that were given.
    pub turns: u64,
    /// Processes that died.
    pub crashes: u64,
    /// Calls of gateways that did not go well.
    pub failed_calls: u64,
    /// Orders that were paid at the gateways.
    pub orders_paid: u64,
    /// Refunds that were made there.
    pub refunds: u64,
    /// Anomalies that were told of.
    pub anomalies: u64,
    /// Payments that wallets alone paid.
    pub by_wallet: u64,
    /// Payments that a gateway and wallets paid together.
    pub mixed: u64,
    /// Requests that were refused because there was not enough in the wallet.
    pub short: u64,
}

impl Run {
    /// Runs it on this thread, to its end.
    ///
    /// # Panics
    /// If the machine has no room for a database.
    pub fn go(&self) -> Report {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .expect("a runtime");
        let start: Time = "2026-01-01T00:00:00Z".parse().expect("a time");
        let turns = Turns::new(self.seed, start);
        let report = runtime.block_on(async {
            let stop = watch(turns.clone());
            let town = Town::found(self, turns.clone()).await;
            let report = Box::pin(town.live()).await;
            drop(stop);
            report
        });
        runtime.shutdown_background();
        report
    }
}

/// Watches from a thread of its own. While a blocking task runs, paused time does not move by itself:
/// it must not, as the database answers from threads that the runtime does not see.
fn watch(turns: Turns) -> SyncSender<()> {
    let (stop, stopped) = sync_channel(0);
    tokio::task::spawn_blocking(move || {
        let mut seen = u64::MAX;
        while stopped.recv_timeout(STEP_MAX) == Err(RecvTimeoutError::Timeout) {
            let steps = turns.steps();
            if steps == seen {
                turns.give_up();
            }
            seen = steps;
        }
    });
    stop
}

/// Where databases lie while they are used: in memory where the system offers it.
pub fn folder() -> PathBuf {
    let memory = PathBuf::from("/dev/shm");
    if memory.is_dir() {
        memory
    } else {
        std::env::temp_dir()
    }
}
