//! Place: the call that opens an order at the gateway, made by exactly one worker at a time.
//!
//! `PREPARED → SENT` is a conditional update: whoever makes it owns the call. The others wait for
//! its answer. Only the current attempt of a pending payment can be claimed, and it is claimed when
//! every earlier one has ended at its gateway: at most one can be paid. A call whose answer is not known
//! is followed by a query, and repeated under the same request number only when the gateway says that it
//! has nothing to show for the first one; an order with a payer's code is never repeated ([`bar_code`]).

use std::time::Duration;

use gateways::{CallError, PlaceOrder, Placed, PlacedOrder};
use kassa_core::channel::{ChannelAccount, Method};
use kassa_core::gateway_call::CallOperation;
use kassa_core::id::TransactionId;
use kassa_core::notification::{CallbackRoute, GatewayReason, ReportedPayment};
use kassa_core::payment::{
    Attempt, AttemptFact, AttemptStatus, AuthCode, Failure, PaymentFact, PaymentStatus,
    PaymentTransaction,
};
use runtime::checkpoint::Checkpoint;
use tokio::time::{Instant, timeout, timeout_at};

use super::apply::{self, AttemptChange};
use super::bar_code::{Shown, Waiting};
use super::close::{self, Ended};
use super::create::is_conflict;
use super::{PaymentView, Remaining, bar_code, prepay, sync};
use crate::call::{About, call_within};
use crate::synchronise::plan_attempt;
use crate::{Error, Kassa};

/// How long a caller whose request is being worked on by another waits between two looks.
const WAIT_MIN: Duration = Duration::from_millis(20);
/// The longest such wait.
const WAIT_MAX: Duration = Duration::from_millis(250);
/// The most calls that are made under one claim.
const CALLS_PER_CLAIM: u32 = 3;
/// How much longer than its calls can take an attempt may stay SENT before its worker counts as dead
/// and another one goes on.
const SENT_GRACE: chrono::TimeDelta = chrono::TimeDelta::seconds(5);

/// Brings a written-down payment to the point where the payer can pay, or to its failure.
/// `shown` is the code for the attempt that this very request wrote down.
pub(super) async fn place(
    kassa: &Kassa,
    transaction_id: TransactionId,
    shown: Option<&Shown>,
    ends_at: Instant,
) -> Result<PaymentView, Error> {
    let mut wait = WAIT_MIN;
    loop {
        let payment = load(kassa, transaction_id).await?;
        let Some(attempt) = find_attempt(kassa, &payment).await? else {
            return answer(kassa, payment, None);
        };
        if !payment.status.is_pending() || attempt.status == AttemptStatus::Open {
            // They change together but are read one after the other: the payment may be the older
            // of the two.
            let payment = load(kassa, transaction_id).await?;
            if payment.current_attempt_id != Some(attempt.id) {
                continue;
            }
            return answer(kassa, payment, Some(attempt));
        }
        let earlier = Box::pin(close::end_earlier(kassa, &attempt));
        let ended = timeout_at(ends_at, earlier).await;
        if ended.unwrap_or_else(|_elapsed| Err(unknown(transaction_id)))? {
            // One of them may have been paid.
            continue;
        }
        let code = shown.and_then(|shown| shown.for_attempt(&attempt));
        let lacks_code = attempt.method == Method::BarCode && code.is_none();
        if is_being_sent(kassa, &attempt) {
            // Its answer is awaited.
        } else if lacks_code {
            match bar_code::wait(kassa, &attempt, ends_at).await? {
                Waiting::ForCode => {}
                Waiting::Asked => return decided(kassa, &attempt).await,
            }
        } else {
            match claim(kassa, &attempt).await {
                Ok(claimed) => {
                    let (before, claimed) = (attempt.status, (claimed, code));
                    return Box::pin(call(kassa, &payment, before, claimed, ends_at)).await;
                }
                Err(error) if is_conflict(&error) => {}
                Err(error) => return Err(error),
            }
        }
        if Instant::now() + wait >= ends_at {
            return Err(unknown(transaction_id));
        }
        kassa.checkpoints.rest(wait).await;
        wait = (wait * 2).min(WAIT_MAX);
    }
}

