//! UnionPay's all-channel platform, ACP 5.1.0, `signMethod` 01 (unionpay sheet). Server calls are
//! answered here; page orders are posted by the payer's browser and lead to the payer page.

mod check;
mod handle;
pub(crate) mod notify;
pub(crate) mod sign;

use std::{collections::BTreeMap, sync::Arc};

use axum::{
    body::{Body, Bytes},
    extract::{Path, State},
    response::Response,
};
use http::{
    HeaderMap, HeaderValue, StatusCode,
    header::{CONTENT_TYPE, LOCATION},
};

use check::{Kind, Refusal};

use crate::{
    crypto::corrupt,
    fault::{self, CallFault},
    shared::{Call, Shared},
    state::{Gateway, OrderKey},
};

/// Fields of one message.
pub(crate) type Fields = BTreeMap<String, String>;

/// `POST /gateway/api/{endpoint}`.
pub(crate) async fn gateway(
    State(shared): State<Arc<Shared>>,
    Path(endpoint): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let fields = match check::read(&headers, &body) {
        Ok(fields) => fields,
        Err(refusal) => return respond(&answer(&shared, &Fields::new(), &refusal.fields(), false)),
    };
    let checked = check::request(&shared, &endpoint, &fields);
    let is_front = endpoint == check::FRONT;
    let call = call_of(
        &fields,
        checked.as_ref().map_or(Kind::Unknown, |it| it.kind),
    );
    let checked = match checked {
        Ok(checked) => checked,
        Err(refusal) => {
            shared.record_call(&call, &refusal.outcome(), None);
            return if is_front {
                error_page(&refusal)
            } else {
                respond(&answer(&shared, &fields, &refusal.fields(), false))
            };
        }
    };
    let fault = shared.take_call_fault(&call);
    fault::before_operation(&shared, fault.as_ref()).await;
    let done = match &fault {
        Some(CallFault::Refuse { code }) => Err(Refusal::new(code, "沙箱脚本")),
        fault if fault::is_operation_done(fault.as_ref()) => handle::perform(&shared, &checked),
        _ => Err(Refusal::new("99", "通用错误")),
    };
    let outcome = done
        .as_ref()
        .map_or_else(Refusal::outcome, |_| "00".to_owned());
    shared.record_call(&call, &outcome, fault.clone());
    if let Some(instead) = fault::after_operation(&shared, fault.as_ref()).await {
        return instead;
    }
    if is_front {
        return match done {
            Ok(_) => found(&payer_page(&shared, &checked.order_key())),
            Err(refusal) => error_page(&refusal),
        };
    }
    let is_corrupt = fault == Some(CallFault::BadSignature);
    let more = done.unwrap_or_else(|refusal| refusal.fields());
    respond(&answer(&shared, &fields, &more, is_corrupt))
}

/// Address of an order's payer page.
pub(crate) fn payer_page(shared: &Shared, key: &OrderKey) -> String {
    format!("{}/payer/unionpay/{}", shared.base_url, key.out_trade_no)
}

/// An answer names what was asked and adds what came of it; raw, not percent-encoded (sheet §2).
fn answer(shared: &Shared, asked: &Fields, more: &Fields, is_corrupt: bool) -> String {
    const ECHOED: [&str; 8] = [
        "accessType",
        "bizType",
        "merId",
        "orderId",
        "reqReserved",
        "txnSubType",
        "txnTime",
        "txnType",
    ];
    let mut fields: Fields = asked
        .iter()
        .filter(|(name, value)| ECHOED.contains(&name.as_str()) && !value.contains('&'))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    fields.extend(more.clone());
    sign::sign(&shared.accounts.unionpay, &mut fields);
    if is_corrupt && let Some(signature) = fields.get_mut("signature") {
        *signature = corrupt(signature);
    }
    let pairs: Vec<String> = fields
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    pairs.join("&")
}

/// A refund is a transaction of its own: the call is about the order that it names.
fn call_of(fields: &Fields, kind: Kind) -> Call {
    let field = |name: &str| fields.get(name).cloned().unwrap_or_default();
    let (order, refund) = match kind {
        Kind::Refund => (field("reqReserved"), field("orderId")),
        Kind::Page | Kind::App | Kind::Qr | Kind::Query | Kind::Unknown => {
            (field("orderId"), String::new())
        }
    };
    Call {
        gateway: Gateway::Unionpay,
        account: field("merId"),
        operation: kind.operation(),
        out_trade_no: order,
        out_refund_no: refund,
    }
}

fn respond(body: &str) -> Response {
    let mut response = Response::new(Body::from(body.to_owned()));
    let html = HeaderValue::from_static("text/html;charset=UTF-8");
    response.headers_mut().insert(CONTENT_TYPE, html);
    response
}

fn found(location: &str) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::FOUND;
    if let Ok(location) = HeaderValue::try_from(location) {
        response.headers_mut().insert(LOCATION, location);
    }
    response
}

/// The payer, not the merchant, is told of a bad page order.
fn error_page(refusal: &Refusal) -> Response {
    let text = crate::payer::escape(&refusal.outcome());
    respond(&format!(
        "<!doctype html><html><head><meta charset=\"utf-8\"><title>银联</title></head>\
         <body><h1>交易失败</h1><p>{text}</p></body></html>"
    ))
}

#[cfg(test)]
mod tests;
