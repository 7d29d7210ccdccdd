//! Read one payment.

use kassa_core::id::TransactionId;
use kassa_core::text::{AppId, BusinessOrderId};

use super::{PaymentView, Remaining, place, prepay};
use crate::{Error, Kassa};

/// Names a payment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PaymentKey {
    /// By our id.
    Transaction(TransactionId),
    /// The newest one of a business order.
    BusinessOrder(BusinessOrderId),
}

/// A payment of `app`. Another app's payment is not found.
///
/// # Errors
/// [`Error::NotFound`].
pub async fn find(kassa: &Kassa, app: &AppId, key: &PaymentKey) -> Result<PaymentView, Error> {
    let (found, name) = match key {
        PaymentKey::Transaction(id) => (
            kassa.store.find_payment_of_app(app, *id).await?,
            id.to_string(),
        ),
        PaymentKey::BusinessOrder(order) => {
            let newest = kassa
                .store
                .list_payments_of_order(app, order)
                .await?
                .into_iter()
                .next();
            (newest, order.to_string())
        }
    };
    let payment = found.ok_or(Error::NotFound {
        resource: "payment",
        name,
    })?;
    let prepay = if payment.status.is_pending() {
        prepay::told(kassa, &place::load_attempt(kassa, &payment).await?)?
    } else {
        None
    };
    Ok(PaymentView {
        transaction: payment,
        prepay,
        remaining: Remaining::default(),
    })
}

/// The payment if it has changed since `version`; for watchers.
///
/// # Errors
/// [`Error::NotFound`].
pub async fn find_version_after(
    kassa: &Kassa,
    app: &AppId,
    id: TransactionId,
    version: i64,
) -> Result<Option<kassa_core::payment::PaymentTransaction>, Error> {
    let payment = kassa
        .store
        .find_payment_of_app(app, id)
        .await?
        .ok_or_else(|| Error::NotFound {
            resource: "payment",
            name: id.to_string(),
        })?;
    Ok((payment.version > version).then_some(payment))
}
