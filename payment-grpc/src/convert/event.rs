//! Events: requests in, answers out.

use flows::event::ListEvents;
use flows::resource;
use kassa_core::event::EventKind;
use proto::v1;
use runtime::store::EventRow;

use super::fields::Fields;
use crate::error::Error;

/// Events on a page if the caller does not say.
const PAGE_SIZE_DEFAULT: u64 = 100;
/// Events on a page at most.
pub(crate) const PAGE_SIZE_MAX: u64 = 500;

/// Reads which events are wanted.
pub(crate) fn list(request: &v1::ListEventsRequest) -> Result<ListEvents, Error> {
    let mut fields = Fields::default();
    let limit = fields.count(
        "page_size",
        request.page_size,
        PAGE_SIZE_DEFAULT,
        PAGE_SIZE_MAX,
    );
    let after = cursor(&mut fields, request.after_cursor);
    let kinds = kinds(&mut fields, &request.types);
    fields.finish(Some(ListEvents {
        after,
        kinds,
        limit,
    }))
}

/// Reads which events are to be streamed; `batch` is how many are read at a time.
pub(crate) fn stream(request: &v1::StreamEventsRequest, batch: u64) -> Result<ListEvents, Error> {
    let mut fields = Fields::default();
    let after = cursor(&mut fields, request.after_cursor);
    let kinds = kinds(&mut fields, &request.types);
    fields.finish(Some(ListEvents {
        after,
        kinds,
        limit: batch,
    }))
}

fn cursor(fields: &mut Fields, after: i64) -> i64 {
    if after < 0 {
        fields.wrong("after_cursor", "must not be negative");
    }
    after
}

/// The types must be ones that exist: a misspelt one would wait for ever.
fn kinds(fields: &mut Fields, types: &[String]) -> Vec<EventKind> {
    if types.len() > EventKind::ALL.len() {
        fields.wrong("types", format!("must be at most {}", EventKind::ALL.len()));
        return Vec::new();
    }
    let mut kinds = Vec::with_capacity(types.len());
    for (index, word) in types.iter().enumerate() {
        match EventKind::ALL
            .iter()
            .find(|kind| kind.event_type() == *word)
        {
            Some(kind) => kinds.push(*kind),
            None => fields.wrong(
                &format!("types[{index}]"),
                "must be the type of an event, for example kassa.payment.succeeded.v1",
            ),
        }
    }
    kinds
}

/// One page of events as the API shows it.
pub(crate) fn list_response(after: i64, events: &[EventRow]) -> v1::ListEventsResponse {
    v1::ListEventsResponse {
        next_cursor: events.last().map_or(after, |event| event.position),
        events: events.iter().map(event).collect(),
    }
}

/// An event as the API shows it.
pub(crate) fn event(row: &EventRow) -> v1::Event {
    v1::Event {
        cursor: row.position,
        event_id: row.id.to_string(),
        r#type: row.event_type.clone(),
        routing_key: row.routing_key.clone(),
        transaction_id: row.aggregate.to_string(),
        sequence: row.sequence,
        time: Some(resource::time(row.created_at)),
        cloud_event_json: row.payload.to_string(),
    }
}
