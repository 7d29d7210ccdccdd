//! The one place where a fact changes a refund: the answer to the submission, a query, a
//! notification. The payment's row is locked first, so that refunds of one payment take turns.

use kassa_core::Money;
use kassa_core::anomaly::AnomalyKind;
use kassa_core::event::EventKind;
use kassa_core::id::{AttemptId, ChannelAccountId, RefundId};
use kassa_core::notification::{RefundReport, ReportedRefund};
use kassa_core::payment::{self, Attempt, PaymentFact, PaymentTransaction};
use kassa_core::refund::{
    Decision, RefundFact, RefundSource, RefundStatus, RefundTransaction, decide,
};
use runtime::store::{Locked, Tx};
use serde_json::json;

use crate::event::{record_payment_event_in_tx, record_refund_event_in_tx};
use crate::payment::apply::{Finding, Outcome, booking, next_version, post_in_tx};
use crate::synchronise::plan_refund;
use crate::{Error, Kassa};

/// Applies what a gateway reports about a refund, in a transaction of its own.
///
/// # Errors
/// [`Error`]; nothing was changed then.
pub async fn apply_refund_report(
    kassa: &Kassa,
    account: ChannelAccountId,
    report: &RefundReport,
) -> Result<Outcome, Error> {
    let tx = kassa.store.begin().await?;
    let outcome = apply_refund_report_in_tx(kassa, &tx, account, report).await?;
    tx.commit().await?;
    Ok(outcome)
}

/// Applies what a gateway reports about a refund. `account` is the one whose keys vouch for it: a
/// refund of another account's order is never touched by it.
pub(crate) async fn apply_refund_report_in_tx(
    kassa: &Kassa,
    tx: &Tx,
    account: ChannelAccountId,
    report: &RefundReport,
) -> Result<Outcome, Error> {
    let attempt = match report.request_number.parse::<AttemptId>() {
        Ok(id) => tx.find_attempt_in_tx(id).await?,
        Err(_not_ours) => None,
    };
    let found = attempt.filter(|attempt| attempt.channel_account_id == account);
    let Some(attempt) = found else {
        let evidence = json!({
            "request_number": report.request_number,
            "refund_number": report.refund_number,
        });
        let key = format!(
            "{account}:{}:{}",
            report.request_number, report.refund_number
        );
        let finding = Finding {
            kind: AnomalyKind::UnknownOrder,
            key,
            evidence,
        };
        finding.write_in_tx(kassa, tx, account, None, None).await?;
        let anomaly = Some(AnomalyKind::UnknownOrder);
        return Ok(Outcome {
            transaction_id: None,
            changed: false,
            anomaly,
        });
    };
    match tx
        .find_refund_by_number_in_tx(attempt.id, &report.refund_number)
        .await?
    {
        Some(refund) => apply_to_known(kassa, tx, &refund, report).await,
        None => apply_to_unknown(kassa, tx, &attempt, report).await,
    }
}

async fn apply_to_known(
    kassa: &Kassa,
    tx: &Tx,
    refund: &RefundTransaction,
    report: &RefundReport,
) -> Result<Outcome, Error> {
    let payment = tx
        .load_payment_for_update_in_tx(refund.original_transaction_id)
        .await?;
    let refund = tx.load_refund_for_update_in_tx(refund.id).await?;
    let fact = RefundFact::from_report(&report.state);
    let transaction_id = Some(payment.get().id);
    match decide(refund.get().status, refund.get().amount_requested, &fact) {
        Decision::AlreadyApplied => Ok(Outcome {
            transaction_id,
            changed: false,
            anomaly: None,
        }),
        Decision::Anomalous(kind) => {
            finding(kind, refund.get(), report)
                .write_in_tx(
                    kassa,
                    tx,
                    refund.get().channel_account_id,
                    transaction_id,
                    Some(refund.get().id),
                )
                .await?;
            Ok(Outcome {
                transaction_id,
                changed: false,
                anomaly: Some(kind),
            })
        }
        Decision::Applied {
            status,
            event,
            anomaly,
        } => {
            let anomaly =
                settle(kassa, tx, payment, refund, (status, event, anomaly), report).await?;
            Ok(Outcome {
                transaction_id,
                changed: true,
                anomaly,
            })
        }
    }
}

