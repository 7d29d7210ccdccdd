//! Refunds that we did not ask for: made at the gateway's console. Once one has succeeded it is booked as
//! external, and people are told.

use kassa_core::Money;
use kassa_core::anomaly::AnomalyKind;
use kassa_core::event::EventKind;
use kassa_core::id::RefundId;
use kassa_core::notification::{RefundReport, ReportedRefund};
use kassa_core::payment::{Attempt, AttemptStatus, PaymentFact, PaymentStatus, PaymentTransaction};
use kassa_core::refund::{RefundSource, RefundStatus, RefundTransaction};
use runtime::store::{Locked, Tx};
use serde_json::json;

use super::apply::{
    finding, given_back_of_attempt, given_back_through, reported, take_from_payment,
    take_from_suspense, wallet_evidence,
};
use super::legs::Ways;
use crate::anomaly::{Finding, duplicate_given_back_in_tx, external_hang_ended_in_tx};
use crate::event::{record_payment_event_in_tx, record_refund_event_in_tx};
use crate::payment::apply::{Outcome, next_version};
use crate::payment::reversal::is_reversal;
use crate::{Error, Kassa};

/// Applies what a gateway reports about a refund of `attempt` that is not ours.
pub(super) async fn apply_to_unknown(
    kassa: &Kassa,
    tx: &Tx,
    attempt: &Attempt,
    report: &RefundReport,
) -> Result<Outcome, Error> {
    let transaction_id = Some(attempt.transaction_id);
    let known = tx
        .find_refund_by_number_in_tx(attempt.id, &attempt.request_number())
        .await?;
    if known.is_some_and(|known| is_reversal(attempt, &known)) {
        // The gateway's notice about what the order's cancelling gave back.
        return Ok(Outcome {
            transaction_id,
            changed: false,
            anomaly: None,
        });
    }
    let (amount, refunded_total) = match &report.state {
        // Nobody can book what has no amount.
        ReportedRefund::Succeeded {
            amount: None,
            refunded_total: None,
            ..
        } => {
            return tell_of_external(kassa, tx, attempt, report, AnomalyKind::ExternalRefund).await;
        }
        ReportedRefund::Succeeded {
            amount,
            refunded_total,
            ..
        } => (*amount, *refunded_total),
        // It gave nothing back yet, and only people can bring it on.
        ReportedRefund::Abnormal(_) => {
            return tell_of_external(kassa, tx, attempt, report, AnomalyKind::RefundAbnormal).await;
        }
        ReportedRefund::Processing | ReportedRefund::Failed(_) | ReportedRefund::NotFound => {
            return Ok(Outcome {
                transaction_id,
                changed: false,
                anomaly: None,
            });
        }
    };
    let payment = tx
        .load_payment_for_update_in_tx(attempt.transaction_id)
        .await?;
    let source = external_source(payment.get(), attempt);
    let told = (amount, refunded_total);
    match external_amount(tx, attempt, told).await? {
        Some(amount) => book_external(kassa, tx, payment, attempt, (amount, source), report).await,
        None => Ok(Outcome {
            transaction_id,
            changed: false,
            anomaly: None,
        }),
    }
}

/// People are told of a refund of the console that changes no books.
async fn tell_of_external(
    kassa: &Kassa,
    tx: &Tx,
    attempt: &Attempt,
    report: &RefundReport,
    kind: AnomalyKind,
) -> Result<Outcome, Error> {
    let payment = tx
        .load_payment_for_update_in_tx(attempt.transaction_id)
        .await?;
    let finding = Finding {
        kind,
        key: format!("{}:{}", attempt.id, report.refund_number),
        evidence: json!({
            "attempt_id": attempt.id.to_string(),
            "refund_number": report.refund_number,
            "gateway_refund_id": report.gateway_refund_id.clone().unwrap_or_default(),
            "reported": reported(&report.state),
        }),
    };
    finding
        .open_alone_in_tx(kassa, tx, attempt.channel_account_id, None, payment)
        .await?;
    Ok(Outcome {
        transaction_id: Some(attempt.transaction_id),
        changed: false,
        anomaly: Some(kind),
    })
}

/// How much an external refund gave back. Where the gateway tells only the order's total, ours under
/// way must be settled first: the message comes again until they are.
async fn external_amount(
    tx: &Tx,
    attempt: &Attempt,
    (amount, refunded_total): (Option<Money>, Option<Money>),
) -> Result<Option<Money>, Error> {
    if amount.is_some() {
        return Ok(amount);
    }
    let mut given_back = Money::zero(attempt.amount.currency());
    for refund in tx.list_refunds_of_attempt_in_tx(attempt.id).await? {
        if !refund.status.is_final() {
            return Err(Error::RequestInFlight);
        }
        given_back = given_back
            .checked_add(given_back_through(&refund, attempt))
            .map_err(Error::internal)?;
    }
    let rest = refunded_total.and_then(|total| total.checked_sub(given_back).ok());
    Ok(rest.filter(|rest| !rest.is_zero()))
}

