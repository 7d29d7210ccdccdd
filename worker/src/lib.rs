//! The worker: WHEN something is done. What is done is in `flows`.
//!
//! It takes messages off the work queues (`consumer`), relays the outbox (`relay`), asks gateways about
//! what has no final state (`synchronise`) and keeps the channel accounts and the audit chain up to date
//! (`upkeep`). Any number of workers may run at
//! the same time; none of them is special.

mod consumer;
mod dispatch;
mod relay;
mod steps;
mod synchronise;
mod upkeep;

pub use steps::Steps;

use flows::Kassa;
use kassa_core::id::EnvelopeId;
use runtime::config::WorkerConfig;
use runtime::queue::{QueueError, QueueName};
use tokio_util::sync::CancellationToken;

/// More rounds than any test needs: a round that always finds work is a fault.
const IDLE_ROUNDS_MAX: u32 = 10_000;

/// Why a worker stopped or could not go on.
#[derive(Debug, thiserror::Error)]
pub enum WorkerError {
    /// The broker.
    #[error("the queue failed")]
    Queue(#[from] QueueError),
    /// A flow that the drain depends on.
    #[error("a flow failed")]
    Flow(#[from] flows::Error),
    /// A task ended abnormally.
    #[error("a task of the worker ended abnormally")]
    Broken,
    /// There is always more work.
    #[error("the worker does not become idle")]
    NeverIdle,
}

/// A worker. Cheap to clone; clones are the same worker.
#[derive(Debug, Clone)]
pub struct Worker {
    kassa: Kassa,
    config: WorkerConfig,
    /// Names this worker in leases.
    owner: String,
}

impl Worker {
    /// A worker over `kassa`.
    pub fn new(kassa: Kassa, config: WorkerConfig) -> Self {
        let owner = format!("worker-{}", EnvelopeId::new(&kassa.ids));
        Self {
            kassa,
            config,
            owner,
        }
    }

    /// Works until `stop` is cancelled, then finishes what it has taken and returns.
    ///
    /// # Errors
    /// [`WorkerError`] if the broker cannot be reached at the start; later it is waited for.
    pub async fn run(&self, stop: CancellationToken) -> Result<(), WorkerError> {
        let mut consumers = Vec::new();
        for queue in QueueName::ALL {
            let prefetch = self.config.concurrency;
            consumers.push((*queue, self.kassa.queue.consume(*queue, prefetch).await?));
        }
        let mut tasks = tokio::task::JoinSet::new();
        for (queue, consumer) in consumers {
            tasks.spawn(consumer::run(
                self.kassa.clone(),
                queue,
                consumer,
                usize::from(self.config.concurrency),
                stop.clone(),
            ));
        }
        tasks.spawn(relay::run(
            self.kassa.clone(),
            self.config.clone(),
            self.owner.clone(),
            stop.clone(),
        ));
        tasks.spawn(synchronise::run(self.kassa.clone(), stop.clone()));
        tasks.spawn(upkeep::run(self.kassa.clone(), stop.clone()));
        let mut broken = false;
        while let Some(ended) = tasks.join_next().await {
            if let Err(error) = ended {
                tracing::error!(%error, "a task of the worker ended abnormally; the others stop");
                stop.cancel();
                broken = true;
            }
        }
        if broken {
            Err(WorkerError::Broken)
        } else {
            Ok(())
        }
    }

    /// This worker's single steps, for tests and tools that decide themselves what comes next.
    ///
    /// # Errors
    /// [`WorkerError::Queue`] if the queues cannot be consumed.
    pub async fn steps(&self) -> Result<Steps, WorkerError> {
        Steps::open(self.clone()).await
    }

    /// Works until nothing is left to do now: relays the outbox, takes every message that is ready and
    /// asks every question that is due. Delayed messages stay. For tests and tools, which never sleep.
    ///
    /// # Errors
    /// [`WorkerError`].
    pub async fn run_until_idle(&self) -> Result<(), WorkerError> {
        let mut steps = self.steps().await?;
        for _ in 0..IDLE_ROUNDS_MAX {
            let mut worked = steps.relay().await? > 0;
            for queue in QueueName::ALL {
                while steps.deliver(*queue).await? {
                    worked = true;
                }
            }
            worked |= steps.synchronise().await? > 0;
            if !worked {
                return Ok(());
            }
        }
        Err(WorkerError::NeverIdle)
    }
}
