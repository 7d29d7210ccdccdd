//! Parked messages: list them, put them back.

use kassa_core::id::EnvelopeId;
use kassa_core::text::AppId;
use runtime::queue::{Parked, QueueName};
use serde_json::json;

use crate::audit::{self, Action};
use crate::{Error, Kassa};

/// Among how many parked messages named ones are looked for: as many as a queue looks at.
const CHOICE_MAX: usize = 10_000;

/// The oldest parked messages of a queue.
///
/// # Errors
/// [`Error::Queue`].
pub async fn list_parked(
    kassa: &Kassa,
    queue: QueueName,
    limit: usize,
) -> Result<Vec<Parked>, Error> {
    Ok(kassa.queue.list_parked(queue, limit).await?)
}

/// The parked messages that [`redrive_parked`] would put back: those named, or the oldest.
///
/// # Errors
/// [`Error::Queue`].
pub async fn choose_parked(
    kassa: &Kassa,
    queue: QueueName,
    ids: &[EnvelopeId],
    limit: usize,
) -> Result<Vec<Parked>, Error> {
    if ids.is_empty() {
        return list_parked(kassa, queue, limit).await;
    }
    let mut chosen = list_parked(kassa, queue, CHOICE_MAX).await?;
    chosen.retain(|parked| ids.contains(&parked.envelope.id));
    chosen.truncate(limit);
    Ok(chosen)
}

/// Puts parked messages back on their queue: those named, or the oldest. Audited.
///
/// # Errors
/// [`Error::Queue`], [`Error::Store`].
pub async fn redrive_parked(
    kassa: &Kassa,
    actor: &AppId,
    queue: QueueName,
    ids: &[EnvelopeId],
    limit: usize,
) -> Result<Vec<EnvelopeId>, Error> {
    let put_back = kassa.queue.redrive(queue, ids, limit).await?;
    let named: Vec<String> = put_back.iter().map(ToString::to_string).collect();
    let action = Action {
        actor: actor.as_str(),
        name: "parked.redrive",
        subject: format!("queues/{}", queue.as_str()),
        detail: json!({ "message_ids": named }),
    };
    let tx = kassa.store.begin().await?;
    audit::record_in_tx(kassa, &tx, action).await?;
    tx.commit().await?;
    Ok(put_back)
}
