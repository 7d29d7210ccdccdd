//! PayPal: Orders v2 with intent CAPTURE, refunds and webhooks (paypal sheet), under `/v1/oauth2/` and `/v2/`.
//!
//! The payer approves and the merchant captures: until then nothing is paid. PayPal posts events to an address
//! that the merchant registers: [`Control::set_endpoint`](crate::Control::set_endpoint). Not simulated:
//! authorisations, captures that stay pending, several units of one order, and reports.

pub(crate) mod account;
mod answer;
mod check;
mod handle;
pub(crate) mod notify;
mod object;

use std::sync::Arc;

use axum::{
    extract::{Request, State},
    response::Response,
};
use base64::{Engine, engine::general_purpose::STANDARD};
use chrono::TimeDelta;
use http::{HeaderMap, HeaderValue, Method as HttpMethod, StatusCode, header::CONTENT_TYPE};
use percent_encoding::percent_decode_str;
use serde_json::{Value, json};

use account::PaypalCredentials;
use answer::{Refusal, Reply};
pub(crate) use handle::new_id;

use crate::{
    crypto::random_text,
    fault::{self, CallFault, Operation},
    shared::{Call, Shared},
    state::{Gateway, Order, OrderState},
};

/// Bytes of a request body; real requests stay far below.
const BODY_BYTES_MAX: usize = 64 * 1024;
/// How long an access token is valid, in seconds (paypal sheet §2).
const TOKEN_VALID_S: i64 = 32_400;
/// Access tokens in use at once; asking for more is asking too often.
const TOKENS_MAX: usize = 10_000;

/// What a request asks for, as its method and path say.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Route {
    Create,
    Order(String),
    Capture(String),
    /// What was collected.
    Captured(String),
    Refund(String),
    /// What was given back.
    Refunded(String),
}

impl Route {
    fn find(method: &HttpMethod, path: &str) -> Option<Self> {
        let parts: Vec<String> = path
            .split('/')
            .skip(1)
            .map(|part| percent_decode_str(part).decode_utf8_lossy().into_owned())
            .collect();
        let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
        let (get, post) = (method == HttpMethod::GET, method == HttpMethod::POST);
        match parts.as_slice() {
            ["v2", "checkout", "orders"] if post => Some(Self::Create),
            ["v2", "checkout", "orders", id] if get => Some(Self::Order((*id).to_owned())),
            ["v2", "checkout", "orders", id, "capture"] if post => {
                Some(Self::Capture((*id).to_owned()))
            }
            ["v2", "payments", "captures", id] if get => Some(Self::Captured((*id).to_owned())),
            ["v2", "payments", "captures", id, "refund"] if post => {
                Some(Self::Refund((*id).to_owned()))
            }
            ["v2", "payments", "refunds", id] if get => Some(Self::Refunded((*id).to_owned())),
            _ => None,
        }
    }

    fn operation(&self) -> Operation {
        match self {
            Self::Create => Operation::Create,
            Self::Order(_) | Self::Captured(_) => Operation::Query,
            Self::Capture(_) => Operation::Capture,
            Self::Refund(_) => Operation::Refund,
            Self::Refunded(_) => Operation::RefundQuery,
        }
    }

    /// PayPal's number in the path.
    fn name(&self) -> Option<&str> {
        match self {
            Self::Create => None,
            Self::Order(id)
            | Self::Capture(id)
            | Self::Captured(id)
            | Self::Refund(id)
            | Self::Refunded(id) => Some(id),
        }
    }

    /// Request ids are remembered for each kind of call.
    fn word(&self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Capture(_) => "capture",
            Self::Refund(_) => "refund",
            Self::Order(_) | Self::Captured(_) | Self::Refunded(_) => "read",
        }
    }

    /// What the log says of the call. PayPal's own numbers are looked up, since scripted faults go by
    /// the merchant's.
    fn call(&self, shared: &Shared, account: &str, body: &Value) -> Call {
        let text = |pointer: &str| {
            let text = body.pointer(pointer).and_then(Value::as_str);
            text.unwrap_or_default().to_owned()
        };
        let by_id = |id: &str| {
            let key = shared.state().find_by_name(id);
            key.map(|key| key.out_trade_no).unwrap_or_default()
        };
        let (out_trade_no, out_refund_no) = match self {
            Self::Create => (text("/purchase_units/0/custom_id"), String::new()),
            Self::Order(id) | Self::Capture(id) | Self::Captured(id) => (by_id(id), String::new()),
            Self::Refund(id) => (by_id(id), text("/custom_id")),
            Self::Refunded(id) => (String::new(), id.clone()),
        };
        Call {
            gateway: Gateway::Paypal,
            account: account.to_owned(),
            operation: self.operation(),
            out_trade_no,
            out_refund_no,
        }
    }
}

/// The payer agrees: from now on the merchant may collect. `false` if that was so before.
pub(crate) fn approve(order: &mut Order, now: chrono::DateTime<chrono::Utc>) -> bool {
    let was_declined = order.content.get("is_declined") == Some(&json!(true));
    if object::is_approved(order) && !was_declined {
        return false;
    }
    if let Some(content) = order.content.as_object_mut() {
        content.insert("is_approved".to_owned(), json!(true));
        content.insert("is_declined".to_owned(), json!(false));
    }
    order.expires_at = now + handle::LIFE;
    true
}

/// The payer's bank declines what the merchant collects, until the payer agrees anew.
pub(crate) fn decline(order: &mut Order) {
    if let Some(content) = order.content.as_object_mut() {
        content.insert("is_declined".to_owned(), json!(true));
    }
}

