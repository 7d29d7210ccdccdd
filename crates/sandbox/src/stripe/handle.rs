//! What each call does (stripe sheet §4 to §7 and §12).

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Map, Value, json};

use super::{
    Route,
    answer::{Refusal, Reply},
    check::{self, Fields},
    object,
};
use crate::{
    accounts::StripeMerchant,
    crypto::random_text,
    error::ControlError,
    operations::{self, RefundRequest, close_open, expire},
    shared::Shared,
    state::{Gateway, Order, OrderKey, OrderState, Product, Refund, State},
};

/// A session without an end of its own.
const SESSION_LIFE: TimeDelta = TimeDelta::hours(24);
/// Intents do not end by themselves; this is as good as never.
const INTENT_LIFE: TimeDelta = TimeDelta::days(3_650);
/// Letters of Stripe's numbers after their prefix.
const ID_LENGTH: usize = 24;
/// Entries of one page, if the request does not say.
const PAGE_DEFAULT: usize = 10;
const PAGE_MAX: usize = 100;
/// Idempotency keys that are remembered; further ones are refused as too frequent.
const KEYS_MAX: usize = 500_000;

/// A call that is let in.
pub(super) struct Asked<'a> {
    pub(super) merchant: &'a StripeMerchant,
    pub(super) route: &'a Route,
    pub(super) fields: &'a Fields,
    pub(super) path: &'a str,
    pub(super) idempotency_key: Option<&'a str>,
}

impl Asked<'_> {
    fn is_write(&self) -> bool {
        match self.route {
            Route::CreateSession
            | Route::ExpireSession(_)
            | Route::CreateIntent
            | Route::CancelIntent(_)
            | Route::CreateRefund => true,
            Route::Session(_) | Route::Intent(_) | Route::Refund(_) | Route::Refunds => false,
        }
    }
}

/// Does what the call asks for; the same key brings the same answer, and with other parameters none.
pub(super) fn perform(shared: &Arc<Shared>, asked: &Asked<'_>) -> Reply {
    let mut state = shared.state();
    let Some(key) = asked.idempotency_key.filter(|_| asked.is_write()) else {
        return run(shared, &mut state, asked).map_or_else(Reply::from, Reply::Ok);
    };
    let name = (asked.merchant.account.clone(), key.to_owned());
    let content = json!([asked.path, asked.fields]);
    if let Some((before, answer)) = state.idempotent.get(&name) {
        return if *before == content {
            Reply::Replayed(answer.clone())
        } else {
            Reply::from(Refusal::idempotency(key))
        };
    }
    if state.idempotent.len() >= KEYS_MAX {
        return Reply::from(Refusal::coded("rate_limit", "too many keys"));
    }
    match run(shared, &mut state, asked) {
        Ok(answer) => {
            state.idempotent.insert(name, (content, answer.clone()));
            Reply::Ok(answer)
        }
        // What was found wrong before anything was done is not kept.
        Err(refusal) => Reply::from(refusal),
    }
}

fn run(shared: &Arc<Shared>, state: &mut State, asked: &Asked<'_>) -> Result<Value, Refusal> {
    let shows_session = |order: &Order| object::session(order, &shared.base_url);
    match asked.route {
        Route::CreateSession => {
            let order = create(shared, state, asked, Product::StripeCheckout)?;
            Ok(shows_session(&order))
        }
        Route::CreateIntent => {
            let order = create(shared, state, asked, Product::StripeIntent)?;
            Ok(object::intent(&order))
        }
        Route::Session(id) => Ok(shows_session(&session(shared, state, asked, id)?)),
        Route::Intent(id) => Ok(object::intent(&intent(shared, state, asked, id)?)),
        Route::ExpireSession(id) => {
            let order = session(shared, state, asked, id)?;
            if order.state != OrderState::Open {
                let message = "Only Checkout Sessions with a status in [\"open\"] can be expired.";
                return Err(Refusal::invalid(message));
            }
            close_open(shared, state, &order.key());
            Ok(shows_session(&session(shared, state, asked, id)?))
        }
        Route::CancelIntent(id) => {
            let order = intent(shared, state, asked, id)?;
            if order.product == Product::StripeCheckout || order.state != OrderState::Open {
                let message = "You cannot cancel this PaymentIntent.";
                return Err(Refusal::coded("payment_intent_unexpected_state", message));
            }
            close_open(shared, state, &order.key());
            Ok(object::intent(&intent(shared, state, asked, id)?))
        }
        Route::CreateRefund => refund(shared, state, asked),
        Route::Refund(id) => {
            let known = state.refunds().find(|it| {
                it.gateway == Gateway::Stripe
                    && it.refund_id == *id
                    && it.account == asked.merchant.account
            });
            let known = known.ok_or_else(|| Refusal::missing("refund", id))?;
            show_refund(state, known).ok_or_else(|| Refusal::missing("refund", id))
        }
        Route::Refunds => refunds(state, asked),
    }
}

