//! Close: end an unpaid payment at the gateway, and here only on the gateway's word.

use gateways::Closed;
use kassa_core::gateway_call::CallOperation;
use kassa_core::id::TransactionId;
use kassa_core::notification::{PaymentReport, ReportedPayment};
use kassa_core::payment::{ATTEMPTS_MAX, Attempt, AttemptStatus, PaymentFact, PaymentTransaction};
use kassa_core::text::AppId;
use runtime::checkpoint::Checkpoint;
use serde_json::json;

use super::apply::{self, AttemptChange};
use super::{PaymentView, Remaining, place, sync};
use crate::audit::{self, Action};
use crate::call::{About, call};
use crate::{Error, Kassa};

/// Closes a payment of `app`. One that is closed or failed already is answered as it is; so is one
/// that turns out to be paid.
///
/// # Errors
/// [`Error::NotFound`]; [`Error::OutcomeUnknown`] where the gateway's word cannot be had now.
pub async fn close(kassa: &Kassa, app: &AppId, id: TransactionId) -> Result<PaymentView, Error> {
    let payment = kassa
        .store
        .find_payment_of_app(app, id)
        .await?
        .ok_or_else(|| Error::NotFound {
            resource: "payment",
            name: id.to_string(),
        })?;
    let was_pending = payment.status.is_pending();
    let transaction = Box::pin(close_payment(kassa, payment)).await?;
    if was_pending {
        record(kassa, app, &transaction).await?;
    }
    Ok(PaymentView {
        transaction,
        prepay: None,
        remaining: Remaining::default(),
    })
}

async fn record(kassa: &Kassa, app: &AppId, payment: &PaymentTransaction) -> Result<(), Error> {
    let action = Action {
        actor: app.as_str(),
        name: "payment.close",
        subject: format!("payments/{}", payment.id),
        detail: json!({ "status": payment.status }),
    };
    let tx = kassa.store.begin().await?;
    audit::record_in_tx(kassa, &tx, action).await?;
    Ok(tx.commit().await?)
}

/// Closes a payment if it is pending; gives it back as it is afterwards. Every attempt is ended, the
/// earlier ones first: the payment is closed when none of them can be paid any more.
pub(crate) async fn close_payment(
    kassa: &Kassa,
    payment: PaymentTransaction,
) -> Result<PaymentTransaction, Error> {
    Box::pin(close_payment_while(kassa, payment, |_any| true)).await
}

/// As [`close_payment`], but leaves the payment open when its current attempt is not to be closed.
pub(crate) async fn close_payment_while(
    kassa: &Kassa,
    payment: PaymentTransaction,
    is_to_be_closed: impl Fn(&Attempt) -> bool + Send,
) -> Result<PaymentTransaction, Error> {
    if !payment.status.is_pending() {
        return Ok(payment);
    }
    let mut payment = payment;
    // A retry may write down another attempt meanwhile; there are not more than these.
    for _ in 0..ATTEMPTS_MAX {
        let current = place::load_attempt(kassa, &payment).await?;
        if !is_to_be_closed(&current) {
            break;
        }
        let had_earlier = Box::pin(end_earlier(kassa, &current)).await?;
        if !had_earlier {
            // The last one's end is the payment's.
            end(kassa, &current, true).await?;
        }
        payment = place::load(kassa, payment.id).await?;
        let is_through = !had_earlier && payment.current_attempt_id == Some(current.id);
        if is_through || !payment.status.is_pending() {
            break;
        }
    }
    if payment.status.is_paid() {
        end_rest(kassa, &payment).await;
    }
    Ok(payment)
}

/// Ends every earlier attempt of the same payment that has not ended, oldest first; tells whether
/// there was one. What one of them was paid with counts, whichever attempt is the current one.
///
/// # Errors
/// [`Error::OutcomeUnknown`] where a gateway's word cannot be had; [`Error::RequestInFlight`];
/// [`Error::PaymentState`] if one of them cannot be ended at all.
pub(super) async fn end_earlier(kassa: &Kassa, attempt: &Attempt) -> Result<bool, Error> {
    if attempt.attempt_no == 1 {
        return Ok(false);
    }
    let mut any = false;
    for earlier in kassa.store.list_attempts(attempt.transaction_id).await? {
        if earlier.attempt_no >= attempt.attempt_no || earlier.status.is_ended() {
            continue;
        }
        any = true;
        end(kassa, &earlier, false).await?;
        let after = kassa.store.find_attempt(earlier.id).await?;
        if !after.is_some_and(|after| after.status.is_ended()) {
            let payment = place::load(kassa, earlier.transaction_id).await?;
            return Err(Error::PaymentState {
                transaction_id: payment.id.to_string(),
                status: payment.status,
                wanted: "an earlier order of it cannot be closed; see its anomalies",
            });
        }
    }
    Ok(any)
}

