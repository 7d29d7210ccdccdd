//! Read one refund.

use kassa_core::id::RefundId;
use kassa_core::refund::RefundTransaction;
use kassa_core::text::{AppId, BusinessRefundId};

use crate::{Error, Kassa};

/// Names a refund.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RefundKey {
    /// By our id.
    Refund(RefundId),
    /// By the caller's own request.
    BusinessRefund(BusinessRefundId),
}

/// A refund of `app`. Another app's refund is not found.
///
/// # Errors
/// [`Error::NotFound`].
pub async fn find(kassa: &Kassa, app: &AppId, key: &RefundKey) -> Result<RefundTransaction, Error> {
    let (found, name) = match key {
        RefundKey::Refund(id) => (
            kassa.store.find_refund_of_app(app, *id).await?,
            id.to_string(),
        ),
        RefundKey::BusinessRefund(id) => (
            kassa.store.find_refund_by_business_id(app, id).await?,
            id.to_string(),
        ),
    };
    found.ok_or(Error::NotFound {
        resource: "refund",
        name,
    })
}
