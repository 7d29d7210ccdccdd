//! The server: listens, serves, drains.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use flows::Kassa;
use proto::v1::channel_service_server::ChannelServiceServer;
use proto::v1::event_service_server::EventServiceServer;
use proto::v1::operations_service_server::OperationsServiceServer;
use proto::v1::payment_password_service_server::PaymentPasswordServiceServer;
use proto::v1::payment_service_server::PaymentServiceServer;
use proto::v1::refund_service_server::RefundServiceServer;
use proto::v1::wallet_service_server::WalletServiceServer;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tonic::service::Routes;
use tonic::transport::{Certificate, Identity, ServerTlsConfig};
use tonic_health::ServingStatus;
use tonic_health::server::{HealthReporter, health_reporter};
use tonic_reflection::server::Builder as Reflection;

use crate::auth::Authenticator;
use crate::door::{Door, DoorLayer, DoorLimits};
use crate::options::{ServerOptions, TlsIdentity};
use crate::services::Services;
use crate::shared::Shared;
use crate::streams::Streams;
use crate::{incoming, metrics};

/// How often a silent connection is asked for a sign of life.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(30);
/// How long it may take to give one.
const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(10);
/// Calls and streams at a time on one connection.
const STREAMS_PER_CONNECTION_MAX: u32 = 256;
/// The largest request headers, in bytes: a token and a trace context, and room.
const HEADER_BYTES_MAX: u32 = 16 * 1024;
/// How long a TLS handshake may take.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// How long connections without calls of ours (a health watch, a reflection client) may linger once
/// everything in flight has ended.
const LINGER: Duration = Duration::from_millis(500);

/// What the server works with.
#[derive(Debug, Clone)]
pub struct Deps {
    /// What flows work with.
    pub kassa: Kassa,
    /// Changes when events are published in this process
    /// ([`runtime::queue::embedded::EmbeddedQueue::events_published`]); without it streams poll.
    pub events: Option<watch::Receiver<u64>>,
}

