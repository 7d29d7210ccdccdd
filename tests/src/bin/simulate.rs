//! `simulate`: runs the simulation over many seeds and says whether every promise held.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a program for the terminal"
)]

use std::ops::Range;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use clap::Parser;
use indicatif::{HumanCount, ProgressBar, ProgressStyle};
use serde_json::json;
use tests::simulation::campaign::{Campaign, Outcome, jobs};

/// Runs the real flows and the real worker in a town of simulated gateways, payers and business systems
/// where calls are lost, gateways lie, and processes die at any step; then compares the books with what
/// really happened. A seed repeats its run to the letter, on every machine.
#[derive(Debug, Parser)]
#[command(name = "simulate", version)]
struct Options {
    /// Which seeds: `FROM..TO`, without TO, or one seed.
    #[arg(long, default_value = "0..100", value_parser = seeds)]
    seeds: Range<u64>,
    /// Payments per seed.
    #[arg(long, default_value_t = 200)]
    payments: usize,
    /// Seeds that run at a time [default: one per core].
    #[arg(long)]
    jobs: Option<usize>,
    /// Stop after so many seeds that failed.
    #[arg(long, default_value_t = 1)]
    failures: usize,
    /// Where databases lie while they are used [default: memory where the system offers it].
    #[arg(long)]
    folder: Option<PathBuf>,
    /// Tell the story of every seed, also where nothing is wrong.
    #[arg(long)]
    story: bool,
    /// Answer in JSON, without a progress bar.
    #[arg(long)]
    json: bool,
}

/// Values go to and fro between a town's thread and its database's, which costs the usual allocator much.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn seeds(text: &str) -> Result<Range<u64>, String> {
    let number = |text: &str| text.parse::<u64>().map_err(|error| error.to_string());
    if let Some((from, to)) = text.split_once("..") {
        return Ok(number(from)?..number(to)?);
    }
    let seed = number(text)?;
    Ok(seed..seed.saturating_add(1))
}

fn main() -> ExitCode {
    let options = Options::parse();
    let campaign = Campaign {
        seeds: options.seeds.clone(),
        payments: options.payments,
        jobs: options.jobs.unwrap_or_else(jobs),
        failures_max: options.failures,
        folder: options
            .folder
            .clone()
            .unwrap_or_else(tests::simulation::folder),
    };
    if options.story {
        for seed in options.seeds.clone() {
            let report = campaign.run(seed, options.payments).go();
            println!("{}", report.story.of(None));
        }
        return ExitCode::SUCCESS;
    }
    let bar = bar(&options);
    let began = Instant::now();
    let outcome = campaign.go(|outcome| {
        bar.set_position(outcome.seeds);
        bar.set_message(format!("{} violations", outcome.violations));
    });
    bar.finish_and_clear();
    let seconds = began.elapsed().as_secs();
    if options.json {
        println!("{}", as_json(&outcome, seconds));
    } else {
        for failure in outcome.failures.values() {
            eprintln!("{}", failure.tell());
        }
        println!("{}", in_words(&outcome, seconds));
    }
    if outcome.violations == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

fn bar(options: &Options) -> ProgressBar {
    if options.json || !console::user_attended_stderr() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new(options.seeds.end.saturating_sub(options.seeds.start));
    let style = "{bar:40} {pos}/{len} seeds, {msg}, {eta} left";
    match ProgressStyle::with_template(style) {
        Ok(style) => bar.with_style(style),
        Err(_plain) => bar,
    }
}

fn in_words(outcome: &Outcome, seconds: u64) -> String {
    let counts = &outcome.counts;
    format!(
        "{} seeds, {} payments, {} violations\n\
         {seconds} s; {} turns, {} crashes, {} failed calls, {} orders paid, {} refunds, {} anomalies\n\
         {} payments by wallets, {} mixed, {} requests without enough in the wallet",
        HumanCount(outcome.seeds),
        HumanCount(outcome.payments),
        HumanCount(outcome.violations),
        HumanCount(counts.turns),
        HumanCount(counts.crashes),
        HumanCount(counts.failed_calls),
        HumanCount(counts.orders_paid),
        HumanCount(counts.refunds),
        HumanCount(counts.anomalies),
        HumanCount(counts.by_wallet),
        HumanCount(counts.mixed),
        HumanCount(counts.short),
    )
}

fn as_json(outcome: &Outcome, seconds: u64) -> serde_json::Value {
    let counts = &outcome.counts;
    let failures = outcome.failures.values().map(|failure| {
        let violations = failure.report.violations.iter();
        let violations =
            violations.map(|found| json!({ "payment": found.payment, "what": found.what }));
        json!({
            "seed": failure.run.seed,
            "payments": failure.run.payments,
            "violations": violations.collect::<Vec<_>>(),
        })
    });
    json!({
        "seeds": outcome.seeds,
        "payments": outcome.payments,
        "violations": outcome.violations,
        "seconds": seconds,
        "turns": counts.turns,
        "crashes": counts.crashes,
        "failed_calls": counts.failed_calls,
        "orders_paid": counts.orders_paid,
        "refunds": counts.refunds,
        "anomalies": counts.anomalies,
        "by_wallet": counts.by_wallet,
        "mixed": counts.mixed,
        "short": counts.short,
        "failures": failures.collect::<Vec<_>>(),
        "digests": outcome.digests,
    })
}
