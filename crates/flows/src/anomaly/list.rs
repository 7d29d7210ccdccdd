//! Read anomalies. They are the operators': whoever may read any may read all.

use kassa_core::anomaly::Anomaly;
use kassa_core::id::AnomalyId;
use runtime::store::AnomalyFilter;

use crate::{Error, Kassa, Page, PageRequest};

/// Which anomalies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListAnomalies {
    /// Conditions; all must hold.
    pub filter: AnomalyFilter,
    /// Which page.
    pub page: PageRequest,
}

/// Anomalies, newest first.
///
/// # Errors
/// [`Error::Store`].
pub async fn list(kassa: &Kassa, query: &ListAnomalies) -> Result<Page<Anomaly>, Error> {
    let page = query.page.to_store();
    let items = kassa.store.list_anomalies(&query.filter, &page).await?;
    Ok(query.page.page(items, |anomaly| {
        (anomaly.created_at, anomaly.id.to_string())
    }))
}

/// One anomaly.
///
/// # Errors
/// [`Error::NotFound`].
pub async fn find(kassa: &Kassa, id: AnomalyId) -> Result<Anomaly, Error> {
    kassa
        .store
        .find_anomaly(id)
        .await?
        .ok_or_else(|| Error::NotFound {
            resource: "anomaly",
            name: id.to_string(),
        })
}
