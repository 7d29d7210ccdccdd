//! Answers in WeChat Pay's words: signed in the headers when the call succeeded, without any
//! `Wechatpay-*` header when it was refused (`wechat_v3` sheet §3, §4).

use axum::{body::Body, response::Response};
use chrono::{DateTime, Utc};
use http::{HeaderValue, StatusCode, header::CONTENT_TYPE};
use serde_json::{Value, json};

use super::sign;
use crate::{
    accounts::WechatPlatformKey,
    crypto::{corrupt, random_text, sign_sha256},
    schema::Violation,
};

/// Length of a nonce.
const NONCE_LENGTH: usize = 32;

/// Codes that come with another status than 400 (`wechat_v3` sheet §4).
const STATUS_OF_CODES: [(&str, u16); 14] = [
    ("SIGN_ERROR", 401),
    ("NO_AUTH", 403),
    ("RULE_LIMIT", 403),
    ("TRADE_ERROR", 403),
    ("OUT_TRADE_NO_USED", 403),
    ("NOT_ENOUGH", 403),
    ("USER_ACCOUNT_ABNORMAL", 403),
    ("ORDER_NOT_EXIST", 404),
    ("RESOURCE_NOT_EXISTS", 404),
    ("FREQUENCY_LIMITED", 429),
    ("RATELIMIT_EXCEEDED", 429),
    ("SYSTEM_ERROR", 500),
    ("SERVICE_UNAVAILABLE", 503),
    ("BANK_ERROR", 500),
];

/// How the signatures begin that test whether the merchant verifies (`wechat_v3` sheet §10).
pub(super) const PROBE_START: &str = "WECHATPAY/SIGNTEST/";

/// The header with the signature.
pub(super) const SIGNATURE: &str = "Wechatpay-Signature";

/// How a message is signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Signing {
    /// As it should be.
    Right,
    /// Well formed and wrong.
    Corrupt,
    /// Wrong and marked as a test.
    Probe,
}

/// A refusal: status, code, message and, for a bad field, where it is.
#[derive(Debug, Clone)]
pub(super) struct Refusal {
    status: u16,
    code: String,
    message: String,
    detail: Option<Value>,
}

impl Refusal {
    pub(super) fn new(status: u16, code: &str, message: &str) -> Self {
        Self {
            status,
            code: code.to_owned(),
            message: message.to_owned(),
            detail: None,
        }
    }

    /// 400 `PARAM_ERROR` with the field.
    pub(super) fn field(violation: &Violation) -> Self {
        let Violation { path, issue, value } = violation;
        let detail = json!({"location": "body", "field": path, "value": value, "issue": issue});
        let detail = Some(detail);
        Self {
            detail,
            ..Self::new(400, "PARAM_ERROR", &format!("参数错误：{path} {issue}"))
        }
    }

    /// 400 `PARAM_ERROR` for a field that the tables cannot judge.
    pub(super) fn bad(path: &str, issue: &'static str) -> Self {
        Self::field(&Violation {
            path: path.to_owned(),
            issue,
            value: String::new(),
        })
    }

    /// The refusal that a test asked for.
    pub(super) fn scripted(code: &str) -> Self {
        let known = STATUS_OF_CODES.iter().find(|(known, _)| *known == code);
        Self::new(known.map_or(400, |(_, status)| *status), code, "沙箱脚本")
    }

    pub(super) fn outcome(&self) -> String {
        format!("{} {}", self.status, self.code)
    }
}

/// An answer.
#[derive(Debug, Clone)]
pub(super) enum Reply {
    /// 200 with JSON.
    Ok(Value),
    /// 204.
    NoContent,
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
            Self::Ok(_) => "200".to_owned(),
            Self::NoContent => "204".to_owned(),
            Self::Refused(refusal) => refusal.outcome(),
        }
    }

    fn status(&self) -> StatusCode {
        match self {
            Self::Ok(_) => StatusCode::OK,
            Self::NoContent => StatusCode::NO_CONTENT,
            Self::Refused(refusal) => {
                StatusCode::from_u16(refusal.status).unwrap_or(StatusCode::BAD_REQUEST)
            }
        }
    }

    fn text(&self) -> String {
        match self {
            Self::Ok(value) => value.to_string(),
            Self::NoContent => String::new(),
            Self::Refused(refusal) => {
                let mut body = json!({"code": refusal.code, "message": refusal.message});
                if let (Some(fields), Some(detail)) = (body.as_object_mut(), &refusal.detail) {
                    fields.insert("detail".to_owned(), detail.clone());
                }
                body.to_string()
            }
        }
    }

    /// The response without signature headers.
    pub(super) fn unsigned(&self) -> Response {
        let mut response = Response::new(Body::from(self.text()));
        *response.status_mut() = self.status();
        if !matches!(self, Self::NoContent) {
            let json = HeaderValue::from_static("application/json; charset=utf-8");
            response.headers_mut().insert(CONTENT_TYPE, json);
        }
        if let Ok(id) = HeaderValue::try_from(random_text(NONCE_LENGTH)) {
            response.headers_mut().insert("Request-ID", id);
        }
        response
    }

    /// The response, signed if the call succeeded.
    pub(super) fn signed(
        &self,
        key: Option<&WechatPlatformKey>,
        now: DateTime<Utc>,
        signing: Signing,
    ) -> Response {
        let mut response = self.unsigned();
        if let (Self::Ok(_) | Self::NoContent, Some(key)) = (self, key) {
            let headers = signature_headers(key, now, self.text().as_bytes(), signing);
            for (name, value) in headers {
                if let Ok(value) = HeaderValue::try_from(value) {
                    response.headers_mut().insert(name, value);
                }
            }
        }
        response
    }
}

/// The `Wechatpay-*` headers over a body, for answers and callbacks alike.
pub(super) fn signature_headers(
    key: &WechatPlatformKey,
    now: DateTime<Utc>,
    body: &[u8],
    signing: Signing,
) -> Vec<(&'static str, String)> {
    let timestamp = now.timestamp().to_string();
    let nonce = random_text(NONCE_LENGTH);
    let message = sign::response_bytes(&timestamp, &nonce, body);
    let signature = sign_sha256(&key.private, &message).unwrap_or_default();
    let signature = match signing {
        Signing::Right => signature,
        Signing::Corrupt => corrupt(&signature),
        Signing::Probe => {
            let tail = signature.get(PROBE_START.len()..).unwrap_or_default();
            format!("{PROBE_START}{tail}")
        }
    };
    vec![
        ("Wechatpay-Serial", key.serial.clone()),
        ("Wechatpay-Timestamp", timestamp),
        ("Wechatpay-Nonce", nonce),
        (SIGNATURE, signature),
        ("Wechatpay-Signature-Type", sign::SCHEME.to_owned()),
    ]
}
