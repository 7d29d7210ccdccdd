//! What each call does (paypal sheet §4 to §7 and §11).

use std::sync::Arc;

use chrono::TimeDelta;
use serde_json::{Value, json};

use super::{
    Route,
    account::PaypalCredentials,
    answer::{Refusal, Reply},
    check, notify, object,
};
use crate::{
    crypto::random_text,
    delivery::enqueue,
    error::ControlError,
    operations::{self, RefundRequest, expire},
    shared::Shared,
    state::{Gateway, Order, OrderKey, OrderState, Product, Refund, State},
};

/// The payer must come within this time, and we within the same after that (paypal sheet §4.2).
pub(super) const LIFE: TimeDelta = TimeDelta::hours(3);
/// Letters of PayPal's numbers.
const ID_LENGTH: usize = 17;
/// Request ids that are remembered; further ones are refused as too frequent.
const IDS_MAX: usize = 500_000;

/// A number of PayPal's own.
pub(crate) fn new_id() -> String {
    random_text(ID_LENGTH).to_uppercase()
}

/// A call that is let in.
pub(super) struct Asked<'a> {
    pub(super) merchant: &'a PaypalCredentials,
    pub(super) route: &'a Route,
    pub(super) path: &'a str,
    pub(super) body: &'a Value,
    pub(super) request_id: Option<&'a str>,
}

/// Does what the call asks for. The same request id with the same content brings what became of the first;
/// UNVERIFIED: with another content it is refused so.
pub(super) fn perform(shared: &Arc<Shared>, asked: &Asked<'_>) -> Reply {
    let id = asked.request_id.unwrap_or_default();
    if id.len() > check::REQUEST_ID_MAX {
        return Refusal::invalid("INVALID_STRING_MAX_LENGTH", "PayPal-Request-Id").into();
    }
    let mut state = shared.state();
    let is_write = match asked.route {
        Route::Create | Route::Capture(_) | Route::Refund(_) => true,
        Route::Order(_) | Route::Captured(_) | Route::Refunded(_) => false,
    };
    if !is_write || id.is_empty() {
        return run(shared, &mut state, asked)
            .map_or_else(Reply::from, |done| done.reply(is_write));
    }
    let name = (
        asked.merchant.merchant_id.clone(),
        format!("{} {id}", asked.route.word()),
    );
    let content = json!([asked.path, asked.body]);
    if let Some((before, made)) = state.idempotent.get(&name).cloned() {
        if before != content {
            let text = "The PayPal-Request-Id was used with another content.";
            return Refusal::new("DUPLICATE_REQUEST_ID", text).into();
        }
        return shown(shared, &state, asked, &made).map_or_else(Reply::from, Reply::Ok);
    }
    if state.idempotent.len() >= IDS_MAX {
        return Refusal::new("RATE_LIMIT_REACHED", "too many ids").into();
    }
    match run(shared, &mut state, asked) {
        Ok(done) => {
            state.idempotent.insert(name, (content, json!(done.id)));
            Reply::Made(done.shown)
        }
        // What was found wrong before anything was done is not kept.
        Err(refusal) => refusal.into(),
    }
}

/// What a call came to: PayPal's number of it, and how it is shown.
struct Done {
    id: String,
    shown: Value,
}

impl Done {
    fn reply(self, is_write: bool) -> Reply {
        if is_write {
            Reply::Made(self.shown)
        } else {
            Reply::Ok(self.shown)
        }
    }
}

/// What became of what an earlier call of the same id made.
fn shown(
    shared: &Shared,
    state: &State,
    asked: &Asked<'_>,
    made: &Value,
) -> Result<Value, Refusal> {
    let id = made.as_str().unwrap_or_default();
    let done = if matches!(asked.route, Route::Refund(_)) {
        refunded(state, asked, id)?
    } else {
        let order = find(state, asked, id).ok_or_else(Refusal::missing)?;
        whole(shared, state, order)
    };
    Ok(done.shown)
}

