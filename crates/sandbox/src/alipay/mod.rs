//! Alipay, `gateway.do` with RSA2 (alipay sheet). Server calls are answered here; page, wap and app
//! requests come from the payer's browser or phone and lead to the payer page.

mod answer;
mod check;
mod counter;
mod fields;
mod handle;
mod jsapi;
pub(crate) mod notify;
pub(crate) mod sign;

use std::{collections::BTreeMap, sync::Arc};

use axum::{
    body::{Body, Bytes},
    extract::{RawQuery, State},
    response::Response,
};
use http::{
    HeaderMap, HeaderValue, StatusCode,
    header::{CONTENT_TYPE, LOCATION},
};

use answer::{Answer, GatewayError};
use check::{Checked, Method};

use crate::{
    error::ControlError,
    fault::{self, CallFault, Operation},
    shared::{Call, Shared},
    state::{Gateway, OrderKey},
};

/// Parameters of one request, decoded once.
pub(crate) type Params = BTreeMap<String, String>;

/// `POST` and `GET` of `/gateway.do`.
pub(crate) async fn gateway(
    State(shared): State<Arc<Shared>>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let params = match check::read(query.as_deref().unwrap_or_default(), &headers, &body) {
        Ok(params) => params,
        Err(error) => return respond(&refused(&shared, &Params::new(), &error)),
    };
    match check::request(&shared, &params) {
        Err(error) => match Method::find(&params) {
            Some(method) if method.is_for_browser() => {
                refused(&shared, &params, &error);
                error_page(&error)
            }
            _ => respond(&refused(&shared, &params, &error)),
        },
        Ok(checked) if checked.method.is_for_browser() => browser(&shared, &checked)
            .await
            .map_or_else(|answer| error_page(&answer), found),
        Ok(checked) => server(&shared, &checked).await,
    }
}

/// A server's call: fault, operation, record, fault, signed answer.
async fn server(shared: &Arc<Shared>, checked: &Checked<'_>) -> Response {
    let mut call = call_of(&checked.params, checked.method.operation());
    if let (true, Some(trade_no)) = (call.out_trade_no.is_empty(), checked.text("trade_no")) {
        let key = shared.state().find_by_name(trade_no);
        call.out_trade_no = key.map(|key| key.out_trade_no).unwrap_or_default();
    }
    let fault = shared.take_call_fault(&call);
    fault::before_operation(shared, fault.as_ref()).await;
    let answer = match &fault {
        Some(CallFault::Refuse { code }) => Answer::from(GatewayError::scripted(code)),
        fault if fault::is_operation_done(fault.as_ref()) => handle::perform(shared, checked),
        _ => Answer::from(GatewayError::unavailable()),
    };
    record(shared, &call, &answer.outcome(), fault.as_ref());
    if let Some(instead) = fault::after_operation(shared, fault.as_ref()).await {
        return instead;
    }
    let is_corrupt = fault == Some(CallFault::BadSignature);
    respond(&answer.body(&shared.accounts, checked.app, checked.method, is_corrupt))
}

/// The payer's browser or phone brings a signed request: answers the order's payer page.
async fn browser(shared: &Arc<Shared>, checked: &Checked<'_>) -> Result<String, GatewayError> {
    let call = call_of(&checked.params, Operation::Create);
    let fault = shared.take_call_fault(&call);
    fault::before_operation(shared, fault.as_ref()).await;
    let opened = match &fault {
        Some(CallFault::Refuse { code }) => Err(GatewayError::scripted(code)),
        Some(CallFault::ServerError { .. } | CallFault::Cut { .. }) => {
            Err(GatewayError::unavailable())
        }
        Some(CallFault::Hang { .. } | CallFault::BadSignature) | None => {
            handle::open(shared, checked)
        }
    };
    let outcome = opened
        .as_ref()
        .map_or_else(GatewayError::outcome, |_| "10000".to_owned());
    record(shared, &call, &outcome, fault.as_ref());
    let key = opened?;
    Ok(payer_page(shared, &key))
}

