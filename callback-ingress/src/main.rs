//! The callback ingress as a process of its own.
//!
//! While the database or the broker is away at the start, it waits for them and says so at `/readyz`;
//! once the accounts are in memory it serves, and goes on without the database.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context;
use backon::{ExponentialBuilder, Retryable};
use callback_ingress::{Deps, Ingress, IngressOptions};
use clap::Parser;
use gateways::{AccountConfig, Gateway, registry};
use kassa_core::{Clock, ErrorKind, IdSource};
use runtime::accounts::AccountDirectory;
use runtime::config::{Config, LoadOptions};
use runtime::lifecycle::{Lifecycle, ReadyFlag, Signals, admin};
use runtime::queue::{Queue, QueueError};
use runtime::store::{Store, StoreError};
use runtime::{open, telemetry};

const SERVICE_NAME: &str = "kassa-callback-ingress";
/// The first and the longest pause while the database or the broker is waited for.
const RETRY_DELAY_MIN: Duration = Duration::from_millis(200);
const RETRY_DELAY_MAX: Duration = Duration::from_secs(10);

/// Takes the callbacks of payment gateways and shows payers the result.
#[derive(Debug, Parser)]
#[command(name = "callback-ingress", version)]
struct Cli {
    /// The configuration file; without it `KASSA_CONFIG`, else `kassa.toml` if there is one.
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
    let loaded = lifecycle.ready().flag("accounts");
    let admin = admin::serve(&lifecycle, config.admin.listen)
        .await
        .context("admin listener")?;
    tracing::info!(admin.address = %admin, "health and metrics");

    let failure = Arc::new(Mutex::new(None));
    let (seen, soft) = (Arc::clone(&failure), lifecycle.soft().clone());
    let service = Service {
        config,
        loaded,
        soft: soft.clone(),
    };
    lifecycle.spawn("ingress", async move {
        if let Err(error) = Box::pin(service.serve()).await {
            *seen.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
            soft.cancel();
        }
    });
    let report = lifecycle.run_until(signals).await;
    if !report.is_clean() {
        tracing::warn!(?report, "not everything ended by itself");
    }
    failure
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .take()
        .map_or(Ok(()), Err)
}

struct Service {
    config: Config,
    loaded: ReadyFlag,
    soft: tokio_util::sync::CancellationToken,
}

impl Service {
    /// Waits for what it needs, then serves until told to stop.
    async fn serve(self) -> anyhow::Result<()> {
        let keyring = Arc::new(open::keyring(&self.config)?);
        let clock = Clock::system();
        let ids = IdSource::system(clock.clone());
        let Some(store) = self.soft.run_until_cancelled(self.store()).await else {
            return Ok(());
        };
        let store = store?;
        let queue = self.queue(&store, &clock, &ids);
        let Some(queue) = self.soft.run_until_cancelled(queue).await else {
            return Ok(());
        };
        let queue = queue?;
        let gateways = registry::Deps::verifying(clock.clone(), ids.clone());
        let accounts = AccountDirectory::new(store.clone(), keyring, move |account, secrets| {
            let config = AccountConfig {
                gateway: account.gateway,
                settings: account.settings.clone(),
                secrets,
            };
            let opened: Arc<dyn Gateway> =
                registry::open(&config, &gateways).map_err(|error| error.to_string())?;
            Ok(opened)
        });
        let deps = Deps {
            checkpoints: runtime::checkpoint::Checkpoints::from_env(),
            accounts: accounts.clone(),
            queue: Arc::clone(&queue),
            store,
            clock,
            ids,
        };
        let ingress = Ingress::bind(IngressOptions::from(&self.config.ingress), deps).await?;
        tracing::info!(address = %ingress.local_addr(), "listening");
        let every = self.config.ingress.account_refresh();
        tokio::join!(
            ingress.serve(self.soft.clone()),
            accounts.clone().keep_fresh(every, self.soft.clone()),
            self.watch_accounts(&accounts, every),
        );
        queue.close().await;
        Ok(())
    }

    /// Says that the process is ready once the accounts are in memory.
    async fn watch_accounts<G: Clone>(&self, accounts: &AccountDirectory<G>, every: Duration) {
        let mut ticks = tokio::time::interval(every);
        while !accounts.is_loaded() {
            if self.soft.run_until_cancelled(ticks.tick()).await.is_none() {
                return;
            }
        }
        self.loaded.set(true);
    }

    /// Connects to a database with our schema; any other schema is a reason not to start.
    async fn store(&self) -> anyhow::Result<Store> {
        let connect = || async {
            let store = open::store(&self.config).await?;
            store.check_schema().await?;
            Ok(store)
        };
        let store = connect
            .retry(patience())
            .when(|error: &StoreError| error.kind() == ErrorKind::Unavailable)
            .notify(|error, _| waiting("database", error))
            .await?;
        Ok(store)
    }

    async fn queue(
        &self,
        store: &Store,
        clock: &Clock,
        ids: &IdSource,
    ) -> anyhow::Result<Arc<dyn Queue>> {
        let connect = || open::queue(&self.config, SERVICE_NAME, store, clock, ids);
        let opened = connect
            .retry(patience())
            .when(|e: &QueueError| matches!(e.kind(), ErrorKind::Unavailable | ErrorKind::Timeout))
            .notify(|error, _| waiting("broker", error))
            .await?;
        Ok(opened.queue)
    }
}

fn patience() -> ExponentialBuilder {
    ExponentialBuilder::default()
        .with_min_delay(RETRY_DELAY_MIN)
        .with_max_delay(RETRY_DELAY_MAX)
        .with_jitter()
        .without_max_times()
}

fn waiting(what: &'static str, error: &(dyn std::error::Error + 'static)) {
    tracing::warn!(awaited = what, error, "not started yet");
}
