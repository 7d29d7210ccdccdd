//! A campaign: many seeds on all cores, and what is shown of them. A seed that fails is made smaller
//! where that is cheap, and shown with the story of the payment in question.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use super::{Counts, Report, Run};

/// Many runs.
#[derive(Debug, Clone)]
pub struct Campaign {
    /// The seeds.
    pub seeds: Range<u64>,
    /// Payments per seed.
    pub payments: usize,
    /// How many run at a time.
    pub jobs: usize,
    /// Stop after so many failed seeds.
    pub failures_max: usize,
    /// Where databases lie while they are used.
    pub folder: PathBuf,
}

/// A seed that failed.
#[derive(Debug)]
pub struct Failure {
    /// The smallest run that was found to fail.
    pub run: Run,
    /// What became of it.
    pub report: Report,
}

/// What became of a campaign.
#[derive(Debug, Default)]
pub struct Outcome {
    /// Seeds that were run.
    pub seeds: u64,
    /// Payments in all of them.
    pub payments: u64,
    /// Violations in all of them.
    pub violations: u64,
    /// What happened in all of them.
    pub counts: Counts,
    /// The digest of each seed's story.
    pub digests: BTreeMap<u64, String>,
    /// The seeds that failed, smallest first.
    pub failures: BTreeMap<u64, Failure>,
}

/// How many seeds keep every core busy.
pub fn jobs() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

impl Campaign {
    /// Runs all seeds; `ended` is called after each.
    ///
    /// # Panics
    /// If a run panics.
    pub fn go(&self, ended: impl Fn(&Outcome) + Sync) -> Outcome {
        let next = AtomicU64::new(self.seeds.start);
        let outcome = Mutex::new(Outcome::default());
        let work = &|| {
            loop {
                let seed = next.fetch_add(1, Ordering::Relaxed);
                let failed = lock(&outcome).failures.len();
                if seed >= self.seeds.end || failed >= self.failures_max {
                    return;
                }
                let report = self.run(seed, self.payments).go();
                let failure = (!report.violations.is_empty()).then_some(());
                let mut so_far = lock(&outcome);
                so_far.add(&report);
                if failure.is_some() {
                    drop(so_far);
                    let failure = self.shrink(report);
                    so_far = lock(&outcome);
                    so_far.failures.insert(seed, failure);
                }
                ended(&so_far);
            }
        };
        std::thread::scope(|scope| {
            let cores = core_affinity::get_core_ids().unwrap_or_default();
            let mut cores = cores.into_iter().cycle();
            for _job in 0..self.jobs.max(1) {
                // A town and its database are two threads that take turns: on one core neither waits for
                // the other core to wake. Where it cannot be, the run is only slower.
                let core = cores.next();
                scope.spawn(move || {
                    if let Some(core) = core {
                        core_affinity::set_for_current(core);
                    }
                    work();
                });
            }
        });
        outcome.into_inner().unwrap_or_else(PoisonError::into_inner)
    }

    /// One of its runs.
    pub fn run(&self, seed: u64, payments: usize) -> Run {
        Run {
            seed,
            payments,
            folder: self.folder.clone(),
        }
    }

    /// The same seed with fewer payments, as long as it fails: each step costs half of the one before.
    fn shrink(&self, report: Report) -> Failure {
        let mut smallest = report;
        let mut payments = smallest.payments / 2;
        while payments > 0 {
            let smaller = self.run(smallest.seed, payments).go();
            if smaller.violations.is_empty() {
                break;
            }
            smallest = smaller;
            payments /= 2;
        }
        Failure {
            run: self.run(smallest.seed, smallest.payments),
            report: smallest,
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Outcome {
    fn add(&mut self, report: &Report) {
        let number = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
        self.seeds += 1;
        self.payments += number(report.payments);
        self.violations += number(report.violations.len());
        self.digests.insert(report.seed, report.story.digest());
        let (sum, more) = (&mut self.counts, &report.counts);
        sum.turns += more.turns;
        sum.crashes += more.crashes;
        sum.failed_calls += more.failed_calls;
        sum.orders_paid += more.orders_paid;
        sum.refunds += more.refunds;
        sum.anomalies += more.anomalies;
        sum.by_wallet += more.by_wallet;
        sum.mixed += more.mixed;
        sum.short += more.short;
    }
}

impl Failure {
    /// The violations, and the story of the payment that the first of them is about.
    pub fn tell(&self) -> String {
        let mut text = String::new();
        let Run { seed, payments, .. } = &self.run;
        let violations = &self.report.violations;
        writeln!(text, "seed {seed} with {payments} payments:").expect("a string takes text");
        for violation in violations {
            let who = violation
                .payment
                .map_or(String::new(), |who| format!("p{who}: "));
            writeln!(text, "  {who}{}", violation.what).expect("a string takes text");
        }
        let whose = violations.iter().find_map(|violation| violation.payment);
        text.push_str(&self.report.story.of(whose));
        text
    }
}
