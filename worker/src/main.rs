//! The worker as a process of its own.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context;
use clap::Parser;
use kassa_core::{Clock, IdSource};
use runtime::config::{Config, LoadOptions};
use runtime::lifecycle::{Lifecycle, Signals, admin};
use runtime::{open, telemetry};
use tokio::sync::oneshot;
use worker::Worker;

const SERVICE_NAME: &str = "kassa-worker";

/// Applies notifications, submits refunds and publishes events.
#[derive(Debug, Parser)]
#[command(name = "worker", version)]
struct Cli {
    /// The configuration file; without it `KASSA_CONFIG`, else kassa.toml if there is one.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let options = LoadOptions {
        file: Cli::parse().config,
        ..LoadOptions::default()
    };
    let config = Config::load(&options)?;
    let telemetry = telemetry::init(&config.telemetry, SERVICE_NAME)?;
    let result = run(config).await;
    telemetry.shutdown().await?;
    result
}

async fn run(config: Config) -> anyhow::Result<()> {
    let signals = Signals::install()?;
    let lifecycle = Lifecycle::new(config.admin.drain_timeout());
    let clock = Clock::system();
    let ids = IdSource::system(clock.clone());
    let store = open::store(&config)
        .await
        .context("connect to the database")?;
    store.check_schema().await?;
    let keyring = Arc::new(open::keyring(&config)?);
    let opened = open::queue(&config, SERVICE_NAME, &store, &clock, &ids).await?;
    let queue = Arc::clone(&opened.queue);
    let kassa = flows::open(&config, store.clone(), queue, keyring, (clock, ids))?;
    kassa
        .accounts
        .refresh()
        .await
        .context("read the channel accounts")?;

    lifecycle.ready().check("database", move || {
        let store = store.clone();
        async move { Ok(store.ping().await?) }
    });
    let broker = Arc::clone(&kassa.queue);
    lifecycle.ready().check("broker", move || {
        let broker = Arc::clone(&broker);
        async move { Ok(broker.ping().await?) }
    });
    let address = admin::serve(&lifecycle, config.admin.listen)
        .await
        .context("admin listener")?;
    tracing::info!(admin.address = %address, "health and metrics");

    let worker = Worker::new(kassa.clone(), config.worker.clone());
    let stop = lifecycle.soft().clone();
    let (failed, mut failure) = oneshot::channel();
    lifecycle.spawn("worker", async move {
        if let Err(error) = worker.run(stop.clone()).await {
            tracing::error!(%error, "the worker cannot go on");
            drop(failed.send(error));
            stop.cancel();
        }
    });
    let report = lifecycle.run_until(signals).await;
    kassa.queue.close().await;
    if !report.is_clean() {
        tracing::warn!(?report, "not everything ended by itself");
    }
    // Who restarts the service has to see that it did not end as it was told to.
    match failure.try_recv() {
        Ok(error) => Err(error.into()),
        Err(_ended_well) => Ok(()),
    }
}