async fn settle(
    kassa: &Kassa,
    tx: &Tx,
    payment: Locked<PaymentTransaction>,
    refund: Locked<RefundTransaction>,
    (status, event, mut anomaly): (RefundStatus, EventKind, Option<AnomalyKind>),
    report: &RefundReport,
) -> Result<Option<AnomalyKind>, Error> {
    let before = refund.get().clone();
    let after = changed_refund(kassa, &before, status, report);
    let mut paid = payment.get().clone();
    paid.updated_at = after.updated_at;
    paid.version = next_version(paid.version)?;
    let mut given_back = None;
    match status {
        RefundStatus::Pending | RefundStatus::Processing => {}
        RefundStatus::Failed => {
            paid.amount_refund_reserved = paid
                .amount_refund_reserved
                .checked_sub(before.amount_requested)
                .map_err(Error::internal)?;
        }
        RefundStatus::Success => {
            let reserved = if before.status.is_final() {
                Money::zero(before.amount_requested.currency())
            } else {
                before.amount_requested
            };
            let fact = PaymentFact::Refunded {
                amount: before.amount_requested,
                reserved,
            };
            given_back = take_from_payment(kassa, tx, &mut paid, &after, &fact).await?;
            if given_back.is_none() {
                anomaly = Some(AnomalyKind::RefundBeyondPaid);
            }
        }
    }
    record_refund_event_in_tx(kassa, tx, &mut paid, &after, event).await?;
    if let Some(event) = given_back {
        record_payment_event_in_tx(kassa, tx, &mut paid, event).await?;
    }
    paid.version = payment.get().version;
    tx.update_payment_in_tx(payment, paid.clone()).await?;
    tx.update_refund_in_tx(
        refund,
        RefundTransaction {
            version: before.version,
            ..after.clone()
        },
    )
    .await?;
    if let Some(kind) = anomaly {
        let account = after.channel_account_id;
        finding(kind, &after, report)
            .write_in_tx(kassa, tx, account, Some(paid.id), Some(after.id))
            .await?;
    }
    metrics::counter!("kassa_refund_transitions_total", "status" => status.as_str()).increment(1);
    tracing::info!(
        payment.id = %paid.id,
        refund.id = %after.id,
        status = status.as_str(),
        "refund changed"
    );
    Ok(anomaly)
}

/// Takes a settled refund from its payment and books it. `None` if it does not fit: the money is
/// gone all the same, and is booked against suspense.
async fn take_from_payment(
    kassa: &Kassa,
    tx: &Tx,
    payment: &mut PaymentTransaction,
    refund: &RefundTransaction,
    fact: &PaymentFact,
) -> Result<Option<EventKind>, Error> {
    let attempt = attempt(tx, refund.attempt_id).await?;
    let booking = booking(payment, &attempt, refund.amount_requested);
    match payment::decide(payment.state(), fact) {
        payment::Decision::Applied(applied) => {
            payment.status = applied.state.status;
            payment.amount_refunded = applied.state.refunded;
            payment.amount_refund_reserved = applied.state.reserved;
            let transfer = booking
                .refund(refund.id.to_string())
                .map_err(Error::internal)?;
            post_in_tx(kassa, tx, transfer, payment.id).await?;
            Ok(Some(applied.event))
        }
        payment::Decision::AlreadyApplied | payment::Decision::Anomalous(_) => {
            let number = format!("{}:{}", refund.attempt_id, refund.refund_number);
            let transfer = booking.unexpected_refund(number).map_err(Error::internal)?;
            post_in_tx(kassa, tx, transfer, payment.id).await?;
            Ok(None)
        }
    }
}

fn changed_refund(
    kassa: &Kassa,
    before: &RefundTransaction,
    status: RefundStatus,
    report: &RefundReport,
) -> RefundTransaction {
    let now = kassa.clock.now();
    let mut after = before.clone();
    after.status = status;
    after.updated_at = now;
    after.version = before.version.saturating_add(1);
    if status.is_final() {
        plan_refund(kassa, &mut after);
    }
    if after.gateway_refund_id.is_none() {
        after
            .gateway_refund_id
            .clone_from(&report.gateway_refund_id);
    }
    match &report.state {
        ReportedRefund::Succeeded { refunded_at, .. } => {
            after.amount_refunded = before.amount_requested;
            after.refunded_at = Some(refunded_at.unwrap_or(now));
            after.failure = None;
        }
        ReportedRefund::Failed(reason) => {
            after.failure = Some(payment::Failure {
                code: reason.code.clone(),
                message: reason.message.clone(),
            });
        }
        ReportedRefund::Processing | ReportedRefund::Abnormal(_) | ReportedRefund::NotFound => {}
    }
    after
}

