//! What goes wrong.

use std::time::Duration;

use rand::Rng;
use rand::rngs::StdRng;
use runtime::checkpoint::Checkpoint;

use super::line::{End, Line};
use super::process::Service;
use super::servers::Server;
use super::site::Site;

/// How long a line that is down, blocked or slow stays so, in milliseconds: from short to longer than
/// what the services wait for an answer.
const SPELL_MS: std::ops::RangeInclusive<u64> = 200..=3_000;
/// How much later everything arrives on a slow line, in milliseconds.
const DELAY_MS: std::ops::RangeInclusive<u64> = 5..=60;
/// A blow hits all connections, every second, or every third.
const NTH: std::ops::RangeInclusive<u64> = 1..=3;

/// The last passing of a checkpoint is the first or the second.
const PASSINGS: std::ops::RangeInclusive<u32> = 1..=2;
/// How long a checkpoint may take to be passed under load.
const PASSING_PATIENCE: Duration = Duration::from_secs(40);

/// Whose checkpoint it is; `None` if nobody can die there.
pub fn service_at(checkpoint: Checkpoint) -> Option<Service> {
    match checkpoint {
        Checkpoint::CreateWrittenDown
        | Checkpoint::PlaceClaimed
        | Checkpoint::PlaceAnswered
        | Checkpoint::PlaceWritten
        | Checkpoint::CloseAnswered
        | Checkpoint::RetryWrittenDown
        | Checkpoint::RefundWrittenDown => Some(Service::PaymentGrpc),
        Checkpoint::CallbackVerified | Checkpoint::CallbackEnqueued => {
            Some(Service::CallbackIngress)
        }
        Checkpoint::RefundClaimed
        | Checkpoint::RefundAnswered
        | Checkpoint::SynchroniseClaimed
        | Checkpoint::SynchroniseAnswered
        | Checkpoint::AnomalyRefundWrittenDown
        | Checkpoint::NotificationApplied
        | Checkpoint::DeliveryDone
        | Checkpoint::PublishSent
        | Checkpoint::RelayPublished => Some(Service::Worker),
        Checkpoint::Resting => None,
    }
}

/// One thing that goes wrong with a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LineTrouble {
    /// Connections end in the middle of work.
    Cut,
    /// No connection is possible for a while.
    Down,
    /// Nothing gets through for a while, and nobody is told.
    Blocked,
    /// Everything is late for a while.
    Slow,
    /// The services are told that the server says no more.
    DeafCaller,
    /// The server is told that the services say no more.
    DeafServer,
}

impl LineTrouble {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Cut,
        Self::Down,
        Self::Blocked,
        Self::Slow,
        Self::DeafCaller,
        Self::DeafServer,
    ];
}

/// One thing that goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// With the line to a server.
    Line(Server, LineTrouble),
    /// A process is killed.
    Kill(Service),
    /// A server is killed and started again.
    Restart(Server),
}

impl Trouble {
    /// Any trouble with a line.
    pub fn random_line(rng: &mut StdRng) -> Self {
        let server = if rng.random_bool(0.5) {
            Server::Database
        } else {
            Server::Broker
        };
        Self::Line(server, any(LineTrouble::ALL, rng))
    }

    /// Any service killed.
    pub fn random_kill(rng: &mut StdRng) -> Self {
        Self::Kill(any(Service::ALL, rng))
    }
}

fn any<T: Copy, const N: usize>(all: [T; N], rng: &mut StdRng) -> T {
    let chosen = all.get(rng.random_range(0..N));
    *chosen.expect("one of the range")
}

impl Site {
    /// Lets a process of a service die at a checkpoint. `false` if none passed it in time.
    pub async fn die_at(&self, service: Service, checkpoint: Checkpoint, rng: &mut StdRng) -> bool {
        let passing = rng.random_range(PASSINGS);
        let armed = format!("{}:{passing}", checkpoint.as_str());
        tracing::info!(armed, "a checkpoint is armed");
        let mut deaths = Vec::new();
        for process in self.processes_of(service) {
            let times = process.life().deaths.saturating_add(1);
            process.arm(&armed).await;
            deaths.push(Box::pin(process.has_died(times, PASSING_PATIENCE)));
        }
        let mut one_died = false;
        while !one_died && !deaths.is_empty() {
            let (died, _, others) = futures_util::future::select_all(deaths).await;
            one_died = died;
            deaths = others;
        }
        one_died
    }

    /// Lets something go wrong; returns when it is over.
    pub async fn suffer(&self, trouble: Trouble, rng: &mut StdRng) {
        tracing::info!(?trouble, "trouble");
        match trouble {
            Trouble::Line(server, trouble) => self.line_trouble(server, trouble, rng).await,
            Trouble::Kill(service) => {
                let any = rng.random_range(0..2);
                if let Some(process) = self.processes_of(service).nth(any) {
                    process.kill().await;
                }
            }
            Trouble::Restart(server) => self.restart(server).await,
        }
    }

    async fn line_trouble(&self, server: Server, trouble: LineTrouble, rng: &mut StdRng) {
        let line: &Line = match server {
            Server::Database => self.database_line(),
            Server::Broker => self.broker_line(),
        };
        let nth = rng.random_range(NTH);
        let spell = Duration::from_millis(rng.random_range(SPELL_MS));
        match trouble {
            LineTrouble::Cut => {
                line.cut(nth);
                self.tally.cuts.one();
                return;
            }
            LineTrouble::DeafCaller => {
                line.half_close(End::Caller, nth);
                self.tally.half_closes.one();
                return;
            }
            LineTrouble::DeafServer => {
                line.half_close(End::Server, nth);
                self.tally.half_closes.one();
                return;
            }
            LineTrouble::Down => {
                line.take_down();
                self.tally.cuts.one();
            }
            LineTrouble::Blocked => {
                line.block();
                self.tally.delays.one();
            }
            LineTrouble::Slow => {
                line.slow_down(Duration::from_millis(rng.random_range(DELAY_MS)));
                self.tally.delays.one();
            }
        }
        tokio::time::sleep(spell).await;
        line.mend();
    }
}