/// Which money the console gave back: a paid order that does not pay the payment is in suspense.
fn external_source(payment: &PaymentTransaction, attempt: &Attempt) -> RefundSource {
    let pays = payment.status.is_paid() && payment.current_attempt_id == Some(attempt.id);
    if attempt.status == AttemptStatus::Paid && !pays {
        RefundSource::Duplicate
    } else {
        RefundSource::Payment
    }
}

async fn book_external(
    kassa: &Kassa,
    tx: &Tx,
    locked: Locked<PaymentTransaction>,
    attempt: &Attempt,
    (amount, source): (Money, RefundSource),
    report: &RefundReport,
) -> Result<Outcome, Error> {
    let mut payment = locked.get().clone();
    let mut refund = external_refund(kassa, &payment, attempt, (amount, source), report);
    tx.insert_refund_in_tx(&refund).await?;
    payment.updated_at = refund.updated_at;
    payment.version = next_version(payment.version)?;
    let mut taken = None;
    let fits = match source {
        RefundSource::Payment => {
            let fact = PaymentFact::Refunded {
                amount,
                reserved: Money::zero(amount.currency()),
            };
            taken = take_from_payment(kassa, tx, &mut payment, &mut refund, &fact).await?;
            taken.is_some()
        }
        RefundSource::Duplicate => take_from_suspense(kassa, tx, &payment, &refund).await?,
    };
    if payment.status == PaymentStatus::RefundFull && is_reversal(attempt, &refund) {
        // The order was cancelled: another payment may pay for it.
        payment.closed_at = Some(refund.updated_at);
    }
    let kind = if fits {
        AnomalyKind::ExternalRefund
    } else if payment.status.is_paid() {
        AnomalyKind::RefundBeyondPaid
    } else {
        AnomalyKind::RefundWithoutPayment
    };
    record_refund_event_in_tx(kassa, tx, &mut payment, &refund, EventKind::RefundSucceeded).await?;
    if let Some(taken) = &taken {
        record_payment_event_in_tx(kassa, tx, &mut payment, taken.event).await?;
    }
    let (account, id) = (attempt.channel_account_id, payment.id);
    finding(kind, &refund, report)
        .with(wallet_evidence(taken.as_ref()))
        .open_in_tx(kassa, tx, account, Some(refund.id), Some(&mut payment))
        .await?;
    external_hang_ended_in_tx(kassa, tx, &mut payment, &refund).await?;
    if source == RefundSource::Duplicate
        && given_back_of_attempt(tx, attempt, refund.id)
            .await?
            .checked_add(amount)
            == Ok(attempt.amount)
    {
        duplicate_given_back_in_tx(kassa, tx, &mut payment, attempt.id).await?;
    }
    payment.version = locked.get().version;
    tx.update_payment_in_tx(locked, payment).await?;
    Ok(Outcome {
        transaction_id: Some(id),
        changed: true,
        anomaly: Some(kind),
    })
}

fn external_refund(
    kassa: &Kassa,
    payment: &PaymentTransaction,
    attempt: &Attempt,
    (amount, source): (Money, RefundSource),
    report: &RefundReport,
) -> RefundTransaction {
    let now = kassa.clock.now();
    let refunded_at = match &report.state {
        ReportedRefund::Succeeded { refunded_at, .. } => refunded_at.unwrap_or(now),
        ReportedRefund::Processing
        | ReportedRefund::Failed(_)
        | ReportedRefund::Abnormal(_)
        | ReportedRefund::NotFound => now,
    };
    let ways = match source {
        RefundSource::Payment => Ways::through_leg(&kassa.ids, payment, attempt, amount),
        RefundSource::Duplicate => Ways::through(attempt, amount),
    };
    RefundTransaction {
        id: RefundId::new(&kassa.ids),
        app_id: payment.app_id.clone(),
        original_transaction_id: payment.id,
        leg_id: ways.leg_id,
        route: ways.route,
        legs: ways.legs,
        business_refund_id: None,
        request_fingerprint: String::new(),
        refund_number: report.refund_number.clone(),
        amount_requested: amount,
        amount_refunded: amount,
        status: RefundStatus::Success,
        reason: None,
        gateway_refund_id: report.gateway_refund_id.clone(),
        failure: None,
        submitted_at: None,
        created_at: now,
        updated_at: now,
        refunded_at: Some(refunded_at),
        next_query_at: None,
        query_count: 0,
        source,
        anomaly_id: None,
        version: 1,
    }
}