fn run(shared: &Arc<Shared>, state: &mut State, asked: &Asked<'_>) -> Result<Done, Refusal> {
    if let Some(key) = asked.route.name().and_then(|name| state.find_by_name(name)) {
        expire(shared, state, &key);
    }
    match asked.route {
        Route::Create => create(shared, state, asked),
        Route::Order(id) => {
            let order = alive(state, asked, id)?;
            Ok(whole(shared, state, order))
        }
        Route::Capture(id) => capture(shared, state, asked, id),
        Route::Captured(id) => {
            let order = captured(state, asked, id)?;
            Ok(Done {
                id: id.clone(),
                shown: object::capture(state, order),
            })
        }
        Route::Refund(id) => refund(shared, state, asked, id),
        Route::Refunded(id) => refunded(state, asked, id),
    }
}

fn whole(shared: &Shared, state: &State, order: &Order) -> Done {
    Done {
        id: order.gateway_trade_no.clone(),
        shown: object::order(state, order, &shared.base_url),
    }
}

/// The order that one of PayPal's numbers belongs to, if it is this merchant's.
fn find<'a>(state: &'a State, asked: &Asked<'_>, id: &str) -> Option<&'a Order> {
    let key = state.find_by_name(id)?;
    let is_own = key.gateway == Gateway::Paypal && key.account == asked.merchant.merchant_id;
    state.order(&key).filter(|_order| is_own)
}

/// Dead orders are not shown (paypal sheet §4.2).
fn alive<'a>(state: &'a State, asked: &Asked<'_>, id: &str) -> Result<&'a Order, Refusal> {
    find(state, asked, id)
        .filter(|order| order.gateway_trade_no == id && order.state != OrderState::Closed)
        .ok_or_else(Refusal::missing)
}

/// The order that a capture collected.
fn captured<'a>(state: &'a State, asked: &Asked<'_>, id: &str) -> Result<&'a Order, Refusal> {
    find(state, asked, id)
        .filter(|order| object::capture_id(order) == id && order.state == OrderState::Paid)
        .ok_or_else(Refusal::missing)
}

fn create(shared: &Shared, state: &mut State, asked: &Asked<'_>) -> Result<Done, Refusal> {
    let now = shared.now();
    let sum = check::order(asked.body, asked.request_id.is_some())?;
    if state.is_full() {
        return Err(Refusal::new("RATE_LIMIT_REACHED", "Too many requests."));
    }
    let id = new_id();
    let capture_id = new_id();
    let field = |name: &str| check::text(asked.body, &format!("/purchase_units/0/{name}"), 127);
    let number = field("custom_id")?.map(str::to_owned);
    let context = "/payment_source/paypal/experience_context";
    let back = check::text(asked.body, &format!("{context}/return_url"), usize::MAX)?;
    let mut order = Order {
        gateway: Gateway::Paypal,
        account: asked.merchant.merchant_id.clone(),
        // PayPal does not mind a note that was used before: the order then goes by PayPal's number.
        out_trade_no: number.unwrap_or_else(|| id.clone()),
        gateway_trade_no: id.clone(),
        product: Product::PaypalOrder,
        total_minor: sum.minor,
        subject: field("description")?.unwrap_or_default().to_owned(),
        body: None,
        attach: None,
        notify_url: None,
        return_url: back.map(str::to_owned),
        payer: random_text(13).to_uppercase(),
        state: OrderState::Open,
        is_opened: true,
        refused_count: 0,
        created_at: now,
        expires_at: now + LIFE,
        paid_at: None,
        closed_at: None,
        tokens: vec![capture_id.clone()],
        content: json!({
            "request": asked.body,
            "currency": sum.currency,
            "capture_id": capture_id,
            "is_approved": false,
            "is_declined": false,
        }),
    };
    if state.order(&order.key()).is_some() {
        order.out_trade_no = id;
    }
    state.insert_order(order.clone());
    Ok(whole(shared, state, &order))
}

