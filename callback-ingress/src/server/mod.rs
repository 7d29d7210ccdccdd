//! The listener: accepts connections up to the cap, and drains.

mod connection;
mod tls;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::callback::{CALLBACK_SECONDS, CALLBACKS};
use crate::handler::{Handler, REFUSED};
use crate::{Deps, IngressError, IngressOptions};

/// How long accepting rests after it failed, for example for want of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// Open connections.
const CONNECTIONS: &str = "kassa_ingress_connections";

/// A bound ingress, ready to serve.
pub struct Ingress {
    listener: TcpListener,
    address: SocketAddr,
    tls: Option<TlsAcceptor>,
    handler: Arc<Handler>,
}

impl std::fmt::Debug for Ingress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ingress")
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}

impl Ingress {
    /// Reads the TLS identity, if there is one, and starts to listen.
    ///
    /// # Errors
    /// [`IngressError`].
    pub async fn bind(options: IngressOptions, deps: Deps) -> Result<Self, IngressError> {
        describe_metrics();
        let tls = options.tls.as_ref().map(tls::acceptor).transpose()?;
        let address = options.listen;
        let failed = |source| IngressError::Listen { address, source };
        let listener = TcpListener::bind(address).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        Ok(Self {
            listener,
            address,
            tls,
            handler: Arc::new(Handler::new(options, deps)),
        })
    }

    /// The address, which tells the port where 0 was asked for.
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Serves until `stop` is cancelled; then takes no more connections, lets requests in progress
    /// end, and cuts off what is left after the drain time-out.
    pub async fn serve(self, stop: CancellationToken) {
        let Self {
            listener,
            tls,
            handler,
            ..
        } = self;
        let connections = TaskTracker::new();
        let hard = CancellationToken::new();
        let permits = Arc::new(Semaphore::new(handler.options.connections_max));
        let settings = connection::Settings::new(Arc::clone(&handler), tls, &stop, &hard);
        let accept = async {
            // The permit comes first: what is above the cap waits in the kernel's backlog.
            while let Ok(permit) = Arc::clone(&permits).acquire_owned().await {
                let (stream, peer) = accept(&listener).await;
                let connection = connection::serve(settings.clone(), stream, peer.ip());
                connections.spawn(async move {
                    let gauge = metrics::gauge!(CONNECTIONS);
                    gauge.increment(1.0);
                    connection.await;
                    gauge.decrement(1.0);
                    drop(permit);
                });
            }
        };
        stop.run_until_cancelled(accept).await;
        drop(listener);
        connections.close();
        let drain_timeout = handler.options.drain_timeout;
        if tokio::time::timeout(drain_timeout, connections.wait())
            .await
            .is_err()
        {
            tracing::warn!(connections = connections.len(), "connections are cut off");
            hard.cancel();
            connections.wait().await;
        }
    }
}

async fn accept(listener: &TcpListener) -> (TcpStream, SocketAddr) {
    loop {
        match listener.accept().await {
            Ok(accepted) => return accepted,
            Err(error) => {
                tracing::warn!(error = %error, "a connection could not be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

fn describe_metrics() {
    metrics::describe_gauge!(CONNECTIONS, "open connections");
    metrics::describe_counter!(CALLBACKS, "callbacks of known accounts, by outcome");
    metrics::describe_histogram!(
        CALLBACK_SECONDS,
        metrics::Unit::Seconds,
        "from a callback's head to its acknowledgement"
    );
    crate::return_page::describe_metrics();
    metrics::describe_counter!(REFUSED, "requests that reached no account, by reason");
}
