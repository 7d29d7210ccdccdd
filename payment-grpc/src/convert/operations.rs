//! Operations: requests in, answers out.

use flows::notification::ListNotifications;
use flows::{Page, resource};
use kassa_core::id::EnvelopeId;
use kassa_core::notification::NotificationStatus;
use proto::v1;
use runtime::queue::{Parked, QueueName};
use runtime::store::{NotificationFilter, NotificationRecord};

use super::fields::Fields;
use super::page_token::{self, Binding};
use super::{PAGE_SIZE_DEFAULT, PAGE_SIZE_MAX, Paging, page};
use crate::error::Error;

/// Which parked messages to look at.
#[derive(Debug)]
pub(crate) struct ListParked {
    /// The queue.
    pub(crate) queue: QueueName,
    /// How many at most.
    pub(crate) limit: usize,
}

/// Which parked messages to put back.
#[derive(Debug)]
pub(crate) struct RedriveParked {
    /// The queue.
    pub(crate) queue: QueueName,
    /// The messages; the oldest ones if none is named.
    pub(crate) ids: Vec<EnvelopeId>,
    /// How many at most.
    pub(crate) limit: usize,
}

fn list_conditions(request: &v1::ListNotificationsRequest) -> [String; 2] {
    [request.transaction_id.clone(), request.status.to_string()]
}

fn list_binding<'a>(paging: Paging<'a>, conditions: &'a [String; 2]) -> Binding<'a> {
    Binding::new(
        "notifications",
        paging.app,
        conditions.iter().map(String::as_str),
    )
}

/// Reads which notifications are wanted.
pub(crate) fn list_notifications(
    request: &v1::ListNotificationsRequest,
    paging: Paging<'_>,
) -> Result<ListNotifications, Error> {
    let mut fields = Fields::default();
    let conditions = list_conditions(request);
    let binding = list_binding(paging, &conditions);
    let token = (request.page_size, request.page_token.as_str());
    let page = page(&mut fields, paging, &binding, token);
    let filter = NotificationFilter {
        account: None,
        status: fields.optional_choice("status", request.status, status),
        transaction_id: fields.optional("transaction_id", &request.transaction_id, str::parse),
    };
    fields.finish(Some(ListNotifications { filter, page }))
}

/// One page of notifications as the API shows it.
pub(crate) fn list_notifications_response(
    request: &v1::ListNotificationsRequest,
    paging: Paging<'_>,
    page: &Page<NotificationRecord>,
) -> Result<v1::ListNotificationsResponse, Error> {
    let conditions = list_conditions(request);
    let binding = list_binding(paging, &conditions);
    Ok(v1::ListNotificationsResponse {
        notifications: page.items.iter().map(notification).collect(),
        next_page_token: page_token::seal(paging.keyring, &binding, page.next.as_ref())?,
    })
}

fn status(status: v1::NotificationStatus) -> Option<NotificationStatus> {
    match status {
        v1::NotificationStatus::Unspecified => None,
        v1::NotificationStatus::Received => Some(NotificationStatus::Received),
        v1::NotificationStatus::Applied => Some(NotificationStatus::Applied),
        v1::NotificationStatus::AlreadyApplied => Some(NotificationStatus::AlreadyApplied),
        v1::NotificationStatus::Anomalous => Some(NotificationStatus::Anomalous),
        v1::NotificationStatus::Ignored => Some(NotificationStatus::Ignored),
    }
}

fn status_out(status: NotificationStatus) -> v1::NotificationStatus {
    match status {
        NotificationStatus::Received => v1::NotificationStatus::Received,
        NotificationStatus::Applied => v1::NotificationStatus::Applied,
        NotificationStatus::AlreadyApplied => v1::NotificationStatus::AlreadyApplied,
        NotificationStatus::Anomalous => v1::NotificationStatus::Anomalous,
        NotificationStatus::Ignored => v1::NotificationStatus::Ignored,
    }
}

fn notification(record: &NotificationRecord) -> v1::Notification {
    let notification = &record.notification;
    v1::Notification {
        notification_id: notification.id.to_string(),
        channel_account_id: notification.channel_account_id.to_string(),
        gateway: resource::gateway(notification.gateway).into(),
        key: notification.key.clone(),
        status: status_out(record.status).into(),
        transaction_id: record
            .transaction_id
            .map(|id| id.to_string())
            .unwrap_or_default(),
        note: record.note.clone().unwrap_or_default(),
        body_size_bytes: i64::try_from(notification.body.len()).unwrap_or(i64::MAX),
        receive_time: Some(resource::time(notification.received_at)),
        process_time: record.processed_at.map(resource::time),
    }
}

fn queue(queue: v1::WorkQueue) -> Option<QueueName> {
    match queue {
        v1::WorkQueue::Unspecified => None,
        v1::WorkQueue::Notifications => Some(QueueName::Notifications),
        v1::WorkQueue::Commands => Some(QueueName::Commands),
    }
}

fn queue_out(queue: QueueName) -> v1::WorkQueue {
    match queue {
        QueueName::Notifications => v1::WorkQueue::Notifications,
        QueueName::Commands => v1::WorkQueue::Commands,
    }
}

fn limit(fields: &mut Fields, limit: i32) -> usize {
    let limit = fields.count("limit", limit, PAGE_SIZE_DEFAULT, PAGE_SIZE_MAX);
    usize::try_from(limit).unwrap_or(usize::MAX)
}

/// Reads which parked messages are wanted.
pub(crate) fn list_parked(request: v1::ListParkedRequest) -> Result<ListParked, Error> {
    let mut fields = Fields::default();
    let queue = fields.choice("queue", request.queue, queue);
    let limit = limit(&mut fields, request.limit);
    fields.finish(queue.map(|queue| ListParked { queue, limit }))
}

/// Parked messages as the API shows them.
pub(crate) fn list_parked_response(parked: &[Parked]) -> v1::ListParkedResponse {
    let message = |parked: &Parked| v1::ParkedMessage {
        queue: queue_out(parked.queue).into(),
        message_id: parked.envelope.id.to_string(),
        kind: parked.envelope.kind.clone(),
        reason: parked.reason.clone(),
        retries: i32::try_from(parked.retries).unwrap_or(i32::MAX),
        create_time: Some(resource::time(parked.envelope.created_at)),
        park_time: Some(resource::time(parked.parked_at)),
    };
    v1::ListParkedResponse {
        messages: parked.iter().map(message).collect(),
    }
}

/// Reads which parked messages are to be put back.
pub(crate) fn redrive_parked(request: &v1::RedriveParkedRequest) -> Result<RedriveParked, Error> {
    let mut fields = Fields::default();
    let queue = fields.choice("queue", request.queue, queue);
    let limit = limit(&mut fields, request.limit);
    let count_max = usize::try_from(PAGE_SIZE_MAX).unwrap_or(usize::MAX);
    if request.message_ids.len() > count_max {
        fields.wrong("message_ids", format!("must be at most {count_max}"));
    }
    let named = request.message_ids.iter().take(count_max).enumerate();
    let ids = named
        .filter_map(|(index, id)| fields.required(&format!("message_ids[{index}]"), id, str::parse))
        .collect();
    fields.finish(queue.map(|queue| RedriveParked { queue, ids, limit }))
}
