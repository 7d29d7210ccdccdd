//! List refunds.

use kassa_core::refund::RefundTransaction;
use kassa_core::text::AppId;
use runtime::store::RefundFilter;

use crate::{Error, Kassa, Page, PageRequest};

/// Which refunds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListRefunds {
    /// Conditions; all must hold.
    pub filter: RefundFilter,
    /// Which page.
    pub page: PageRequest,
}

/// The app's refunds, newest first.
///
/// # Errors
/// [`Error::Store`].
pub async fn list(
    kassa: &Kassa,
    app: &AppId,
    query: &ListRefunds,
) -> Result<Page<RefundTransaction>, Error> {
    let items = kassa
        .store
        .list_refunds(app, &query.filter, &query.page.to_store())
        .await?;
    Ok(query
        .page
        .page(items, |refund| (refund.created_at, refund.id.to_string())))
}
