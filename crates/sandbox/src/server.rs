//! The one listener: both gateways, the payer pages and the control API. Serves connections itself
//! so that a scripted fault can cut one without an answer.

use std::{convert::Infallible, sync::Arc, time::Duration};

use axum::{
    Extension, Router,
    body::Body,
    extract::DefaultBodyLimit,
    middleware::from_fn_with_state,
    response::Response,
    routing::{any, get, post},
};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::graceful::{GracefulShutdown, Watcher},
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpListener,
    time::timeout,
};
use tokio_rustls::TlsAcceptor;
use tower::ServiceExt;

use crate::{
    alipay, baidu, control, fault::CutConnection, payer, paypal, shared::Shared, stripe, unionpay,
    wechat_v2, wechat_v3,
};

/// Bytes of a request body.
const BODY_BYTES_MAX: usize = 256 * 1024;
/// A client must have sent its headers within this time. Idle connections end by it too, so it is
/// longer than clients keep them: no request shall meet a connection that is being closed.
const HEADER_TIMEOUT: Duration = Duration::from_mins(5);
/// A handshake must be over within this time.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// Requests under way may take this long once the sandbox stops.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(5);

/// Ends a connection without an answer.
#[derive(Debug, thiserror::Error)]
#[error("the connection is cut by a scripted fault")]
struct Cut;

fn router(shared: Arc<Shared>) -> Router {
    let guard = from_fn_with_state(Arc::clone(&shared), control::http::guard);
    let control = control::http::routes().layer(guard);
    Router::new()
        .route("/gateway.do", get(alipay::gateway).post(alipay::gateway))
        .route("/v3/{*rest}", any(wechat_v3::api))
        .route("/pay/{call}", post(wechat_v2::pay))
        .route("/oauth/2.0/token", get(baidu::token))
        .route(
            "/rest/2.0/smartapp/pay/paymentservice/{call}",
            any(baidu::api),
        )
        .route("/gateway/api/{endpoint}", post(unionpay::gateway))
        .route("/v1/checkout/{*rest}", any(stripe::api))
        .route("/v1/payment_intents", any(stripe::api))
        .route("/v1/payment_intents/{*rest}", any(stripe::api))
        .route("/v1/refunds", any(stripe::api))
        .route("/v1/refunds/{*rest}", any(stripe::api))
        .route("/v1/oauth2/token", post(paypal::token))
        .route("/v2/{*rest}", any(paypal::api))
        .merge(payer::routes())
        .nest("/control", control)
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .with_state(shared)
}

/// Accepts connections until the sandbox stops, then lets requests under way finish.
pub(crate) async fn run(shared: Arc<Shared>, listener: TcpListener) {
    let router = router(Arc::clone(&shared));
    let graceful = GracefulShutdown::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = shared.stop.cancelled() => break,
        };
        match accepted {
            Ok((stream, _)) => {
                let connection = serve(stream, router.clone(), graceful.watcher());
                shared.tasks.spawn(connection);
            }
            Err(error) => tracing::warn!(%error, "sandbox cannot accept a connection"),
        }
    }
    drop(listener);
    if timeout(DRAIN_TIMEOUT, graceful.shutdown()).await.is_err() {
        tracing::warn!("sandbox connections did not end in time");
    }
}

/// The client certificate (DER) that came with a connection.
#[derive(Debug, Clone)]
pub(crate) struct ClientCertificate(pub(crate) Vec<u8>);

/// Accepts connections that show a client certificate until the sandbox stops.
pub(crate) async fn run_secure(shared: Arc<Shared>, listener: TcpListener, acceptor: TlsAcceptor) {
    let router = Router::new()
        .route("/secapi/pay/{call}", post(wechat_v2::secure))
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .with_state(Arc::clone(&shared));
    let graceful = GracefulShutdown::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = shared.stop.cancelled() => break,
        };
        let Ok((stream, _)) = accepted else {
            continue;
        };
        let (acceptor, router) = (acceptor.clone(), router.clone());
        let watcher = graceful.watcher();
        shared.tasks.spawn(async move {
            match timeout(HANDSHAKE_TIMEOUT, acceptor.accept(stream)).await {
                Ok(Ok(stream)) => {
                    let shown = stream.get_ref().1.peer_certificates();
                    let shown = shown.and_then(|chain| chain.first());
                    let shown = shown.map(|it| it.to_vec()).unwrap_or_default();
                    let router = router.layer(Extension(ClientCertificate(shown)));
                    serve(stream, router, watcher).await;
                }
                Ok(Err(error)) => tracing::debug!(%error, "sandbox refused a tls handshake"),
                Err(_elapsed) => tracing::debug!("sandbox waited for a tls handshake in vain"),
            }
        });
    }
    drop(listener);
    if timeout(DRAIN_TIMEOUT, graceful.shutdown()).await.is_err() {
        tracing::warn!("secure sandbox connections did not end in time");
    }
}

async fn serve<S>(stream: S, router: Router, watcher: Watcher)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = service_fn(move |request: http::Request<Incoming>| {
        let router = router.clone();
        async move {
            let answered: Result<Response, Infallible> =
                router.oneshot(request.map(Body::new)).await;
            let Ok(response) = answered;
            if response.extensions().get::<CutConnection>().is_some() {
                Err(Cut)
            } else {
                Ok(response)
            }
        }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT)
        .serve_connection(TokioIo::new(stream), service);
    if let Err(error) = watcher.watch(connection).await {
        tracing::debug!(%error, "sandbox connection ended");
    }
}
