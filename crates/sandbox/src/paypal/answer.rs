//! Answers in PayPal's words (paypal sheet §9).

use axum::{body::Body, response::Response};
use http::{HeaderValue, StatusCode, header::CONTENT_TYPE};
use serde_json::{Value, json};

use crate::crypto::random_text;

/// Issues that come with another status and name than 422.
const KNOWN: [(&str, u16, &str); 8] = [
    ("AUTHENTICATION_FAILURE", 401, "AUTHENTICATION_FAILURE"),
    ("PERMISSION_DENIED", 403, "NOT_AUTHORIZED"),
    ("INVALID_RESOURCE_ID", 404, "RESOURCE_NOT_FOUND"),
    ("PREVIOUS_REQUEST_IN_PROGRESS", 409, "RESOURCE_CONFLICT"),
    ("RATE_LIMIT_REACHED", 429, "RATE_LIMIT_REACHED"),
    ("INTERNAL_SERVER_ERROR", 500, "INTERNAL_SERVER_ERROR"),
    ("PAYPAL_REQUEST_ID_REQUIRED", 400, INVALID),
    ("METHOD_NOT_SUPPORTED", 405, "METHOD_NOT_SUPPORTED"),
];
const INVALID: &str = "INVALID_REQUEST";
const UNPROCESSABLE: &str = "UNPROCESSABLE_ENTITY";
const DEBUG_ID_LENGTH: usize = 13;

/// A refusal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refusal {
    status: u16,
    name: &'static str,
    issue: String,
    description: String,
    field: Option<String>,
}

impl Refusal {
    /// One of the issues of the sheet.
    pub(super) fn new(issue: &str, description: &str) -> Self {
        let known = KNOWN.iter().find(|(known, ..)| *known == issue);
        let (status, name) =
            known.map_or((422, UNPROCESSABLE), |(_, status, name)| (*status, *name));
        Self {
            status,
            name,
            issue: issue.to_owned(),
            description: description.to_owned(),
            field: None,
        }
    }

    /// Something about the form of a field.
    pub(super) fn invalid(issue: &str, field: &str) -> Self {
        Self {
            status: 400,
            name: INVALID,
            issue: issue.to_owned(),
            description: "The request is not well-formed.".to_owned(),
            field: Some(field.to_owned()),
        }
    }

    pub(super) fn missing() -> Self {
        Self::new(
            "INVALID_RESOURCE_ID",
            "Specified resource ID does not exist.",
        )
    }

    pub(super) fn unauthorized() -> Self {
        Self::new("AUTHENTICATION_FAILURE", "Authentication failed.")
    }

    pub(super) fn broken() -> Self {
        Self::new(
            "INTERNAL_SERVER_ERROR",
            "An internal server error has occurred.",
        )
    }

    /// The refusal that a test asked for.
    pub(super) fn scripted(issue: &str) -> Self {
        Self::new(issue, "a scripted fault of the sandbox")
    }

    pub(super) fn outcome(&self) -> String {
        format!("{} {}", self.status, self.issue)
    }

    fn body(&self, debug_id: &str) -> Value {
        let mut detail = json!({"issue": self.issue, "description": self.description});
        if let (Some(field), Some(detail)) = (&self.field, detail.as_object_mut()) {
            detail.insert("field".to_owned(), json!(field));
        }
        json!({
            "name": self.name,
            "message": "The requested action could not be performed.",
            "debug_id": debug_id,
            "details": [detail],
            "links": [],
        })
    }
}

/// An answer.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Reply {
    Ok(Value),
    Made(Value),
    Refused(Refusal),
}

impl From<Refusal> for Reply {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl Reply {
    fn status(&self) -> u16 {
        match self {
            Self::Ok(_) => 200,
            Self::Made(_) => 201,
            Self::Refused(refusal) => refusal.status,
        }
    }

    pub(super) fn outcome(&self) -> String {
        match self {
            Self::Ok(_) | Self::Made(_) => self.status().to_string(),
            Self::Refused(refusal) => refusal.outcome(),
        }
    }

    fn with(&self, cut: impl FnOnce(String) -> String) -> Response {
        let debug_id = random_text(DEBUG_ID_LENGTH).to_lowercase();
        let body = match self {
            Self::Ok(value) | Self::Made(value) => value.clone(),
            Self::Refused(refusal) => refusal.body(&debug_id),
        };
        let mut response = Response::new(Body::from(cut(body.to_string())));
        *response.status_mut() =
            StatusCode::from_u16(self.status()).unwrap_or(StatusCode::BAD_REQUEST);
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if let Ok(id) = HeaderValue::try_from(debug_id) {
            headers.insert("paypal-debug-id", id);
        }
        response
    }

    pub(super) fn response(&self) -> Response {
        self.with(|body| body)
    }

    /// The first half of the answer.
    pub(super) fn cut_short(&self) -> Response {
        self.with(|body| {
            let half = body.chars().count() / 2;
            body.chars().take(half).collect()
        })
    }
}
