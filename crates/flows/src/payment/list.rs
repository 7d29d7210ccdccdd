//! List payments.

use kassa_core::payment::PaymentTransaction;
use kassa_core::text::AppId;
use runtime::store::PaymentFilter;

use crate::{Error, Kassa, Page, PageRequest};

/// Which payments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListPayments {
    /// Conditions; all must hold.
    pub filter: PaymentFilter,
    /// Which page.
    pub page: PageRequest,
}

/// The app's payments, newest first.
///
/// # Errors
/// [`Error::Store`].
pub async fn list(
    kassa: &Kassa,
    app: &AppId,
    query: &ListPayments,
) -> Result<Page<PaymentTransaction>, Error> {
    let items = kassa
        .store
        .list_payments(app, &query.filter, &query.page.to_store())
        .await?;
    Ok(query.page.page(items, |payment| {
        (payment.created_at, payment.id.to_string())
    }))
}
