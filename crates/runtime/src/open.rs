//! Opens the parts of an installation as the configuration says; every process begins here.

use std::sync::Arc;

use kassa_core::{Clock, IdSource};
use tokio::sync::watch;

use crate::checkpoint::Checkpoints;
use crate::config::{Config, QueueKind};
use crate::keyring::{Keyring, KeyringError};
use crate::queue::embedded::{EmbeddedOptions, EmbeddedQueue};
use crate::queue::rabbit::{RabbitOptions, RabbitQueue};
use crate::queue::{Queue, QueueError};
use crate::store::{Store, StoreError};

/// An open queue, with what only one kind of it has.
#[derive(Debug, Clone)]
pub struct OpenQueue {
    /// The queue.
    pub queue: Arc<dyn Queue>,
    embedded: Option<EmbeddedQueue>,
    rabbit: Option<RabbitQueue>,
}

impl OpenQueue {
    /// The exchange that business systems bind their queues to; `None` without a broker.
    pub fn events_exchange(&self) -> Option<&str> {
        self.rabbit.as_ref().map(RabbitQueue::events_exchange)
    }

    /// Changes whenever events were published in this process; `None` with a broker.
    pub fn events_published(&self) -> Option<watch::Receiver<u64>> {
        self.embedded.as_ref().map(EmbeddedQueue::events_published)
    }

    /// Looks for messages that have become due; for clocks that are set by hand.
    pub fn wake(&self) {
        if let Some(embedded) = &self.embedded {
            embedded.wake();
        }
    }

    /// Deletes the broker's queues of this prefix; nothing without a broker. For throw-away
    /// installations.
    ///
    /// # Errors
    /// [`QueueError`].
    pub async fn delete_everything(&self) -> Result<(), QueueError> {
        match &self.rabbit {
            Some(rabbit) => rabbit.delete_everything().await,
            None => Ok(()),
        }
    }

    /// Empties the broker's queues of this prefix; nothing without a broker. For tests, which use them again.
    ///
    /// # Errors
    /// [`QueueError`].
    pub async fn purge_everything(&self) -> Result<(), QueueError> {
        match &self.rabbit {
            Some(rabbit) => rabbit.purge_everything().await,
            None => Ok(()),
        }
    }
}

/// Connects to the database.
///
/// # Errors
/// [`StoreError`].
pub async fn store(config: &Config) -> Result<Store, StoreError> {
    let url = config.database_url();
    Store::connect(url.expose(), config.database.connections_max).await
}

/// The keys of the configuration, or the key in the data folder, which is made if it is not there. A
/// checked configuration comes to the latter with the embedded default only.
///
/// # Errors
/// [`KeyringError`].
pub fn keyring(config: &Config) -> Result<Keyring, KeyringError> {
    match Keyring::from_config(&config.keyring)? {
        Some(keyring) => Ok(keyring),
        None => Keyring::local(&config.data_dir),
    }
}

/// Opens the queue. `connection_name` is what the broker shows an operator.
///
/// # Errors
/// [`QueueError`] if the broker cannot be reached.
pub async fn queue(
    config: &Config,
    connection_name: &str,
    store: &Store,
    clock: &Clock,
    ids: &IdSource,
) -> Result<OpenQueue, QueueError> {
    if config.queue.kind() == QueueKind::Embedded {
        let options = EmbeddedOptions {
            messages_max: config.queue.depth_max,
            ..EmbeddedOptions::default()
        };
        let embedded = EmbeddedQueue::new(store.clone(), clock.clone(), ids.clone(), options);
        let queue = Arc::new(embedded.clone());
        return Ok(OpenQueue {
            queue,
            embedded: Some(embedded),
            rabbit: None,
        });
    }
    let url = config
        .queue
        .amqp_url
        .as_ref()
        .ok_or(QueueError::Options("there is no amqp_url"))?;
    let options = RabbitOptions {
        url: url.secret().clone(),
        prefix: config.queue.prefix.clone(),
        connection_name: connection_name.to_owned(),
        clock: clock.clone(),
        checkpoints: Checkpoints::from_env(),
    };
    let rabbit = RabbitQueue::connect(options).await?;
    let queue = Arc::new(rabbit.clone());
    Ok(OpenQueue {
        queue,
        embedded: None,
        rabbit: Some(rabbit),
    })
}
