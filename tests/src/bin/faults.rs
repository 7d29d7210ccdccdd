//! The long form of the fault suite: endless random trouble for a given time, under load; then
//! everything has to come to rest, and what was lost is counted.

#![expect(
    clippy::expect_used,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a program for people, whose environment must work"
)]

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use clap::Parser;
use indicatif::{ProgressBar, ProgressStyle};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use runtime::checkpoint::Checkpoint;
use serde_json::json;
use tests::fault::trouble::{Trouble, service_at};
use tests::fault::{Ending, Options, Server, Site, Tally};
use tokio::sync::watch;
use tokio::time::{Instant, interval, sleep_until};

/// The pause between two troubles of one kind, in milliseconds.
const PAUSE_MS: std::ops::RangeInclusive<u64> = 200..=4_000;
/// The pause between two kills of a server, in milliseconds.
const RESTART_PAUSE_MS: std::ops::RangeInclusive<u64> = 20_000..=90_000;
/// One death in so many is one at a checkpoint.
const CHECKPOINT_ONE_IN: u32 = 4;
/// How often the progress line changes.
const PROGRESS_EVERY: Duration = Duration::from_millis(500);
/// How often acknowledged callbacks are looked at; the gateways keep only the last thousands.
const HARVEST_EVERY: u64 = 20;

/// Kills, cuts and restarts at random under load, then counts what was lost.
///
/// Two processes of each service run on a PostgreSQL and a RabbitMQ of their own, which scripts/servers
/// starts; the payment gateways are simulated. Exits with 1 if anything was lost, doubled or told out
/// of order.
#[derive(Debug, Parser)]
#[command(name = "faults", version)]
struct Arguments {
    /// How long the trouble lasts; Ctrl-C ends it early.
    #[arg(long, default_value_t = 30, value_name = "MINUTES")]
    minutes: u64,
    /// Chooses what happens to whom; not the instant, so a run is not reproduced exactly.
    #[arg(long, value_name = "NUMBER")]
    seed: Option<u64>,
    /// Customers at a time.
    #[arg(long, default_value_t = 8, value_name = "NUMBER")]
    customers: usize,
    /// The outcome as one JSON object.
    #[arg(long)]
    json: bool,
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let seed = arguments.seed.unwrap_or_else(by_the_clock);
    eprintln!("seed {seed}; building and starting");
    let options = Options {
        name: "faults",
        seed,
        log_filter: "warn",
    };
    let site = Arc::new(Box::pin(Site::start(options)).await);
    let shop = site.shop.clone();
    let customers = arguments.customers;
    let load = tokio::spawn(async move { Box::pin(shop.serve(customers)).await });
    let time = Duration::from_mins(arguments.minutes);
    Box::pin(trouble_for(&site, time, seed)).await;
    site.shop.close_door();
    site.mend();
    eprintln!("the trouble is over; the last customers leave and everything comes to rest");
    load.await.expect("the load ends");
    let site = Arc::into_inner(site).expect("nobody else holds the site");
    let ending = Box::pin(site.finish()).await;
    report(&ending, seed, arguments.json);
    if ending.violations.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

fn report(ending: &Ending, seed: u64, json: bool) {
    let lost = ending.violations.len();
    if json {
        let logs = ending.logs.display().to_string();
        let outcome = json!({
            "seed": seed,
            "tally": ending.tally.json(),
            "lost": lost,
            "violations": ending.violations,
            "logs": logs,
        });
        println!("{outcome}");
        return;
    }
    let tally = &ending.tally;
    println!("payments taken          {:>8}", tally.payments.get());
    println!("payments paid           {:>8}", tally.paid.get());
    println!("refunds                 {:>8}", tally.refunds.get());
    println!("requests repeated       {:>8}", tally.repeats.get());
    println!("callbacks acknowledged  {:>8}", tally.callbacks.get());
    println!("events received         {:>8}", tally.events.get());
    for (service, kills) in tally.kills_by_service() {
        println!("kills of {service:<15}{kills:>8}");
    }
    for (checkpoint, deaths) in tally.deaths() {
        println!("  died at {checkpoint:<27}{deaths:>4}");
    }
    println!("broker restarts         {:>8}", tally.broker_restarts.get());
    println!(
        "database restarts       {:>8}",
        tally.database_restarts.get()
    );
    println!("lines cut               {:>8}", tally.cuts.get());
    println!("lines slow or blocked   {:>8}", tally.delays.get());
    println!("lines half closed       {:>8}", tally.half_closes.get());
    println!("lost                    {lost:>8}");
    for violation in &ending.violations {
        println!("{violation}");
    }
    if lost > 0 {
        println!("logs: {}", ending.logs.display());
    }
}

/// Everything goes wrong at the same time until `time` is over or somebody interrupts.
///
/// A trouble under way is always finished: half a restart would leave the site without its server.
async fn trouble_for(site: &Site, time: Duration, seed: u64) {
    let until = Instant::now() + time;
    let (over, watched) = watch::channel(false);
    let clock = async move {
        tokio::select! {
            () = sleep_until(until) => {}
            () = interrupted() => {}
        }
        over.send_replace(true);
    };
    tokio::join!(
        clock,
        lines(site, StdRng::seed_from_u64(seed), watched.clone()),
        processes(
            site,
            StdRng::seed_from_u64(seed.wrapping_add(1)),
            watched.clone()
        ),
        servers(
            site,
            StdRng::seed_from_u64(seed.wrapping_add(2)),
            watched.clone()
        ),
        progress(site, until, watched),
    );
    // A process that was armed meanwhile must not die while everything comes to rest.
    for process in &site.processes {
        process.disarm().await;
    }
}

/// Ctrl-C; never, where it cannot be listened to.
async fn interrupted() {
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending::<()>().await;
    }
}

