//! Every role in one process: the sandbox gateways, the callback ingress, the gRPC server, the worker
//! and the admin listener, over one store and one queue, started and drained together.
//!
//! `kassa up`, `kassa demo` and the tests across crates start it; each role is the very library that
//! its own service runs.

mod error;
pub mod open;
mod options;
pub mod seed;

use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};

use callback_ingress::{Deps as IngressDeps, Ingress, IngressOptions};
use flows::Kassa;
use runtime::config::Config;
use runtime::lifecycle::{DrainReport, Lifecycle, Signals, admin};
use runtime::open::OpenQueue;
use sandbox::Sandbox;
use tokio_util::sync::CancellationToken;
use url::Url;
use worker::Worker;

use crate::data_dir;
use crate::output::chain;

pub use error::NodeError;
pub use options::{NodeOptions, Seed, WorkerMode};

/// What the broker shows an operator.
const CONNECTION_NAME: &str = "kassa";

/// Where the roles listen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Addresses {
    /// The gRPC API.
    pub grpc: SocketAddr,
    /// Callbacks and return pages.
    pub ingress: SocketAddr,
    /// `/healthz`, `/readyz`, `/metrics`.
    pub admin: SocketAddr,
}

/// A running installation in one process. Dropped without [`Node::drain`], it stops at once.
#[derive(Debug)]
pub struct Node {
    config: Config,
    kassa: Kassa,
    queue: OpenQueue,
    worker: Worker,
    sandbox: Option<Sandbox>,
    addresses: Addresses,
    lifecycle: Lifecycle,
    broken: Broken,
}

/// What broke off first, if a role did.
type Broken = Arc<OnceLock<NodeError>>;

impl Node {
    /// Brings the schema up, opens everything, plants the seed, and serves.
    ///
    /// # Errors
    /// [`NodeError`]; what was started until then is stopped.
    pub async fn start(options: NodeOptions) -> Result<Self, NodeError> {
        let NodeOptions {
            config,
            sandbox,
            seed,
            worker,
            clock,
            ids,
        } = options;
        data_dir::prepare(&config.data_dir)?;
        let store = runtime::open::store(&config).await?;
        open::migrate(&store).await?;
        let keyring = Arc::new(runtime::open::keyring(&config)?);
        let queue = runtime::open::queue(&config, CONNECTION_NAME, &store, &clock, &ids).await?;
        let opened = Arc::clone(&queue.queue);
        let mut kassa = flows::open(&config, store, opened, keyring, (clock, ids))?;
        let ingress_deps = IngressDeps {
            checkpoints: kassa.checkpoints.clone(),
            accounts: kassa.accounts.clone(),
            queue: Arc::clone(&kassa.queue),
            store: kassa.store.clone(),
            clock: kassa.clock.clone(),
            ids: kassa.ids.clone(),
        };
        let ingress = Ingress::bind(IngressOptions::from(&config.ingress), ingress_deps)
            .await
            .map_err(NodeError::Ingress)?;
        kassa.settings.public_base_url = public_base_url(&config, ingress.local_addr())?;
        let sandbox = match sandbox {
            Some(sandbox) => Some(Sandbox::start(sandbox).await?),
            None => None,
        };
        if let (Some(seed), Some(sandbox)) = (&seed, &sandbox) {
            seed::plant(&kassa, sandbox.credentials(), seed).await?;
            seed::register_endpoints(&kassa, sandbox, &seed.suffix).await?;
        }
        kassa.accounts.refresh().await?;
        Roles {
            config,
            kassa,
            queue,
            sandbox,
            ingress,
        }
        .serve(worker)
        .await
    }

    /// What flows work with: for looking behind the API.
    pub fn kassa(&self) -> &Kassa {
        &self.kassa
    }

    /// The configuration that it runs with.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The sandbox gateways, if there are any.
    pub fn sandbox(&self) -> Option<&Sandbox> {
        self.sandbox.as_ref()
    }

    /// Where the roles listen.
    pub fn addresses(&self) -> Addresses {
        self.addresses
    }

    /// The worker: with [`WorkerMode::Manual`] it works only by its `run_until_idle`.
    pub fn worker(&self) -> &Worker {
        &self.worker
    }

    /// The life of the process.
    pub fn lifecycle(&self) -> &Lifecycle {
        &self.lifecycle
    }

    /// The exchange that business systems bind their queues to; `None` without a broker.
    pub fn events_exchange(&self) -> Option<&str> {
        self.queue.events_exchange()
    }

    /// Serves until a signal or the soft token, then drains.
    ///
    /// # Errors
    /// What a role broke off with; the others were drained then.
    pub async fn run_until(self, signals: Signals) -> Result<DrainReport, NodeError> {
        let report = self.lifecycle.run_until(signals).await;
        let broken = Arc::clone(&self.broken);
        self.end().await;
        match Arc::into_inner(broken).and_then(OnceLock::into_inner) {
            Some(error) => Err(error),
            None => Ok(report),
        }
    }