/// The answer about an order that was asked about: there is one if the gateway knew of it.
async fn decided(kassa: &Kassa, attempt: &Attempt) -> Result<PaymentView, Error> {
    let transaction_id = attempt.transaction_id;
    let payment = load(kassa, transaction_id).await?;
    let now = find_attempt(kassa, &payment).await?;
    let is_open = |now: &Attempt| now.status == AttemptStatus::Open;
    if payment.status.is_pending() && !now.as_ref().is_some_and(is_open) {
        return Err(unknown(transaction_id));
    }
    answer(kassa, payment, now)
}

fn unknown(transaction_id: TransactionId) -> Error {
    Error::OutcomeUnknown {
        transaction_id: transaction_id.to_string(),
    }
}

/// The answer to a request that is decided: the same every time.
fn answer(
    kassa: &Kassa,
    payment: PaymentTransaction,
    attempt: Option<Attempt>,
) -> Result<PaymentView, Error> {
    if let Some(failure) = payment.failure.clone()
        && !payment.status.is_paid()
    {
        return Err(Error::GatewayRefused {
            channel: payment.channel,
            transaction_id: payment.id.to_string(),
            failure,
        });
    }
    let attempt = attempt.filter(|_| payment.status.is_pending());
    let prepay = match attempt {
        Some(attempt) => prepay::told(kassa, &attempt)?,
        None => None,
    };
    Ok(PaymentView {
        transaction: payment,
        prepay,
        remaining: Remaining::default(),
    })
}

/// Whether somebody owns the call: an attempt that was claimed within the time that the work under
/// one claim can take.
pub(crate) fn is_being_sent(kassa: &Kassa, attempt: &Attempt) -> bool {
    let age = kassa.clock.now().signed_duration_since(attempt.updated_at);
    let work = kassa.settings.call_timeout.saturating_mul(CALLS_PER_CLAIM);
    let work = chrono::TimeDelta::from_std(work).unwrap_or(SENT_GRACE);
    let limit = work.checked_add(&SENT_GRACE).unwrap_or(SENT_GRACE);
    // A clock that was set back makes no call longer.
    attempt.status == AttemptStatus::Sent && age.abs() < limit
}

/// Takes the right to call, or keeps it for longer: only one of many gets it, and nobody gets it for
/// an attempt that has ended, or that is not the one to be paid any more: a retry has taken its place,
/// or the payment has ended.
pub(super) async fn claim(kassa: &Kassa, attempt: &Attempt) -> Result<Attempt, Error> {
    let status = attempt.status.after(AttemptFact::Sending);
    if status != AttemptStatus::Sent {
        return Err(Error::RequestInFlight);
    }
    let tx = kassa.store.begin().await?;
    let payment = tx
        .load_payment_for_update_in_tx(attempt.transaction_id)
        .await?;
    let payment = payment.get();
    if payment.current_attempt_id != Some(attempt.id) || !payment.status.is_pending() {
        return Err(Error::RequestInFlight);
    }
    let locked = tx.load_attempt_for_update_in_tx(attempt.id).await?;
    if locked.get().version != attempt.version {
        return Err(Error::RequestInFlight);
    }
    let mut claimed = Attempt {
        status,
        updated_at: kassa.clock.now(),
        ..locked.get().clone()
    };
    plan_attempt(kassa, Some(attempt.status), &mut claimed);
    let claimed = tx.update_attempt_in_tx(locked, claimed).await?;
    tx.commit().await?;
    Ok(claimed)
}

