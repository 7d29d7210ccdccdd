//! `fuzz`: alters callbacks at random for a while and says whether a room could be broken.

#![expect(
    clippy::print_stdout,
    clippy::expect_used,
    reason = "a program for the terminal"
)]

use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Parser;
use kassa_core::{Clock, IdSource};
use tests::hostile::Target;

/// Cases between two looks at the clock.
const BATCH: u32 = 500;

/// Posts callbacks of the simulators, altered at random, to every room: nothing may panic, take long, or take
/// altered bytes for what they are not. Prints a case that does, as small as it gets.
#[derive(Debug, Parser)]
#[command(name = "fuzz", version)]
struct Options {
    /// How long each account is tried.
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// Only accounts whose code begins so.
    #[arg(long, default_value = "")]
    account: String,
    /// In place of random cases: every byte of every callback, as each of its 255 other values. Takes as long as
    /// it takes.
    #[arg(long)]
    every_byte: bool,
    /// 64 hex digits, to repeat a run.
    #[arg(long, value_parser = seed)]
    seed: Option<Seed>,
}

type Seed = [u8; 32];

fn seed(text: &str) -> Result<Seed, String> {
    let mut seed = Seed::default();
    hex::decode_to_slice(text, &mut seed).map_err(|error| error.to_string())?;
    Ok(seed)
}

#[tokio::main]
async fn main() -> ExitCode {
    let options = Options::parse();
    let ids = IdSource::system(Clock::system());
    let mut is_broken = false;
    for target in Box::pin(Target::all()).await {
        if !target.code.starts_with(&options.account) {
            continue;
        }
        let seed = options.seed.unwrap_or_else(|| ids.random_bytes());
        println!("{} (seed {})", target.code, hex::encode(seed));
        let deadline = Duration::from_secs(options.seconds);
        let is_every_byte = options.every_byte;
        let tried = tokio::task::spawn_blocking(move || {
            if is_every_byte {
                let masks: Vec<u8> = (1..=u8::MAX).collect();
                return target.run_bytes(&masks);
            }
            attack(&target, seed, deadline)
        });
        match tried.await.expect("proptest catches panics") {
            Ok(cases) => println!("  {cases} cases, none broke it"),
            Err(broken) => {
                println!("  {broken}");
                is_broken = true;
            }
        }
    }
    if is_broken {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    }
}

/// Tries until the time is over, and tells how many cases that were.
fn attack(target: &Target, mut seed: Seed, time: Duration) -> Result<u64, String> {
    let began = Instant::now();
    let mut cases: u64 = 0;
    target.run_bombs()?;
    while began.elapsed() < time {
        target.run(BATCH, &seed)?;
        cases = cases.saturating_add(BATCH.into());
        // Another seed for the next batch, which the first one decides.
        for byte in &mut seed {
            *byte = byte.wrapping_add(1);
            if *byte != 0 {
                break;
            }
        }
    }
    Ok(cases)
}
