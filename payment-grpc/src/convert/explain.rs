//! The story of a payment: which one, and how the API shows it.

use flows::operations::{Entry, EntryKind, PaymentName, Story};
use flows::resource;
use kassa_core::payment::PaymentTransaction;
use kassa_core::text::{AppId, BusinessOrderId};
use proto::v1;
use proto::v1::explain_payment_request::Key;

use super::fields::Fields;
use crate::error::Error;

/// Reads which payment is to be explained.
pub(crate) fn explain_payment(request: &v1::ExplainPaymentRequest) -> Result<PaymentName, Error> {
    let mut fields = Fields::default();
    let app = fields.optional("app_id", &request.app_id, AppId::try_new);
    let name = match &request.key {
        None => {
            fields.wrong("key", "transaction_id or business_order_id is required");
            None
        }
        Some(Key::TransactionId(id)) => fields
            .required("transaction_id", id, str::parse)
            .map(PaymentName::Transaction),
        Some(Key::BusinessOrderId(order)) => fields
            .required("business_order_id", order, BusinessOrderId::try_new)
            .map(|order| PaymentName::BusinessOrder { order, app }),
    };
    fields.finish(name)
}

/// A story as the API shows it. `others` are the business order's other payments.
pub(crate) fn explain_payment_response(
    story: &Story,
    others: &[PaymentTransaction],
) -> Result<v1::ExplainPaymentResponse, Error> {
    let transaction = resource::payment(&story.payment)
        .map_err(|_invariant| Error::Broken("a payment breaks its own invariant"))?;
    Ok(v1::ExplainPaymentResponse {
        transaction: Some(transaction),
        entries: story.entries.iter().map(entry).collect(),
        open_anomalies: count(story.anomalies_open.len()),
        unpublished_events: count(story.events_waiting),
        next_query_time: story.next_query_at.map(resource::time),
        is_cut: story.is_cut,
        other_transaction_ids: others.iter().map(|other| other.id.to_string()).collect(),
    })
}

fn entry(entry: &Entry) -> v1::StoryEntry {
    let detail = |(name, value)| v1::StoryDetail { name, value };
    v1::StoryEntry {
        time: Some(resource::time(entry.at)),
        kind: kind(entry.what.kind()).into(),
        title: entry.title(),
        details: entry.details().into_iter().map(detail).collect(),
    }
}

fn kind(kind: EntryKind) -> v1::StoryEntryKind {
    match kind {
        EntryKind::Request => v1::StoryEntryKind::Request,
        EntryKind::Call => v1::StoryEntryKind::Call,
        EntryKind::Notification => v1::StoryEntryKind::Notification,
        EntryKind::Transition => v1::StoryEntryKind::Transition,
        EntryKind::Transfer => v1::StoryEntryKind::Transfer,
        EntryKind::Anomaly => v1::StoryEntryKind::Anomaly,
        EntryKind::Resolution => v1::StoryEntryKind::Resolution,
        EntryKind::Event => v1::StoryEntryKind::Event,
        EntryKind::Command => v1::StoryEntryKind::Command,
    }
}

fn count(items: usize) -> i32 {
    i32::try_from(items).unwrap_or(i32::MAX)
}
