//! A worker's single steps: what its loops do, one at a time and without waiting.

use runtime::queue::{Consumer, QueueName};

use crate::{Worker, WorkerError, dispatch};

/// A worker that takes one step when it is told to.
#[derive(Debug)]
pub struct Steps {
    worker: Worker,
    consumers: Vec<(QueueName, Box<dyn Consumer>)>,
}

impl Steps {
    pub(crate) async fn open(worker: Worker) -> Result<Self, WorkerError> {
        let mut consumers = Vec::with_capacity(QueueName::ALL.len());
        for queue in QueueName::ALL {
            let consumer = worker.kassa.queue.consume(*queue, 1).await?;
            consumers.push((*queue, consumer));
        }
        Ok(Self { worker, consumers })
    }

    /// Takes one message off a queue and deals with it. `false` if none is ready.
    ///
    /// # Errors
    /// [`WorkerError::Queue`].
    pub async fn deliver(&mut self, queue: QueueName) -> Result<bool, WorkerError> {
        for (name, consumer) in &mut self.consumers {
            if *name == queue
                && let Some(delivery) = consumer.try_next().await?
            {
                dispatch::deliver(&self.worker.kassa, queue, delivery).await;
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// One pass of the outbox relay; how many rows it published.
    ///
    /// # Errors
    /// [`WorkerError::Flow`].
    pub async fn relay(&mut self) -> Result<usize, WorkerError> {
        let worker = &self.worker;
        let batch = u64::from(worker.config.relay_batch);
        let relayed = flows::event::relay(&worker.kassa, &worker.owner, batch).await?;
        Ok(relayed.published)
    }

    /// One pass over the questions to gateways that are due; how many it claimed.
    ///
    /// # Errors
    /// [`WorkerError::Flow`].
    pub async fn synchronise(&mut self) -> Result<usize, WorkerError> {
        Ok(flows::synchronise::pass(&self.worker.kassa).await?)
    }
}
