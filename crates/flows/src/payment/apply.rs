//! The one place where a fact changes a payment: callbacks, queries and calls' own answers all come
//! through here, and whatever came first, the same fact changes the books once.
//!
//! Each change is one database transaction: lock the payment, lock the attempt, decide (pure), write
//! both, book, write the event. Callers commit before they acknowledge anything.

use kassa_core::anomaly::AnomalyKind;
use kassa_core::id::{AttemptId, ChannelAccountId, TransactionId};
use kassa_core::ledger::{Booking, Transfer};
use kassa_core::notification::{PaymentReport, ReportedPayment};
use kassa_core::payment::{
    Applied, Attempt, AttemptFact, AttemptStatus, Decision, Failure, PaymentFact, PaymentStatus,
    PaymentTransaction, PrepayInfo, decide,
};
use runtime::store::{Locked, Movement, Posted, Tx};
use serde_json::json;

use super::{bar_code, legs, reversal};
use crate::anomaly::Finding;
use crate::event::record_payment_event_in_tx;
use crate::synchronise::plan_attempt;
use crate::{Error, Kassa};

/// What came of a report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// The payment that it was about, if we know it.
    pub transaction_id: Option<TransactionId>,
    /// Whether anything changed.
    pub changed: bool,
    /// What did not fit.
    pub anomaly: Option<AnomalyKind>,
}

impl Outcome {
    fn unchanged(transaction_id: TransactionId) -> Self {
        Self {
            transaction_id: Some(transaction_id),
            changed: false,
            anomaly: None,
        }
    }

    fn anomaly(transaction_id: Option<TransactionId>, kind: AnomalyKind) -> Self {
        Self {
            transaction_id,
            changed: false,
            anomaly: Some(kind),
        }
    }
}

/// What an answer adds to its attempt beside the status.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AttemptChange {
    fact: Option<AttemptFact>,
    prepay: Option<PrepayInfo>,
    gateway_transaction_id: Option<String>,
    failure: Option<Failure>,
}

impl AttemptChange {
    pub(super) fn placed(
        prepay: Option<PrepayInfo>,
        gateway_transaction_id: Option<String>,
    ) -> Self {
        Self {
            fact: Some(AttemptFact::Placed),
            prepay,
            gateway_transaction_id,
            failure: None,
        }
    }

    pub(super) fn failed(failure: Failure) -> Self {
        Self {
            fact: Some(AttemptFact::Failed),
            failure: Some(failure),
            ..Self::default()
        }
    }

    pub(crate) fn closed() -> Self {
        Self {
            fact: Some(AttemptFact::Closed),
            ..Self::default()
        }
    }

    fn of_report(report: &PaymentReport) -> Self {
        let (fact, failure) = match &report.state {
            ReportedPayment::Paid { .. } | ReportedPayment::Reversed { .. } => {
                (Some(AttemptFact::Paid), None)
            }
            ReportedPayment::Closed => (Some(AttemptFact::Closed), None),
            ReportedPayment::Failed(reason) => {
                let failure = Failure {
                    code: reason.code.clone(),
                    message: reason.message.clone(),
                };
                (Some(AttemptFact::Failed), Some(failure))
            }
            ReportedPayment::Unpaid | ReportedPayment::NotFound => (None, None),
        };
        Self {
            fact,
            prepay: None,
            gateway_transaction_id: report.gateway_transaction_id.clone(),
            failure,
        }
    }
}

/// Applies what a gateway reports about an order, in a transaction of its own.
///
/// # Errors
/// [`Error`]; nothing was changed then.
pub async fn apply_payment_report(
    kassa: &Kassa,
    account: ChannelAccountId,
    report: &PaymentReport,
) -> Result<Outcome, Error> {
    let tx = kassa.store.begin().await?;
    let outcome = apply_payment_report_in_tx(kassa, &tx, account, report).await?;
    tx.commit().await?;
    Ok(outcome)
}

