//! Reading a body: bounded in size and time.

use std::time::Duration;

use bytes::Bytes;
use http::header::CONTENT_LENGTH;
use http::{HeaderMap, StatusCode};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::Incoming;

/// Why a body was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BodyError {
    #[error("the body is too large")]
    TooLarge,
    #[error("the body did not arrive in time")]
    Slow,
    #[error("the body ended early or is not well formed")]
    Broken,
}

impl BodyError {
    /// What HTTP has for it.
    pub(crate) fn status(self) -> StatusCode {
        match self {
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Slow => StatusCode::REQUEST_TIMEOUT,
            Self::Broken => StatusCode::BAD_REQUEST,
        }
    }
}

/// Reads a whole body of at most `bytes_max` bytes within `timeout`. One that announces more is
/// refused unread.
pub(crate) async fn read(
    headers: &HeaderMap,
    body: Incoming,
    bytes_max: usize,
    timeout: Duration,
) -> Result<Bytes, BodyError> {
    let announced = headers
        .get(CONTENT_LENGTH)
        .and_then(|length| length.to_str().ok()?.parse().ok());
    if announced.is_some_and(|length: usize| length > bytes_max) {
        return Err(BodyError::TooLarge);
    }
    let whole = Limited::new(body, bytes_max).collect();
    match tokio::time::timeout(timeout, whole).await {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(BodyError::TooLarge),
        Ok(Err(_broken)) => Err(BodyError::Broken),
        Err(_elapsed) => Err(BodyError::Slow),
    }
}