/// What the cashier does with a page, wap or app request: a URL, its query, or an order string.
pub(crate) async fn present(shared: &Arc<Shared>, request: &str) -> Result<String, ControlError> {
    let query = request.split_once('?').map_or(request, |(_, query)| query);
    let refused = |error: GatewayError| ControlError::Refused(error.outcome());
    let params = check::read(query, &HeaderMap::new(), &Bytes::new()).map_err(refused)?;
    let checked = check::request(shared, &params).map_err(refused)?;
    if !checked.method.is_for_browser() && checked.method != Method::AppPay {
        return Err(ControlError::Refused(
            "not a page, wap or app request".to_owned(),
        ));
    }
    browser(shared, &checked).await.map_err(refused)?;
    Ok(call_of(&params, Operation::Create).out_trade_no)
}

/// `GET /payer/alipay/app?<order string>`: the app hands the order string to the cashier.
pub(crate) async fn app_order(
    State(shared): State<Arc<Shared>>,
    RawQuery(query): RawQuery,
) -> Response {
    let params = check::read(&query.unwrap_or_default(), &HeaderMap::new(), &Bytes::new());
    let params = match params {
        Ok(params) => params,
        Err(error) => return error_page(&error),
    };
    match check::request(&shared, &params) {
        Ok(checked) if checked.method == Method::AppPay => browser(&shared, &checked)
            .await
            .map_or_else(|error| error_page(&error), found),
        Ok(_) => error_page(&GatewayError::invalid("isv.invalid-method")),
        Err(error) => error_page(&error),
    }
}

/// Address of an order's payer page.
pub(crate) fn payer_page(shared: &Shared, key: &OrderKey) -> String {
    format!("{}/payer/alipay/{}", shared.base_url, key.out_trade_no)
}

fn call_of(params: &Params, operation: Operation) -> Call {
    let param = |name: &str| params.get(name).cloned().unwrap_or_default();
    let biz = check::biz_content(params).unwrap_or_default();
    let field = |name: &str| {
        biz.get(name)
            .and_then(serde_json::Value::as_str)
            .unwrap_or_default()
            .to_owned()
    };
    Call {
        gateway: Gateway::Alipay,
        account: param("app_id"),
        operation,
        out_trade_no: field("out_trade_no"),
        out_refund_no: field("out_request_no"),
    }
}

fn record(shared: &Shared, call: &Call, outcome: &str, fault: Option<&CallFault>) {
    shared.record_call(call, outcome, fault.cloned());
}

/// Logs a call that the gateway does not let in and words the unsigned answer.
fn refused(shared: &Shared, params: &Params, error: &GatewayError) -> String {
    let method = Method::find(params);
    let operation = method.map_or(Operation::Unknown, Method::operation);
    record(shared, &call_of(params, operation), &error.outcome(), None);
    let node = method.map_or_else(|| "error_response".to_owned(), Method::node_name);
    format!("{{\"{node}\":{}}}", error.node().json())
}

/// HTTP 200 and `text/html` whatever happened (alipay sheet §3).
fn respond(body: &str) -> Response {
    let mut response = Response::new(Body::from(body.to_owned()));
    let html = HeaderValue::from_static("text/html;charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, html);
    response
}

fn found(location: String) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::FOUND;
    if let Ok(location) = HeaderValue::try_from(location) {
        response.headers_mut().insert(LOCATION, location);
    }
    response
}

/// The payer, not the merchant, is told of a bad page request: in HTML and in GBK (alipay sheet §6).
/// Only ASCII is used, which is the same in GBK.
fn error_page(error: &GatewayError) -> Response {
    let characters: Vec<String> = "支付请求有误"
        .chars()
        .map(|character| format!("&#{};", u32::from(character)))
        .collect();
    let text = characters.concat();
    // The sub code is one of this crate's own words or a scripted one: escaped all the same.
    let code = crate::payer::escape(&error.outcome());
    let page = format!(
        "<!doctype html><html><head><meta charset=\"gbk\"><title>{text}</title></head>\
         <body><h1>{text}</h1><p>{code}</p></body></html>"
    );
    let mut response = Response::new(Body::from(page));
    let html = HeaderValue::from_static("text/html;charset=GBK");
    response.headers_mut().insert(CONTENT_TYPE, html);
    response
}

#[cfg(test)]
mod tests;
#[cfg(test)]
mod vectors;