/// Collects the money that the payer agreed to.
fn capture(
    shared: &Shared,
    state: &mut State,
    asked: &Asked<'_>,
    id: &str,
) -> Result<Done, Refusal> {
    let order = alive(state, asked, id)?;
    if order.state == OrderState::Paid {
        let text = "Order already captured.";
        return Err(Refusal::new("ORDER_ALREADY_CAPTURED", text));
    }
    if !object::is_approved(order) {
        let text = "Payer has not yet approved the Order for payment.";
        return Err(Refusal::new("ORDER_NOT_APPROVED", text));
    }
    if order.content.get("is_declined") == Some(&json!(true)) {
        let text = "The instrument presented was declined.";
        return Err(Refusal::new("INSTRUMENT_DECLINED", text));
    }
    let invoice = object::placed(order, "/purchase_units/0/invoice_id");
    let is_paid = |other: &&Order| {
        let is_same = object::placed(other, "/purchase_units/0/invoice_id") == invoice;
        let is_of_merchant = other.gateway == Gateway::Paypal && other.account == order.account;
        is_same && is_of_merchant && other.state == OrderState::Paid
    };
    if invoice.is_some() && state.orders().any(|other| is_paid(&other)) {
        let text = "Duplicate Invoice ID detected.";
        return Err(Refusal::new("DUPLICATE_INVOICE_ID", text));
    }
    let key = order.key();
    let now = shared.now();
    let order = state.order_mut(&key).ok_or_else(Refusal::missing)?;
    order.state = OrderState::Paid;
    order.paid_at = Some(now);
    let order = order.clone();
    let notice = notify::captured(state, &order, now);
    enqueue(shared, state, &order, notice);
    Ok(whole(shared, state, &order))
}

fn refund(
    shared: &Arc<Shared>,
    state: &mut State,
    asked: &Asked<'_>,
    id: &str,
) -> Result<Done, Refusal> {
    let wanted = check::refund(asked.body)?;
    let order = captured(state, asked, id)?;
    let key = order.key();
    let left = order.total_minor.saturating_sub(state.refunded_minor(&key));
    if left == 0 {
        let text = "The capture has already been fully refunded.";
        return Err(Refusal::new("CAPTURE_FULLY_REFUNDED", text));
    }
    let is_other = |sum: &check::Sum| sum.currency != object::currency(order);
    if wanted.as_ref().is_some_and(is_other) {
        let text = "Refund must be in the same currency as the capture.";
        return Err(Refusal::new("REFUND_CAPTURE_CURRENCY_MISMATCH", text));
    }
    let note = asked.body.get("custom_id").and_then(Value::as_str);
    let is_taken = |note: &str| state.refunds_of(&key).any(|it| it.out_refund_no == note);
    let number = note.filter(|note| !is_taken(note)).map(str::to_owned);
    let request = RefundRequest {
        out_refund_no: number.unwrap_or_else(new_id),
        amount_minor: wanted.map_or(left, |sum| sum.minor),
        notify_url: None,
        is_from_console: false,
        content: asked.body.clone(),
    };
    let made = operations::refund(shared, state, &key, request).map_err(|error| match error {
        ControlError::NotRefundable(_) => Refusal::new(
            "REFUND_AMOUNT_EXCEEDED",
            "The refund amount must be less than or equal to the capture amount.",
        ),
        _ => Refusal::broken(),
    })?;
    refunded(state, asked, &made.refund_id)
}

/// A refund by PayPal's number.
fn refunded(state: &State, asked: &Asked<'_>, id: &str) -> Result<Done, Refusal> {
    let is_it = |it: &&Refund| {
        it.gateway == Gateway::Paypal
            && it.refund_id == id
            && it.account == asked.merchant.merchant_id
    };
    let refund = state.refunds().find(is_it).ok_or_else(Refusal::missing)?;
    let key = OrderKey {
        gateway: refund.gateway,
        account: refund.account.clone(),
        out_trade_no: refund.out_trade_no.clone(),
    };
    let order = state.order(&key).ok_or_else(Refusal::missing)?;
    Ok(Done {
        id: id.to_owned(),
        shown: object::refund(state, order, refund),
    })
}
