//! The same story for programs.

use chrono::{DateTime, SecondsFormat, Utc};
use flows::operations::{Entry, Story};
use kassa_core::payment::PaymentTransaction;
use serde_json::{Value, json};

/// One payment in a list.
pub fn brief(payment: &PaymentTransaction) -> Value {
    json!({
        "transaction_id": payment.id,
        "app_id": payment.app_id,
        "business_order_id": payment.business_order_id,
        "status": payment.status,
        "amount_requested": payment.amount_requested.to_string(),
        "create_time": time(payment.created_at),
    })
}

/// The whole story.
pub fn story(story: &Story) -> Value {
    let payment = &story.payment;
    let attempts: Vec<_> = story
        .attempts
        .iter()
        .map(|attempt| {
            json!({
                "attempt_no": attempt.attempt_no,
                "request_number": attempt.id,
                "account": attempt.account,
                "method": attempt.method,
                "status": attempt.status,
                "next_query_time": attempt.next_query_at.map(time),
            })
        })
        .collect();
    let refunds: Vec<_> = story
        .refunds
        .iter()
        .map(|refund| {
            json!({
                "refund_no": refund.refund_no,
                "refund_id": refund.id,
                "amount": refund.amount.to_string(),
                "source": refund.source,
                "status": refund.status,
                "next_query_time": refund.next_query_at.map(time),
            })
        })
        .collect();
    let anomalies: Vec<_> = story
        .anomalies_open
        .iter()
        .map(|anomaly| json!({ "anomaly_id": anomaly.id, "kind": anomaly.kind }))
        .collect();
    let entries: Vec<_> = story.entries.iter().map(entry).collect();
    let mut shown = brief(payment);
    let more = json!({
        "amount_paid": payment.amount_paid.to_string(),
        "amount_refunded": payment.amount_refunded.to_string(),
        "amount_refund_reserved": payment.amount_refund_reserved.to_string(),
        "amount_refundable": story.amount_refundable.to_string(),
        "attempts": attempts,
        "refunds": refunds,
        "open_anomalies": anomalies,
        "unpublished_events": story.events_waiting,
        "next_query_time": story.next_query_at.map(time),
        "is_cut": story.is_cut,
        "entries": entries,
    });
    if let (Some(shown), Value::Object(more)) = (shown.as_object_mut(), more) {
        shown.extend(more);
    }
    shown
}

fn entry(entry: &Entry) -> Value {
    let details: Vec<_> = entry
        .details()
        .into_iter()
        .map(|(name, value)| json!({ "name": name, "value": value }))
        .collect();
    json!({
        "time": time(entry.at),
        "kind": entry.what.kind().as_str(),
        "title": entry.title(),
        "details": details,
    })
}

fn time(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Micros, true)
}
