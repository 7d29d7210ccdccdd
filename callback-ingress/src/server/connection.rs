//! One connection: TLS if wanted, then HTTP/1.1 within its limits.

use std::convert::Infallible;
use std::net::IpAddr;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use crate::handler::Handler;
use crate::reply;

/// The smallest read buffer that hyper takes, in bytes.
const BUFFER_BYTES_MIN: usize = 8 * 1024;

/// What all connections share.
#[derive(Clone)]
pub(super) struct Settings {
    handler: Arc<Handler>,
    tls: Option<TlsAcceptor>,
    http: http1::Builder,
    stop: CancellationToken,
    hard: CancellationToken,
}

impl Settings {
    pub(super) fn new(
        handler: Arc<Handler>,
        tls: Option<TlsAcceptor>,
        stop: &CancellationToken,
        hard: &CancellationToken,
    ) -> Self {
        let options = &handler.options;
        let mut http = http1::Builder::new();
        http.timer(TokioTimer::new())
            .header_read_timeout(options.read_timeout)
            .max_headers(options.header_count_max)
            .max_header_size(options.headers_bytes_max)
            .max_buf_size(options.headers_bytes_max.max(BUFFER_BYTES_MIN))
            .half_close(false)
            .keep_alive(true);
        Self {
            handler,
            tls,
            http,
            stop: stop.clone(),
            hard: hard.clone(),
        }
    }
}

/// Serves one connection to its end. What a peer does wrong ends its connection and nothing else.
pub(super) async fn serve(settings: Settings, stream: TcpStream, peer: IpAddr) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(error = %error, "a connection keeps its delay");
    }
    let Some(tls) = settings.tls.clone() else {
        return speak(settings, stream, peer).await;
    };
    let handshake = tls.accept(stream);
    let limited = tokio::time::timeout(settings.handler.options.tls_handshake_timeout, handshake);
    let stop = settings.stop.clone();
    match stop.run_until_cancelled(limited).await {
        Some(Ok(Ok(stream))) => speak(settings, stream, peer).await,
        Some(Ok(Err(error))) => tracing::debug!(error = %error, "a TLS handshake failed"),
        Some(Err(_elapsed)) => tracing::debug!("a TLS handshake took too long"),
        None => {}
    }
}

async fn speak<S>(settings: Settings, stream: S, peer: IpAddr)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let Settings {
        handler,
        http,
        stop,
        hard,
        ..
    } = settings;
    let (age_max, requests_max) = (
        handler.options.connection_age_max,
        handler.options.requests_per_connection_max,
    );
    let requests = AtomicU32::new(0);
    let service = service_fn(|request: Request<Incoming>| {
        let number = requests.fetch_add(1, Ordering::Relaxed).saturating_add(1);
        let handler = Arc::clone(&handler);
        async move {
            let mut reply = handler.handle(request, peer).await;
            if number >= requests_max {
                reply::close_after(&mut reply);
            }
            Ok::<_, Infallible>(reply)
        }
    });
    let mut connection = pin!(http.serve_connection(TokioIo::new(stream), service));
    tokio::select! {
        ended = connection.as_mut() => return log(ended),
        () = stop.cancelled() => {}
        () = tokio::time::sleep(age_max) => {}
    }
    connection.as_mut().graceful_shutdown();
    tokio::select! {
        ended = connection => log(ended),
        () = hard.cancelled() => {}
    }
}

fn log(ended: Result<(), hyper::Error>) {
    if let Err(error) = ended {
        tracing::debug!(error = %error, "a connection ended badly");
    }
}
