//! Webhooks: posted to the merchant's address, signed anew for every repetition (paypal sheet §10).

use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::{Value, json};

use super::{account::CERT_URL, check, object};
use crate::{
    accounts::Accounts,
    crypto::{corrupt, random_text, sign_sha256},
    delivery::{self, Posting, base_headers},
    fault::CallbackFault,
    state::{Order, Refund, State},
};

/// Seconds between the postings. PayPal publishes none: up to 25 in three days, slower and slower.
pub(crate) const RETRY_SCHEDULE_S: [u64; 12] = [
    10, 60, 300, 900, 1_800, 3_600, 7_200, 14_400, 28_800, 57_600, 57_600, 57_600,
];

/// An event before its signature.
#[derive(Debug, Clone)]
pub(crate) struct Notice {
    account: String,
    id: String,
    created: DateTime<Utc>,
    kind: &'static str,
    resource_type: &'static str,
    resource: Value,
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
    (kind, resource_type): (&'static str, &'static str),
    resource: Value,
) -> Told {
    let id = |length| random_text(length).to_uppercase();
    let notice = Notice {
        account: order.account.clone(),
        id: format!("WH-{}-{}", id(17), id(17)),
        created: now,
        kind,
        resource_type,
        resource,
    };
    let url = state.endpoints.get(&order.account).cloned();
    (kind.to_owned(), url, delivery::Notice::Paypal(notice))
}

/// The payer agreed.
pub(crate) fn approved(state: &State, order: &Order, base_url: &str, now: DateTime<Utc>) -> Told {
    let kind = ("CHECKOUT.ORDER.APPROVED", "checkout-order");
    told(
        state,
        order,
        now,
        kind,
        object::order(state, order, base_url),
    )
}

/// The money was collected.
pub(super) fn captured(state: &State, order: &Order, now: DateTime<Utc>) -> Told {
    let kind = ("PAYMENT.CAPTURE.COMPLETED", "capture");
    told(state, order, now, kind, object::capture(state, order))
}

pub(crate) fn refunded(state: &State, order: &Order, refund: &Refund, now: DateTime<Utc>) -> Told {
    let kind = ("PAYMENT.CAPTURE.REFUNDED", "refund");
    told(
        state,
        order,
        now,
        kind,
        object::refund(state, order, refund),
    )
}

/// The payer disputes the payment.
pub(crate) fn disputed(state: &State, order: &Order, now: DateTime<Utc>) -> Told {
    let id = format!("PP-D-{}", random_text(6).to_uppercase());
    let kind = ("CUSTOMER.DISPUTE.CREATED", "dispute");
    told(state, order, now, kind, object::dispute(order, &id))
}

/// The request of one posting.
pub(crate) fn render(
    accounts: &Accounts,
    notice: &Notice,
    now: DateTime<Utc>,
    faults: &[CallbackFault],
) -> Option<Posting> {
    let merchant = accounts.paypal.find(&notice.account)?;
    let mut event = json!({
        "id": notice.id,
        "event_version": "1.0",
        "create_time": notice.created.to_rfc3339_opts(SecondsFormat::Millis, true),
        "resource_type": notice.resource_type,
        "resource_version": "2.0",
        "event_type": notice.kind,
        "summary": "an event of the sandbox",
        "resource": notice.resource,
        "links": [],
    });
    for fault in faults {
        falsify(accounts, notice, &mut event, fault)?;
    }
    let body = event.to_string();
    let id = format!("{}-{}", random_text(8), random_text(12)).to_lowercase();
    let time = now.to_rfc3339_opts(SecondsFormat::Secs, true);
    let message = message(&id, &time, &merchant.webhook_id, body.as_bytes());
    let mut signature = sign_sha256(&accounts.paypal.private, message.as_bytes())?;
    if faults.contains(&CallbackFault::CorruptSignature) {
        signature = corrupt(&signature);
    }
    let mut headers = base_headers("application/json", "PayPal/AUHD-1.0-1");
    for (name, value) in [
        ("PAYPAL-TRANSMISSION-ID", id),
        ("PAYPAL-TRANSMISSION-TIME", time),
        ("PAYPAL-TRANSMISSION-SIG", signature),
        ("PAYPAL-CERT-URL", CERT_URL.to_owned()),
        ("PAYPAL-AUTH-ALGO", "SHA256withRSA".to_owned()),
        ("PAYPAL-AUTH-VERSION", "v2".to_owned()),
    ] {
        headers.push((name.to_owned(), value));
    }
    Some(Posting { headers, body })
}

/// What is signed.
pub(super) fn message(id: &str, time: &str, webhook_id: &str, body: &[u8]) -> String {
    format!("{id}|{time}|{webhook_id}|{}", crc32(body))
}

/// CRC-32 as in zlib, bit by bit: events are small.
fn crc32(body: &[u8]) -> u32 {
    let mut crc = u32::MAX;
    for byte in body {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            let is_odd = crc & 1 == 1;
            crc >>= 1;
            if is_odd {
                crc ^= 0xedb8_8320;
            }
        }
    }
    !crc
}

fn falsify(
    accounts: &Accounts,
    notice: &Notice,
    event: &mut Value,
    fault: &CallbackFault,
) -> Option<()> {
    const ORDERS: &str = "/resource/purchase_units/0";
    let part = if event.pointer(ORDERS).is_some() {
        ORDERS
    } else {
        "/resource"
    };
    match fault {
        CallbackFault::OtherAmount => {
            let pointer = format!("{part}/amount");
            let sum = check::amount(event, &pointer).ok()?;
            *event.pointer_mut(&pointer)? =
                object::money(sum.minor.saturating_add(1), &sum.currency);
        }
        CallbackFault::OtherAccount => {
            let other = &accounts.paypal.other(&notice.account)?.merchant_id;
            let part = event.pointer_mut(part)?.as_object_mut()?;
            part.insert("payee".to_owned(), json!({"merchant_id": other}));
        }
        CallbackFault::OtherOrder { out_trade_no } => {
            let other = out_trade_no.clone().unwrap_or_else(|| random_text(32));
            let part = event.pointer_mut(part)?.as_object_mut()?;
            part.insert("custom_id".to_owned(), json!(other));
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
