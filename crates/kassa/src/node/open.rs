//! Opens the parts of an installation, as the configuration says.

use std::sync::Arc;

use flows::Kassa;
use gateways::http::HttpClient;
use gateways::registry::Deps;
use kassa_core::{Clock, IdSource};
use payment_grpc::{Deps as GrpcDeps, Server, ServerOptions};
use runtime::config::{Config, SQLITE_FILE};
use runtime::open::{self, OpenQueue};
use runtime::queue::Queue;
use runtime::queue::embedded::{EmbeddedOptions, EmbeddedQueue};
use runtime::store::Store;

use super::NodeError;

/// What the broker shows of an operator's command.
const OPERATIONS_CONNECTION: &str = "kassa ops";

/// Applies every migration that is pending, and checks that the schema is ours.
///
/// # Errors
/// [`NodeError::Migrate`], [`NodeError::Store`].
pub async fn migrate(store: &Store) -> Result<(), NodeError> {
    migrations::up(store.migration_connection())
        .await
        .map_err(|error| NodeError::Migrate(error.into()))?;
    Ok(store.check_schema().await?)
}

/// What gateway rooms are opened with.
///
/// # Errors
/// [`NodeError::Http`].
pub fn gateway_deps(clock: &Clock, ids: &IdSource) -> Result<Deps, NodeError> {
    let http = HttpClient::try_new().map_err(|error| NodeError::Http(error.into()))?;
    Ok(Deps {
        clock: clock.clone(),
        ids: ids.clone(),
        http,
    })
}

/// What the operator's commands work with: the store and the keyring of an installation whose schema
/// is ours. Its queue is closed: no command puts work on one.
///
/// # Errors
/// [`NodeError`].
pub async fn for_commands(config: &Config) -> Result<Kassa, NodeError> {
    let clock = Clock::system();
    let ids = IdSource::system(clock.clone());
    let file = config.data_dir.join(SQLITE_FILE);
    // Connecting would make the file.
    if config.database.is_embedded() && !file.is_file() {
        return Err(NodeError::NoDatabase {
            file: file.display().to_string(),
        });
    }
    let store = open::store(config).await?;
    store.check_schema().await?;
    let keyring = Arc::new(open::keyring(config)?);
    let options = EmbeddedOptions::default();
    let closed = EmbeddedQueue::new(store.clone(), clock.clone(), ids.clone(), options);
    closed.close().await;
    Ok(flows::open(
        config,
        store,
        Arc::new(closed),
        keyring,
        (clock, ids),
    )?)
}

/// As [`for_commands`], with the installation's queue open: for moving what is stuck.
///
/// # Errors
/// [`NodeError`].
pub async fn for_operations(config: &Config) -> Result<Kassa, NodeError> {
    let kassa = for_commands(config).await?;
    let (clock, ids) = (&kassa.clock, &kassa.ids);
    let open = open::queue(config, OPERATIONS_CONNECTION, &kassa.store, clock, ids).await?;
    Ok(Kassa {
        queue: open.queue,
        ..kassa
    })
}

/// Binds the gRPC server.
///
/// # Errors
/// [`NodeError::Grpc`].
pub async fn grpc(config: &Config, kassa: &Kassa, queue: &OpenQueue) -> Result<Server, NodeError> {
    let options = ServerOptions::from_config(&config.grpc, &config.auth)
        .map_err(|error| NodeError::Grpc(error.into()))?;
    let deps = GrpcDeps {
        kassa: kassa.clone(),
        events: queue.events_published(),
    };
    Server::bind(options, deps)
        .await
        .map_err(|error| NodeError::Grpc(error.into()))
}