/// A refund that we did not ask for: made at the gateway's console. Once it has succeeded it is
/// booked as external.
async fn apply_to_unknown(
    kassa: &Kassa,
    tx: &Tx,
    attempt: &Attempt,
    report: &RefundReport,
) -> Result<Outcome, Error> {
    let transaction_id = Some(attempt.transaction_id);
    let ReportedRefund::Succeeded {
        amount,
        refunded_total,
        ..
    } = &report.state
    else {
        return Ok(Outcome {
            transaction_id,
            changed: false,
            anomaly: None,
        });
    };
    let payment = tx
        .load_payment_for_update_in_tx(attempt.transaction_id)
        .await?;
    match external_amount(payment.get(), *amount, *refunded_total)? {
        Some(amount) => book_external(kassa, tx, payment, attempt, amount, report).await,
        None => Ok(Outcome {
            transaction_id,
            changed: false,
            anomaly: None,
        }),
    }
}

/// How much an external refund gave back. Where the gateway tells only the order's total, ours under
/// way must be settled first: the message comes again until they are.
fn external_amount(
    payment: &PaymentTransaction,
    amount: Option<Money>,
    refunded_total: Option<Money>,
) -> Result<Option<Money>, Error> {
    if amount.is_some() {
        return Ok(amount);
    }
    if !payment.amount_refund_reserved.is_zero() {
        return Err(Error::RequestInFlight);
    }
    let rest = refunded_total.and_then(|total| total.checked_sub(payment.amount_refunded).ok());
    Ok(rest.filter(|rest| !rest.is_zero()))
}

async fn book_external(
    kassa: &Kassa,
    tx: &Tx,
    locked: Locked<PaymentTransaction>,
    attempt: &Attempt,
    amount: Money,
    report: &RefundReport,
) -> Result<Outcome, Error> {
    let mut payment = locked.get().clone();
    let refund = external_refund(kassa, &payment, attempt, amount, report);
    tx.insert_refund_in_tx(&refund).await?;
    payment.updated_at = refund.updated_at;
    payment.version = next_version(payment.version)?;
    let fact = PaymentFact::Refunded {
        amount,
        reserved: Money::zero(amount.currency()),
    };
    let given_back = take_from_payment(kassa, tx, &mut payment, &refund, &fact).await?;
    let kind = match given_back {
        Some(_) => AnomalyKind::ExternalRefund,
        None if payment.status.is_paid() => AnomalyKind::RefundBeyondPaid,
        None => AnomalyKind::RefundWithoutPayment,
    };
    record_refund_event_in_tx(kassa, tx, &mut payment, &refund, EventKind::RefundSucceeded).await?;
    if let Some(event) = given_back {
        record_payment_event_in_tx(kassa, tx, &mut payment, event).await?;
    }
    payment.version = locked.get().version;
    let transaction_id = Some(payment.id);
    tx.update_payment_in_tx(locked, payment).await?;
    finding(kind, &refund, report)
        .write_in_tx(
            kassa,
            tx,
            attempt.channel_account_id,
            transaction_id,
            Some(refund.id),
        )
        .await?;
    Ok(Outcome {
        transaction_id,
        changed: true,
        anomaly: Some(kind),
    })
}

fn external_refund(
    kassa: &Kassa,
    payment: &PaymentTransaction,
    attempt: &Attempt,
    amount: Money,
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
    RefundTransaction {
        id: RefundId::new(&kassa.ids),
        app_id: payment.app_id.clone(),
        original_transaction_id: payment.id,
        leg_id: attempt.leg_id,
        attempt_id: attempt.id,
        channel_account_id: attempt.channel_account_id,
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
        source: RefundSource::Payment,
        anomaly_id: None,
        version: 1,
    }
}

async fn attempt(tx: &Tx, id: AttemptId) -> Result<Attempt, Error> {
    tx.find_attempt_in_tx(id)
        .await?
        .ok_or_else(|| Error::internal("a refund without its attempt"))
}

fn finding(kind: AnomalyKind, refund: &RefundTransaction, report: &RefundReport) -> Finding {
    let reported = match &report.state {
        ReportedRefund::Succeeded { amount, .. } => {
            amount.map(|amount| amount.to_string()).unwrap_or_default()
        }
        ReportedRefund::Failed(reason) | ReportedRefund::Abnormal(reason) => reason.code.clone(),
        ReportedRefund::Processing | ReportedRefund::NotFound => String::new(),
    };
    Finding {
        kind,
        key: format!("{}:{}", refund.attempt_id, refund.refund_number),
        evidence: json!({
            "refund_number": refund.refund_number,
            "amount_requested": refund.amount_requested.to_string(),
            "status_before": refund.status.as_str(),
            "reported": reported,
        }),
    }
}