/// Where the payer's browser goes from PayPal's page (paypal sheet §4.2).
pub(crate) fn onward(order: &Order) -> Option<String> {
    let is_approved = object::is_approved(order) || order.state == OrderState::Paid;
    let field = if is_approved {
        "return_url"
    } else {
        "cancel_url"
    };
    let context = "/payment_source/paypal/experience_context";
    let url = object::placed(order, &format!("{context}/{field}"))?;
    let mut url = url::Url::parse(url).ok()?;
    url.query_pairs_mut()
        .append_pair("token", &order.gateway_trade_no);
    if is_approved {
        url.query_pairs_mut().append_pair("PayerID", &order.payer);
    }
    Some(url.into())
}

/// The amount in the currency's larger unit, with its code.
pub(crate) fn amount(order: &Order) -> String {
    let code = object::currency(order);
    format!("{} {code}", check::written(order.total_minor, code))
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

/// `POST /v1/oauth2/token`.
pub(crate) async fn token(
    State(shared): State<Arc<Shared>>,
    headers: HeaderMap,
    body: String,
) -> Response {
    let refused = |status: StatusCode, error: &str| {
        let told = json!({"error": error, "error_description": "Client Authentication failed"});
        plain(status, &told)
    };
    let basic = header(&headers, "authorization").and_then(|value| value.strip_prefix("Basic "));
    let basic = basic.and_then(|text| STANDARD.decode(text).ok());
    let basic = basic.and_then(|bytes| String::from_utf8(bytes).ok());
    let merchant = basic.as_deref().and_then(|text| {
        let (id, secret) = text.split_once(':')?;
        shared.accounts.paypal.find_by_client(id, secret)
    });
    let Some(merchant) = merchant else {
        return refused(StatusCode::UNAUTHORIZED, "invalid_client");
    };
    if body != "grant_type=client_credentials" {
        return refused(StatusCode::BAD_REQUEST, "unsupported_grant_type");
    }
    let now = shared.now();
    let mut state = shared.state();
    state
        .paypal_tokens
        .retain(|_token, (_, until)| *until > now);
    if state.paypal_tokens.len() >= TOKENS_MAX {
        return refused(StatusCode::TOO_MANY_REQUESTS, "rate_limit");
    }
    let token = format!("A21AA{}", random_text(40));
    let until = now + TimeDelta::seconds(TOKEN_VALID_S);
    let kept = (merchant.merchant_id.clone(), until);
    state.paypal_tokens.insert(token.clone(), kept);
    let told = json!({"scope": "", "access_token": token, "token_type": "Bearer",
        "app_id": "APP-SANDBOX", "expires_in": TOKEN_VALID_S, "nonce": random_text(20)});
    plain(StatusCode::OK, &told)
}

fn plain(status: StatusCode, told: &Value) -> Response {
    let mut response = Response::new(axum::body::Body::from(told.to_string()));
    *response.status_mut() = status;
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(CONTENT_TYPE, json);
    response
}

/// Finds the merchant to whom the request's token was given.
fn authorize<'a>(shared: &'a Shared, headers: &HeaderMap) -> Option<&'a PaypalCredentials> {
    let token = header(headers, "authorization")?.strip_prefix("Bearer ")?;
    let (account, until) = shared.state().paypal_tokens.get(token).cloned()?;
    let is_valid = until > shared.now();
    shared.accounts.paypal.find(&account).filter(|_| is_valid)
}

/// Everything under `/v2`.
pub(crate) async fn api(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let Ok(body) = axum::body::to_bytes(body, BODY_BYTES_MAX).await else {
        return Reply::from(Refusal::invalid("INVALID_REQUEST", "body")).response();
    };
    let Some(route) = Route::find(&parts.method, parts.uri.path()) else {
        return Reply::from(Refusal::missing()).response();
    };
    let body = if body.is_empty() {
        Ok(json!({}))
    } else {
        serde_json::from_slice(&body)
    };
    let Ok(body) = body else {
        return Reply::from(Refusal::invalid("MALFORMED_REQUEST_JSON", "body")).response();
    };
    let Some(merchant) = authorize(&shared, &parts.headers) else {
        let refusal = Refusal::unauthorized();
        shared.record_call(&route.call(&shared, "", &body), &refusal.outcome(), None);
        return Reply::from(refusal).response();
    };
    let call = route.call(&shared, &merchant.merchant_id, &body);
    let fault = shared.take_call_fault(&call);
    fault::before_operation(&shared, fault.as_ref()).await;
    let reply = match &fault {
        Some(CallFault::Refuse { code }) => Reply::from(Refusal::scripted(code)),
        fault if !fault::is_operation_done(fault.as_ref()) => Reply::from(Refusal::broken()),
        _ => {
            let asked = handle::Asked {
                merchant,
                route: &route,
                path: parts.uri.path(),
                body: &body,
                request_id: header(&parts.headers, "paypal-request-id"),
            };
            handle::perform(&shared, &asked)
        }
    };
    shared.record_call(&call, &reply.outcome(), fault.clone());
    if let Some(instead) = fault::after_operation(&shared, fault.as_ref()).await {
        return instead;
    }
    if fault == Some(CallFault::BadSignature) {
        // Answers carry no signature: the nearest thing is one that cannot be read.
        return reply.cut_short();
    }
    reply.response()
}

#[cfg(test)]
mod tests;
