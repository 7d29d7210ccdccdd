//! A proxy before the simulator that keeps every call of our adapter, and a place where callbacks of
//! orders that are not Kassa's may go.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header::HOST};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

const BODY_BYTES_MAX: usize = 1 << 20;

/// One call and its answer, to the byte.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Call {
    pub(crate) method: String,
    pub(crate) target: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
    pub(crate) status: u16,
    pub(crate) answer_headers: Vec<(String, String)>,
    pub(crate) answer: String,
}

/// The proxy; it ends with its value.
#[derive(Debug)]
pub(crate) struct Recorder {
    base_url: String,
    calls: Arc<Mutex<Vec<Call>>>,
    task: JoinHandle<()>,
}

#[derive(Debug, Clone)]
struct Proxy {
    upstream: String,
    http: reqwest::Client,
    calls: Arc<Mutex<Vec<Call>>>,
}

impl Recorder {
    /// Listens before `upstream`.
    pub(crate) async fn start(upstream: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("its address");
        let calls = Arc::new(Mutex::new(Vec::new()));
        let http = reqwest::Client::builder().no_proxy().build();
        let proxy = Proxy {
            upstream: upstream.to_owned(),
            http: http.expect("an HTTP client"),
            calls: Arc::clone(&calls),
        };
        let router = Router::new()
            .route("/sink", axum::routing::post(|| async { "success" }))
            .fallback(pass_on)
            .with_state(proxy);
        let task = tokio::spawn(async move {
            axum::serve(listener, router)
                .await
                .expect("the recorder serves");
        });
        Self {
            base_url: format!("http://{address}"),
            calls,
            task,
        }
    }

    /// `http://address:port`.
    pub(crate) fn base_url(&self) -> &str {
        &self.base_url
    }

    /// The calls since the last look.
    pub(crate) fn take(&self) -> Vec<Call> {
        std::mem::take(&mut *self.calls.lock().expect("no panic"))
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn pass_on(State(proxy): State<Proxy>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let body = to_bytes(body, BODY_BYTES_MAX).await.expect("a body");
    let target = head.uri.path_and_query().expect("a target").to_string();
    let mut headers = head.headers.clone();
    headers.remove(HOST);
    let sent = proxy
        .http
        .request(head.method.clone(), format!("{}{target}", proxy.upstream))
        .headers(headers)
        .body(body.clone())
        .send()
        .await
        .expect("the simulator answers");
    let (status, answer_headers) = (sent.status(), sent.headers().clone());
    let answer = sent.bytes().await.expect("an answer");
    proxy.calls.lock().expect("no panic").push(Call {
        method: head.method.to_string(),
        target,
        headers: texts(&head.headers),
        body: text(&body),
        status: status.as_u16(),
        answer_headers: texts(&answer_headers),
        answer: text(&answer),
    });
    respond(status, answer_headers, answer)
}

fn respond(status: StatusCode, headers: HeaderMap, body: Bytes) -> Response {
    let mut response = (status, Body::from(body)).into_response();
    *response.headers_mut() = headers;
    response
}

fn text(bytes: &Bytes) -> String {
    String::from_utf8(bytes.to_vec()).expect("text")
}

fn texts(headers: &HeaderMap) -> Vec<(String, String)> {
    let text = |value: &HeaderValue| value.to_str().expect("text").to_owned();
    headers
        .iter()
        .map(|(name, value)| (name.to_string(), text(value)))
        .collect()
}
