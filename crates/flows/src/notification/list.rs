//! List notifications, for operators.

use runtime::store::{NotificationFilter, NotificationRecord};

use crate::{Error, Kassa, Page, PageRequest};

/// Which notifications.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListNotifications {
    /// Conditions; all must hold.
    pub filter: NotificationFilter,
    /// Which page.
    pub page: PageRequest,
}

/// The inbox, newest first.
///
/// # Errors
/// [`Error::Store`].
pub async fn list(
    kassa: &Kassa,
    query: &ListNotifications,
) -> Result<Page<NotificationRecord>, Error> {
    let items = kassa
        .store
        .list_notifications(&query.filter, &query.page.to_store())
        .await?;
    Ok(query.page.page(items, |record| {
        (
            record.notification.received_at,
            record.notification.id.to_string(),
        )
    }))
}
