//! The simulation as a test: a part of the seeds, and that a seed repeats itself.
//!
//! `cargo run --release -p tests --bin simulate -- --help` runs more of them.

use tests::simulation::campaign::{Campaign, jobs};
use tests::simulation::{Run, folder};

/// What CI runs: small towns, since this profile takes about a tenth of a second for each payment.
const SEEDS: u64 = 50;
const PAYMENTS: usize = 25;

#[test]
fn fifty_seeds_of_storm_keep_every_promise() {
    let campaign = Campaign {
        seeds: 0..SEEDS,
        payments: PAYMENTS,
        jobs: jobs(),
        failures_max: 1,
        folder: folder(),
    };
    let outcome = campaign.go(|_| {});
    for failure in outcome.failures.values() {
        eprintln!("{}", failure.tell());
    }
    assert_eq!(outcome.violations, 0);
    assert_eq!(outcome.seeds, SEEDS);
    assert!(outcome.counts.crashes > SEEDS, "{:?}", outcome.counts);
    assert!(outcome.counts.anomalies > SEEDS, "{:?}", outcome.counts);
    assert!(outcome.counts.by_wallet > SEEDS, "{:?}", outcome.counts);
    assert!(outcome.counts.mixed > SEEDS, "{:?}", outcome.counts);
    assert!(outcome.counts.short > SEEDS, "{:?}", outcome.counts);
}

#[test]
fn a_seed_tells_the_same_story_twice_and_another_seed_another() {
    let story = |seed| {
        let run = Run {
            seed,
            payments: 30,
            folder: folder(),
        };
        run.go().story
    };
    let (first, second) = (story(7), story(7));
    assert_eq!(first.of(None), second.of(None));
    assert_eq!(first.digest(), second.digest());
    assert_ne!(first.digest(), story(8).digest());
}
