//! How a node is to run.

use kassa_core::payment_config::CodeKey;
use kassa_core::text::AppId;
use kassa_core::{Clock, IdSource};
use runtime::config::Config;
use sandbox::SandboxConfig;

use crate::token::AppSigningKey;

/// Who runs the worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WorkerMode {
    /// Its own tasks, until the node drains.
    Running,
    /// Nobody but the caller, by `run_until_idle`: for tests, which never sleep.
    Manual,
}

/// What is planted into an installation with sandbox gateways.
#[derive(Debug, Clone)]
pub struct Seed {
    /// The app that calls; it may do everything.
    pub app: AppId,
    /// Its key.
    pub key: AppSigningKey,
    /// What its one-time codes are encrypted to; without it there are none.
    pub code_key: Option<CodeKey>,
    /// Stands at the end of the accounts' codes, so that several can be planted in one database.
    pub suffix: String,
}

/// How a node is to run.
#[derive(Debug)]
pub struct NodeOptions {
    /// The configuration. Port 0 takes a free port.
    pub config: Config,
    /// The sandbox gateways, if there are to be any.
    pub sandbox: Option<SandboxConfig>,
    /// The app and the sandbox accounts to plant, if any. Needs a sandbox.
    pub seed: Option<Seed>,
    /// Who runs the worker.
    pub worker: WorkerMode,
    /// The time.
    pub clock: Clock,
    /// New ids.
    pub ids: IdSource,
}

impl NodeOptions {
    /// Every role on the machine's clock, without a sandbox.
    pub fn new(config: Config) -> Self {
        let clock = Clock::system();
        let ids = IdSource::system(clock.clone());
        Self {
            config,
            sandbox: None,
            seed: None,
            worker: WorkerMode::Running,
            clock,
            ids,
        }
    }
}