    /// Stops accepting, finishes what is in progress, closes everything.
    pub async fn drain(self) -> DrainReport {
        let report = self.lifecycle.drain().await;
        self.end().await;
        report
    }

    /// As [`Node::drain`], and takes this installation's queues off the broker, with all in them.
    ///
    /// # Errors
    /// [`NodeError::Queue`].
    pub async fn drain_and_remove_queues(self) -> Result<DrainReport, NodeError> {
        let report = self.lifecycle.drain().await;
        let removed = self.queue.delete_everything().await;
        self.end().await;
        removed?;
        Ok(report)
    }

    /// As [`Node::drain`], and empties this installation's queues on the broker: for tests, which use them again.
    ///
    /// # Errors
    /// [`NodeError::Queue`].
    pub async fn drain_and_empty_queues(self) -> Result<DrainReport, NodeError> {
        let report = self.lifecycle.drain().await;
        let emptied = self.queue.purge_everything().await;
        self.end().await;
        emptied?;
        Ok(report)
    }

    async fn end(self) {
        if let Some(sandbox) = self.sandbox {
            sandbox.stop().await;
        }
        self.kassa.queue.close().await;
    }
}

/// What is open and about to serve.
struct Roles {
    config: Config,
    kassa: Kassa,
    queue: OpenQueue,
    sandbox: Option<Sandbox>,
    ingress: Ingress,
}

impl Roles {
    async fn serve(self, mode: WorkerMode) -> Result<Node, NodeError> {
        let Self {
            config,
            kassa,
            queue,
            sandbox,
            ingress,
        } = self;
        let lifecycle = Lifecycle::new(config.admin.drain_timeout());
        let soft = lifecycle.soft().clone();
        let grpc = open::grpc(&config, &kassa, &queue).await?;
        let admin = admin::serve(&lifecycle, config.admin.listen)
            .await
            .map_err(|source| NodeError::Admin {
                address: config.admin.listen,
                source,
            })?;
        let addresses = Addresses {
            grpc: grpc.local_addr(),
            ingress: ingress.local_addr(),
            admin,
        };
        readiness(&lifecycle, &kassa);

        lifecycle.spawn("ingress", ingress.serve(soft.clone()));
        let every = config.ingress.account_refresh();
        let accounts = kassa.accounts.clone();
        lifecycle.spawn("accounts", accounts.keep_fresh(every, soft.clone()));
        let broken = Broken::default();
        let (stop, seen) = (soft.clone(), Arc::clone(&broken));
        lifecycle.spawn("grpc", async move {
            if let Err(error) = grpc.serve(stop.clone()).await {
                break_off(&seen, NodeError::Grpc(error.into()), &stop);
            }
        });
        let worker = Worker::new(kassa.clone(), config.worker.clone());
        if mode == WorkerMode::Running {
            let (running, seen) = (worker.clone(), Arc::clone(&broken));
            lifecycle.spawn("worker", async move {
                if let Err(error) = running.run(soft.clone()).await {
                    break_off(&seen, NodeError::Worker(error.into()), &soft);
                }
            });
        }
        Ok(Node {
            config,
            kassa,
            queue,
            worker,
            sandbox,
            addresses,
            lifecycle,
            broken,
        })
    }
}

/// A role that breaks off takes the others with it: better a restart than a process that lacks one.
fn break_off(broken: &Broken, error: NodeError, soft: &CancellationToken) {
    tracing::error!(
        error = chain(&error),
        "a role broke off; the process drains"
    );
    // Of several only the first is kept; each is in the log.
    if let Err(later) = broken.set(error) {
        tracing::debug!(error = chain(&later), "another role broke off before");
    }
    soft.cancel();
}

fn readiness(lifecycle: &Lifecycle, kassa: &Kassa) {
    let store = kassa.store.clone();
    lifecycle.ready().check("database", move || {
        let store = store.clone();
        async move { Ok(store.ping().await?) }
    });
    let queue = Arc::clone(&kassa.queue);
    lifecycle.ready().check("broker", move || {
        let queue = Arc::clone(&queue);
        async move { Ok(queue.ping().await?) }
    });
    lifecycle
        .ready()
        .flag("accounts")
        .set(kassa.accounts.is_loaded());
}

/// Gateways and payers reach the ingress where the configuration says. One that says nothing, but
/// listens on another port of this machine than by default, is reached on that port.
fn public_base_url(config: &Config, ingress: SocketAddr) -> Result<Url, NodeError> {
    let untouched = runtime::config::IngressConfig::default();
    let is_default = config.ingress.public_base_url == untouched.public_base_url;
    let is_here = ingress.ip().is_loopback() || ingress.ip().is_unspecified();
    let base = if is_default && is_here {
        let scheme = if config.ingress.tls.is_enabled() {
            "https"
        } else {
            "http"
        };
        let host = if ingress.ip().is_unspecified() {
            untouched.listen.ip()
        } else {
            ingress.ip()
        };
        format!("{scheme}://{}", SocketAddr::new(host, ingress.port()))
    } else {
        config.ingress.public_base_url.clone()
    };
    Url::parse(&base).map_err(|_malformed| NodeError::PublicUrl)
}
