//! The only outbound HTTP client: time-outs, no redirects, no proxies from the environment, bounded
//! answers, one span per call.
//!
//! It tells apart what was never sent (the connection was not made) from everything later, where
//! the gateway may have acted on the call. Callers add no deadline of their own here; a flow that
//! gives up earlier drops the future, and the outcome is unknown to it as well.

use std::error::Error;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, Method, StatusCode};
use kassa_core::Secret;
use kassa_core::channel::GatewayName;
use tracing::Instrument;
use tracing::field::Empty;
use url::Url;
use zeroize::Zeroizing;

use crate::CallError;
use crate::config::is_safe;

/// How long making a connection may take, TLS included.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a whole call may take.
pub const CALL_TIMEOUT: Duration = Duration::from_secs(30);
/// The longest answer that is read.
pub const ANSWER_BYTES_MAX: usize = 1 << 20;
/// How many idle connections are kept to one host, and for how long.
const IDLE_CONNECTIONS_MAX: usize = 32;
const IDLE_TIMEOUT: Duration = Duration::from_mins(1);
/// Some gateways refuse calls without one.
const USER_AGENT: &str = concat!("kassa/", env!("CARGO_PKG_VERSION"));
/// How many causes of an error are written out.
const CAUSES_MAX: usize = 6;

/// The shared outbound client. Cheap to clone; clones share connections.
#[derive(Debug, Clone)]
pub struct HttpClient {
    /// `None` never sends.
    inner: Option<reqwest::Client>,
}

/// One request.
#[derive(Debug)]
pub(crate) struct Call {
    /// Which gateway, for the span.
    pub(crate) gateway: GatewayName,
    /// The gateway's name of what is asked, for the span.
    pub(crate) operation: &'static str,
    /// Verb.
    pub(crate) method: Method,
    /// Address; `https`, or `http` to this machine.
    pub(crate) url: Url,
    /// Headers.
    pub(crate) headers: HeaderMap,
    /// Body, to the byte; empty for none.
    pub(crate) body: Bytes,
}

/// One whole answer.
#[derive(Debug)]
pub(crate) struct Answer {
    /// Status code.
    pub(crate) status: StatusCode,
    /// Headers.
    pub(crate) headers: HeaderMap,
    /// Body, to the byte.
    pub(crate) body: Bytes,
}

/// Why there is no answer. Texts carry no address, header or body.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HttpError {
    /// The client could not be set up, for example because the system has no root certificates.
    #[error("the http client could not be set up: {0}")]
    Build(String),
    /// Nothing was sent.
    #[error("not sent: {0}")]
    NotSent(String),
    /// It may have been sent.
    #[error("no usable answer: {0}")]
    Unknown(String),
}

impl From<HttpError> for CallError {
    fn from(error: HttpError) -> Self {
        match error {
            HttpError::Build(text) | HttpError::NotSent(text) => Self::NotSent(text),
            HttpError::Unknown(text) => Self::Unknown(text),
        }
    }
}

impl HttpClient {
    /// Sets the client up.
    ///
    /// # Errors
    /// [`HttpError::Build`] where the system offers no root certificates.
    pub fn try_new() -> Result<Self, HttpError> {
        builder()
            .build()
            .map(|inner| Self { inner: Some(inner) })
            .map_err(|error| HttpError::Build(causes(&error)))
    }

    /// A client of its own for one account, which shows the account's certificate (PEM, with its key)
    /// and trusts `root` beside the system's authorities. Offline stays offline.
    ///
    /// # Errors
    /// [`HttpError::Build`] where certificate and key do not make an identity.
    pub(crate) fn with_identity(
        &self,
        certificate: &str,
        key: &Secret,
        root: Option<&str>,
    ) -> Result<Self, HttpError> {
        if self.inner.is_none() {
            return Ok(Self::offline());
        }
        let build = |error: reqwest::Error| HttpError::Build(causes(&error));
        let pem = Zeroizing::new(format!("{}\n{certificate}", key.expose()));
        let mut builder =
            builder().identity(reqwest::Identity::from_pem(pem.as_bytes()).map_err(build)?);
        if let Some(root) = root {
            let root = reqwest::Certificate::from_pem(root.as_bytes()).map_err(build)?;
            builder = builder.tls_certs_merge([root]);
        }
        let inner = builder.build().map_err(build)?;
        Ok(Self { inner: Some(inner) })
    }

    /// A client that never sends: for processes that only verify.
    pub fn offline() -> Self {
        Self { inner: None }
    }