fn create(
    shared: &Shared,
    state: &mut State,
    asked: &Asked<'_>,
    product: Product,
) -> Result<Order, Refusal> {
    let now = shared.now();
    let fields = asked.fields;
    let is_session = product == Product::StripeCheckout;
    let (total_minor, currency) = if is_session {
        check::session(fields, now.timestamp())?
    } else {
        check::intent(fields)?
    };
    if state.is_full() {
        return Err(Refusal::coded("rate_limit", "Too many requests"));
    }
    let intent = format!("pi_{}", random_text(ID_LENGTH));
    let id = if is_session {
        format!("cs_test_{}", random_text(ID_LENGTH))
    } else {
        intent.clone()
    };
    let field = |name: &str| fields.get(name).cloned();
    let number = field("metadata[transaction_id]").or_else(|| field("client_reference_id"));
    let mut order = Order {
        gateway: Gateway::Stripe,
        account: asked.merchant.account.clone(),
        // Stripe does not mind a number that was used before: the order then goes by Stripe's.
        out_trade_no: number.unwrap_or_else(|| id.clone()),
        gateway_trade_no: id.clone(),
        product,
        total_minor,
        subject: field("line_items[0][price_data][product_data][name]")
            .or_else(|| field("description"))
            .unwrap_or_default(),
        body: None,
        attach: None,
        notify_url: None,
        return_url: field("success_url"),
        payer: format!("cus_{}", random_text(ID_LENGTH)),
        state: OrderState::Open,
        is_opened: true,
        refused_count: 0,
        created_at: now,
        expires_at: end(fields, now, is_session),
        paid_at: None,
        closed_at: None,
        tokens: vec![intent.clone()],
        content: json!({
            "form": fields,
            "currency": currency,
            "intent": intent,
            "client_secret": format!("{intent}_secret_{}", random_text(ID_LENGTH)),
        }),
    };
    if state.order(&order.key()).is_some() {
        order.out_trade_no = id;
    }
    state.insert_order(order.clone());
    Ok(order)
}

fn end(fields: &Fields, now: DateTime<Utc>, is_session: bool) -> DateTime<Utc> {
    let wished = fields.get("expires_at").and_then(|text| text.parse().ok());
    let wished = wished.and_then(|at| DateTime::from_timestamp(at, 0));
    let life = if is_session {
        SESSION_LIFE
    } else {
        INTENT_LIFE
    };
    wished.unwrap_or_else(|| now + life)
}

/// The order that one of Stripe's numbers belongs to, if it is this merchant's.
fn find(shared: &Shared, state: &mut State, asked: &Asked<'_>, id: &str) -> Option<Order> {
    let key = state
        .find_by_name(id)
        .filter(|key| key.gateway == Gateway::Stripe && key.account == asked.merchant.account)?;
    expire(shared, state, &key);
    state.order(&key).cloned()
}

fn session(
    shared: &Shared,
    state: &mut State,
    asked: &Asked<'_>,
    id: &str,
) -> Result<Order, Refusal> {
    find(shared, state, asked, id)
        .filter(|order| order.product == Product::StripeCheckout && order.gateway_trade_no == id)
        .ok_or_else(|| Refusal::missing("checkout.session", id))
}

