//! Take: put a verified callback into the inbox and apply what it says, in one transaction. The
//! message is acknowledged only after the commit; a repeat finds the inbox row and changes nothing.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use gateways::{Gateway, Translated};
use kassa_core::anomaly::AnomalyKind;
use kassa_core::id::{AttemptId, TransactionId};
use kassa_core::notification::{
    Notification, NotificationMessage, NotificationStatus, RefundReport,
};
use runtime::checkpoint::Checkpoint;
use runtime::queue::Envelope;
use runtime::store::{Inserted, Tx};
use serde_json::json;

use crate::anomaly::{Finding, apply_dispute_in_tx, apply_question_in_tx};
use crate::payment::apply::{Outcome, apply_payment_report_in_tx};
use crate::payment::query_attempt;
use crate::refund::apply::apply_refund_report_in_tx;
use crate::refund::{complete_report, confirm};
use crate::{Disposition, Error, Kassa};

/// Takes one notification off the queue.
///
/// # Errors
/// [`Error`]; nothing was written then, and the message is tried again.
pub async fn take_task(kassa: &Kassa, envelope: &Envelope) -> Result<Disposition, Error> {
    let notification = match read(envelope) {
        Ok(notification) => notification,
        Err(reason) => return Ok(Disposition::Park(reason)),
    };
    let open = kassa.account(notification.channel_account_id).await?;
    let mut translated = match open.gateway.translate(&notification) {
        Ok(translated) => translated,
        Err(error) => {
            return Ok(Disposition::Park(format!(
                "unreadable notification: {error}"
            )));
        }
    };
    let mut refunds = Vec::new();
    if translated.foreign.is_none() {
        let gateway = open.gateway.as_ref();
        if may_ask(&translated) && is_in_inbox(kassa, &notification).await? {
            count(gateway, NotificationStatus::AlreadyApplied);
            return Ok(Disposition::Done);
        }
        refunds = complete(kassa, gateway, &notification, &mut translated).await?;
    }
    let tx = kassa.store.begin().await?;
    if let Inserted::Repeat { status } = tx.insert_notification_in_tx(&notification).await? {
        tracing::debug!(
            notification.key = notification.key,
            status = status.as_str(),
            "notification taken before"
        );
        count(open.gateway.as_ref(), NotificationStatus::AlreadyApplied);
        return Ok(Disposition::Done);
    }
    let (status, transaction_id) =
        apply_in_tx(kassa, &tx, &notification, &translated, &refunds).await?;
    let now = kassa.clock.now();
    let note = Some(translated.kind.as_str());
    tx.finish_notification_in_tx(notification.id, status, transaction_id, note, now)
        .await?;
    kassa
        .checkpoints
        .reach(Checkpoint::NotificationApplied)
        .await;
    tx.commit().await?;
    count(open.gateway.as_ref(), status);
    Ok(Disposition::Done)
}

fn read(envelope: &Envelope) -> Result<Notification, String> {
    let message: NotificationMessage = serde_json::from_value(envelope.payload.clone())
        .map_err(|error| format!("unreadable notification message: {error}"))?;
    let body = BASE64
        .decode(&message.body)
        .map_err(|error| format!("unreadable notification body: {error}"))?;
    Ok(message.into_notification(body))
}