/// Applies the answer to a question that was asked when the attempt was as `asked`, in a transaction of
/// its own. If the order was paid while an answer that it has ended was on its way, the answer is stale.
///
/// # Errors
/// [`Error`]; nothing was changed then.
pub(crate) async fn apply_answer(
    kassa: &Kassa,
    asked: &Attempt,
    report: &PaymentReport,
) -> Result<Outcome, Error> {
    let tx = kassa.store.begin().await?;
    let is_end = match report.state {
        ReportedPayment::Closed | ReportedPayment::Failed(_) => true,
        ReportedPayment::Paid { .. }
        | ReportedPayment::Reversed { .. }
        | ReportedPayment::Unpaid
        | ReportedPayment::NotFound => false,
    };
    if is_end && asked.status != AttemptStatus::Paid {
        let _payment = tx
            .load_payment_for_update_in_tx(asked.transaction_id)
            .await?;
        let attempt = tx.load_attempt_for_update_in_tx(asked.id).await?;
        if attempt.get().status == AttemptStatus::Paid {
            return Ok(Outcome::unchanged(asked.transaction_id));
        }
    }
    let account = asked.channel_account_id;
    let outcome = apply_payment_report_in_tx(kassa, &tx, account, report).await?;
    tx.commit().await?;
    Ok(outcome)
}

/// Applies what a gateway reports about an order. `account` is the one whose keys vouch for the
/// report: an order of another account is never touched by it.
pub(crate) async fn apply_payment_report_in_tx(
    kassa: &Kassa,
    tx: &Tx,
    account: ChannelAccountId,
    report: &PaymentReport,
) -> Result<Outcome, Error> {
    let outcome = apply_state_in_tx(kassa, tx, account, report).await?;
    match report.state {
        ReportedPayment::Reversed { amount, .. } => {
            let paid = outcome;
            reversal::give_back_in_tx(kassa, tx, account, report, (amount, paid)).await
        }
        ReportedPayment::Paid { .. }
        | ReportedPayment::Unpaid
        | ReportedPayment::Closed
        | ReportedPayment::Failed(_)
        | ReportedPayment::NotFound => Ok(outcome),
    }
}

async fn apply_state_in_tx(
    kassa: &Kassa,
    tx: &Tx,
    account: ChannelAccountId,
    report: &PaymentReport,
) -> Result<Outcome, Error> {
    let attempt = match report.request_number.parse::<AttemptId>() {
        Ok(id) => tx.find_attempt_in_tx(id).await?,
        Err(_not_ours) => None,
    };
    let Some(attempt) = attempt else {
        let evidence = json!({
            "request_number": report.request_number,
            "gateway_transaction_id": report.gateway_transaction_id.clone().unwrap_or_default(),
            "reported": reported(&report.state),
        });
        let key = format!("{account}:{}", report.request_number);
        let finding = Finding {
            kind: AnomalyKind::UnknownOrder,
            key,
            evidence,
        };
        finding.open_in_tx(kassa, tx, account, None, None).await?;
        return Ok(Outcome::anomaly(None, AnomalyKind::UnknownOrder));
    };
    if attempt.channel_account_id != account {
        let evidence = json!({
            "request_number": report.request_number,
            "order_belongs_to": attempt.channel_account_id.to_string(),
            "reported_by": account.to_string(),
            "reported": reported(&report.state),
        });
        let key = format!("{account}:{}", attempt.id);
        let finding = Finding {
            kind: AnomalyKind::AccountMismatch,
            key,
            evidence,
        };
        let payment = tx
            .load_payment_for_update_in_tx(attempt.transaction_id)
            .await?;
        finding
            .open_alone_in_tx(kassa, tx, account, None, payment)
            .await?;
        let transaction = Some(attempt.transaction_id);
        return Ok(Outcome::anomaly(transaction, AnomalyKind::AccountMismatch));
    }
    let payment = tx
        .load_payment_for_update_in_tx(attempt.transaction_id)
        .await?;
    let attempt = tx.load_attempt_for_update_in_tx(attempt.id).await?;
    let known = attempt.get().status == AttemptStatus::Paid;
    let mut fact = PaymentFact::from_report(report, known);
    let mut change = AttemptChange::of_report(report);
    if report.state == ReportedPayment::Unpaid && bar_code::has_arrived(attempt.get()) {
        fact = PaymentFact::Placed;
        change.fact = Some(AttemptFact::Placed);
    }
    apply_fact_in_tx(kassa, tx, payment, attempt, change, &fact).await
}

