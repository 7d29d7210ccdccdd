//! The demo: every role in one process, and an ordinary caller that takes payments from create to
//! refund: two, or one for each method of a channel, or of all; and a user's balance, alone and beside a
//! gateway. Each step is observed, never assumed: what the API answers, what the gateway has in its memory,
//! which event arrives, what the books say. A step that is not seen in time fails the demo, with what was
//! expected and what was seen.

mod books;
mod client;
mod events;
mod metrics;
mod observe;
mod payer;
mod picture;
mod stage;
mod story;
mod timeline;
mod wallet;

use std::time::Duration;

use anyhow::Context;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use kassa_core::id::EnvelopeId;
use runtime::config::{Config, ConfigErrors, SecretValue};
use runtime::keyring::{Keyring, LOCAL_KEY_ID};
use runtime::telemetry;

use crate::cli::{Demo, Global};
use crate::exit::{BadInput, Outcome};
use crate::node::NodeOptions;
use crate::output::Output;

use stage::Stage;
use story::Story;
use timeline::{StepFailed, Timeline};
use wallet::Purse;

pub use timeline::StepRecord;

/// What goes wrong is shown as a step; the log stays out of the picture unless `-v` asks for it.
/// Accounts that earlier demos left in a database of one's own no longer open, and a connection that
/// is closed says so: neither is news.
const LOG_FILTER: &str = "error,runtime::accounts=off,lapin=off";
/// How often the outbox is looked at.
const RELAY_POLL_MS: u64 = 25;
/// How long the roles may take to end.
const DRAIN_TIMEOUT_MS: u64 = 5_000;
/// Characters of the run's id.
const RUN_ID_LENGTH: usize = 8;

/// Tells the story.
///
/// # Errors
/// If it cannot be set up, or its end not be printed.
pub async fn run(global: &Global, args: &Demo, output: Output) -> anyhow::Result<Outcome> {
    let folder = tempfile::Builder::new().prefix("kassa-demo-").tempdir();
    let folder = folder.context("making a folder for the demo")?;
    let mut config = configure(global, folder.path())?;
    let telemetry = telemetry::init(&config.telemetry, "kassa-demo")?;
    let run = {
        let options = NodeOptions::new(config.clone());
        let id = EnvelopeId::new(&options.ids).to_string();
        // The end of a time-sorted id is its random part.
        id.chars()
            .skip(id.len().saturating_sub(RUN_ID_LENGTH))
            .collect::<String>()
    };
    if config.queue.amqp_url.is_some() {
        config.queue.prefix = format!("demo-{run}.");
    }
    let mut timeline = Timeline::new(output, Duration::from_secs(args.step_timeout));
    let told = Box::pin(tell(&mut timeline, config, args, &run)).await;
    telemetry.shutdown().await?;
    match told {
        Ok(()) => {
            timeline.end(global.servers.database_url.is_some())?;
            Ok(Outcome::Done)
        }
        // It was printed as a step.
        Err(error) if error.is::<StepFailed>() => Ok(Outcome::Failed),
        Err(error) => Err(error),
    }
}

async fn tell(
    timeline: &mut Timeline,
    config: Config,
    args: &Demo,
    run: &str,
) -> anyhow::Result<()> {
    let mut stage = Box::pin(Stage::open(timeline, config, run)).await?;
    let accounts = stage.accounts()?;
    let stories = if args.all || args.channel.is_some() {
        Story::every(&accounts, args.channel, run)
    } else {
        Story::first(&accounts, run)
    };
    let mut told = if stories.is_empty() {
        let problem = "the sandbox has no account of this channel";
        Err(BadInput::one("--channel", problem).into())
    } else {
        Ok(())
    };
    for story in stories {
        told = Box::pin(story.tell(timeline, &mut stage)).await;
        if told.is_err() {
            break;
        }
    }
    if told.is_ok() && args.channel.is_none() {
        told = Box::pin(Purse::new(&accounts, run)?.tell(timeline, &mut stage)).await;
    }
    if told.is_ok() {
        told = stage.check_books(timeline).await;
    }
    let closed = Box::pin(stage.close(timeline)).await;
    told.and(closed)
}

/// Everything on this machine and on free ports; nothing is read from files or the environment.
fn configure(global: &Global, folder: &std::path::Path) -> anyhow::Result<Config> {
    let data_dir = global.data_dir.clone().unwrap_or_else(|| folder.to_owned());
    let mut config = Config {
        data_dir,
        ..Config::default()
    };
    for listen in [
        &mut config.grpc.listen,
        &mut config.ingress.listen,
        &mut config.admin.listen,
    ] {
        listen.set_port(0);
    }
    config.worker.relay_poll_ms = RELAY_POLL_MS;
    config.admin.drain_timeout_ms = DRAIN_TIMEOUT_MS;
    let filter = match global.verbose {
        0 => LOG_FILTER,
        1 => "info",
        2 => "debug",
        _ => "trace",
    };
    filter.clone_into(&mut config.telemetry.log_filter);
    let secret = |url: &kassa_core::Secret| SecretValue::new(url.expose().clone());
    config.database.url = global.servers.database_url.as_ref().map(secret);
    config.queue.amqp_url = global.servers.amqp_url.as_ref().map(secret);
    if config.database.url.is_some() {
        let key = Keyring::generate_key()?;
        let key = SecretValue::new(STANDARD.encode(key.expose()));
        config.keyring.keys.insert(LOCAL_KEY_ID.to_owned(), key);
    }
    let mut problems = Vec::new();
    config.validate(&mut problems);
    if problems.is_empty() {
        Ok(config)
    } else {
        Err(ConfigErrors { problems }.into())
    }
}
