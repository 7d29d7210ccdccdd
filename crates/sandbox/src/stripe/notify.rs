//! Events: posted to the merchant's endpoint, signed anew for every repetition (stripe sheet §11).

use chrono::{DateTime, Utc};
use hmac::{Hmac, Mac};
use serde_json::{Value, json};
use sha2::Sha256;

use super::{check::API_VERSION, object};
use crate::{
    accounts::Accounts,
    crypto::random_text,
    delivery::{self, Posting, base_headers},
    fault::CallbackFault,
    state::{Order, Product, Refund, State},
};

/// Seconds between the postings. Stripe publishes none: three days, slower and slower.
pub(crate) const RETRY_SCHEDULE_S: [u64; 12] = [
    10, 60, 300, 900, 1_800, 3_600, 7_200, 14_400, 28_800, 57_600, 57_600, 57_600,
];
const ID_LENGTH: usize = 24;

/// An event before its signature.
#[derive(Debug, Clone)]
pub(crate) struct Notice {
    account: String,
    id: String,
    created: i64,
    kind: &'static str,
    object: Value,
}

/// Kind, address and content of a notice.
type Told = (String, Option<String>, delivery::Notice);

/// Any 2xx.
pub(crate) fn is_acknowledged(status: Option<u16>) -> bool {
    status.is_some_and(|status| (200..300).contains(&status))
}

fn told(
    state: &State,
    order: &Order,
    now: DateTime<Utc>,
    kind: &'static str,
    object: Value,
) -> Told {
    let notice = Notice {
        account: order.account.clone(),
        id: format!("evt_{}", random_text(ID_LENGTH)),
        created: now.timestamp(),
        kind,
        object,
    };
    let url = state.endpoints.get(&order.account).cloned();
    (kind.to_owned(), url, delivery::Notice::Stripe(notice))
}

/// The order was paid: the session tells it, and its intent tells it again.
pub(crate) fn paid(state: &State, order: &Order, base_url: &str, now: DateTime<Utc>) -> Vec<Told> {
    let intent = told(
        state,
        order,
        now,
        "payment_intent.succeeded",
        object::intent(order),
    );
    if order.product != Product::StripeCheckout {
        return vec![intent];
    }
    let session = object::session(order, base_url);
    vec![
        intent,
        told(state, order, now, "checkout.session.completed", session),
    ]
}

/// The payer's bank refused; the payer may try again.
pub(crate) fn refused(state: &State, order: &Order, now: DateTime<Utc>) -> Told {
    let intent = object::intent(order);
    told(state, order, now, "payment_intent.payment_failed", intent)
}

pub(crate) fn closed(state: &State, order: &Order, base_url: &str, now: DateTime<Utc>) -> Told {
    if order.product == Product::StripeCheckout {
        let session = object::session(order, base_url);
        told(state, order, now, "checkout.session.expired", session)
    } else {
        told(
            state,
            order,
            now,
            "payment_intent.canceled",
            object::intent(order),
        )
    }
}

pub(crate) fn refunded(state: &State, order: &Order, refund: &Refund, now: DateTime<Utc>) -> Told {
    let object = object::refund(order, refund, &refund.content);
    told(state, order, now, "refund.created", object)
}

/// The bank sent a refund back that had succeeded.
pub(crate) fn settled(state: &State, order: &Order, refund: &Refund, now: DateTime<Utc>) -> Told {
    let object = object::refund(order, refund, &refund.content);
    told(state, order, now, "refund.failed", object)
}

/// The payer disputes the payment.
pub(crate) fn disputed(state: &State, order: &Order, now: DateTime<Utc>) -> Told {
    let id = format!("du_{}", random_text(ID_LENGTH));
    let object = object::dispute(order, &id, "needs_response");
    told(state, order, now, "charge.dispute.created", object)
}

/// The request of one posting.
pub(crate) fn render(
    accounts: &Accounts,
    notice: &Notice,
    now: DateTime<Utc>,
    faults: &[CallbackFault],
) -> Option<Posting> {
    let merchant = accounts.stripe_merchant(&notice.account)?;
    let mut event = json!({
        "id": notice.id,
        "object": "event",
        "account": null,
        "api_version": API_VERSION,
        "created": notice.created,
        "data": {"object": notice.object},
        "livemode": false,
        "pending_webhooks": 1,
        "request": {"id": null, "idempotency_key": null},
        "type": notice.kind,
    });
    for fault in faults {
        falsify(&mut event, fault)?;
    }
    let body = event.to_string();
    let mut signature = sign(&merchant.webhook_secret, now.timestamp(), &body)?;
    if faults.contains(&CallbackFault::CorruptSignature) {
        let other = if signature.ends_with('0') { "1" } else { "0" };
        signature.pop();
        signature.push_str(other);
    }
    let mut headers = base_headers("application/json; charset=utf-8", "Stripe/1.0");
    let value = format!("t={},v1={signature}", now.timestamp());
    headers.push(("Stripe-Signature".to_owned(), value));
    Some(Posting { headers, body })
}

/// Lower-case hex over time and body, with the whole secret as the key.
pub(super) fn sign(secret: &str, at: i64, body: &str) -> Option<String> {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).ok()?;
    mac.update(format!("{at}.{body}").as_bytes());
    Some(hex::encode(mac.finalize().into_bytes()))
}

fn falsify(event: &mut Value, fault: &CallbackFault) -> Option<()> {
    match fault {
        CallbackFault::OtherAmount => {
            let object = event.pointer_mut("/data/object")?.as_object_mut()?;
            for name in [
                "amount",
                "amount_total",
                "amount_subtotal",
                "amount_received",
            ] {
                if let Some(amount) = object.get(name).and_then(Value::as_i64) {
                    object.insert(name.to_owned(), json!(amount.saturating_add(1)));
                }
            }
        }
        CallbackFault::OtherAccount => {
            let event = event.as_object_mut()?;
            event.insert("account".to_owned(), json!("acct_other"));
        }
        CallbackFault::OtherOrder { out_trade_no } => {
            let other = out_trade_no.clone();
            let other = json!(other.unwrap_or_else(|| random_text(32)));
            let object = event.pointer_mut("/data/object")?.as_object_mut()?;
            if object.contains_key("client_reference_id") {
                object.insert("client_reference_id".to_owned(), other.clone());
            }
            let notes = object.get_mut("metadata")?.as_object_mut()?;
            notes.insert("transaction_id".to_owned(), other);
        }
        CallbackFault::CorruptSignature
        | CallbackFault::SignatureProbe
        | CallbackFault::Delay { .. }
        | CallbackFault::Duplicate { .. }
        | CallbackFault::Reorder
        | CallbackFault::Drop => {}
    }
    Some(())
}