    /// Sends one call and reads its whole answer, whatever its status.
    pub(crate) async fn send(&self, call: Call) -> Result<Answer, HttpError> {
        if !is_safe(&call.url) {
            return Err(HttpError::NotSent(
                "plain http leaves this machine unprotected".to_owned(),
            ));
        }
        let span = tracing::info_span!(
            "gateway.call",
            gateway = call.gateway.as_str(),
            operation = call.operation,
            http.status = Empty,
            duration_ms = Empty,
        );
        let started = Instant::now();
        let answer = self.exchange(call).instrument(span.clone()).await;
        if let Ok(answer) = &answer {
            span.record("http.status", answer.status.as_u16());
        }
        span.record(
            "duration_ms",
            u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX),
        );
        answer
    }

    async fn exchange(&self, call: Call) -> Result<Answer, HttpError> {
        let Some(client) = &self.inner else {
            return Err(HttpError::NotSent("this process only verifies".to_owned()));
        };
        let mut request = client.request(call.method, call.url).headers(call.headers);
        if !call.body.is_empty() {
            request = request.body(call.body);
        }
        let mut response = request.send().await.map_err(sort)?;
        let mut body = BytesMut::new();
        while let Some(chunk) = response.chunk().await.map_err(sort)? {
            if body.len().saturating_add(chunk.len()) > ANSWER_BYTES_MAX {
                return Err(HttpError::Unknown(format!(
                    "the answer exceeds {ANSWER_BYTES_MAX} bytes"
                )));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Answer {
            status: response.status(),
            headers: std::mem::take(response.headers_mut()),
            body: body.freeze(),
        })
    }
}

fn builder() -> reqwest::ClientBuilder {
    reqwest::Client::builder()
        .user_agent(USER_AGENT)
        .connect_timeout(CONNECT_TIMEOUT)
        .timeout(CALL_TIMEOUT)
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .no_proxy()
        .referer(false)
        .pool_max_idle_per_host(IDLE_CONNECTIONS_MAX)
        .pool_idle_timeout(IDLE_TIMEOUT)
}

/// A connection that was not made, or a request that could not be built, sent nothing. All else may
/// have reached the gateway.
fn sort(error: reqwest::Error) -> HttpError {
    let sent_nothing = error.is_connect() || error.is_builder();
    let text = causes(&error.without_url());
    if sent_nothing {
        HttpError::NotSent(text)
    } else {
        HttpError::Unknown(text)
    }
}

fn causes(error: &dyn Error) -> String {
    let mut texts = Vec::new();
    let mut next = Some(error);
    while let Some(error) = next.filter(|_| texts.len() < CAUSES_MAX) {
        texts.push(error.to_string());
        next = error.source();
    }
    texts.join(": ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Loopback, http_response};

    fn call(url: &str) -> Call {
        Call {
            gateway: GatewayName::Alipay,
            operation: "test",
            method: Method::GET,
            url: Url::parse(url).unwrap(),
            headers: HeaderMap::new(),
            body: Bytes::new(),
        }
    }

    #[tokio::test]
    async fn an_answer_is_read_whole_whatever_its_status() {
        let server = Loopback::start(|_request| Some(http_response(503, &[], b"busy"))).await;
        let answer = HttpClient::try_new()
            .unwrap()
            .send(call(&server.url("/")))
            .await
            .unwrap();
        assert_eq!(
            (answer.status.as_u16(), &answer.body[..]),
            (503, &b"busy"[..])
        );
    }

    #[tokio::test]
    async fn a_redirect_is_an_answer_and_not_followed() {
        let server = Loopback::start(|_request| {
            Some(http_response(
                302,
                &[("location", "http://127.0.0.1:1/")],
                b"",
            ))
        })
        .await;
        let answer = HttpClient::try_new()
            .unwrap()
            .send(call(&server.url("/")))
            .await
            .unwrap();
        assert_eq!(answer.status.as_u16(), 302);
    }

    #[tokio::test]
    async fn an_answer_over_the_cap_is_unknown() {
        let server = Loopback::start(|_request| {
            Some(http_response(200, &[], &vec![b'x'; ANSWER_BYTES_MAX + 1]))
        })
        .await;
        let answer = HttpClient::try_new()
            .unwrap()
            .send(call(&server.url("/")))
            .await;
        assert!(matches!(answer, Err(HttpError::Unknown(text)) if text.contains("exceeds")));
    }

    #[tokio::test]
    async fn a_refused_connection_sent_nothing() {
        let url = Loopback::closed_url().await;
        let answer = HttpClient::try_new().unwrap().send(call(&url)).await;
        assert!(matches!(answer, Err(HttpError::NotSent(_))), "{answer:?}");
    }

    #[tokio::test]
    async fn a_connection_cut_after_the_request_is_unknown() {
        let server = Loopback::start(|_request| None).await;
        let answer = HttpClient::try_new()
            .unwrap()
            .send(call(&server.url("/")))
            .await;
        assert!(matches!(answer, Err(HttpError::Unknown(_))), "{answer:?}");
        assert_eq!(
            server.requests().len(),
            1,
            "a cut call must not be repeated"
        );
    }

    #[tokio::test]
    async fn an_offline_client_sends_nothing() {
        let server = Loopback::start(|_request| None).await;
        let answer = HttpClient::offline().send(call(&server.url("/"))).await;
        assert!(matches!(answer, Err(HttpError::NotSent(_))), "{answer:?}");
        assert!(server.requests().is_empty());
    }

    #[tokio::test]
    async fn plain_http_to_another_machine_is_not_sent() {
        let answer = HttpClient::try_new()
            .unwrap()
            .send(call("http://gateway.example/?s=1"))
            .await;
        let Err(HttpError::NotSent(text)) = answer else {
            panic!("{answer:?}")
        };
        assert!(!text.contains("gateway.example"));
    }
}