/// Applies a fact about one attempt of a payment, in a transaction of its own.
pub(super) async fn apply_to_attempt(
    kassa: &Kassa,
    transaction_id: TransactionId,
    attempt_id: AttemptId,
    change: AttemptChange,
    fact: &PaymentFact,
) -> Result<Outcome, Error> {
    let tx = kassa.store.begin().await?;
    let payment = tx.load_payment_for_update_in_tx(transaction_id).await?;
    let attempt = tx.load_attempt_for_update_in_tx(attempt_id).await?;
    let is_end = matches!(fact, PaymentFact::Closed | PaymentFact::Failed(_));
    if is_end && attempt.get().status == AttemptStatus::Paid {
        // It was paid while this answer was on its way: the answer is stale.
        return Ok(Outcome::unchanged(transaction_id));
    }
    let outcome = apply_fact_in_tx(kassa, &tx, payment, attempt, change, fact).await?;
    tx.commit().await?;
    Ok(outcome)
}

/// Applies that a gateway refused the order which `claimed` was sent for, in a transaction of its own.
/// `false`, and nothing changes, if the attempt has changed since: the call is another's by now.
pub(super) async fn apply_refusal(
    kassa: &Kassa,
    claimed: &Attempt,
    failure: Failure,
) -> Result<bool, Error> {
    let tx = kassa.store.begin().await?;
    let payment = tx
        .load_payment_for_update_in_tx(claimed.transaction_id)
        .await?;
    let attempt = tx.load_attempt_for_update_in_tx(claimed.id).await?;
    if attempt.get().version != claimed.version {
        tracing::warn!(attempt.id = %claimed.id, "a refusal came too late to decide anything");
        return Ok(false);
    }
    let change = AttemptChange::failed(failure.clone());
    let fact = PaymentFact::Failed(failure);
    apply_fact_in_tx(kassa, &tx, payment, attempt, change, &fact).await?;
    tx.commit().await?;
    Ok(true)
}

pub(crate) async fn apply_fact_in_tx(
    kassa: &Kassa,
    tx: &Tx,
    payment: Locked<PaymentTransaction>,
    attempt: Locked<Attempt>,
    change: AttemptChange,
    fact: &PaymentFact,
) -> Result<Outcome, Error> {
    let transaction_id = payment.get().id;
    let mut before = attempt.get().clone();
    // An older attempt that ends tells nothing about the newer one; money always counts.
    let concerns_payment = payment.get().current_attempt_id == Some(before.id)
        || matches!(fact, PaymentFact::Paid { .. });
    let decision = if concerns_payment {
        decide(payment.get().state(), fact)
    } else {
        Decision::AlreadyApplied
    };
    let kind = match decision {
        Decision::Anomalous(kind) => Some(kind),
        Decision::Applied(applied) => applied.anomaly,
        Decision::AlreadyApplied => None,
    };
    let mismatched = matches!(
        kind,
        Some(AnomalyKind::AmountMismatch | AnomalyKind::CurrencyMismatch)
    );
    if !mismatched && before.gateway_transaction_id.is_none() {
        // The payment shows the number that this very fact brings.
        before
            .gateway_transaction_id
            .clone_from(&change.gateway_transaction_id);
    }
    let attempt_changed = if mismatched {
        false
    } else {
        update_attempt_in_tx(kassa, tx, attempt, change, fact).await?
    };
    match decision {
        Decision::AlreadyApplied => Ok(Outcome {
            transaction_id: Some(transaction_id),
            changed: attempt_changed,
            anomaly: None,
        }),
        Decision::Anomalous(kind) => {
            // Real money that pays nothing: whose it is must be decided.
            if let (
                AnomalyKind::DuplicatePayment | AnomalyKind::LatePayment,
                PaymentFact::Paid { amount, .. },
            ) = (kind, fact)
            {
                let booking = booking(payment.get(), &before, *amount);
                let transfer = booking.unexpected_payment(before.id.to_string());
                let mut transfers = vec![transfer.map_err(Error::internal)?];
                transfers.extend(fee(&booking, &before)?);
                post_in_tx(kassa, tx, transfers, transaction_id).await?;
            }
            let finding = Finding::of_fact(kind, &before, payment.get(), fact);
            finding
                .open_alone_in_tx(kassa, tx, before.channel_account_id, None, payment)
                .await?;
            Ok(Outcome::anomaly(Some(transaction_id), kind))
        }
        Decision::Applied(applied) => {
            save_in_tx(kassa, tx, payment, &before, applied, fact).await?;
            Ok(Outcome {
                transaction_id: Some(transaction_id),
                changed: true,
                anomaly: applied.anomaly,
            })
        }
    }
}

