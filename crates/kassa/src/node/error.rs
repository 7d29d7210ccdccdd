//! Why a node does not start.

use std::net::SocketAddr;

use kassa_core::ErrorKind;
use runtime::keyring::KeyringError;
use runtime::queue::QueueError;
use runtime::store::StoreError;

use crate::data_dir::DataDirError;

/// An error of whatever kind.
pub(super) type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Why a node does not start.
#[derive(Debug, thiserror::Error)]
pub enum NodeError {
    /// The data folder.
    #[error(transparent)]
    DataDir(#[from] DataDirError),
    /// The database.
    #[error("the database does not serve")]
    Store(#[from] StoreError),
    /// The embedded database was never made.
    #[error("there is no database at {file}; `kassa up` or `kassa migrate up` makes it")]
    NoDatabase {
        /// Where it would be.
        file: String,
    },
    /// The schema could not be brought up.
    #[error("the schema could not be brought up")]
    Migrate(#[source] BoxError),
    /// The keys that seal secrets.
    #[error("the keyring does not open")]
    Keyring(#[from] KeyringError),
    /// The broker.
    #[error("the broker does not serve")]
    Queue(#[from] QueueError),
    /// The outbound client.
    #[error("the client for gateway calls cannot be made")]
    Http(#[source] BoxError),
    /// What the flows work with.
    #[error("the flows cannot be opened")]
    Flows(#[from] flows::OpenError),
    /// The base of callback URLs.
    #[error("ingress.public_base_url is not a URL")]
    PublicUrl,
    /// The sandbox gateways.
    #[error("the sandbox does not start")]
    Sandbox(#[from] sandbox::SandboxError),
    /// The app and the accounts that a first start makes.
    #[error("the sandbox accounts cannot be made")]
    Seed(#[source] BoxError),
    /// The ingress.
    #[error("the callback ingress does not start")]
    Ingress(#[source] callback_ingress::IngressError),
    /// The worker.
    #[error("the worker does not work")]
    Worker(#[source] BoxError),
    /// The gRPC server.
    #[error("the gRPC server does not serve")]
    Grpc(#[source] BoxError),
    /// The admin listener.
    #[error("the admin listener cannot listen on {address}")]
    Admin {
        /// The address.
        address: SocketAddr,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}

impl NodeError {
    /// What it means for the caller.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Store(error) => error.kind(),
            Self::Queue(error) => error.kind(),
            Self::Ingress(error) => error.kind(),
            Self::PublicUrl | Self::Flows(_) => ErrorKind::InvalidInput,
            Self::NoDatabase { .. } => ErrorKind::FailedPrecondition,
            Self::Admin { .. } | Self::Grpc(_) | Self::Worker(_) | Self::Sandbox(_) => {
                ErrorKind::Unavailable
            }
            Self::DataDir(_)
            | Self::Migrate(_)
            | Self::Keyring(_)
            | Self::Http(_)
            | Self::Seed(_) => ErrorKind::Internal,
        }
    }
}