async fn call(
    kassa: &Kassa,
    payment: &PaymentTransaction,
    before: AttemptStatus,
    (attempt, code): (Attempt, Option<&AuthCode>),
    ends_at: Instant,
) -> Result<PaymentView, Error> {
    let open = kassa.account(attempt.channel_account_id).await?;
    let was_sent = before != AttemptStatus::Prepared;
    if was_sent && let Some(view) = ask_first(kassa, payment, &attempt, ends_at).await? {
        return Ok(view);
    }
    let order = PlaceOrder {
        auth_code: code.cloned(),
        ..order(kassa, payment, &attempt, &open.account)?
    };
    kassa.checkpoints.reach(Checkpoint::PlaceClaimed).await;
    let about = About::order(CallOperation::Place, &attempt);
    let left = ends_at.saturating_duration_since(Instant::now());
    let outcome = call_within(kassa, about, left, open.gateway.place(&order)).await;
    kassa.checkpoints.reach(Checkpoint::PlaceAnswered).await;
    match outcome {
        Ok(placed) => {
            let is_to_be_asked = placed.is_to_be_asked;
            let view = store_placed(kassa, payment.id, &attempt, placed).await?;
            if !is_to_be_asked {
                return Ok(view);
            }
            bar_code::look(kassa, attempt.id, ends_at).await?;
            current(kassa, payment.id).await
        }
        Err(CallError::Refused(reason) | CallError::Misconfigured(reason)) => {
            refused(kassa, payment, &attempt, reason, was_sent).await
        }
        Err(CallError::Later(_) | CallError::NotSent(_) | CallError::Unknown(_)) => {
            mark_unknown(kassa, &attempt).await?;
            if code.is_some() {
                bar_code::look(kassa, attempt.id, ends_at).await?;
                return decided(kassa, &attempt).await;
            }
            Err(unknown(payment.id))
        }
    }
}

/// An earlier call may have arrived: its outcome is asked for before the order is placed again.
/// `None`: nothing there yet, or still open, so placing again is right.
async fn ask_first(
    kassa: &Kassa,
    payment: &PaymentTransaction,
    attempt: &Attempt,
    ends_at: Instant,
) -> Result<Option<PaymentView>, Error> {
    let left = ends_at.saturating_duration_since(Instant::now());
    let report = timeout(left, sync::query(kassa, attempt))
        .await
        .map_err(|_elapsed| Error::OutcomeUnknown {
            transaction_id: payment.id.to_string(),
        })??;
    match report.state {
        ReportedPayment::Unpaid | ReportedPayment::NotFound => Ok(None),
        ReportedPayment::Paid { .. }
        | ReportedPayment::Reversed { .. }
        | ReportedPayment::Closed
        | ReportedPayment::Failed(_) => {
            apply::apply_answer(kassa, attempt, &report).await?;
            current(kassa, payment.id).await.map(Some)
        }
    }
}

/// A refusal is final, unless an earlier call of the same number may have opened the order: then
/// that one is ended at the gateway first, so that nobody can pay it any more. It decides nothing when
/// the call was taken over meanwhile: another may have opened the order since.
async fn refused(
    kassa: &Kassa,
    payment: &PaymentTransaction,
    attempt: &Attempt,
    reason: GatewayReason,
    was_sent: bool,
) -> Result<PaymentView, Error> {
    let mut attempt = attempt.clone();
    if was_sent {
        attempt = claim(kassa, &attempt).await?;
        if let Ended::Reported(report) = close::end_at_gateway(kassa, &attempt).await?
            && matches!(
                report.state,
                ReportedPayment::Paid { .. } | ReportedPayment::Reversed { .. }
            )
        {
            apply::apply_answer(kassa, &attempt, &report).await?;
            return current(kassa, payment.id).await;
        }
    }
    let failure = Failure {
        code: reason.code,
        message: reason.message,
    };
    let is_decided = apply::apply_refusal(kassa, &attempt, failure).await?;
    let view = current(kassa, payment.id).await?;
    if !is_decided && view.transaction.status == PaymentStatus::PendingCreate {
        return Err(unknown(payment.id));
    }
    Ok(view)
}

/// The answer as things stand now.
async fn current(kassa: &Kassa, transaction_id: TransactionId) -> Result<PaymentView, Error> {
    let payment = load(kassa, transaction_id).await?;
    let attempt = find_attempt(kassa, &payment).await?;
    answer(kassa, payment, attempt)
}