/// What a gateway said, in words for the evidence.
fn reported(state: &ReportedPayment) -> String {
    match state {
        ReportedPayment::Paid { amount, .. } => format!("PAID {amount}"),
        ReportedPayment::Reversed { amount, .. } => format!("REVERSED {amount}"),
        ReportedPayment::Closed => "CLOSED".to_owned(),
        ReportedPayment::Failed(reason) => format!("FAILED {}", reason.code),
        ReportedPayment::Unpaid => "UNPAID".to_owned(),
        ReportedPayment::NotFound => "NOT_FOUND".to_owned(),
    }
}

async fn save_in_tx(
    kassa: &Kassa,
    tx: &Tx,
    locked: Locked<PaymentTransaction>,
    attempt: &Attempt,
    applied: Applied,
    fact: &PaymentFact,
) -> Result<(), Error> {
    let mut payment = changed_payment(kassa, locked.get(), attempt, &applied, fact);
    match applied.state.status {
        PaymentStatus::PaidSuccess => {
            let is_another = locked.get().current_attempt_id != Some(attempt.id);
            if is_another {
                legs::switch_in_tx(kassa, tx, locked.get(), &payment, attempt.leg_id).await?;
            }
            legs::pay_in_tx(kassa, tx, &payment, attempt).await?;
            if is_another {
                // The newer order is of no use any more, and can still be paid: it is ended soon.
                tx.schedule_open_attempts_in_tx(payment.id, kassa.clock.now())
                    .await?;
            }
        }
        PaymentStatus::PaidFailed | PaymentStatus::Closed => {
            legs::end_in_tx(kassa, tx, &payment, attempt.leg_id).await?;
        }
        PaymentStatus::PendingCreate
        | PaymentStatus::PendingPayment
        | PaymentStatus::RefundPartial
        | PaymentStatus::RefundFull => {}
    }
    // The event shows the payment with the version that this very update gives it.
    payment.version = next_version(payment.version)?;
    record_payment_event_in_tx(kassa, tx, &mut payment, applied.event).await?;
    if let Some(kind) = applied.anomaly {
        let finding = Finding::of_fact(kind, attempt, locked.get(), fact);
        let account = attempt.channel_account_id;
        finding
            .open_in_tx(kassa, tx, account, None, Some(&mut payment))
            .await?;
    }
    payment.version = locked.get().version;
    tx.update_payment_in_tx(locked, payment.clone()).await?;
    metrics::counter!(
        "kassa_payment_transitions_total",
        "channel" => payment.channel.as_str(),
        "status" => payment.status.as_str()
    )
    .increment(1);
    tracing::info!(
        payment.id = %payment.id,
        attempt.no = attempt.attempt_no,
        channel = payment.channel.as_str(),
        status = payment.status.as_str(),
        "payment changed"
    );
    Ok(())
}