/// The payment's report first: money that came before money that went.
async fn apply_in_tx(
    kassa: &Kassa,
    tx: &Tx,
    notification: &Notification,
    translated: &Translated,
    refunds: &[RefundReport],
) -> Result<(NotificationStatus, Option<TransactionId>), Error> {
    let account = notification.channel_account_id;
    if let Some(foreign) = &translated.foreign {
        let finding = Finding {
            kind: AnomalyKind::AccountMismatch,
            key: format!("{account}:{}", notification.key),
            evidence: json!({
                "field": foreign.field,
                "found": foreign.found,
                "notification": notification.key,
            }),
        };
        finding.open_in_tx(kassa, tx, account, None, None).await?;
        return Ok((NotificationStatus::Anomalous, None));
    }
    let mut outcomes: Vec<Outcome> = Vec::with_capacity(4);
    if let Some(report) = &translated.payment {
        outcomes.push(apply_payment_report_in_tx(kassa, tx, account, report).await?);
    }
    for report in refunds {
        outcomes.push(apply_refund_report_in_tx(kassa, tx, account, report).await?);
    }
    if let Some(question) = &translated.question {
        outcomes.push(apply_question_in_tx(kassa, tx, account, question).await?);
    }
    if let Some(report) = &translated.dispute {
        outcomes.push(apply_dispute_in_tx(kassa, tx, account, report).await?);
    }
    let transaction_id = outcomes.iter().find_map(|outcome| outcome.transaction_id);
    let status = if outcomes.is_empty() {
        NotificationStatus::Ignored
    } else if outcomes.iter().any(|outcome| outcome.anomaly.is_some()) {
        NotificationStatus::Anomalous
    } else if outcomes.iter().any(|outcome| outcome.changed) {
        NotificationStatus::Applied
    } else {
        NotificationStatus::AlreadyApplied
    };
    Ok((status, transaction_id))
}

/// Whether the gateway may have to be asked for more than the notification says.
fn may_ask(translated: &Translated) -> bool {
    translated.unnamed.is_some() || translated.is_to_be_asked || translated.refund.is_some()
}

/// Whether the notification was taken before: what a repeat would ask for was asked then. Two that come
/// at once may both ask; the inbox's unique key still lets one of them apply the answers.
async fn is_in_inbox(kassa: &Kassa, notification: &Notification) -> Result<bool, Error> {
    let (account, key) = (notification.channel_account_id, &notification.key);
    let found = kassa.store.find_notification_id(account, key).await?;
    Ok(found.is_some())
}

/// Asks for what a notification leaves out, before any database transaction is open. What is known of
/// refunds then is given back.
async fn complete(
    kassa: &Kassa,
    gateway: &dyn Gateway,
    notification: &Notification,
    translated: &mut Translated,
) -> Result<Vec<RefundReport>, Error> {
    let account = notification.channel_account_id;
    if let Some(unnamed) = translated.unnamed.take() {
        name(kassa, gateway, &unnamed, translated).await?;
    }
    if translated.is_to_be_asked
        && let Some(report) = &mut translated.payment
        && let Ok(id) = report.request_number.parse::<AttemptId>()
        && let Some(attempt) = kassa.store.find_attempt(id).await?
        && attempt.channel_account_id == account
    {
        *report = query_attempt(kassa, &attempt).await?;
    }
    let mut refunds = match translated.refund.take() {
        Some(told) if translated.refund_is_hint => confirm(kassa, account, told).await?,
        told => told.into_iter().collect(),
    };
    for report in &mut refunds {
        complete_report(kassa, account, report, translated.payment.is_some()).await?;
    }
    Ok(refunds)
}

/// Finds the order that a refund or dispute is about by the gateway's number of its payment. What is not
/// about an order of ours means nothing to us.
async fn name(
    kassa: &Kassa,
    gateway: &dyn Gateway,
    gateway_payment_id: &str,
    translated: &mut Translated,
) -> Result<(), Error> {
    let found = gateway.find_order(gateway_payment_id);
    let found = tokio::time::timeout(kassa.settings.call_timeout, found).await;
    let number = match found {
        Ok(Ok(number)) => number,
        Ok(Err(error)) => {
            tracing::warn!(%error, "the order of a notification could not be asked for");
            return Err(Error::GatewayUnavailable);
        }
        Err(_elapsed) => return Err(Error::GatewayUnavailable),
    };
    let Some(number) = number else {
        translated.refund = None;
        translated.dispute = None;
        return Ok(());
    };
    if let Some(refund) = &mut translated.refund {
        refund.request_number.clone_from(&number);
    }
    if let Some(dispute) = &mut translated.dispute {
        dispute.request_number = number;
    }
    Ok(())
}

fn count(gateway: &dyn Gateway, status: NotificationStatus) {
    metrics::counter!(
        "kassa_notifications_taken_total",
        "gateway" => gateway.name().as_str(),
        "status" => status.as_str()
    )
    .increment(1);
}