/// An intent; that of a session is there once it is paid.
fn intent(
    shared: &Shared,
    state: &mut State,
    asked: &Asked<'_>,
    id: &str,
) -> Result<Order, Refusal> {
    find(shared, state, asked, id)
        .filter(|order| object::intent_id(order) == id)
        .filter(|order| order.product == Product::StripeIntent || order.paid_at.is_some())
        .ok_or_else(|| Refusal::missing("payment_intent", id))
}

fn refund(shared: &Arc<Shared>, state: &mut State, asked: &Asked<'_>) -> Result<Value, Refusal> {
    let (id, amount) = check::refund(asked.fields)?;
    let order = intent(shared, state, asked, id)?;
    let key = order.key();
    if order.state != OrderState::Paid {
        let message = "This PaymentIntent does not have a successful charge to refund.";
        return Err(Refusal::coded("payment_intent_unexpected_state", message));
    }
    let left = order.total_minor.saturating_sub(state.refunded_minor(&key));
    if left == 0 {
        let message = format!(
            "Charge {} has already been refunded.",
            object::charge_id(&order)
        );
        return Err(Refusal::coded("charge_already_refunded", &message));
    }
    if let Some(amount) = amount {
        check::zeros(amount, object::currency(&order), "amount")?;
    }
    let form: Map<String, Value> = asked
        .fields
        .iter()
        .map(|(name, text)| (name.clone(), json!(text)))
        .collect();
    let number = asked.fields.get("metadata[refund_id]").cloned();
    let is_taken = |number: &String| state.refunds_of(&key).any(|it| it.out_refund_no == *number);
    let number = number.filter(|number| !is_taken(number));
    let request = RefundRequest {
        out_refund_no: number.unwrap_or_else(|| format!("re_{}", random_text(ID_LENGTH))),
        amount_minor: amount.unwrap_or(left),
        notify_url: None,
        is_from_console: false,
        content: object::notes(&form, "metadata["),
    };
    let made = operations::refund(shared, state, &key, request).map_err(|error| match error {
        ControlError::NotRefundable(_) => {
            let message = "Refund amount is greater than unrefunded amount on charge";
            Refusal::invalid(message).about("amount")
        }
        _ => Refusal::broken(),
    })?;
    show_refund(state, &made).ok_or_else(Refusal::broken)
}

fn show_refund(state: &State, refund: &Refund) -> Option<Value> {
    let key = OrderKey {
        gateway: refund.gateway,
        account: refund.account.clone(),
        out_trade_no: refund.out_trade_no.clone(),
    };
    let order = state.order(&key)?;
    Some(object::refund(order, refund, &refund.content))
}

/// The refunds of an intent, newest first.
fn refunds(state: &State, asked: &Asked<'_>) -> Result<Value, Refusal> {
    let field = |name: &str| asked.fields.get(name).map(String::as_str);
    let intent = field("payment_intent").unwrap_or_default();
    let key = state
        .find_by_name(intent)
        .filter(|key| key.gateway == Gateway::Stripe && key.account == asked.merchant.account);
    let key = key.ok_or_else(|| Refusal::missing("payment_intent", intent))?;
    let mut shown: Vec<Value> = state
        .refunds_of(&key)
        .filter_map(|refund| show_refund(state, refund))
        .collect();
    shown.reverse();
    if let Some(after) = field("starting_after") {
        let position = shown
            .iter()
            .position(|it| it.get("id") == Some(&json!(after)));
        let position = position.ok_or_else(|| Refusal::missing("refund", after))?;
        shown.drain(..=position);
    }
    let limit = match field("limit").map(str::parse::<usize>) {
        None => PAGE_DEFAULT,
        Some(Ok(limit)) if (1..=PAGE_MAX).contains(&limit) => limit,
        Some(_) => return Err(Refusal::invalid("Invalid limit").about("limit")),
    };
    let has_more = shown.len() > limit;
    shown.truncate(limit);
    Ok(json!({"object": "list", "data": shown, "has_more": has_more, "url": "/v1/refunds"}))
}
