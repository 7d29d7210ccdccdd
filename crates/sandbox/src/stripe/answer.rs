//! Answers in Stripe's words (stripe sheet §10).

use axum::{body::Body, response::Response};
use http::{HeaderValue, Method, StatusCode, header::CONTENT_TYPE};
use serde_json::{Value, json};

use crate::crypto::random_text;

/// Codes that come with another status than 400, and with another type.
const KNOWN: [(&str, u16, &str); 7] = [
    ("card_declined", 402, "card_error"),
    ("expired_card", 402, "card_error"),
    ("processing_error", 402, "card_error"),
    ("resource_missing", 404, INVALID),
    ("idempotency_key_in_use", 409, INVALID),
    ("rate_limit", 429, INVALID),
    ("lock_timeout", 429, INVALID),
];
const INVALID: &str = "invalid_request_error";
/// Letters of a request's number.
const REQUEST_ID_LENGTH: usize = 14;

/// A refusal.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Refusal {
    status: u16,
    error: Value,
}

impl Refusal {
    fn new(status: u16, kind: &str, code: Option<&str>, message: &str) -> Self {
        let mut error = json!({"type": kind, "message": message});
        if let (Some(code), Some(fields)) = (code, error.as_object_mut()) {
            fields.insert("code".to_owned(), json!(code));
        }
        Self { status, error }
    }

    pub(super) fn invalid(message: &str) -> Self {
        Self::new(400, INVALID, None, message)
    }

    pub(super) fn coded(code: &str, message: &str) -> Self {
        let known = KNOWN.iter().find(|(known, ..)| *known == code);
        let (status, kind) = known.map_or((400, INVALID), |(_, status, kind)| (*status, *kind));
        Self::new(status, kind, Some(code), message)
    }

    /// The same, about a field.
    pub(super) fn about(mut self, param: &str) -> Self {
        if let Some(fields) = self.error.as_object_mut() {
            fields.insert("param".to_owned(), json!(param));
        }
        self
    }

    pub(super) fn missing(kind: &str, id: &str) -> Self {
        Self::coded("resource_missing", &format!("No such {kind}: '{id}'")).about("id")
    }

    pub(super) fn unauthorized() -> Self {
        Self::new(401, INVALID, None, "Invalid API Key provided")
    }

    pub(super) fn unrecognised(method: &Method, path: &str) -> Self {
        let message = format!("Unrecognized request URL ({method}: {path}).");
        Self::new(404, INVALID, None, &message)
    }

    pub(super) fn idempotency(key: &str) -> Self {
        let message = format!(
            "Keys for idempotent requests can only be used with the same parameters they were \
             first used with. Try using a key other than '{key}' if you meant to execute a \
             different request."
        );
        Self::new(400, "idempotency_error", None, &message)
    }

    pub(super) fn broken() -> Self {
        Self::new(500, "api_error", None, "An unknown error occurred")
    }

    /// The refusal that a test asked for.
    pub(super) fn scripted(code: &str) -> Self {
        Self::coded(code, "a scripted fault of the sandbox")
    }

    pub(super) fn outcome(&self) -> String {
        let text = |name: &str| self.error.get(name).and_then(Value::as_str);
        let word = text("code").or_else(|| text("type")).unwrap_or_default();
        format!("{} {word}", self.status)
    }
}

/// An answer.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Reply {
    Ok(Value),
    /// What the same key brought before.
    Replayed(Value),
    Refused(Refusal),
}

impl From<Refusal> for Reply {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl Reply {
    pub(super) fn outcome(&self) -> String {
        match self {
            Self::Ok(_) | Self::Replayed(_) => "200".to_owned(),
            Self::Refused(refusal) => refusal.outcome(),
        }
    }

    fn text(&self) -> String {
        match self {
            Self::Ok(value) | Self::Replayed(value) => value.to_string(),
            Self::Refused(refusal) => json!({"error": refusal.error}).to_string(),
        }
    }

    fn with_body(&self, body: String) -> Response {
        let mut response = Response::new(Body::from(body));
        let status = match self {
            Self::Ok(_) | Self::Replayed(_) => StatusCode::OK,
            Self::Refused(refusal) => {
                StatusCode::from_u16(refusal.status).unwrap_or(StatusCode::BAD_REQUEST)
            }
        };
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if let Ok(id) = HeaderValue::try_from(format!("req_{}", random_text(REQUEST_ID_LENGTH))) {
            headers.insert("request-id", id);
        }
        if matches!(self, Self::Replayed(_)) {
            headers.insert("idempotent-replayed", HeaderValue::from_static("true"));
        }
        response
    }

    pub(super) fn response(&self) -> Response {
        self.with_body(self.text())
    }

    /// The first half of the answer.
    pub(super) fn cut_short(&self) -> Response {
        let text = self.text();
        let half: String = text.chars().take(text.chars().count() / 2).collect();
        self.with_body(half)
    }
}