/// Ends what a payment that was paid has left open. What does not work now is left to the worker,
/// which asks about every attempt that has not ended.
pub(super) async fn end_rest(kassa: &Kassa, payment: &PaymentTransaction) {
    let ending = async {
        for attempt in kassa.store.list_attempts(payment.id).await? {
            if !attempt.status.is_ended() {
                end(kassa, &attempt, false).await?;
            }
        }
        Ok::<_, Error>(())
    };
    if let Err(error) = Box::pin(ending).await {
        tracing::warn!(payment.id = %payment.id, %error, "an order of a paid payment is left open");
    }
}

/// Ends one attempt, here or at the gateway. `is_current`: whether it can still be sent.
///
/// # Errors
/// [`Error::OutcomeUnknown`] where the gateway's word cannot be had; [`Error::RequestInFlight`].
pub(crate) async fn end(kassa: &Kassa, attempt: &Attempt, is_current: bool) -> Result<(), Error> {
    if attempt.status.is_ended() {
        return Ok(());
    }
    if attempt.status == AttemptStatus::Prepared {
        return close_unsent(kassa, attempt).await;
    }
    // The order may be on its way: what the gateway says about it now proves nothing.
    if place::is_being_sent(kassa, attempt) {
        return Err(Error::RequestInFlight);
    }
    let may_be_sent_again = match attempt.status {
        AttemptStatus::Sent | AttemptStatus::Unknown => is_current,
        AttemptStatus::Prepared
        | AttemptStatus::Open
        | AttemptStatus::Paid
        | AttemptStatus::Closed
        | AttemptStatus::Failed => false,
    };
    if !may_be_sent_again {
        return close_at_gateway(kassa, attempt).await;
    }
    // Nobody places the order again between the gateway's word and ours.
    let claimed = place::claim(kassa, attempt).await?;
    let closed = close_at_gateway(kassa, &claimed).await;
    if closed.is_err() {
        place::mark_unknown(kassa, &claimed).await?;
    }
    closed
}

/// Nothing was sent, so nothing needs the gateway's word.
async fn close_unsent(kassa: &Kassa, attempt: &Attempt) -> Result<(), Error> {
    let tx = kassa.store.begin().await?;
    let payment = tx
        .load_payment_for_update_in_tx(attempt.transaction_id)
        .await?;
    let attempt = tx.load_attempt_for_update_in_tx(attempt.id).await?;
    match attempt.get().status {
        AttemptStatus::Prepared => {}
        AttemptStatus::Paid | AttemptStatus::Closed | AttemptStatus::Failed => return Ok(()),
        // Somebody sends it just now.
        AttemptStatus::Sent | AttemptStatus::Open | AttemptStatus::Unknown => {
            return Err(Error::RequestInFlight);
        }
    }
    let change = AttemptChange::closed();
    let fact = PaymentFact::Closed;
    apply::apply_fact_in_tx(kassa, &tx, payment, attempt, change, &fact).await?;
    Ok(tx.commit().await?)
}

/// What ending an attempt at the gateway came to.
pub(super) enum Ended {
    /// It is closed now, or was never there.
    Closed,
    /// It had ended before: this is what the gateway says of it.
    Reported(PaymentReport),
}

/// Ends an attempt at the gateway and applies what came of it.
pub(crate) async fn close_at_gateway(kassa: &Kassa, attempt: &Attempt) -> Result<(), Error> {
    match end_at_gateway(kassa, attempt).await? {
        Ended::Reported(report) => {
            apply::apply_answer(kassa, attempt, &report).await?;
        }
        Ended::Closed => {
            let change = AttemptChange::closed();
            let fact = PaymentFact::Closed;
            let id = attempt.transaction_id;
            apply::apply_to_attempt(kassa, id, attempt.id, change, &fact).await?;
        }
    }
    Ok(())
}

/// Asks, closes, asks again. Changes nothing here.
pub(super) async fn end_at_gateway(kassa: &Kassa, attempt: &Attempt) -> Result<Ended, Error> {
    let report = sync::query_to_end(kassa, attempt).await?;
    if is_definite(&report) {
        return Ok(Ended::Reported(report));
    }
    let open = kassa.account(attempt.channel_account_id).await?;
    let mut order = place::placed_order(attempt, false);
    order.gateway_transaction_id = order
        .gateway_transaction_id
        .or(report.gateway_transaction_id);
    let about = About::order(CallOperation::Close, attempt);
    let closed = call(kassa, about, open.gateway.close(&order))
        .await
        .map_err(|error| sync::call_failed(attempt, &error))?;
    kassa.checkpoints.reach(Checkpoint::CloseAnswered).await;
    match closed {
        Closed::Closed => Ok(Ended::Closed),
        Closed::NotClosable => {
            let report = sync::query_to_end(kassa, attempt).await?;
            if is_definite(&report) {
                Ok(Ended::Reported(report))
            } else {
                Err(Error::OutcomeUnknown {
                    transaction_id: attempt.transaction_id.to_string(),
                })
            }
        }
    }
}

fn is_definite(report: &PaymentReport) -> bool {
    match report.state {
        ReportedPayment::Paid { .. }
        | ReportedPayment::Reversed { .. }
        | ReportedPayment::Closed
        | ReportedPayment::Failed(_) => true,
        ReportedPayment::Unpaid | ReportedPayment::NotFound => false,
    }
}
