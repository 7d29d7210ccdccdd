//! Answers. Nothing that was received is ever in one.

use bytes::Bytes;
use gateways::Acknowledgement;
use http::header::{
    ALLOW, CACHE_CONTROL, CONNECTION, CONTENT_TYPE, HeaderValue, RETRY_AFTER,
    X_CONTENT_TYPE_OPTIONS,
};
use http::{Response, StatusCode};
use http_body_util::Full;

/// An answer of the ingress.
pub(crate) type Reply = Response<Full<Bytes>>;

/// What a limited or not yet ready ingress asks for.
const RETRY_AFTER_SECS: HeaderValue = HeaderValue::from_static("1");

/// A status and nothing else.
pub(crate) fn empty(status: StatusCode) -> Reply {
    with_body(status, Bytes::new())
}

/// A status and a body.
pub(crate) fn with_body(status: StatusCode, body: impl Into<Bytes>) -> Reply {
    let mut reply = Response::new(Full::new(body.into()));
    *reply.status_mut() = status;
    let headers = reply.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    reply
}

/// 405, with the methods that the path takes.
pub(crate) fn method_not_allowed(allowed: &'static str) -> Reply {
    let mut reply = empty(StatusCode::METHOD_NOT_ALLOWED);
    reply
        .headers_mut()
        .insert(ALLOW, HeaderValue::from_static(allowed));
    reply
}

/// A status that says: not now.
pub(crate) fn retry_later(status: StatusCode) -> Reply {
    let mut reply = empty(status);
    reply.headers_mut().insert(RETRY_AFTER, RETRY_AFTER_SECS);
    reply
}

/// The gateway's own words; `status` replaces its failure status where HTTP knows a better one.
pub(crate) fn acknowledgement(words: &Acknowledgement, status: Option<StatusCode>) -> Reply {
    let own = StatusCode::from_u16(words.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut reply = with_body(status.unwrap_or(own), words.body);
    if let Some(content_type) = words.content_type {
        reply
            .headers_mut()
            .insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    }
    reply
}

/// Marks an answer as the last of its connection.
pub(crate) fn close_after(reply: &mut Reply) {
    reply
        .headers_mut()
        .insert(CONNECTION, HeaderValue::from_static("close"));
}
