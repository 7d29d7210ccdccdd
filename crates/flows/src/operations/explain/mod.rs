//! Explain: the whole life of one payment, told in order from what was written down. Reads only.
//!
//! | entry | told from |
//! | --- | --- |
//! | request | `audit_records` of the payment, its refunds and its anomalies |
//! | transition of the payment or a refund | the payload of each event: the resource as it was after that change; the payment's first state from its row |
//! | transition of an attempt | its row, which keeps two points: when it was written down, and its last change; what was in between is seen by the calls |
//! | a refund on its way | `submitted_at` of its row: from then on it may have reached the gateway |
//! | call | `gateway_calls` |
//! | notification | the inbox, one per key: a repeat of the same notification leaves no row |
//! | transfer | the books |
//! | event, command | the outbox: when written, when published |
//! | anomaly, resolution | `anomalies` |
//!
//! Bodies, headers and what a payer pays with are not read, so no secret can be told. The number of
//! queries is the same for every payment. They are no snapshot: of a payment that changes meanwhile, the
//! head may be newer than the last entry.

mod load;
mod story;
mod transitions;
mod words;

use kassa_core::id::TransactionId;
use kassa_core::payment::PaymentTransaction;
use kassa_core::text::{AppId, BusinessOrderId};

pub use story::{AttemptLine, Entry, EntryKind, RefundLine, Story, Subject, What};

use crate::{Error, Kassa};

/// How an operator names payments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PaymentName {
    /// Exactly one.
    Transaction(TransactionId),
    /// All of a business order.
    BusinessOrder {
        /// The order.
        order: BusinessOrderId,
        /// Whose order; of any app if it is not said.
        app: Option<AppId>,
    },
}

/// The payments of that name, newest first, of whatever app; at least one.
///
/// # Errors
/// [`Error::NotFound`].
pub async fn find_payments(
    kassa: &Kassa,
    name: &PaymentName,
) -> Result<Vec<PaymentTransaction>, Error> {
    let (found, name) = match name {
        PaymentName::Transaction(id) => (
            Vec::from_iter(kassa.store.find_payment(*id).await?),
            id.to_string(),
        ),
        PaymentName::BusinessOrder { order, app } => {
            let apps = match app {
                Some(app) => vec![app.clone()],
                None => kassa
                    .store
                    .list_apps()
                    .await?
                    .into_iter()
                    .map(|app| app.id)
                    .collect(),
            };
            let found = kassa
                .store
                .list_payments_of_order_of_any(&apps, order)
                .await?;
            (found, order.to_string())
        }
    };
    if found.is_empty() {
        return Err(Error::NotFound {
            resource: "payment",
            name,
        });
    }
    Ok(found)
}

/// The life of a payment so far.
///
/// # Errors
/// [`Error::NotFound`], [`Error::Store`].
pub async fn explain(kassa: &Kassa, id: TransactionId) -> Result<Story, Error> {
    let sources = load::load(kassa, id).await?;
    sources.into_story()
}
