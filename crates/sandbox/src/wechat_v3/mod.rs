//! WeChat Pay API v3 for direct merchants (`wechat_v3` sheet), served under `/v3/`.

mod answer;
mod check;
mod counter;
mod fields;
mod handle;
pub(crate) mod mode;
pub(crate) mod notify;
mod refund;
pub(crate) mod sign;

use std::sync::Arc;

use axum::{
    extract::{Request, State},
    response::Response,
};
use http::{HeaderMap, Method as HttpMethod, StatusCode};
use percent_encoding::percent_decode_str;
use serde_json::{Map, Value};

use answer::{Refusal, Reply, Signing};

use crate::{
    fault::{self, CallFault, Operation},
    shared::{Call, Shared},
    state::{Gateway, Product},
};

/// Bytes of a request body; real requests stay far below.
const BODY_BYTES_MAX: usize = 64 * 1024;

/// What a request asks for, as its method and path say.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Route {
    Create(Product),
    /// With a payer's code.
    CodePay,
    QueryByNumber(String),
    QueryById(String),
    Close(String),
    Reverse(String),
    Refund,
    RefundQuery(String),
    /// By WeChat Pay's own number of the refund.
    AbnormalRefund(String),
    Certificates,
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
            ["v3", "pay", "transactions", "jsapi"] if post => {
                Some(Self::Create(Product::WechatJsapi))
            }
            ["v3", "pay", "transactions", "native"] if post => {
                Some(Self::Create(Product::WechatNative))
            }
            ["v3", "pay", "transactions", "app"] if post => Some(Self::Create(Product::WechatApp)),
            ["v3", "pay", "transactions", "h5"] if post => Some(Self::Create(Product::WechatH5)),
            ["v3", "pay", "transactions", "codepay"] if post => Some(Self::CodePay),
            ["v3", "pay", "transactions", "out-trade-no", number] if get => {
                Some(Self::QueryByNumber((*number).to_owned()))
            }
            ["v3", "pay", "transactions", "out-trade-no", number, "close"] if post => {
                Some(Self::Close((*number).to_owned()))
            }
            [
                "v3",
                "pay",
                "transactions",
                "out-trade-no",
                number,
                "reverse",
            ] if post => Some(Self::Reverse((*number).to_owned())),
            ["v3", "pay", "transactions", "id", id] if get => {
                Some(Self::QueryById((*id).to_owned()))
            }
            ["v3", "refund", "domestic", "refunds"] if post => Some(Self::Refund),
            ["v3", "refund", "domestic", "refunds", number] if get => {
                Some(Self::RefundQuery((*number).to_owned()))
            }
            [
                "v3",
                "refund",
                "domestic",
                "refunds",
                id,
                "apply-abnormal-refund",
            ] if post => Some(Self::AbnormalRefund((*id).to_owned())),
            ["v3", "certificates"] if get => Some(Self::Certificates),
            _ => None,
        }
    }

    fn operation(&self) -> Operation {
        match self {
            Self::Create(_) | Self::CodePay => Operation::Create,
            Self::QueryByNumber(_) | Self::QueryById(_) => Operation::Query,
            Self::Close(_) | Self::Reverse(_) => Operation::Close,
            Self::Refund => Operation::Refund,
            Self::RefundQuery(_) => Operation::RefundQuery,
            Self::AbnormalRefund(_) => Operation::AbnormalRefund,
            Self::Certificates => Operation::Certificates,
        }
    }

    /// What the log says of the call: order and refund number come from the path or the body.
    fn call(&self, account: &str, body: &Map<String, Value>) -> Call {
        let field = |name: &str| {
            body.get(name)
                .and_then(Value::as_str)
                .unwrap_or_default()
                .to_owned()
        };
        let (out_trade_no, out_refund_no) = match self {
            Self::QueryByNumber(number) | Self::Close(number) | Self::Reverse(number) => {
                (number.clone(), String::new())
            }
            Self::RefundQuery(number) => (String::new(), number.clone()),
            Self::Create(_)
            | Self::CodePay
            | Self::Refund
            | Self::AbnormalRefund(_)
            | Self::QueryById(_)
            | Self::Certificates => (field("out_trade_no"), field("out_refund_no")),
        };
        Call {
            gateway: Gateway::WechatV3,
            account: account.to_owned(),
            operation: self.operation(),
            out_trade_no,
            out_refund_no,
        }
    }
}

