//! Reads events by cursor, for callers without AMQP.

use kassa_core::event::EventKind;
use kassa_core::text::AppId;
use runtime::store::EventRow;

use crate::{Error, Kassa};

/// Which events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListEvents {
    /// Only events after this cursor.
    pub after: i64,
    /// Only of these kinds; empty means all.
    pub kinds: Vec<EventKind>,
    /// How many at most.
    pub limit: u64,
}

/// The app's published events after the cursor, oldest first.
///
/// # Errors
/// [`Error::Store`].
pub async fn list(kassa: &Kassa, app: &AppId, query: &ListEvents) -> Result<Vec<EventRow>, Error> {
    Ok(kassa
        .store
        .list_events(app, query.after, &query.kinds, query.limit)
        .await?)
}
