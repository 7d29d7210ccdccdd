//! The admin server: `/healthz`, `/readyz`, `/metrics`. Plain HTTP/1.1 for the orchestrator and for
//! Prometheus, not for the public; it tells nothing that an operator may not see.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use super::{Lifecycle, Readiness};
use crate::telemetry::metrics;

/// Connections at a time; further ones wait.
pub const CONNECTIONS_MAX: usize = 64;
/// How long a request's head may take to arrive.
pub const HEADER_READ_TIMEOUT: Duration = Duration::from_secs(5);
/// The largest request head, in bytes: the smallest that hyper allows.
pub const HEADER_BYTES_MAX: usize = 8 * 1024;
/// How long a connection may live.
pub const CONNECTION_LIFETIME_MAX: Duration = Duration::from_mins(5);
/// How often the metrics recorder tidies up, so that it does not grow where nobody scrapes it.
const UPKEEP_INTERVAL: Duration = Duration::from_secs(5);
/// How long accepting rests after it failed, for example for want of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Serves until the process has drained; returns the address, which tells the port where 0 was
/// asked for.
///
/// # Errors
/// If the address cannot be listened on.
pub async fn serve(lifecycle: &Lifecycle, listen: SocketAddr) -> io::Result<SocketAddr> {
    let listener = TcpListener::bind(listen).await?;
    let address = listener.local_addr()?;
    let (readiness, ended) = (lifecycle.ready().clone(), lifecycle.ended().clone());
    metrics::handle();
    // Not a task of the lifecycle: it must answer while those drain.
    tokio::spawn(async move {
        tokio::select! {
            () = ended.cancelled() => {}
            () = accept(&listener, &readiness, &ended) => {}
            () = upkeep() => {}
        }
    });
    Ok(address)
}

async fn upkeep() {
    let mut ticks = interval(UPKEEP_INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        metrics::handle().run_upkeep();
    }
}

async fn accept(listener: &TcpListener, readiness: &Readiness, ended: &CancellationToken) {
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else {
            return;
        };
        let stream = match listener.accept().await {
            Ok((stream, _peer)) => stream,
            Err(error) => {
                tracing::warn!(error = %error, "the admin server could not accept");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let (readiness, ended) = (readiness.clone(), ended.clone());
        tokio::spawn(async move {
            let lifetime =
                tokio::time::timeout(CONNECTION_LIFETIME_MAX, connection(stream, readiness));
            tokio::select! {
                () = ended.cancelled() => {}
                _ = lifetime => {}
            }
            drop(place);
        });
    }
}

async fn connection(stream: TcpStream, readiness: Readiness) {
    let service = service_fn(move |request| {
        let readiness = readiness.clone();
        async move { Ok::<_, Infallible>(answer(&request, &readiness).await) }
    });
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_READ_TIMEOUT)
        .max_buf_size(HEADER_BYTES_MAX)
        .serve_connection(TokioIo::new(stream), service)
        .await;
    if let Err(error) = served {
        tracing::debug!(error = %error, "an admin connection broke");
    }
}

async fn answer(request: &Request<Incoming>, readiness: &Readiness) -> Response<Full<Bytes>> {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        let mut refused = response(StatusCode::METHOD_NOT_ALLOWED, TEXT, "method not allowed\n");
        refused
            .headers_mut()
            .insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
        return refused;
    }
    match request.uri().path() {
        "/healthz" => response(StatusCode::OK, TEXT, "ok\n"),
        "/readyz" => ready(readiness).await,
        "/metrics" => response(StatusCode::OK, PROMETHEUS, metrics::render()),
        _ => response(StatusCode::NOT_FOUND, TEXT, "not found\n"),
    }
}

async fn ready(readiness: &Readiness) -> Response<Full<Bytes>> {
    let report = readiness.report().await;
    let status = if report.ready {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    match serde_json::to_vec(&report) {
        Ok(json) => response(status, JSON, json),
        Err(error) => {
            tracing::error!(error = %error, "the readiness report could not be written");
            response(StatusCode::INTERNAL_SERVER_ERROR, TEXT, "no report\n")
        }
    }
}

const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");
const JSON: HeaderValue = HeaderValue::from_static("application/json");
const PROMETHEUS: HeaderValue =
    HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");

fn response(
    status: StatusCode,
    content_type: HeaderValue,
    body: impl Into<Bytes>,
) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, content_type);
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
