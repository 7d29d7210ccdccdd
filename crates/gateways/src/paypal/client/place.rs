//! Orders to place (sheet §4): a body that depends on the order and the account alone.

use http::Method as Verb;
use kassa_core::channel::Method;
use kassa_core::payment::PrepayInfo;
use serde_json::{Value, json};

use super::super::config::Settings;
use super::super::failure::Operation;
use super::super::money::to_wire;
use super::super::translate;
use super::super::wire::Order;
use super::{Client, Exchange, is_ours, read, unexpected, unreadable};
use crate::error::{reason, unsupported};
use crate::{CallError, PlaceOrder, Placed};

/// Where the payer is sent: the first where the way to pay was chosen by us, as it is here.
const WAYS: [&str; 2] = ["payer-action", "approve"];

/// Places an order. The same request id brings the same order again for six hours (sheet §11), and none
/// lives longer here.
pub(in super::super) async fn place(
    client: &Client,
    settings: &Settings,
    order: &PlaceOrder,
) -> Result<Placed, CallError> {
    if order.method != Method::Page {
        return Err(unsupported("paypal takes no orders of this method"));
    }
    let exchange = Exchange {
        name: "create_order",
        operation: Operation::Place,
        verb: Verb::POST,
        path: "/v2/checkout/orders".to_owned(),
        request_id: Some(format!("pay-{}", order.request_number)),
        body: Some(body(settings, order)?),
    };
    let answer = client.call(settings, &exchange).await?;
    let placed: Order = read(&answer.map_err(unexpected)?)?;
    if let Some(payee) = translate::foreign_payee(settings, &placed) {
        let text = format!("the credentials are those of {payee}");
        return Err(CallError::Misconfigured(reason("MERCHANT_ID", &text)));
    }
    is_ours(translate::order_number(&placed), &order.request_number)?;
    let mut ways = WAYS.iter();
    let link = ways.find_map(|way| placed.links.iter().find(|link| link.rel == *way));
    let url = link.ok_or_else(|| unreadable("links"))?.href.clone();
    let id = placed.id.ok_or_else(|| unreadable("id"))?;
    Ok(Placed::open(PrepayInfo::Redirect { url }, Some(id)))
}

fn body(settings: &Settings, order: &PlaceOrder) -> Result<Value, CallError> {
    let back = order
        .return_url
        .as_ref()
        .ok_or_else(|| unsupported("a page of paypal's needs somewhere to go back to"))?;
    let amount = to_wire(order.amount).map_err(|error| unsupported(&error.to_string()))?;
    let mut context = json!({
        "shipping_preference": "NO_SHIPPING",
        "return_url": back.as_str(),
        "cancel_url": back.as_str(),
        "landing_page": "NO_PREFERENCE",
        "user_action": "PAY_NOW",
        // Nothing that takes a bank days.
        "payment_method_preference": "IMMEDIATE_PAYMENT_REQUIRED",
    });
    if let (Some(name), Some(context)) = (&settings.brand_name, context.as_object_mut()) {
        context.insert("brand_name".to_owned(), json!(name));
    }
    Ok(json!({
        "intent": "CAPTURE",
        "purchase_units": [{
            "amount": amount,
            "custom_id": order.request_number,
            // Shown to the payer, and paid once only: a second guard.
            "invoice_id": order.request_number,
            "description": order.subject.as_str(),
        }],
        "payment_source": {"paypal": {"experience_context": context}},
    }))
}