/// Why the server did not start or broke off.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The address.
    #[error("cannot listen on {address}")]
    Listen {
        /// Which.
        address: SocketAddr,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Certificate, key or authorities.
    #[error("the TLS files are not usable")]
    Tls(#[source] tonic::transport::Error),
    /// The descriptor set of the API.
    #[error("the API cannot be described for reflection")]
    Reflection(#[source] tonic_reflection::server::Error),
    /// While serving.
    #[error("the gRPC server broke off")]
    Serve(#[source] tonic::transport::Error),
}

/// A server that listens; [`Server::serve`] makes it answer.
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    address: SocketAddr,
    builder: tonic::transport::Server,
    options: ServerOptions,
    deps: Deps,
}

impl Server {
    /// Listens. Connections wait until [`Server::serve`].
    ///
    /// # Errors
    /// [`ServeError::Listen`], [`ServeError::Tls`].
    pub async fn bind(options: ServerOptions, deps: Deps) -> Result<Self, ServeError> {
        let failed = |source| ServeError::Listen {
            address: options.listen,
            source,
        };
        let mut builder = tonic::transport::Server::builder()
            .http2_keepalive_interval(Some(KEEPALIVE_INTERVAL))
            .http2_keepalive_timeout(Some(KEEPALIVE_TIMEOUT))
            .max_concurrent_streams(STREAMS_PER_CONNECTION_MAX)
            .http2_max_header_list_size(HEADER_BYTES_MAX);
        if let Some(identity) = &options.tls {
            builder = builder
                .tls_config(tls_config(identity))
                .map_err(ServeError::Tls)?;
        }
        let listener = TcpListener::bind(options.listen).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        Ok(Self {
            listener,
            address,
            builder,
            options,
            deps,
        })
    }

    /// The address, which tells the port where 0 was asked for.
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Answers until `stopping` is cancelled, then drains: takes no new connections, says so to
    /// health checks, ends streams, finishes the calls and flows in flight.
    ///
    /// # Errors
    /// [`ServeError::Reflection`], [`ServeError::Serve`].
    pub async fn serve(self, stopping: CancellationToken) -> Result<(), ServeError> {
        metrics::describe();
        let (work, in_flight) = (TaskTracker::new(), TaskTracker::new());
        let Deps { kassa, events } = self.deps;
        let door = Door::new(
            Authenticator::new(self.options.auth, kassa.store.clone(), kassa.clock.clone()),
            DoorLimits {
                rate: self.options.rate_limit,
                concurrency_max: self.options.concurrency_max,
                deadline_max: self.options.deadline_max,
            },
            kassa.ids.clone(),
            in_flight.clone(),
        );
        let shared = Shared {
            kassa,
            work: work.clone(),
            streams: Streams::default(),
            events,
            stopping: stopping.clone(),
        };
        let services = Services::new(shared);
        let (reporter, routes) = routes(
            &services,
            self.options.message_bytes_max,
            self.options.reflection,
        )
        .await?;
        let mut builder = self.builder.layer(DoorLayer::new(door));
        let serving = builder.add_routes(routes).serve_with_incoming_shutdown(
            incoming::accept(self.listener),
            stopping.clone().cancelled_owned(),
        );
        let drained = async {
            stopping.cancelled().await;
            report(&reporter, ServingStatus::NotServing).await;
            in_flight.close();
            in_flight.wait().await;
            tokio::time::sleep(LINGER).await;
        };
        let ended = tokio::select! {
            served = serving => served.map_err(ServeError::Serve),
            () = drained => Ok(()),
        };
        work.close();
        work.wait().await;
        ended
    }
}

fn tls_config(identity: &TlsIdentity) -> ServerTlsConfig {
    let own = Identity::from_pem(&identity.certificates, identity.key.expose());
    let config = ServerTlsConfig::new()
        .identity(own)
        .timeout(HANDSHAKE_TIMEOUT);
    match &identity.client_authorities {
        Some(authorities) => config.client_ca_root(Certificate::from_pem(authorities)),
        None => config,
    }
}

async fn routes(
    services: &Services,
    message_bytes_max: usize,
    reflection: bool,
) -> Result<(HealthReporter, Routes), ServeError> {
    let (reporter, health) = health_reporter();
    report(&reporter, ServingStatus::Serving).await;
    let limit = message_bytes_max;
    let mut routes = Routes::new(health)
        .add_service(PaymentServiceServer::new(services.clone()).max_decoding_message_size(limit))
        .add_service(RefundServiceServer::new(services.clone()).max_decoding_message_size(limit))
        .add_service(ChannelServiceServer::new(services.clone()).max_decoding_message_size(limit))
        .add_service(EventServiceServer::new(services.clone()).max_decoding_message_size(limit))
        .add_service(
            PaymentPasswordServiceServer::new(services.clone()).max_decoding_message_size(limit),
        )
        .add_service(
            OperationsServiceServer::new(services.clone()).max_decoding_message_size(limit),
        )
        .add_service(WalletServiceServer::new(services.clone()).max_decoding_message_size(limit));
    if reflection {
        let describe = || {
            Reflection::configure()
                .register_encoded_file_descriptor_set(proto::FILE_DESCRIPTOR_SET)
                .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
        };
        routes = routes
            .add_service(describe().build_v1().map_err(ServeError::Reflection)?)
            .add_service(describe().build_v1alpha().map_err(ServeError::Reflection)?);
    }
    Ok((reporter, routes))
}

/// Tells health checks of the whole server and of each service.
async fn report(reporter: &HealthReporter, status: ServingStatus) {
    for service in [
        "",
        proto::v1::payment_service_server::SERVICE_NAME,
        proto::v1::refund_service_server::SERVICE_NAME,
        proto::v1::channel_service_server::SERVICE_NAME,
        proto::v1::event_service_server::SERVICE_NAME,
        proto::v1::operations_service_server::SERVICE_NAME,
        proto::v1::wallet_service_server::SERVICE_NAME,
        proto::v1::payment_password_service_server::SERVICE_NAME,
    ] {
        reporter.set_service_status(service, status).await;
    }
}
