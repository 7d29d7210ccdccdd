//! Give back: late and duplicate money goes back to its payer, by the app's policy after the operator's
//! delay, or at an operator's word. Each anomaly has one refund that has not failed.

use chrono::TimeDelta;
use kassa_core::Money;
use kassa_core::anomaly::{Anomaly, AnomalyKind, ResolutionAction, ResolutionRequest};
use kassa_core::payment::{Attempt, PaymentTransaction};
use kassa_core::refund::{RefundSource, RefundStatus, RefundTransaction};
use kassa_core::text::RefundReason;
use runtime::checkpoint::Checkpoint;
use runtime::store::{Locked, Tx};

use super::{KASSA, close_in_tx};
use crate::refund::legs::Ways;
use crate::refund::{NewRefund, record_refund_in_tx};
use crate::{Error, Kassa};

/// A claimed anomaly is looked at again after this time, if the worker died or another refund of the
/// same money was under way.
const LOOK_AGAIN: TimeDelta = TimeDelta::minutes(10);
/// What the payer reads.
const LATE_REASON: &str = "订单已关闭，款项退回 Paid after the order was closed";
const DUPLICATE_REASON: &str = "重复支付，款项退回 Paid twice";

/// Gives back what is due by the apps' policies, at most `limit` at a time; how many were claimed. Any
/// number of workers may call it at the same time.
///
/// # Errors
/// [`Error::Store`] if nothing could be claimed. One anomaly that cannot be dealt with keeps no other
/// from its turn, and is due again later.
pub async fn refund_due(kassa: &Kassa, limit: u64) -> Result<usize, Error> {
    let now = kassa.clock.now();
    let divisor = i32::try_from(kassa.settings.synchronise.time_divisor).unwrap_or(i32::MAX);
    let until = LOOK_AGAIN
        .checked_div(divisor)
        .and_then(|pause| now.checked_add_signed(pause))
        .ok_or_else(|| Error::internal("the clock is out of range"))?;
    let due = kassa.store.claim_due_anomalies(now, until, limit).await?;
    for anomaly in &due {
        if let Err(error) = Box::pin(refund_one(kassa, anomaly)).await {
            tracing::warn!(%error, anomaly.id = %anomaly.id, "an automatic refund was not made");
        }
    }
    Ok(due.len())
}

async fn refund_one(kassa: &Kassa, due: &Anomaly) -> Result<(), Error> {
    let Some(transaction_id) = due.transaction_id else {
        return Err(Error::internal("a refund of no payment is due"));
    };
    let tx = kassa.store.begin().await?;
    let payment = tx.load_payment_for_update_in_tx(transaction_id).await?;
    let anomaly = tx.load_anomaly_for_update_in_tx(due.id).await?;
    // Somebody may have dealt with it since it was claimed.
    if anomaly.get().refund_due_at.is_none() || anomaly.get().resolution.is_some() {
        return Ok(());
    }
    let request = ResolutionRequest {
        by: KASSA.to_owned(),
        reason: "by the app's policy".to_owned(),
    };
    match give_back_in_tx(kassa, &tx, payment, anomaly, request).await? {
        GivenBack::Refund => {
            tx.commit().await?;
            kassa
                .checkpoints
                .reach(Checkpoint::AnomalyRefundWrittenDown)
                .await;
        }
        GivenBack::Nothing => tx.commit().await?,
        GivenBack::UnderWay => {
            tracing::info!(anomaly.id = %due.id, "its money is being refunded already");
        }
    }
    Ok(())
}

/// What came of giving the money of an anomaly back.
#[derive(Debug)]
pub(super) enum GivenBack {
    /// By a new refund.
    Refund,
    /// It was given back before: the anomaly is resolved.
    Nothing,
    /// Refunds of it are under way: their end must be known first.
    UnderWay,
}

