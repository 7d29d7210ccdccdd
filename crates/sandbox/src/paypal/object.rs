//! PayPal's objects as answers and events show them (paypal sheet §4, §7 and §8).

use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::{Value, json};

use super::check::written;
use crate::state::{Order, OrderState, Refund, State};

/// A text of the request that an order was placed with.
pub(super) fn placed<'a>(order: &'a Order, pointer: &str) -> Option<&'a str> {
    order.content.get("request")?.pointer(pointer)?.as_str()
}

pub(super) fn currency(order: &Order) -> &str {
    let code = order.content.get("currency").and_then(Value::as_str);
    code.unwrap_or_default()
}

/// The number that the order's money has, once it is collected.
pub(super) fn capture_id(order: &Order) -> &str {
    let id = order.content.get("capture_id").and_then(Value::as_str);
    id.unwrap_or_default()
}

/// Whether the payer agreed.
pub(super) fn is_approved(order: &Order) -> bool {
    order.content.get("is_approved") == Some(&json!(true))
}

pub(super) fn money(minor: i64, currency: &str) -> Value {
    json!({"currency_code": currency, "value": written(minor, currency)})
}

fn time(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Secs, true)
}

/// Links name PayPal's own host, whatever the API's address is (paypal sheet §14.13).
fn link(rel: &str, path: &str) -> Value {
    json!({"rel": rel, "href": format!("https://api.sandbox.paypal.com{path}"), "method": "GET"})
}

/// Where the payer's browser is sent.
pub(super) fn page(order: &Order, base_url: &str) -> String {
    format!("{base_url}/payer/paypal/{}", order.gateway_trade_no)
}

pub(super) fn status(order: &Order) -> &'static str {
    let has_source = placed(
        order,
        "/payment_source/paypal/experience_context/return_url",
    );
    match order.state {
        OrderState::Open if is_approved(order) => "APPROVED",
        OrderState::Open if has_source.is_some() => "PAYER_ACTION_REQUIRED",
        OrderState::Open => "CREATED",
        OrderState::Paid => "COMPLETED",
        OrderState::Closed => "VOIDED",
    }
}

/// An order with what was collected and given back.
pub(super) fn order(state: &State, order: &Order, base_url: &str) -> Value {
    let id = &order.gateway_trade_no;
    let mut unit = json!({
        "reference_id": "default",
        "amount": money(order.total_minor, currency(order)),
        "payee": {"merchant_id": order.account},
        "description": placed(order, "/purchase_units/0/description"),
        "custom_id": placed(order, "/purchase_units/0/custom_id"),
        "invoice_id": placed(order, "/purchase_units/0/invoice_id"),
    });
    if order.state == OrderState::Paid
        && let Some(unit) = unit.as_object_mut()
    {
        let key = order.key();
        let refunds = state.refunds_of(&key);
        let refunds: Vec<Value> = refunds.map(|it| refund(state, order, it)).collect();
        let payments = json!({"captures": [capture(state, order)], "refunds": refunds});
        unit.insert("payments".to_owned(), payments);
    }
    let rel = if status(order) == "CREATED" {
        "approve"
    } else {
        "payer-action"
    };
    json!({
        "id": id,
        "intent": "CAPTURE",
        "status": status(order),
        "purchase_units": [unit],
        "payer": {"payer_id": order.payer},
        "create_time": time(order.created_at),
        "links": [
            link("self", &format!("/v2/checkout/orders/{id}")),
            {"rel": rel, "href": page(order, base_url), "method": "GET"},
            link("capture", &format!("/v2/checkout/orders/{id}/capture")),
        ],
    })
}

/// The money of an order.
pub(super) fn capture(state: &State, order: &Order) -> Value {
    let id = capture_id(order);
    let refunded = state.refunded_minor(&order.key());
    let status = if refunded == 0 {
        "COMPLETED"
    } else if refunded < order.total_minor {
        "PARTIALLY_REFUNDED"
    } else {
        "REFUNDED"
    };
    let amount = money(order.total_minor, currency(order));
    json!({
        "id": id,
        "status": status,
        "amount": amount,
        "final_capture": true,
        "custom_id": placed(order, "/purchase_units/0/custom_id"),
        "invoice_id": placed(order, "/purchase_units/0/invoice_id"),
        "seller_receivable_breakdown": {"gross_amount": amount},
        "supplementary_data": {"related_ids": {"order_id": order.gateway_trade_no}},
        "create_time": order.paid_at.map(time),
        "links": [
            link("self", &format!("/v2/payments/captures/{id}")),
            link("refund", &format!("/v2/payments/captures/{id}/refund")),
            link("up", &format!("/v2/checkout/orders/{}", order.gateway_trade_no)),
        ],
    })
}

/// A refund. The note is the one of its own request.
pub(super) fn refund(state: &State, order: &Order, refund: &Refund) -> Value {
    let code = currency(order);
    let id = &refund.refund_id;
    json!({
        "id": id,
        "status": "COMPLETED",
        "amount": money(refund.amount_minor, code),
        "custom_id": refund.content.get("custom_id"),
        "note_to_payer": refund.content.get("note_to_payer"),
        "seller_payable_breakdown": {
            "gross_amount": money(refund.amount_minor, code),
            "total_refunded_amount": money(state.refunded_minor(&order.key()), code),
        },
        "create_time": time(refund.created_at),
        "links": [
            link("self", &format!("/v2/payments/refunds/{id}")),
            link("up", &format!("/v2/payments/captures/{}", capture_id(order))),
        ],
    })
}

/// A dispute. UNVERIFIED: the sheet does not describe it.
pub(super) fn dispute(order: &Order, id: &str) -> Value {
    json!({
        "dispute_id": id,
        "reason": "MERCHANDISE_OR_SERVICE_NOT_RECEIVED",
        "status": "OPEN",
        "dispute_amount": money(order.total_minor, currency(order)),
        "disputed_transactions": [{"seller_transaction_id": capture_id(order)}],
    })
}
