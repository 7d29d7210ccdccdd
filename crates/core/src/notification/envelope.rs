//! How a verified callback travels from the ingress to the worker.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{CallbackRoute, Notification};
use crate::channel::GatewayName;
use crate::id::{ChannelAccountId, NotificationId};

/// The envelope's `kind` of a [`NotificationMessage`].
pub const NOTIFICATION_KIND: &str = "notification.v1";

/// A verified callback on the queue. The body is text in its own charset's bytes, in base64.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NotificationMessage {
    /// The notification's id.
    pub id: NotificationId,
    /// The account whose keys verified it.
    pub channel_account_id: ChannelAccountId,
    /// The gateway of that account.
    pub gateway: GatewayName,
    /// The route that it came in by.
    pub route: CallbackRoute,
    /// The gateway's own identity of it.
    pub key: String,
    /// The headers that carry meaning, names in lower case.
    pub headers: BTreeMap<String, String>,
    /// The body as received, in base64.
    pub body: String,
    /// When it was received.
    pub received_at: DateTime<Utc>,
}

impl NotificationMessage {
    /// The notification, with `body` as decoded by the caller.
    pub fn into_notification(self, body: Vec<u8>) -> Notification {
        Notification {
            id: self.id,
            channel_account_id: self.channel_account_id,
            gateway: self.gateway,
            route: self.route,
            key: self.key,
            headers: self.headers,
            body,
            received_at: self.received_at,
        }
    }
}
