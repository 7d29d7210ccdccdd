//! Pages: newest first, continued after the last row seen. No offsets: a page costs the same however
//! far back it lies, and rows that come meanwhile shift nothing.

use chrono::{DateTime, Utc};
use sea_orm::sea_query::{Expr, ExprTrait, Order};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect, Select};

/// The most rows that one page holds, whatever was asked for.
pub const PAGE_LIMIT_MAX: u64 = 1_000;

/// Which part of a listing is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// Time and id of the last row of the page before; none for the first page.
    pub after: Option<(DateTime<Utc>, String)>,
    /// How many rows at most; cut to [`PAGE_LIMIT_MAX`].
    pub limit: u64,
}

impl Page {
    /// The newest rows.
    pub fn first(limit: u64) -> Self {
        Self { after: None, limit }
    }

    /// The rows after the one with this time and id.
    pub fn after(time: DateTime<Utc>, id: impl Into<String>, limit: u64) -> Self {
        Self {
            after: Some((time, id.into())),
            limit,
        }
    }

    /// Applies it to a query that is sorted by `time` and `id`, newest first.
    pub(crate) fn apply<E: EntityTrait, C: ColumnTrait>(
        &self,
        query: Select<E>,
        time: C,
        id: C,
    ) -> Select<E> {
        let query = match &self.after {
            Some((after, after_id)) => query.filter(
                Expr::tuple([time.into_expr(), id.into_expr()]).lt(Expr::tuple([
                    Expr::val(*after),
                    Expr::val(after_id.clone()),
                ])),
            ),
            None => query,
        };
        query
            .order_by(time, Order::Desc)
            .order_by(id, Order::Desc)
            .limit(page_limit(self.limit))
    }
}

impl Default for Page {
    fn default() -> Self {
        Self::first(PAGE_LIMIT_MAX)
    }
}

/// A limit as asked for, cut to [`PAGE_LIMIT_MAX`].
pub(crate) fn page_limit(asked: u64) -> u64 {
    Ord::min(asked, PAGE_LIMIT_MAX)
}
