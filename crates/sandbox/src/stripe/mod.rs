//! Stripe: Checkout Sessions, `PaymentIntent`s, refunds and events (stripe sheet), under `/v1/`.
//!
//! Stripe posts events to an endpoint that the merchant registers, not to an address in the request:
//! [`Control::set_endpoint`](crate::Control::set_endpoint). Not simulated: partial captures, delayed
//! methods, expansion, search, and reports.

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
use http::Method as HttpMethod;
use percent_encoding::percent_decode_str;

use answer::{Refusal, Reply};
use check::Fields;

use crate::{
    fault::{self, CallFault, Operation},
    shared::{Call, Shared},
    state::{Gateway, Order, OrderState},
};

/// Bytes of a request body; real requests stay far below.
const BODY_BYTES_MAX: usize = 64 * 1024;

/// What a request asks for, as its method and path say.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Route {
    CreateSession,
    Session(String),
    ExpireSession(String),
    CreateIntent,
    Intent(String),
    CancelIntent(String),
    CreateRefund,
    Refund(String),
    Refunds,
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
            ["v1", "checkout", "sessions"] if post => Some(Self::CreateSession),
            ["v1", "checkout", "sessions", id] if get => Some(Self::Session((*id).to_owned())),
            ["v1", "checkout", "sessions", id, "expire"] if post => {
                Some(Self::ExpireSession((*id).to_owned()))
            }
            ["v1", "payment_intents"] if post => Some(Self::CreateIntent),
            ["v1", "payment_intents", id] if get => Some(Self::Intent((*id).to_owned())),
            ["v1", "payment_intents", id, "cancel"] if post => {
                Some(Self::CancelIntent((*id).to_owned()))
            }
            ["v1", "refunds"] if post => Some(Self::CreateRefund),
            ["v1", "refunds"] if get => Some(Self::Refunds),
            ["v1", "refunds", id] if get => Some(Self::Refund((*id).to_owned())),
            _ => None,
        }
    }

    fn operation(&self) -> Operation {
        match self {
            Self::CreateSession | Self::CreateIntent => Operation::Create,
            Self::Session(_) | Self::Intent(_) => Operation::Query,
            Self::ExpireSession(_) | Self::CancelIntent(_) => Operation::Close,
            Self::CreateRefund => Operation::Refund,
            Self::Refund(_) | Self::Refunds => Operation::RefundQuery,
        }
    }

    /// What the log says of the call. Stripe's own numbers are looked up, since scripted faults go by
    /// the merchant's.
    fn call(&self, shared: &Shared, account: &str, fields: &Fields) -> Call {
        let text = |name: &str| fields.get(name).cloned().unwrap_or_default();
        let by_id = |id: &str| {
            let state = shared.state();
            let key = state.find_by_name(id);
            key.map(|key| key.out_trade_no).unwrap_or_default()
        };
        let (out_trade_no, out_refund_no) = match self {
            Self::CreateSession | Self::CreateIntent => {
                (text("metadata[transaction_id]"), String::new())
            }
            Self::Session(id)
            | Self::ExpireSession(id)
            | Self::Intent(id)
            | Self::CancelIntent(id) => (by_id(id), String::new()),
            Self::CreateRefund => (by_id(&text("payment_intent")), text("metadata[refund_id]")),
            Self::Refunds => (by_id(&text("payment_intent")), String::new()),
            Self::Refund(id) => (String::new(), id.clone()),
        };
        Call {
            gateway: Gateway::Stripe,
            account: account.to_owned(),
            operation: self.operation(),
            out_trade_no,
            out_refund_no,
        }
    }
}

/// Where the payer's browser goes from Stripe's page.
pub(crate) fn onward(order: &Order) -> Option<String> {
    let field = if order.state == OrderState::Paid {
        "success_url"
    } else {
        "cancel_url"
    };
    let url = object::form(order, field)?;
    Some(url.replace("{CHECKOUT_SESSION_ID}", &order.gateway_trade_no))
}

/// The amount in the currency's larger unit, with its code.
pub(crate) fn amount(order: &Order) -> String {
    object::amount(order)
}

/// Everything under `/v1/checkout`, `/v1/payment_intents` and `/v1/refunds`.
pub(crate) async fn api(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let Ok(body) = axum::body::to_bytes(body, BODY_BYTES_MAX).await else {
        return Reply::from(Refusal::invalid("the request is too long")).response();
    };
    let Some(route) = Route::find(&parts.method, parts.uri.path()) else {
        return Reply::from(Refusal::unrecognised(&parts.method, parts.uri.path())).response();
    };
    let form = if parts.method == HttpMethod::GET {
        parts.uri.query().unwrap_or_default().as_bytes()
    } else {
        &body
    };
    let fields: Fields = form_urlencoded::parse(form).into_owned().collect();
    let merchant = match check::authorize(&shared, &parts.headers) {
        Ok(merchant) => merchant,
        Err(refusal) => {
            let call = route.call(&shared, "", &fields);
            shared.record_call(&call, &refusal.outcome(), None);
            return Reply::from(refusal).response();
        }
    };
    let call = route.call(&shared, &merchant.account, &fields);
    let fault = shared.take_call_fault(&call);
    fault::before_operation(&shared, fault.as_ref()).await;
    let reply = match &fault {
        Some(CallFault::Refuse { code }) => Reply::from(Refusal::scripted(code)),
        fault if !fault::is_operation_done(fault.as_ref()) => Reply::from(Refusal::broken()),
        _ => {
            let asked = handle::Asked {
                merchant,
                route: &route,
                fields: &fields,
                path: parts.uri.path(),
                idempotency_key: check::header(&parts.headers, "idempotency-key"),
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
