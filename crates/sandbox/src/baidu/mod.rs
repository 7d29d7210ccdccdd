//! Baidu's cashier for smart programs (baidu sheet): the payer's smart program brings signed order
//! information to it, and the merchant asks over interface 2.0 with an access token.

pub(crate) mod audit;
mod handle;
pub(crate) mod notify;
pub(crate) mod sign;

use std::{collections::BTreeMap, sync::Arc};

use axum::{
    Json,
    body::{Body, Bytes},
    extract::{Path, RawQuery, State},
    response::{IntoResponse, Response},
};
use http::{
    HeaderValue, Method, StatusCode,
    header::{CONTENT_TYPE, LOCATION},
};
use serde_json::{Value, json};

use crate::{
    accounts::BaiduMerchant,
    delivery::RecordedCallback,
    error::ControlError,
    fault::{self, CallFault, Operation},
    shared::{Call, Shared},
    state::Gateway,
};

/// Parameters by name.
pub(crate) type Params = BTreeMap<String, String>;

/// How long an access token is valid, in seconds.
const TOKEN_VALID_SECS: i64 = 2_592_000;

/// A refusal: `errno` and `msg`.
#[derive(Debug, Clone)]
pub(crate) struct Refusal {
    errno: i64,
    msg: &'static str,
}

impl Refusal {
    pub(super) const fn new(errno: i64, msg: &'static str) -> Self {
        Self { errno, msg }
    }
}

/// Decodes once; a name that comes twice keeps its last value.
fn params(encoded: &str) -> Params {
    form_urlencoded::parse(encoded.as_bytes())
        .into_owned()
        .collect()
}

/// `GET /oauth/2.0/token`.
pub(crate) async fn token(
    State(shared): State<Arc<Shared>>,
    RawQuery(query): RawQuery,
) -> Response {
    let params = params(&query.unwrap_or_default());
    let param = |name: &str| params.get(name).map_or("", String::as_str);
    let merchant = shared.accounts.baidu.iter().find(|it| {
        it.client_id == param("client_id") && it.client_secret == param("client_secret")
    });
    match merchant {
        Some(merchant) if param("grant_type") == "client_credentials" => {
            let token = sign::token(merchant, shared.now().timestamp());
            let told = json!({"access_token": token, "expires_in": TOKEN_VALID_SECS});
            Json(told).into_response()
        }
        _ => {
            let told = json!({"error": "invalid_client", "error_description": "unknown client id"});
            (StatusCode::UNAUTHORIZED, Json(told)).into_response()
        }
    }
}

/// `/rest/2.0/smartapp/pay/paymentservice/{call}`.
pub(crate) async fn api(
    State(shared): State<Arc<Shared>>,
    Path(name): Path<String>,
    RawQuery(query): RawQuery,
    method: Method,
    body: Bytes,
) -> Response {
    let mut given = params(&query.unwrap_or_default());
    let (operation, is_post) = match name.as_str() {
        "findByTpOrderId" => (Operation::Query, false),
        "cancelOrder" => (Operation::Close, false),
        "applyOrderRefund" => (Operation::Refund, true),
        "findOrderRefund" => (Operation::RefundQuery, false),
        _ => return gateway_error(3, "Unsupported openapi method"),
    };
    if is_post != (method == Method::POST) {
        return gateway_error(3, "Unsupported openapi method");
    }
    given.extend(params(std::str::from_utf8(&body).unwrap_or_default()));
    let merchant = shared
        .accounts
        .baidu
        .iter()
        .find(|it| sign::is_token_of(it, &given, shared.now().timestamp(), TOKEN_VALID_SECS));
    let Some(merchant) = merchant else {
        return gateway_error(110, "Access token invalid or no longer valid");
    };
    serve(&shared, merchant, operation, &given).await
}

async fn serve(
    shared: &Arc<Shared>,
    merchant: &BaiduMerchant,
    operation: Operation,
    given: &Params,
) -> Response {
    let call = Call {
        gateway: Gateway::Baidu,
        account: merchant.deal_id.clone(),
        operation,
        out_trade_no: handle::order_number(shared, given),
        out_refund_no: given.get("bizRefundBatchId").cloned().unwrap_or_default(),
    };
    let fault = shared.take_call_fault(&call);
    fault::before_operation(shared, fault.as_ref()).await;
    let done = match &fault {
        Some(CallFault::Refuse { code }) => {
            Err(Refusal::new(code.parse().unwrap_or(10_001), "scripted"))
        }
        fault if !fault::is_operation_done(fault.as_ref()) => {
            Err(Refusal::new(10_003, "internal error"))
        }
        _ => handle::perform(shared, merchant, operation, given),
    };
    let errno = done.as_ref().err().map_or(0, |refusal| refusal.errno);
    shared.record_call(&call, &errno.to_string(), fault.clone());
    if let Some(instead) = fault::after_operation(shared, fault.as_ref()).await {
        return instead;
    }
    let told = match done {
        Ok(data) => json!({"errno": 0, "msg": "success", "data": data}),
        Err(refusal) => json!({"errno": refusal.errno, "msg": refusal.msg, "data": null}),
    };
    json_response(&told)
}

/// The gateway before the service refuses.
fn gateway_error(code: i64, text: &str) -> Response {
    json_response(&json!({"error_code": code, "error_msg": text}))
}

fn json_response(told: &Value) -> Response {
    let mut response = Response::new(Body::from(told.to_string()));
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(CONTENT_TYPE, json);
    response
}

/// `GET /payer/baidu/order?{orderInfo}`: what `swan.requestPolymerPayment` does.
pub(crate) async fn order_info(
    State(shared): State<Arc<Shared>>,
    RawQuery(query): RawQuery,
) -> Response {
    match present(&shared, &params(&query.unwrap_or_default())) {
        Ok(number) => {
            let mut response = Response::new(Body::empty());
            *response.status_mut() = StatusCode::FOUND;
            let page = format!("{}/payer/baidu/{number}", shared.base_url);
            if let Ok(location) = HeaderValue::try_from(page) {
                response.headers_mut().insert(LOCATION, location);
            }
            response
        }
        Err(error) => {
            let told = json!({"error": error.to_string()});
            (StatusCode::BAD_REQUEST, Json(told)).into_response()
        }
    }
}

/// Brings order information to the cashier: from now on Baidu knows the order. Answers its number.
pub(crate) fn present(shared: &Shared, given: &Params) -> Result<String, ControlError> {
    handle::open(shared, given)
        .map_err(|refusal| ControlError::Refused(format!("{} {}", refusal.errno, refusal.msg)))
}

/// Whether an answer to a callback is what Baidu waits for; a question about a refund is acted on.
pub(crate) fn is_acknowledged(
    shared: &Arc<Shared>,
    callback: &RecordedCallback,
    (status, body): (Option<u16>, &str),
) -> bool {
    if callback.kind == notify::ASKED {
        audit::decide(shared, callback, (status, body))
    } else {
        notify::is_acknowledged(&callback.kind, status, body)
    }
}

#[cfg(test)]
mod tests;
