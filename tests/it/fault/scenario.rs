//! One scenario: a site under load, its troubles, and its end.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use runtime::checkpoint::Checkpoint;
use tests::fault::trouble::{Trouble, service_at};
use tests::fault::{Options, Service, Site};
use tokio::sync::{Mutex, MutexGuard};
use tokio::task::JoinHandle;
use tokio::time::Instant;

/// Customers at a time.
const CUSTOMERS: usize = 10;
/// Chooses the seed; without it every run has another one.
const SEED_VARIABLE: &str = "KASSA_FAULT_SEED";

/// Scenarios take turns: they restart servers that they share, and each wants the machine for itself.
static TURN: Mutex<()> = Mutex::const_new(());

/// A site under load.
pub(crate) struct Scenario {
    pub(crate) site: Site,
    rng: StdRng,
    seed: u64,
    name: &'static str,
    load: JoinHandle<()>,
    began: Instant,
    _turn: MutexGuard<'static, ()>,
}

impl Scenario {
    /// Starts a site and its load.
    pub(crate) async fn start(name: &'static str) -> Self {
        let turn = TURN.lock().await;
        let seed = seed();
        eprintln!("{name}: {SEED_VARIABLE}={seed}");
        let options = Options {
            name,
            seed,
            log_filter: "info",
        };
        let site = Box::pin(Site::start(options)).await;
        let shop = site.shop.clone();
        let load = tokio::spawn(async move { Box::pin(shop.serve(CUSTOMERS)).await });
        Self {
            site,
            rng: StdRng::seed_from_u64(seed),
            seed,
            name,
            load,
            began: Instant::now(),
            _turn: turn,
        }
    }

    /// Lets something go wrong.
    pub(crate) async fn suffer(&mut self, trouble: Trouble) {
        Box::pin(self.site.suffer(trouble, &mut self.rng)).await;
    }

    /// Lets each service die at each of its checkpoints, all services at the same time.
    pub(crate) async fn die_at_every_checkpoint(&mut self) {
        let services = Service::ALL.map(|service| {
            let mut rng = StdRng::seed_from_u64(self.rng.random());
            let site = &self.site;
            async move {
                let mut missed = Vec::new();
                for checkpoint in Checkpoint::ALL {
                    let is_its = service_at(*checkpoint) == Some(service);
                    if is_its && !Box::pin(site.die_at(service, *checkpoint, &mut rng)).await {
                        missed.push(checkpoint.as_str());
                    }
                }
                for process in site.processes_of(service) {
                    process.disarm().await;
                }
                missed
            }
        });
        let missed = futures_util::future::join_all(services).await.concat();
        assert!(missed.is_empty(), "nobody passed {missed:?} under load");
    }

    /// Lets the load go on for a while.
    pub(crate) async fn rest(&self, pause: Duration) {
        tokio::time::sleep(pause).await;
    }

    /// Lets the load go on for up to twice `pause`.
    pub(crate) async fn rest_at_random(&mut self, pause: Duration) {
        let pause = pause.mul_f64(self.rng.random_range(0.0..2.0));
        tokio::time::sleep(pause).await;
    }

    /// Lets the last customers go, and checks that nothing was lost.
    pub(crate) async fn finish(self) {
        self.site.shop.close_door();
        // Customers can only end when the lines are whole.
        self.site.mend();
        let troubled = self.began.elapsed();
        self.load.await.expect("the load ends");
        let served = self.began.elapsed();
        let ending = Box::pin(self.site.finish()).await;
        eprintln!(
            "{}: {}; troubles {} s, last customer after {} s, at rest after {} s",
            self.name,
            ending.tally,
            troubled.as_secs(),
            served.as_secs(),
            self.began.elapsed().as_secs()
        );
        assert!(
            ending.violations.is_empty(),
            "{} (seed {}): {}\nlogs: {}",
            self.name,
            self.seed,
            ending.violations.join("\n"),
            ending.logs.display()
        );
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "a run may be asked for by its seed; otherwise it is as random as the clock"
)]
fn seed() -> u64 {
    let given = std::env::var(SEED_VARIABLE).ok();
    let given = given.and_then(|seed| seed.parse().ok());
    given.unwrap_or_else(|| {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        now.map_or(0, |now| u64::from(now.subsec_nanos()))
    })
}