/// Makes the refund of an open anomaly.
pub(super) async fn give_back_in_tx(
    kassa: &Kassa,
    tx: &Tx,
    payment: Locked<PaymentTransaction>,
    anomaly: Locked<Anomaly>,
    request: ResolutionRequest,
) -> Result<GivenBack, Error> {
    let attempt = attempt_in_tx(tx, payment.get(), anomaly.get()).await?;
    let (source, left) = if is_in_suspense(payment.get(), anomaly.get()) {
        let left = left_of_duplicate_in_tx(tx, &attempt).await?;
        (RefundSource::Duplicate, left)
    } else {
        (RefundSource::Payment, left_of_payment(payment.get())?)
    };
    let amount = match left {
        Left::Amount(amount) => amount,
        Left::UnderWay => return Ok(GivenBack::UnderWay),
        Left::Nothing => {
            let mut changed = payment.get().clone();
            let done = ResolutionRequest {
                reason: format!("all of it was given back before; {}", request.reason),
                ..request
            };
            let action = ResolutionAction::Refund;
            close_in_tx(kassa, tx, Some(&mut changed), anomaly, action, done).await?;
            tx.update_payment_in_tx(payment, changed).await?;
            return Ok(GivenBack::Nothing);
        }
    };
    let (id, app) = (payment.get().id, payment.get().app_id.clone());
    if source == RefundSource::Payment && !tx.reserve_refund_in_tx(id, &app, amount).await? {
        return Ok(GivenBack::UnderWay);
    }
    let refund = new_refund(
        kassa,
        payment.get(),
        &attempt,
        anomaly.get(),
        (source, amount),
    )?;
    record_refund_in_tx(kassa, tx, &refund, &request.by).await?;
    let asked = Anomaly {
        refund_due_at: None,
        requested: Some(request),
        ..anomaly.get().clone()
    };
    tx.update_anomaly_in_tx(anomaly, &asked).await?;
    let channel = payment.get().channel;
    metrics::counter!("kassa_refunds_created_total", "channel" => channel.as_str()).increment(1);
    tracing::info!(
        payment.id = %id,
        refund.id = %refund.id,
        anomaly.id = %asked.id,
        "refund of an anomaly created"
    );
    Ok(GivenBack::Refund)
}

fn new_refund(
    kassa: &Kassa,
    payment: &PaymentTransaction,
    attempt: &Attempt,
    anomaly: &Anomaly,
    (source, amount): (RefundSource, Money),
) -> Result<RefundTransaction, Error> {
    let reason = if anomaly.kind == AnomalyKind::DuplicatePayment {
        DUPLICATE_REASON
    } else {
        LATE_REASON
    };
    let wanted = NewRefund {
        business_refund_id: None,
        fingerprint: String::new(),
        amount,
        reason: Some(RefundReason::try_new(reason).map_err(Error::internal)?),
        source,
        anomaly_id: Some(anomaly.id),
    };
    Ok(wanted.of(kassa, payment, Ways::through(attempt, amount)))
}

/// Whether the money is aside: it came a second time, or late for a mixed payment, which it did not pay.
fn is_in_suspense(payment: &PaymentTransaction, anomaly: &Anomaly) -> bool {
    anomaly.kind == AnomalyKind::DuplicatePayment || !payment.status.is_paid()
}

/// The order whose money the anomaly is about.
async fn attempt_in_tx(
    tx: &Tx,
    payment: &PaymentTransaction,
    anomaly: &Anomaly,
) -> Result<Attempt, Error> {
    // Late money that paid is the payment's own: it is given back through the order that paid it.
    let id = if is_in_suspense(payment, anomaly) {
        anomaly.attempt_id()
    } else {
        payment.current_attempt_id
    };
    let id = id.ok_or_else(|| Error::internal("an anomaly without its order"))?;
    let attempt = tx.find_attempt_in_tx(id).await?;
    attempt.ok_or_else(|| Error::internal("an anomaly without its order"))
}

enum Left {
    Amount(Money),
    UnderWay,
    Nothing,
}

/// What of late money is left. A refund of a part that fails leaves its part too, so the end of those
/// under way comes first.
fn left_of_payment(payment: &PaymentTransaction) -> Result<Left, Error> {
    if !payment.amount_refund_reserved.is_zero() {
        return Ok(Left::UnderWay);
    }
    let refundable = payment.amount_refundable().map_err(Error::internal)?;
    Ok(if refundable.is_zero() {
        Left::Nothing
    } else {
        Left::Amount(refundable)
    })
}

/// What of a duplicate is in suspense: people may have given back a part at the gateway's console.
async fn left_of_duplicate_in_tx(tx: &Tx, attempt: &Attempt) -> Result<Left, Error> {
    let mut left = attempt.amount;
    for refund in tx.list_refunds_of_attempt_in_tx(attempt.id).await? {
        match refund.status {
            RefundStatus::Pending | RefundStatus::Processing => return Ok(Left::UnderWay),
            RefundStatus::Failed => {}
            RefundStatus::Success => {
                left = match left.checked_sub(refund.amount_refunded) {
                    Ok(left) => left,
                    Err(_more_than_all) => return Ok(Left::Nothing),
                };
            }
        }
    }
    Ok(if left.is_zero() {
        Left::Nothing
    } else {
        Left::Amount(left)
    })
}
