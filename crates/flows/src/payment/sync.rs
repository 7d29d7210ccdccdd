//! Synchronise: ask the gateway now, and apply what it says.

use gateways::CallError;
use kassa_core::gateway_call::CallOperation;
use kassa_core::id::{EnvelopeId, TransactionId};
use kassa_core::notification::PaymentReport;
use kassa_core::payment::{Attempt, AttemptStatus, PaymentTransaction};
use kassa_core::text::AppId;
use runtime::queue::Envelope;
use runtime::telemetry::trace_context;
use serde::{Deserialize, Serialize};

use super::{PaymentView, QUERY_KIND, Remaining, apply, place, prepay};
use crate::call::{About, call};
use crate::{Disposition, Error, Kassa, refund};

/// The payload of a [`QUERY_KIND`] command.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueryCommand {
    /// The payment to ask about.
    pub transaction_id: TransactionId,
}

/// Asks the gateway about a payment of `app` and its open refunds, and applies the answers.
///
/// # Errors
/// [`Error::NotFound`]; [`Error::OutcomeUnknown`] where the gateway cannot be asked now.
pub async fn sync(kassa: &Kassa, app: &AppId, id: TransactionId) -> Result<PaymentView, Error> {
    let payment = kassa
        .store
        .find_payment_of_app(app, id)
        .await?
        .ok_or_else(|| Error::NotFound {
            resource: "payment",
            name: id.to_string(),
        })?;
    Box::pin(sync_payment(kassa, &payment)).await?;
    let payment = place::load(kassa, id).await?;
    let prepay = if payment.status.is_pending() {
        prepay::told(kassa, &place::load_attempt(kassa, &payment).await?)?
    } else {
        None
    };
    Ok(PaymentView {
        transaction: payment,
        prepay,
        remaining: Remaining::default(),
    })
}

/// A query that somebody asked for by message, for example the payer's return page.
pub async fn sync_task(kassa: &Kassa, envelope: &Envelope) -> Result<Disposition, Error> {
    let command: QueryCommand = match serde_json::from_value(envelope.payload.clone()) {
        Ok(command) => command,
        Err(error) => {
            return Ok(Disposition::Park(format!(
                "unreadable query command: {error}"
            )));
        }
    };
    match kassa.store.find_payment(command.transaction_id).await? {
        Some(payment) => {
            Box::pin(sync_payment(kassa, &payment)).await?;
            Ok(Disposition::Done)
        }
        None => Ok(Disposition::Park(format!(
            "no payment {}",
            command.transaction_id
        ))),
    }
}

/// The command that makes a worker ask about a payment.
///
/// # Errors
/// [`Error::Internal`] if it cannot be written.
pub fn query_command(kassa: &Kassa, transaction_id: TransactionId) -> Result<Envelope, Error> {
    Ok(Envelope {
        id: EnvelopeId::new(&kassa.ids),
        kind: QUERY_KIND.to_owned(),
        created_at: kassa.clock.now(),
        trace: trace_context::current(),
        payload: serde_json::to_value(QueryCommand { transaction_id }).map_err(Error::internal)?,
    })
}

async fn sync_payment(kassa: &Kassa, payment: &PaymentTransaction) -> Result<(), Error> {
    for attempt in kassa.store.list_attempts(payment.id).await? {
        // A closed or failed attempt may have been paid late: only the gateway knows.
        if matches!(
            attempt.status,
            AttemptStatus::Prepared | AttemptStatus::Paid
        ) {
            continue;
        }
        let report = query(kassa, &attempt).await?;
        apply::apply_answer(kassa, &attempt, &report).await?;
    }
    refund::sync_open_refunds(kassa, payment).await
}

/// Asks the gateway what became of an attempt, and lets it collect what the payer approved if the attempt
/// is the one to be paid.
pub(crate) async fn query(kassa: &Kassa, attempt: &Attempt) -> Result<PaymentReport, Error> {
    let may_be_paid = match attempt.status {
        AttemptStatus::Open | AttemptStatus::Unknown => true,
        AttemptStatus::Prepared
        | AttemptStatus::Sent
        | AttemptStatus::Paid
        | AttemptStatus::Closed
        | AttemptStatus::Failed => false,
    };
    let is_wanted = may_be_paid && kassa.clock.now() < attempt.expires_at && {
        let payment = place::load(kassa, attempt.transaction_id).await?;
        payment.status.is_pending() && payment.current_attempt_id == Some(attempt.id)
    };
    ask(kassa, attempt, is_wanted).await
}

/// Asks what became of an attempt that is about to be ended: nothing more is collected for it.
pub(super) async fn query_to_end(kassa: &Kassa, attempt: &Attempt) -> Result<PaymentReport, Error> {
    ask(kassa, attempt, false).await
}

async fn ask(kassa: &Kassa, attempt: &Attempt, is_wanted: bool) -> Result<PaymentReport, Error> {
    let open = kassa.account(attempt.channel_account_id).await?;
    let order = place::placed_order(attempt, is_wanted);
    let about = About::order(CallOperation::Query, attempt);
    call(kassa, about, open.gateway.query(&order))
        .await
        .map_err(|error| call_failed(attempt, &error))
}

/// A question that brought no answer leaves everything open.
pub(super) fn call_failed(attempt: &Attempt, error: &CallError) -> Error {
    tracing::warn!(
        payment.id = %attempt.transaction_id,
        attempt.no = attempt.attempt_no,
        error = %error,
        "the gateway could not be asked"
    );
    Error::OutcomeUnknown {
        transaction_id: attempt.transaction_id.to_string(),
    }
}