fn changed_payment(
    kassa: &Kassa,
    before: &PaymentTransaction,
    attempt: &Attempt,
    applied: &Applied,
    fact: &PaymentFact,
) -> PaymentTransaction {
    let now = kassa.clock.now();
    let mut payment = before.clone();
    payment.status = applied.state.status;
    payment.amount_paid = applied.state.paid;
    payment.amount_refunded = applied.state.refunded;
    payment.amount_refund_reserved = applied.state.reserved;
    payment.updated_at = now;
    legs::follow(&mut payment);
    match fact {
        PaymentFact::Paid { paid_at, .. } => {
            payment.paid_at = Some(paid_at.unwrap_or(now));
            payment.closed_at = None;
            payment.failure = None;
            if payment.current_attempt_id != Some(attempt.id) {
                paid_by_another(kassa, &mut payment, attempt);
            }
            payment
                .gateway_transaction_id
                .clone_from(&attempt.gateway_transaction_id);
        }
        PaymentFact::Closed => payment.closed_at = Some(now),
        PaymentFact::Failed(failure) => payment.failure = Some(failure.clone()),
        PaymentFact::Placed
        | PaymentFact::Retried
        | PaymentFact::Unpaid
        | PaymentFact::Refunded { .. } => {}
    }
    payment
}

/// The payer paid another order than the newest one: the payment shows how it was really paid.
fn paid_by_another(kassa: &Kassa, payment: &mut PaymentTransaction, attempt: &Attempt) {
    payment.current_attempt_id = Some(attempt.id);
    let open = kassa.accounts.find(attempt.channel_account_id);
    let channel = open.map_or(payment.channel, |open| open.account.channel());
    legs::set_method(payment, channel, attempt.method);
}

async fn update_attempt_in_tx(
    kassa: &Kassa,
    tx: &Tx,
    locked: Locked<Attempt>,
    change: AttemptChange,
    fact: &PaymentFact,
) -> Result<bool, Error> {
    let before = locked.get();
    let mut after = before.clone();
    if let Some(fact) = change.fact {
        after.status = before.status.after(fact);
    }
    // An unknown attempt that the gateway shows as open has arrived; without its prepay info it
    // stays unknown until it is placed again.
    if matches!(fact, PaymentFact::Unpaid) && before.prepay.is_some() {
        after.status = before.status.after(AttemptFact::Placed);
    }
    if after.prepay.is_none() {
        after.prepay = change.prepay;
    }
    if after.gateway_transaction_id.is_none() {
        after.gateway_transaction_id = change.gateway_transaction_id;
    }
    if after.failure.is_none() && after.status == AttemptStatus::Failed {
        after.failure = change.failure;
    }
    if after == *before {
        return Ok(false);
    }
    after.updated_at = kassa.clock.now();
    plan_attempt(kassa, Some(before.status), &mut after);
    tx.update_attempt_in_tx(locked, after).await?;
    Ok(true)
}

/// Books transfers; those that are in the books already are left as they are.
pub(crate) async fn post_in_tx(
    kassa: &Kassa,
    tx: &Tx,
    transfers: Vec<Transfer>,
    transaction_id: TransactionId,
) -> Result<(), Error> {
    let movements: Vec<_> = transfers.into_iter().map(Movement::Transfer).collect();
    let now = kassa.clock.now();
    let posted = tx
        .book_in_tx(&movements, Some(transaction_id), &kassa.ids, now)
        .await?;
    if posted.contains(&Posted::AlreadyPosted) {
        tracing::warn!(payment.id = %transaction_id, "a transfer was in the books already");
    }
    Ok(())
}

pub(crate) fn booking(
    payment: &PaymentTransaction,
    attempt: &Attempt,
    amount: kassa_core::Money,
) -> Booking {
    Booking {
        channel_account_id: attempt.channel_account_id,
        app_id: payment.app_id.clone(),
        amount,
    }
}

/// What the gateway keeps of a paid order, if anything.
pub(crate) fn fee(booking: &Booking, attempt: &Attempt) -> Result<Option<Transfer>, Error> {
    let transfer = booking.fee(attempt.fee, attempt.id.to_string());
    transfer.map_err(Error::internal)
}

pub(crate) fn next_version(version: i64) -> Result<i64, Error> {
    version
        .checked_add(1)
        .ok_or_else(|| Error::internal("the version is exhausted"))
}
