//! Pages of lists, newest first, keyed by time and id.

use chrono::{DateTime, Utc};

/// Which page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageRequest {
    /// The last item of the page before: its time and id.
    pub after: Option<(DateTime<Utc>, String)>,
    /// How many items at most.
    pub limit: u64,
}

/// One page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<T> {
    /// The items.
    pub items: Vec<T>,
    /// Where the next page begins; `None` at the end.
    pub next: Option<(DateTime<Utc>, String)>,
}

impl PageRequest {
    /// What to ask the store for: one more than wanted tells whether there is a next page.
    pub(crate) fn to_store(&self) -> runtime::store::Page {
        runtime::store::Page {
            after: self.after.clone(),
            limit: self.limit.saturating_add(1),
        }
    }

    /// The page made of what the store answered to [`PageRequest::to_store`].
    pub(crate) fn page<T>(
        &self,
        mut items: Vec<T>,
        key: impl Fn(&T) -> (DateTime<Utc>, String),
    ) -> Page<T> {
        let limit = usize::try_from(self.limit).unwrap_or(usize::MAX);
        let more = items.len() > limit;
        items.truncate(limit);
        let next = if more { items.last().map(key) } else { None };
        Page { items, next }
    }
}
