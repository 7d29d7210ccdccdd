//! Settle: what the end of a refund means for the anomalies around it.

use kassa_core::anomaly::{Anomaly, AnomalyKind, ResolutionAction, ResolutionRequest};
use kassa_core::id::{AnomalyId, AttemptId};
use kassa_core::payment::PaymentTransaction;
use kassa_core::refund::{RefundStatus, RefundTransaction};
use runtime::store::{NextQuery, Tx};

use super::{KASSA, close_in_tx};
use crate::{Error, Kassa};

/// A refund ended: the anomaly that it was made for is resolved or open again, and the one that told of
/// its hanging is over. `made_for` is the former.
pub(crate) async fn refund_ended_in_tx(
    kassa: &Kassa,
    tx: &Tx,
    payment: &mut PaymentTransaction,
    refund: &RefundTransaction,
    made_for: Option<AnomalyId>,
) -> Result<(), Error> {
    if !refund.status.is_final() {
        return Ok(());
    }
    let is_success = refund.status == RefundStatus::Success;
    let hung = tx
        .find_open_anomaly_of_refund_for_update_in_tx(refund.id, AnomalyKind::RefundAbnormal)
        .await?;
    if let Some(hung) = hung {
        let (action, request) = match hung.get().requested.clone() {
            Some(request) if is_success => (ResolutionAction::RefundToMerchant, request),
            _ => (ResolutionAction::Settled, settled(refund)),
        };
        close_in_tx(kassa, tx, Some(payment), hung, action, request).await?;
    }
    let Some(made_for) = made_for else {
        return Ok(());
    };
    let locked = tx.load_anomaly_for_update_in_tx(made_for).await?;
    if locked.get().resolution.is_some() {
        return Ok(());
    }
    if is_success {
        let request = locked.get().requested.clone();
        let request = request.unwrap_or_else(|| settled(refund));
        let action = ResolutionAction::Refund;
        close_in_tx(kassa, tx, Some(payment), locked, action, request).await?;
    } else {
        let open = Anomaly {
            refund_due_at: None,
            requested: None,
            ..locked.get().clone()
        };
        tx.update_anomaly_in_tx(locked, &open).await?;
        tracing::error!(
            anomaly.id = %open.id,
            anomaly.kind = open.kind.as_str(),
            payment.id = %payment.id,
            refund.id = %refund.id,
            refund.error_code = refund.failure.as_ref().map(|failure| failure.code.as_str()),
            "the refund of an anomaly failed: it waits for people"
        );
    }
    Ok(())
}

/// The gateway tells the end of a refund whose state was final before it hung and was sent to the
/// merchant: the anomaly that told of the hanging is over. `false` if there is none. One that nobody
/// has dealt with stays open: an old notification may come again after the refund began to hang.
pub(crate) async fn resent_ended_in_tx(
    kassa: &Kassa,
    tx: &Tx,
    payment: &mut PaymentTransaction,
    refund: &RefundTransaction,
    is_success: bool,
) -> Result<bool, Error> {
    let hung = tx
        .find_open_anomaly_of_refund_for_update_in_tx(refund.id, AnomalyKind::RefundAbnormal)
        .await?;
    let Some((hung, request)) = hung.and_then(|hung| {
        let request = hung.get().requested.clone()?;
        Some((hung, request))
    }) else {
        return Ok(false);
    };
    let (action, request) = if is_success {
        (ResolutionAction::RefundToMerchant, request)
    } else {
        (ResolutionAction::Settled, ended(refund, "failed"))
    };
    close_in_tx(kassa, tx, Some(payment), hung, action, request).await?;
    let never = NextQuery { at: None, count: 0 };
    tx.schedule_refund_in_tx(refund.id, never).await?;
    Ok(true)
}

/// A refund made at the gateway's console succeeded: if it hung before, that is over.
pub(crate) async fn external_hang_ended_in_tx(
    kassa: &Kassa,
    tx: &Tx,
    payment: &mut PaymentTransaction,
    refund: &RefundTransaction,
) -> Result<(), Error> {
    let open = tx
        .list_open_anomalies_for_update_in_tx(payment.id, AnomalyKind::RefundAbnormal)
        .await?;
    for locked in open {
        let hung = locked.get();
        let number = hung.evidence.get("refund_number");
        let is_same = hung.refund_id.is_none()
            && hung.attempt_id() == refund.route.map(|route| route.attempt_id)
            && number.and_then(serde_json::Value::as_str) == Some(refund.refund_number.as_str());
        if is_same {
            let (action, request) = (ResolutionAction::Settled, settled(refund));
            close_in_tx(kassa, tx, Some(&mut *payment), locked, action, request).await?;
        }
    }
    Ok(())
}

fn settled(refund: &RefundTransaction) -> ResolutionRequest {
    let end = match refund.status {
        RefundStatus::Success => "succeeded",
        RefundStatus::Failed => "failed",
        RefundStatus::Pending | RefundStatus::Processing => "is under way",
    };
    ended(refund, end)
}

fn ended(refund: &RefundTransaction, end: &str) -> ResolutionRequest {
    ResolutionRequest {
        by: KASSA.to_owned(),
        reason: format!("the refund {} {end}", refund.id),
    }
}

/// All that an order brought into suspense was given back at the gateway's console: nothing is left to
/// decide.
pub(crate) async fn duplicate_given_back_in_tx(
    kassa: &Kassa,
    tx: &Tx,
    payment: &mut PaymentTransaction,
    attempt: AttemptId,
) -> Result<(), Error> {
    for kind in [AnomalyKind::LatePayment, AnomalyKind::DuplicatePayment] {
        let open = tx
            .list_open_anomalies_for_update_in_tx(payment.id, kind)
            .await?;
        for locked in open {
            if locked.get().attempt_id() == Some(attempt) {
                let request = ResolutionRequest {
                    by: KASSA.to_owned(),
                    reason: "given back at the gateway's console".to_owned(),
                };
                let action = ResolutionAction::Refund;
                close_in_tx(kassa, tx, Some(&mut *payment), locked, action, request).await?;
            }
        }
    }
    Ok(())
}