/// Everything under `/v3/`.
pub(crate) async fn api(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let Ok(body) = axum::body::to_bytes(body, BODY_BYTES_MAX).await else {
        return Reply::from(Refusal::new(400, "PARAM_ERROR", "请求体过大")).unsigned();
    };
    let Some(route) = Route::find(&parts.method, parts.uri.path()) else {
        // Unknown routes answer without a body (wechat_v3 sheet §4).
        return empty(StatusCode::NOT_FOUND);
    };
    let path = parts.uri.path_and_query().map_or("", |path| path.as_str());
    let signed = check::Signed {
        method: parts.method.as_str(),
        path,
        body: &body,
    };
    let merchant = match check::authorize(&shared, &parts.headers, &signed) {
        Ok(merchant) => merchant,
        Err(refusal) => {
            let call = route.call("", &Map::new());
            shared.record_call(&call, &refusal.outcome(), None);
            return Reply::from(refusal).unsigned();
        }
    };
    let object = check::body(&route, &parts.headers, &body);
    let nothing = Map::new();
    let fields = object.as_ref().unwrap_or(&nothing);
    let call = name_order(&shared, &route, fields, route.call(&merchant.mchid, fields));
    let fault = shared.take_call_fault(&call);
    fault::before_operation(&shared, fault.as_ref()).await;
    let reply = match (&fault, object) {
        (Some(CallFault::Refuse { code }), _) => Reply::from(Refusal::scripted(code)),
        (fault, _) if !fault::is_operation_done(fault.as_ref()) => {
            Reply::from(Refusal::new(500, "SYSTEM_ERROR", "系统异常"))
        }
        (_, Err(refusal)) => Reply::from(refusal),
        (_, Ok(object)) => {
            let query = parts.uri.query().unwrap_or_default();
            let asked = handle::Asked {
                merchant,
                route: &route,
                object: &object,
                query,
            };
            handle::perform(&shared, &asked).unwrap_or_else(Reply::from)
        }
    };
    shared.record_call(&call, &reply.outcome(), fault.clone());
    if let Some(instead) = fault::after_operation(&shared, fault.as_ref()).await {
        return instead;
    }
    let signing = if fault == Some(CallFault::BadSignature) {
        Signing::Corrupt
    } else {
        Signing::Right
    };
    let key = check::answering_key(&shared, merchant, &parts.headers);
    reply.signed(key, shared.now(), signing)
}

/// Some calls name their order by the gateway's number or by a refund: scripted faults go by the
/// order's own number.
fn name_order(shared: &Shared, route: &Route, body: &Map<String, Value>, mut call: Call) -> Call {
    if !call.out_trade_no.is_empty() {
        return call;
    }
    let id = match route {
        Route::QueryById(id) => Some(id.as_str()),
        _ => body.get("transaction_id").and_then(Value::as_str),
    };
    let state = shared.state();
    let by_id = id
        .and_then(|id| state.find_by_name(id))
        .map(|key| key.out_trade_no);
    let by_refund = || {
        let key = state.find_refund(&call.account, &call.out_refund_no)?;
        state.refund(&key).map(|refund| refund.out_trade_no.clone())
    };
    let found = by_id.or_else(by_refund);
    call.out_trade_no = found.unwrap_or_default();
    call
}

fn empty(status: StatusCode) -> Response {
    let mut response = Response::default();
    *response.status_mut() = status;
    response
}

/// A header as text.
fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers
        .get(name)
        .and_then(|value| value.to_str().ok())
        .filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests;
#[cfg(test)]
mod vectors;