async fn lines(site: &Site, mut rng: StdRng, mut over: Over) {
    while pause(&mut rng, PAUSE_MS, &mut over).await {
        let trouble = Trouble::random_line(&mut rng);
        Box::pin(site.suffer(trouble, &mut rng)).await;
    }
}

async fn processes(site: &Site, mut rng: StdRng, mut over: Over) {
    let mut times_died: BTreeMap<&str, u64> = BTreeMap::new();
    while pause(&mut rng, PAUSE_MS, &mut over).await {
        if rng.random_ratio(1, CHECKPOINT_ONE_IN) {
            // The one that was least often somebody's last.
            let deadly = Checkpoint::ALL.iter().filter_map(|checkpoint| {
                let times = times_died.get(checkpoint.as_str()).copied();
                Some((
                    times.unwrap_or_default(),
                    *checkpoint,
                    service_at(*checkpoint)?,
                ))
            });
            let Some((_, checkpoint, service)) = deadly.min_by_key(|(times, ..)| *times) else {
                continue;
            };
            let times = times_died.entry(checkpoint.as_str()).or_default();
            *times = times.saturating_add(1);
            Box::pin(site.die_at(service, checkpoint, &mut rng)).await;
        } else {
            let trouble = Trouble::random_kill(&mut rng);
            Box::pin(site.suffer(trouble, &mut rng)).await;
        }
    }
}

async fn servers(site: &Site, mut rng: StdRng, mut over: Over) {
    let mut turns = [Server::Database, Server::Broker].into_iter().cycle();
    while pause(&mut rng, RESTART_PAUSE_MS, &mut over).await {
        if let Some(server) = turns.next() {
            Box::pin(site.suffer(Trouble::Restart(server), &mut rng)).await;
        }
    }
}

/// A line on a terminal; nothing elsewhere.
async fn progress(site: &Site, until: Instant, mut over: Over) {
    let bar = ProgressBar::new_spinner();
    let style = ProgressStyle::with_template("{spinner} {wide_msg}");
    bar.set_style(style.expect("a template"));
    let mut looks = interval(PROGRESS_EVERY);
    let mut count: u64 = 0;
    loop {
        tokio::select! {
            _ = looks.tick() => {}
            _ = over.wait_for(|over| *over) => return,
        }
        count = count.saturating_add(1);
        if count.is_multiple_of(HARVEST_EVERY) {
            drop(site.harvest());
        }
        let left = until.saturating_duration_since(Instant::now()).as_secs();
        bar.set_message(line(&site.tally, left));
        bar.tick();
    }
}

fn line(tally: &Tally, seconds_left: u64) -> String {
    format!(
        "{}:{:02} left  {} payments  {} refunds  {} callbacks  {} kills  {} restarts  {} cuts",
        seconds_left / 60,
        seconds_left % 60,
        tally.payments.get(),
        tally.refunds.get(),
        tally.callbacks.get(),
        tally.kills_in_all(),
        tally
            .broker_restarts
            .get()
            .saturating_add(tally.database_restarts.get()),
        tally.cuts.get(),
    )
}

/// Whether the trouble is over.
type Over = watch::Receiver<bool>;

/// A random rest; `false` as soon as the trouble is over.
async fn pause(rng: &mut StdRng, millis: std::ops::RangeInclusive<u64>, over: &mut Over) -> bool {
    let rest = Duration::from_millis(rng.random_range(millis));
    tokio::select! {
        () = tokio::time::sleep(rest) => true,
        _ = over.wait_for(|over| *over) => false,
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "without a seed a run is as random as the clock"
)]
fn by_the_clock() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.map_or(0, |now| u64::from(now.subsec_nanos()))
}
