//! Stripe's objects as answers and events show them (stripe sheet §4, §7).

use serde_json::{Map, Value, json};

use crate::state::{Order, OrderState, Product, Refund, RefundStatus};

/// What an order was placed with, as its form said it.
pub(super) fn form<'a>(order: &'a Order, name: &str) -> Option<&'a str> {
    order.content.get("form")?.get(name)?.as_str()
}

/// The intent's number; that of a session is told once it is paid.
pub(super) fn intent_id(order: &Order) -> &str {
    let id = order.content.get("intent").and_then(Value::as_str);
    id.unwrap_or_default()
}

/// In lower case.
pub(super) fn currency(order: &Order) -> &str {
    let code = order.content.get("currency").and_then(Value::as_str);
    code.unwrap_or_default()
}

/// The notes that a form put on an object.
pub(super) fn notes(form: &Map<String, Value>, prefix: &str) -> Value {
    let notes = form.iter().filter_map(|(name, text)| {
        let note = name.strip_prefix(prefix)?.strip_suffix(']')?;
        Some((note.to_owned(), text.clone()))
    });
    Value::Object(notes.collect())
}

fn order_notes(order: &Order, prefix: &str) -> Value {
    let form = order.content.get("form").and_then(Value::as_object);
    form.map_or_else(|| json!({}), |form| notes(form, prefix))
}

/// Where the payer's browser is sent to pay.
pub(super) fn page(order: &Order, base_url: &str) -> String {
    format!("{base_url}/payer/stripe/{}", order.gateway_trade_no)
}

pub(super) fn session(order: &Order, base_url: &str) -> Value {
    let (status, payment_status) = match order.state {
        OrderState::Open => ("open", "unpaid"),
        OrderState::Paid => ("complete", "paid"),
        OrderState::Closed => ("expired", "unpaid"),
    };
    let is_open = order.state == OrderState::Open;
    let is_paid = order.state == OrderState::Paid;
    json!({
        "id": order.gateway_trade_no,
        "object": "checkout.session",
        "amount_subtotal": order.total_minor,
        "amount_total": order.total_minor,
        "client_reference_id": form(order, "client_reference_id"),
        "created": order.created_at.timestamp(),
        "currency": currency(order),
        "customer": null,
        "expires_at": order.expires_at.timestamp(),
        "livemode": false,
        "metadata": order_notes(order, "metadata["),
        "mode": "payment",
        "payment_intent": is_paid.then(|| intent_id(order)),
        "payment_method_types": ["card"],
        "payment_status": payment_status,
        "status": status,
        "success_url": form(order, "success_url"),
        "cancel_url": form(order, "cancel_url"),
        "total_details": {"amount_discount": 0, "amount_shipping": 0, "amount_tax": 0},
        "ui_mode": "hosted_page",
        "url": is_open.then(|| page(order, base_url)),
    })
}

pub(super) fn intent(order: &Order) -> Value {
    let is_paid = order.state == OrderState::Paid;
    let status = match order.state {
        OrderState::Open => "requires_payment_method",
        OrderState::Paid => "succeeded",
        OrderState::Closed => "canceled",
    };
    let is_of_session = order.product == Product::StripeCheckout;
    let prefix = if is_of_session {
        "payment_intent_data[metadata]["
    } else {
        "metadata["
    };
    let declined = (order.refused_count > 0 && !is_paid)
        .then(|| json!({"type": "card_error", "code": "card_declined"}));
    let id = intent_id(order);
    json!({
        "id": id,
        "object": "payment_intent",
        "amount": order.total_minor,
        "amount_capturable": 0,
        "amount_received": if is_paid { order.total_minor } else { 0 },
        "canceled_at": order.closed_at.map(|at| at.timestamp()),
        "capture_method": "automatic",
        "client_secret": order.content.get("client_secret"),
        "created": order.created_at.timestamp(),
        "currency": currency(order),
        "description": form(order, "description"),
        "last_payment_error": declined,
        "latest_charge": is_paid.then(|| charge_id(order)),
        "livemode": false,
        "metadata": order_notes(order, prefix),
        "payment_method_types": ["card"],
        "status": status,
    })
}

pub(super) fn charge_id(order: &Order) -> String {
    intent_id(order).replacen("pi_", "ch_", 1)
}

/// A refund; `notes` are those that its own form put on it.
pub(super) fn refund(order: &Order, refund: &Refund, notes: &Value) -> Value {
    let (status, failure_reason) = match refund.status {
        RefundStatus::Success => ("succeeded", None),
        RefundStatus::Processing | RefundStatus::Abnormal => ("pending", None),
        RefundStatus::Closed => ("failed", Some("expired_or_canceled_card")),
    };
    json!({
        "id": refund.refund_id,
        "object": "refund",
        "amount": refund.amount_minor,
        "balance_transaction": null,
        "charge": charge_id(order),
        "created": refund.created_at.timestamp(),
        "currency": currency(order),
        "metadata": notes,
        "payment_intent": intent_id(order),
        "failure_reason": failure_reason,
        "reason": null,
        "status": status,
    })
}

pub(super) fn dispute(order: &Order, id: &str, status: &str) -> Value {
    json!({
        "id": id,
        "object": "dispute",
        "amount": order.total_minor,
        "charge": charge_id(order),
        "currency": currency(order),
        "livemode": false,
        "payment_intent": intent_id(order),
        "reason": "fraudulent",
        "status": status,
    })
}

/// The amount in the currency's larger unit, with its code.
pub(super) fn amount(order: &Order) -> String {
    const WHOLE: [&str; 15] = [
        "bif", "clp", "djf", "gnf", "jpy", "kmf", "krw", "mga", "pyg", "rwf", "vnd", "vuv", "xaf",
        "xof", "xpf",
    ];
    const THOUSANDTHS: [&str; 5] = ["bhd", "jod", "kwd", "omr", "tnd"];
    let (code, total) = (currency(order), order.total_minor);
    let number = if WHOLE.contains(&code) {
        total.to_string()
    } else if THOUSANDTHS.contains(&code) {
        format!("{}.{:03}", total / 1000, total % 1000)
    } else {
        format!("{}.{:02}", total / 100, total % 100)
    };
    format!("{number} {}", code.to_uppercase())
}
