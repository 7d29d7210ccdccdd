//! The one place where a fact changes a refund: the answer to the submission, a query, a
//! notification. The payment's row is locked first, so that refunds of one payment take turns.

use kassa_core::Money;
use kassa_core::anomaly::AnomalyKind;
use kassa_core::event::EventKind;
use kassa_core::id::{AttemptId, ChannelAccountId, RefundId};
use kassa_core::ledger::{Booking, Transfer};
use kassa_core::notification::{RefundReport, ReportedRefund};
use kassa_core::payment::{self, Attempt, PaymentFact, PaymentTransaction};
use kassa_core::refund::{
    Decision, RefundFact, RefundRoute, RefundSource, RefundStatus, RefundTransaction, decide,
};
use runtime::store::{Locked, Movement, Tx};
use serde_json::json;

use super::{console, legs};
use crate::anomaly::{Finding, refund_ended_in_tx, resent_ended_in_tx};
use crate::event::{record_payment_event_in_tx, record_refund_event_in_tx};
use crate::payment::apply::{Outcome, booking, next_version, post_in_tx};
use crate::synchronise::plan_refund;
use crate::wallet::top_up::{self, Debited};
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
            "gateway_refund_id": report.gateway_refund_id.clone().unwrap_or_default(),
            "reported": reported(&report.state),
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
        finding.open_in_tx(kassa, tx, account, None, None).await?;
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
        None => console::apply_to_unknown(kassa, tx, &attempt, report).await,
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
    // A gateway tells of its own part only.
    let known = refund.get();
    let expected = known
        .route
        .map_or(known.amount_requested, |route| route.amount);
    match decide(known.status, expected, &fact) {
        Decision::AlreadyApplied => note(kassa, tx, payment, &refund, None, report).await,
        Decision::Anomalous(kind) => note(kassa, tx, payment, &refund, Some(kind), report).await,
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

/// What leaves a refund as it is may still be news for its anomalies: it opens the one of `kind`, and
/// the end of a refund that had its final state before ends its hanging.
async fn note(
    kassa: &Kassa,
    tx: &Tx,
    locked: Locked<PaymentTransaction>,
    refund: &Locked<RefundTransaction>,
    kind: Option<AnomalyKind>,
    report: &RefundReport,
) -> Result<Outcome, Error> {
    let refund = refund.get();
    let transaction_id = Some(locked.get().id);
    let mut payment = locked.get().clone();
    let mut is_news = false;
    if let Some(kind) = kind {
        let account = route(refund)?.channel_account_id;
        is_news = finding(kind, refund, report)
            .open_in_tx(kassa, tx, account, Some(refund.id), Some(&mut payment))
            .await?;
    }
    let end = match &report.state {
        ReportedRefund::Succeeded { .. } => Some(true),
        ReportedRefund::Failed(_) => Some(false),
        ReportedRefund::Processing | ReportedRefund::Abnormal(_) | ReportedRefund::NotFound => None,
    };
    if let (true, Some(is_success)) = (refund.status.is_final(), end) {
        is_news |= resent_ended_in_tx(kassa, tx, &mut payment, refund, is_success).await?;
    }
    if is_news {
        tx.update_payment_in_tx(locked, payment).await?;
    }
    Ok(Outcome {
        transaction_id,
        changed: false,
        anomaly: kind,
    })
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
    let mut after = changed_refund(kassa, &before, status, report);
    let mut paid = payment.get().clone();
    paid.updated_at = after.updated_at;
    paid.version = next_version(paid.version)?;
    let mut taken = None;
    match status {
        RefundStatus::Pending | RefundStatus::Processing => {}
        RefundStatus::Failed => {
            release(&mut paid, &before)?;
            top_up::release_refund_in_tx(kassa, tx, &paid, &before).await?;
        }
        RefundStatus::Success => {
            let fits = match before.source {
                RefundSource::Payment => {
                    let fact = given_back_fact(&before);
                    taken = take_from_payment(kassa, tx, &mut paid, &mut after, &fact).await?;
                    taken.is_some()
                }
                RefundSource::Duplicate => take_from_suspense(kassa, tx, &paid, &after).await?,
            };
            if !fits {
                anomaly = Some(AnomalyKind::RefundBeyondPaid);
            }
        }
    }
    record_refund_event_in_tx(kassa, tx, &mut paid, &after, event).await?;
    if let Some(taken) = &taken {
        record_payment_event_in_tx(kassa, tx, &mut paid, taken.event).await?;
    }
    // The finding shows the refund as it was found.
    let payment_version = payment.get().version;
    if let Some(kind) = anomaly {
        let account = route(&after)?.channel_account_id;
        finding(kind, &before, report)
            .with(wallet_evidence(taken.as_ref()))
            .open_in_tx(kassa, tx, account, Some(after.id), Some(&mut paid))
            .await?;
    }
    refund_ended_in_tx(kassa, tx, &mut paid, &after, before.anomaly_id).await?;
    paid.version = payment_version;
    tx.update_payment_in_tx(payment, paid.clone()).await?;
    let stored = RefundTransaction {
        version: before.version,
        ..after.clone()
    };
    tx.update_refund_in_tx(refund, stored).await?;
    let labels = [
        ("channel", paid.channel.as_str()),
        ("status", status.as_str()),
    ];
    metrics::counter!("kassa_refund_transitions_total", &labels).increment(1);
    tracing::info!(
        payment.id = %paid.id,
        refund.id = %after.id,
        status = status.as_str(),
        "refund changed"
    );
    Ok(anomaly)
}

/// A refund that will not happen reserves nothing any more.
fn release(payment: &mut PaymentTransaction, refund: &RefundTransaction) -> Result<(), Error> {
    match refund.source {
        RefundSource::Payment => {
            payment.amount_refund_reserved = payment
                .amount_refund_reserved
                .checked_sub(refund.amount_requested)
                .map_err(Error::internal)?;
            legs::release(payment, refund)?;
        }
        // It never reserved anything of the payment.
        RefundSource::Duplicate => {}
    }
    Ok(())
}

/// What the success of a refund says about its payment; `refund` is as it was before.
fn given_back_fact(refund: &RefundTransaction) -> PaymentFact {
    let reserved = if refund.status.is_final() {
        Money::zero(refund.amount_requested.currency())
    } else {
        refund.amount_requested
    };
    PaymentFact::Refunded {
        amount: refund.amount_requested,
        reserved,
    }
}

/// Books a settled refund of a duplicate: it leaves suspense, and the payment keeps its money. `false`
/// if more than the duplicate was given back by now.
pub(super) async fn take_from_suspense(
    kassa: &Kassa,
    tx: &Tx,
    payment: &PaymentTransaction,
    refund: &RefundTransaction,
) -> Result<bool, Error> {
    let attempt = attempt(tx, route(refund)?.attempt_id).await?;
    let booking = booking(payment, &attempt, refund.amount_requested);
    let transfer = booking.duplicate_refund(refund.id.to_string());
    let mut transfers = vec![transfer.map_err(Error::internal)?];
    let before = given_back_of_attempt(tx, &attempt, refund.id).await?;
    transfers.extend(fee_refund(&booking, (&attempt, before), refund)?);
    post_in_tx(kassa, tx, transfers, payment.id).await?;
    let total = before
        .checked_add(refund.amount_requested)
        .map_err(Error::internal)?;
    Ok(attempt.amount.checked_sub(total).is_ok())
}

/// What comes back of the gateway's fee with a refund, after other refunds of the order.
fn fee_refund(
    booking: &Booking,
    (attempt, refunded_before): (&Attempt, Money),
    refund: &RefundTransaction,
) -> Result<Option<Transfer>, Error> {
    let amounts = (attempt.amount, refunded_before);
    let transfer = booking.fee_refund(attempt.fee, amounts, refund.id.to_string());
    transfer.map_err(Error::internal)
}

/// What the order's other refunds gave back.
pub(super) async fn given_back_of_attempt(
    tx: &Tx,
    attempt: &Attempt,
    except: RefundId,
) -> Result<Money, Error> {
    let mut total = Money::zero(attempt.amount.currency());
    for refund in tx.list_refunds_of_attempt_in_tx(attempt.id).await? {
        if refund.id != except {
            total = total
                .checked_add(given_back_through(&refund, attempt))
                .map_err(Error::internal)?;
        }
    }
    Ok(total)
}

/// What a refund gave back through an order.
pub(super) fn given_back_through(refund: &RefundTransaction, attempt: &Attempt) -> Money {
    let is_success = refund.status == RefundStatus::Success;
    let amount = refund.goes_through(attempt.id).filter(|_| is_success);
    amount.unwrap_or_else(|| Money::zero(attempt.amount.currency()))
}

/// What a settled refund took.
pub(super) struct Taken {
    /// What is told of the payment.
    pub(super) event: EventKind,
    /// What became of the wallet, if the payment was a top-up.
    wallet: Option<Debited>,
}

/// Whether the wallet of a top-up gave what its refund gave back, for the evidence.
pub(super) fn wallet_evidence(taken: Option<&Taken>) -> Vec<(&'static str, String)> {
    match taken.and_then(|taken| taken.wallet) {
        None => Vec::new(),
        Some(Debited::Taken) => vec![("wallet_debited", true.to_string())],
        Some(Debited::Missing { available }) => vec![
            ("wallet_debited", false.to_string()),
            ("wallet_available", available.to_string()),
        ],
    }
}

/// Takes a settled refund from its payment and books it. `None` if it does not fit: what a gateway gave
/// back is gone all the same, and is booked against suspense.
pub(super) async fn take_from_payment(
    kassa: &Kassa,
    tx: &Tx,
    payment: &mut PaymentTransaction,
    refund: &mut RefundTransaction,
    fact: &PaymentFact,
) -> Result<Option<Taken>, Error> {
    let mut fee = None;
    let booking = match refund.route {
        Some(route) => {
            let attempt = attempt(tx, route.attempt_id).await?;
            let booking = booking(payment, &attempt, route.amount);
            if attempt.fee.is_returned {
                let before = given_back_of_attempt(tx, &attempt, refund.id).await?;
                fee = fee_refund(&booking, (&attempt, before), refund)?;
            }
            Some(booking)
        }
        None => None,
    };
    let PaymentFact::Refunded { reserved, .. } = fact else {
        return Err(Error::internal("a refund that is none"));
    };
    if let payment::Decision::Applied(applied) = payment::decide(payment.state(), fact)
        && let Some(transfers) = legs::take(payment, refund, !reserved.is_zero())?
    {
        payment.status = applied.state.status;
        payment.amount_refunded = applied.state.refunded;
        payment.amount_refund_reserved = applied.state.reserved;
        let gateway = booking.map(|booking| booking.refund(refund.id.to_string()));
        let gateway = gateway.transpose().map_err(Error::internal)?;
        let transfers = gateway.into_iter().chain(fee).chain(transfers);
        let movements: Vec<_> = transfers.map(Movement::Transfer).collect();
        let wallet = top_up::book_refunded_in_tx(kassa, tx, payment, refund, movements).await?;
        let event = applied.event;
        return Ok(Some(Taken { event, wallet }));
    }
    if let (Some(booking), Some(route)) = (booking, refund.route) {
        let number = format!("{}:{}", route.attempt_id, refund.refund_number);
        let transfer = booking.unexpected_refund(number).map_err(Error::internal)?;
        let transfers = [transfer].into_iter().chain(fee).collect();
        post_in_tx(kassa, tx, transfers, payment.id).await?;
    }
    Ok(None)
}

/// Ends a new refund that no gateway takes part in: what it gives back is in the payer's wallet.
pub(super) async fn settle_in_wallets_in_tx(
    kassa: &Kassa,
    tx: &Tx,
    refund: &RefundTransaction,
) -> Result<RefundTransaction, Error> {
    let id = refund.original_transaction_id;
    let payment = tx.load_payment_for_update_in_tx(id).await?;
    let locked = tx.load_refund_for_update_in_tx(refund.id).await?;
    // Nobody reports it: Kassa itself moves the money.
    let report = RefundReport {
        request_number: refund.refund_number.clone(),
        refund_number: refund.refund_number.clone(),
        gateway_refund_id: None,
        state: ReportedRefund::Succeeded {
            amount: None,
            refunded_total: None,
            refunded_at: None,
        },
    };
    let fact = RefundFact::from_report(&report.state);
    let Decision::Applied {
        status,
        event,
        anomaly: None,
    } = decide(refund.status, refund.amount_requested, &fact)
    else {
        return Err(Error::internal("a new refund that cannot succeed"));
    };
    if let Some(kind) = settle(kassa, tx, payment, locked, (status, event, None), &report).await? {
        return Err(Error::internal(format!(
            "a new refund is an anomaly: {kind}"
        )));
    }
    let settled = tx.load_refund_for_update_in_tx(refund.id).await?;
    Ok(settled.into_inner())
}

/// The way through a gateway, of a refund that one takes part in.
pub(crate) fn route(refund: &RefundTransaction) -> Result<&RefundRoute, Error> {
    let missing = || Error::internal("a refund that no gateway takes part in");
    refund.route.as_ref().ok_or_else(missing)
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
            if before.status == RefundStatus::Failed {
                // Another refund may have taken its place for the anomaly since.
                after.anomaly_id = None;
            }
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

async fn attempt(tx: &Tx, id: AttemptId) -> Result<Attempt, Error> {
    tx.find_attempt_in_tx(id)
        .await?
        .ok_or_else(|| Error::internal("a refund without its attempt"))
}

/// What a gateway said, in words for the evidence.
pub(super) fn reported(state: &ReportedRefund) -> String {
    match state {
        ReportedRefund::Succeeded { amount, .. } => {
            let amount = amount.map(|amount| format!(" {amount}"));
            format!("SUCCEEDED{}", amount.unwrap_or_default())
        }
        ReportedRefund::Failed(reason) => format!("FAILED {}", reason.code),
        ReportedRefund::Abnormal(reason) => format!("ABNORMAL {}", reason.code),
        ReportedRefund::Processing => "PROCESSING".to_owned(),
        ReportedRefund::NotFound => "NOT_FOUND".to_owned(),
    }
}

pub(super) fn finding(
    kind: AnomalyKind,
    refund: &RefundTransaction,
    report: &RefundReport,
) -> Finding {
    let gateway_refund_id = report.gateway_refund_id.as_ref();
    let gateway_refund_id = gateway_refund_id.or(refund.gateway_refund_id.as_ref());
    let attempt = &report.request_number;
    Finding {
        kind,
        key: format!("{attempt}:{}", refund.refund_number),
        evidence: json!({
            "attempt_id": attempt,
            "refund_number": refund.refund_number,
            "gateway_refund_id": gateway_refund_id.cloned().unwrap_or_default(),
            "amount_requested": refund.amount_requested.to_string(),
            "source": refund.source.as_str(),
            "status_before": refund.status.as_str(),
            "reported": reported(&report.state),
        }),
    }
}
