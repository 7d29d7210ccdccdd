//! [`Control`] over HTTP: JSON under `/control/`.

use std::{collections::BTreeMap, sync::Arc};

use axum::{
    Json, Router,
    extract::{Path, Request, State},
    middleware::Next,
    response::{IntoResponse, Response},
    routing::{get, post, put},
};
use http::{HeaderMap, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::Control;
use crate::{
    counter::Conduct,
    error::ControlError,
    fault::FaultRule,
    money::fen_from_yuan,
    shared::Shared,
    state::{Gateway, RefundOutcome},
    wechat_v3::mode::WechatMode,
};

#[derive(Deserialize)]
struct Settle {
    outcome: RefundOutcome,
}

#[derive(Deserialize)]
struct ConsoleRefund {
    /// Yuan with at most two decimals, as text.
    amount: String,
    notify_url: Option<String>,
}

#[derive(Deserialize)]
struct AskRefund {
    /// Yuan with at most two decimals, as text.
    amount: String,
}

#[derive(Deserialize)]
struct Endpoint {
    url: String,
}

#[derive(Deserialize)]
struct Mode {
    mode: WechatMode,
}

#[derive(Deserialize)]
struct ShowCode {
    gateway: Gateway,
    conduct: Conduct,
}

#[derive(Deserialize)]
struct Present {
    request: String,
}

/// The routes, relative to `/control`.
pub(crate) fn routes() -> Router<Arc<Shared>> {
    Router::new()
        .route("/orders", get(orders))
        .route("/orders/{name}", get(order))
        .route("/orders/{name}/pay", post(pay))
        .route("/orders/{name}/refuse", post(refuse))
        .route("/orders/{name}/close", post(close))
        .route("/orders/{name}/dispute", post(dispute))
        .route("/endpoints/{account}", put(set_endpoint))
        .route("/wechat/{mchid}/mode", put(set_wechat_mode))
        .route("/orders/{name}/console-refund", post(console_refund))
        .route("/orders/{name}/ask-refund", post(ask_refund))
        .route("/refunds", get(refunds))
        .route("/refunds/{number}/settle", post(settle))
        .route("/codes", post(show_code))
        .route("/alipay/present", post(present))
        .route("/baidu/present", post(present_baidu))
        .route("/books", get(books))
        .route("/calls", get(calls))
        .route("/callbacks", get(callbacks))
        .route("/callbacks/{index}/replay", post(replay))
        .route("/faults", get(faults).post(add_fault).delete(clear_faults))
        .route("/release", post(release))
        .route("/deliver", post(deliver))
}

/// Keeps other web pages out: the control API has no password, and a browser on this machine could
/// be led to it. Programs send no `Origin`, and name the sandbox as it is.
pub(crate) async fn guard(State(shared): Handle, request: Request, next: Next) -> Response {
    if is_welcome(&shared.base_url, request.headers()) {
        next.run(request).await
    } else {
        let error = json!({"error": "not for other web pages"});
        (StatusCode::FORBIDDEN, Json(error)).into_response()
    }
}

fn is_welcome(base_url: &str, headers: &HeaderMap) -> bool {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let is_own_host = text("host").is_some_and(|host| format!("http://{host}") == base_url);
    let is_foreign_page = text("origin").is_some_and(|origin| origin != base_url);
    is_own_host && !is_foreign_page
}

type Handle = State<Arc<Shared>>;

fn control(State(shared): Handle) -> Control {
    Control::new(shared)
}

fn answer<T: Serialize>(result: Result<T, ControlError>) -> Response {
    let error = match result {
        Ok(value) => return Json(value).into_response(),
        Err(error) => error,
    };
    let status = match &error {
        ControlError::OrderNotFound(_)
        | ControlError::RefundNotFound(_)
        | ControlError::CallbackNotFound(_) => StatusCode::NOT_FOUND,
        ControlError::WrongState(_) | ControlError::NotRefundable(_) => StatusCode::CONFLICT,
        ControlError::Refused(_) => StatusCode::BAD_REQUEST,
        ControlError::LimitReached(_) => StatusCode::TOO_MANY_REQUESTS,
    };
    (status, Json(json!({"error": error.to_string()}))).into_response()
}

async fn orders(shared: Handle) -> Response {
    answer(Ok(control(shared).orders()))
}

async fn order(shared: Handle, Path(name): Path<String>) -> Response {
    answer(control(shared).order(&name))
}

async fn pay(shared: Handle, Path(name): Path<String>) -> Response {
    answer(control(shared).pay(&name))
}

async fn refuse(shared: Handle, Path(name): Path<String>) -> Response {
    answer(control(shared).refuse(&name))
}

async fn dispute(shared: Handle, Path(name): Path<String>) -> Response {
    answer(control(shared).dispute(&name))
}

async fn set_endpoint(
    shared: Handle,
    Path(account): Path<String>,
    Json(endpoint): Json<Endpoint>,
) -> StatusCode {
    control(shared).set_endpoint(&account, &endpoint.url);
    StatusCode::NO_CONTENT
}

async fn set_wechat_mode(
    shared: Handle,
    Path(mchid): Path<String>,
    Json(wanted): Json<Mode>,
) -> Response {
    let set = control(shared).set_wechat_mode(&mchid, wanted.mode);
    answer(set.map(|()| Value::Null))
}

async fn close(shared: Handle, Path(name): Path<String>) -> Response {
    answer(control(shared).close(&name))
}

async fn console_refund(
    shared: Handle,
    Path(name): Path<String>,
    Json(wanted): Json<ConsoleRefund>,
) -> Response {
    let amount_minor = fen_from_yuan(&wanted.amount).unwrap_or_default();
    answer(control(shared).refund_at_console(&name, amount_minor, wanted.notify_url))
}

async fn ask_refund(
    shared: Handle,
    Path(name): Path<String>,
    Json(wanted): Json<AskRefund>,
) -> Response {
    let amount_minor = fen_from_yuan(&wanted.amount).unwrap_or_default();
    let asked = control(shared).ask_refund(&name, amount_minor);
    answer(asked.map(|batch| json!({ "refundBatchId": batch })))
}

async fn refunds(shared: Handle) -> Response {
    answer(Ok(control(shared).refunds()))
}

async fn settle(
    shared: Handle,
    Path(number): Path<String>,
    Json(wanted): Json<Settle>,
) -> Response {
    answer(control(shared).settle_refund(&number, wanted.outcome))
}

async fn show_code(shared: Handle, Json(wanted): Json<ShowCode>) -> Response {
    let shown = control(shared).show_code(wanted.gateway, wanted.conduct);
    answer(shown.map(|code| json!({ "code": code })))
}

async fn present(shared: Handle, Json(wanted): Json<Present>) -> Response {
    let presented = control(shared).present_alipay(&wanted.request).await;
    answer(presented.map(|out_trade_no| json!({ "out_trade_no": out_trade_no })))
}

async fn present_baidu(
    shared: Handle,
    Json(order_info): Json<BTreeMap<String, String>>,
) -> Response {
    let presented = control(shared).present_baidu(&order_info);
    answer(presented.map(|out_trade_no| json!({ "out_trade_no": out_trade_no })))
}

async fn books(shared: Handle) -> Response {
    answer(Ok(control(shared).books()))
}

async fn calls(shared: Handle) -> Response {
    answer(Ok(control(shared).calls()))
}

async fn callbacks(shared: Handle) -> Response {
    answer(Ok(control(shared).recorded_callbacks()))
}

async fn replay(shared: Handle, Path(index): Path<u64>) -> Response {
    answer(control(shared).replay(index).await)
}

async fn faults(shared: Handle) -> Response {
    answer(Ok(control(shared).faults()))
}

async fn add_fault(shared: Handle, Json(rule): Json<FaultRule>) -> Response {
    answer(control(shared).add_fault(rule).map(|()| Value::Null))
}

async fn clear_faults(shared: Handle) -> Response {
    control(shared).clear_faults();
    answer(Ok(Value::Null))
}

async fn release(shared: Handle) -> Response {
    control(shared).release_hangs();
    answer(Ok(Value::Null))
}

async fn deliver(shared: Handle) -> Response {
    answer(Ok(control(shared).deliver_due().await))
}