async fn store_placed(
    kassa: &Kassa,
    transaction_id: TransactionId,
    attempt: &Attempt,
    placed: Placed,
) -> Result<PaymentView, Error> {
    let seal = |prepay| prepay::seal(kassa, attempt.id, prepay);
    let prepay = placed.prepay.map(seal).transpose()?;
    let change = AttemptChange::placed(prepay, placed.gateway_transaction_id);
    apply::apply_to_attempt(
        kassa,
        transaction_id,
        attempt.id,
        change,
        &PaymentFact::Placed,
    )
    .await?;
    kassa.checkpoints.reach(Checkpoint::PlaceWritten).await;
    if let Some(report) = placed.report {
        apply::apply_answer(kassa, attempt, &report).await?;
    }
    current(kassa, transaction_id).await
}

/// Gives the call up without an answer. Nothing changes if the attempt has changed since it was claimed: the
/// call is another's by now, who may be in the middle of it.
pub(super) async fn mark_unknown(kassa: &Kassa, claimed: &Attempt) -> Result<(), Error> {
    let tx = kassa.store.begin().await?;
    let locked = tx.load_attempt_for_update_in_tx(claimed.id).await?;
    if locked.get().version != claimed.version {
        return Ok(());
    }
    let now = Attempt {
        status: locked.get().status.after(AttemptFact::NoAnswer),
        updated_at: kassa.clock.now(),
        ..locked.get().clone()
    };
    tx.update_attempt_in_tx(locked, now).await?;
    tx.commit().await?;
    let channel = kassa.channel_of(claimed.channel_account_id);
    metrics::counter!("kassa_attempts_unknown_total", "channel" => channel).increment(1);
    tracing::warn!(attempt.id = %claimed.id, "the outcome of placing an order is unknown");
    Ok(())
}

fn order(
    kassa: &Kassa,
    payment: &PaymentTransaction,
    attempt: &Attempt,
    account: &ChannelAccount,
) -> Result<PlaceOrder, Error> {
    Ok(PlaceOrder {
        request_number: attempt.request_number(),
        method: attempt.method,
        amount: attempt.amount,
        subject: payment.subject.clone(),
        payer: attempt.payer.clone(),
        auth_code: None,
        client_ip: payment.client_ip,
        expires_at: attempt.expires_at,
        notify_url: kassa.callback_url(account, CallbackRoute::Payment)?,
        return_url: Some(kassa.return_url(account.channel(), account.code.as_str())?),
    })
}

/// The attempt's order as a gateway is asked about it; `is_wanted`: whether it is still to be paid.
pub(super) fn placed_order(attempt: &Attempt, is_wanted: bool) -> PlacedOrder {
    PlacedOrder {
        request_number: attempt.request_number(),
        method: attempt.method,
        amount: attempt.amount,
        gateway_transaction_id: attempt.gateway_transaction_id.clone(),
        is_given_out: attempt.prepay.is_some(),
        expires_at: attempt.expires_at,
        is_wanted,
    }
}

pub(crate) async fn load(
    kassa: &Kassa,
    transaction_id: TransactionId,
) -> Result<PaymentTransaction, Error> {
    kassa
        .store
        .find_payment(transaction_id)
        .await?
        .ok_or_else(|| Error::NotFound {
            resource: "payment",
            name: transaction_id.to_string(),
        })
}

/// The current attempt; a payment that only wallets pay has none.
pub(super) async fn find_attempt(
    kassa: &Kassa,
    payment: &PaymentTransaction,
) -> Result<Option<Attempt>, Error> {
    match payment.current_attempt_id {
        Some(_) => load_attempt(kassa, payment).await.map(Some),
        None => Ok(None),
    }
}

/// The current attempt of a payment that has one: every payment that is pending.
pub(crate) async fn load_attempt(
    kassa: &Kassa,
    payment: &PaymentTransaction,
) -> Result<Attempt, Error> {
    let attempt = match payment.current_attempt_id {
        Some(id) => kassa.store.find_attempt(id).await?,
        None => None,
    };
    attempt.ok_or_else(|| Error::internal("a payment without its attempt"))
}
