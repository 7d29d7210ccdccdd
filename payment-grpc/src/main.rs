//! The `payment-grpc` service: reads its configuration, connects, serves until SIGTERM, drains.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context;
use clap::Parser;
use flows::Kassa;
use kassa_core::{Clock, IdSource};
use payment_grpc::{Deps, Server, ServerOptions};
use runtime::config::{Config, LoadOptions};
use runtime::lifecycle::{Lifecycle, admin};
use runtime::{open, telemetry};
use tokio::sync::{oneshot, watch};

/// The name in logs, traces and at the broker.
const SERVICE: &str = "payment-grpc";

/// Kassa's gRPC API for business systems.
///
/// Everything is configured by `kassa.toml` and `KASSA__…` variables; see docs/configuration.md.
#[derive(Debug, Parser)]
#[command(name = SERVICE, version)]
struct Arguments {
    /// The configuration file.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let options = LoadOptions {
        file: arguments.config,
        ..LoadOptions::default()
    };
    let config = Config::load(&options)?;
    let guard = telemetry::init(&config.telemetry, SERVICE)?;
    let served = serve(&config).await;
    guard
        .shutdown()
        .await
        .context("the last traces could not be sent")?;
    served
}

async fn serve(config: &Config) -> anyhow::Result<()> {
    let (kassa, events) = connect(config).await?;
    // Before the first call: without accounts every payment would be refused for good.
    kassa
        .accounts
        .refresh()
        .await
        .context("read the channel accounts")?;
    let lifecycle = Lifecycle::new(config.admin.drain_timeout());
    watch_readiness(&lifecycle, &kassa);
    let admin = admin::serve(&lifecycle, config.admin.listen)
        .await
        .with_context(|| format!("cannot listen on {}", config.admin.listen))?;
    let refresh = config.ingress.account_refresh();
    let soft = lifecycle.soft().clone();
    lifecycle.spawn(
        "accounts",
        kassa.accounts.clone().keep_fresh(refresh, soft.clone()),
    );
    let options = ServerOptions::from_config(&config.grpc, &config.auth)?;
    let queue = Arc::clone(&kassa.queue);
    let server = Server::bind(options, Deps { kassa, events }).await?;
    tracing::info!(address = %server.local_addr(), admin = %admin, "serving");
    let (failed, mut failure) = oneshot::channel();
    lifecycle.spawn("grpc", async move {
        if let Err(error) = server.serve(soft.clone()).await {
            tracing::error!(error = ?error, "the server broke off; the process drains");
            drop(failed.send(error));
            soft.cancel();
        }
    });
    let report = lifecycle.run_until_signal().await?;
    queue.close().await;
    anyhow::ensure!(report.is_clean(), "the drain was not clean: {report:?}");
    if let Ok(error) = failure.try_recv() {
        return Err(error.into());
    }
    Ok(())
}

async fn connect(config: &Config) -> anyhow::Result<(Kassa, Option<watch::Receiver<u64>>)> {
    let clock = Clock::system();
    let ids = IdSource::system(clock.clone());
    let store = open::store(config).await?;
    store.check_schema().await?;
    let keyring = Arc::new(open::keyring(config)?);
    let opened = open::queue(config, SERVICE, &store, &clock, &ids).await?;
    let events = opened.events_published();
    let kassa = flows::open(config, store, opened.queue, keyring, (clock, ids))?;
    Ok((kassa, events))
}

fn watch_readiness(lifecycle: &Lifecycle, kassa: &Kassa) {
    let accounts = kassa.accounts.clone();
    lifecycle.ready().check("accounts", move || {
        let loaded = accounts.is_loaded();
        async move {
            if loaded {
                Ok(())
            } else {
                Err("not read yet".into())
            }
        }
    });
    let store = kassa.store.clone();
    lifecycle.ready().check("database", move || {
        let store = store.clone();
        async move { Ok(store.ping().await?) }
    });
    let queue = Arc::clone(&kassa.queue);
    lifecycle.ready().check("queue", move || {
        let queue = Arc::clone(&queue);
        async move { Ok(queue.ping().await?) }
    });
}
