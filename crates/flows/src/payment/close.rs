//! Close: end an unpaid payment at the gateway, and here only on the gateway's word.

use gateways::Closed;
use kassa_core::gateway_call::CallOperation;
use kassa_core::id::TransactionId;
use kassa_core::notification::{PaymentReport, ReportedPayment};
use kassa_core::payment::{Attempt, AttemptStatus, PaymentFact, PaymentTransaction};
use kassa_core::text::AppId;
use runtime::checkpoint::Checkpoint;
use serde_json::json;

use super::apply::{self, AttemptChange};
use super::{PaymentView, place, sync};
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
    let transaction = close_payment(kassa, payment).await?;
    if was_pending {
        record(kassa, app, &transaction).await?;
    }
    Ok(PaymentView {
        transaction,
        prepay: None,
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

/// Closes a payment if it is pending; gives it back as it is afterwards.
pub(crate) async fn close_payment(
    kassa: &Kassa,
    payment: PaymentTransaction,
) -> Result<PaymentTransaction, Error> {
    if !payment.status.is_pending() {
        return Ok(payment);
    }
    let attempt = place::load_attempt(kassa, &payment).await?;
    if attempt.status == AttemptStatus::Prepared && close_unsent(kassa, &payment, &attempt).await? {
        return place::load(kassa, payment.id).await;
    }
    // The order may be on its way: what the gateway says about it now proves nothing.
    if place::is_being_sent(kassa, &attempt) {
        return Err(Error::RequestInFlight);
    }
    close_at_gateway(kassa, &attempt).await?;
    place::load(kassa, payment.id).await
}

/// Nothing was sent, so nothing needs the gateway's word. `false` if a worker sends it just now.
pub(crate) async fn close_unsent(
    kassa: &Kassa,
    payment: &PaymentTransaction,
    attempt: &Attempt,
) -> Result<bool, Error> {
    let tx = kassa.store.begin().await?;
    let payment = tx.load_payment_for_update_in_tx(payment.id).await?;
    let attempt = tx.load_attempt_for_update_in_tx(attempt.id).await?;
    if attempt.get().status != AttemptStatus::Prepared {
        return Ok(false);
    }
    let change = AttemptChange::closed();
    let fact = PaymentFact::Closed;
    let outcome = apply::apply_fact_in_tx(kassa, &tx, payment, attempt, change, &fact).await?;
    tx.commit().await?;
    Ok(outcome.changed)
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
            apply::apply_payment_report(kassa, attempt.channel_account_id, &report).await?;
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
    let report = sync::query(kassa, attempt).await?;
    if is_definite(&report) {
        return Ok(Ended::Reported(report));
    }
    let open = kassa.account(attempt.channel_account_id).await?;
    let number = attempt.request_number();
    let about = About::order(CallOperation::Close, attempt);
    let closed = call(kassa, about, open.gateway.close(&number))
        .await
        .map_err(|error| sync::call_failed(attempt, &error))?;
    kassa.checkpoints.reach(Checkpoint::CloseAnswered).await;
    match closed {
        Closed::Closed => Ok(Ended::Closed),
        Closed::NotClosable => {
            let report = sync::query(kassa, attempt).await?;
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
        ReportedPayment::Paid { .. } | ReportedPayment::Closed | ReportedPayment::Failed(_) => true,
        ReportedPayment::Unpaid | ReportedPayment::NotFound => false,
    }
}
