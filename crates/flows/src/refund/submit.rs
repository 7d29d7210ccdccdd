//! Submit: the worker's task that brings a refund to the gateway and to its end.
//!
//! A refund that may have reached the gateway is asked for first and submitted again only under the
//! same number, and only when the gateway says that it does not know it.

use std::time::Duration;

use chrono::TimeDelta;
use gateways::{CallError, Gateway, PlaceRefund};
use kassa_core::id::RefundId;
use kassa_core::notification::{CallbackRoute, GatewayReason, RefundReport, ReportedRefund};
use kassa_core::payment::PaymentTransaction;
use kassa_core::refund::RefundTransaction;
use runtime::queue::{Envelope, RETRY_LADDER};
use serde::{Deserialize, Serialize};

use super::apply;
use crate::{Disposition, Error, Kassa};

/// The soonest second look at a refund.
const LOOK_AGAIN_MIN: Duration = Duration::from_secs(15);
/// For how long a refusal of a repeated submission is doubted.
const REFUSAL_DOUBT: TimeDelta = TimeDelta::minutes(10);

/// The payload of a [`super::SUBMIT_KIND`] command.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SubmitCommand {
    /// The refund.
    pub refund_id: RefundId,
}

/// What a look at a refund came to.
enum Step {
    /// The gateway said something, and it was applied.
    Report(ReportedRefund),
    /// Nothing definite: look again later.
    Later,
    /// The gateway refuses our account: people must act.
    Misconfigured(String),
}

/// Brings a refund one step further. Comes again until the refund is final.
///
/// # Errors
/// [`Error`]; the message is tried again then.
pub async fn submit_task(
    kassa: &Kassa,
    envelope: &Envelope,
    retries: u32,
) -> Result<Disposition, Error> {
    let command: SubmitCommand = match serde_json::from_value(envelope.payload.clone()) {
        Ok(command) => command,
        Err(error) => {
            return Ok(Disposition::Park(format!(
                "unreadable refund command: {error}"
            )));
        }
    };
    let Some(refund) = kassa.store.find_refund(command.refund_id).await? else {
        return Ok(Disposition::Park(format!(
            "no refund {}",
            command.refund_id
        )));
    };
    if refund.status.is_final() {
        return Ok(Disposition::Done);
    }
    match step(kassa, refund).await? {
        Step::Report(ReportedRefund::Succeeded { .. } | ReportedRefund::Failed(_)) => {
            Ok(Disposition::Done)
        }
        Step::Report(_) | Step::Later => Ok(Disposition::LookAgain(delay(retries))),
        Step::Misconfigured(reason) => Ok(Disposition::Park(reason)),
    }
}

/// Asks the gateway about the open refunds of a payment, for [`crate::payment::sync`].
pub async fn sync_open_refunds(kassa: &Kassa, payment: &PaymentTransaction) -> Result<(), Error> {
    for refund in kassa.store.list_refunds_of_payment(payment.id).await? {
        if refund.status.is_final() || refund.submitted_at.is_none() {
            continue;
        }
        step(kassa, refund).await?;
    }
    Ok(())
}

async fn step(kassa: &Kassa, refund: RefundTransaction) -> Result<Step, Error> {
    let open = kassa.account(refund.channel_account_id).await?;
    let order = order(kassa, &refund, &open.account).await?;
    let gateway = open.gateway.as_ref();
    let is_first = refund.submitted_at.is_none() && mark_submitted(kassa, refund.id).await?;
    if !is_first {
        match ask(kassa, gateway, &order).await {
            Ok(report) if matches!(report.state, ReportedRefund::NotFound) => {}
            Ok(report) => return settle(kassa, &refund, report).await,
            Err(error) => return Ok(undecided(&refund, &error)),
        }
    }
    let answer = tokio::time::timeout(kassa.settings.call_timeout, gateway.refund(&order))
        .await
        .unwrap_or_else(|_elapsed| Err(CallError::Unknown("no answer in time".to_owned())));
    match answer {
        Ok(report) => settle(kassa, &refund, report).await,
        Err(CallError::Refused(reason)) => {
            refused(kassa, gateway, &refund, &order, (reason, is_first)).await
        }
        Err(error) => Ok(undecided(&refund, &error)),
    }
}

/// A refusal of the first submission is final. One of a later submission is not believed at once: an
/// earlier one may have arrived, and a gateway's query may lag behind it.
async fn refused(
    kassa: &Kassa,
    gateway: &dyn Gateway,
    refund: &RefundTransaction,
    order: &PlaceRefund,
    (reason, is_first): (GatewayReason, bool),
) -> Result<Step, Error> {
    if !is_first {
        match ask(kassa, gateway, order).await {
            Ok(report) if matches!(report.state, ReportedRefund::NotFound) => {}
            Ok(report) => return settle(kassa, refund, report).await,
            Err(error) => return Ok(undecided(refund, &error)),
        }
        let age = kassa.clock.now().signed_duration_since(refund.created_at);
        if age < REFUSAL_DOUBT {
            return Ok(Step::Later);
        }
    }
    let report = RefundReport {
        request_number: order.request_number.clone(),
        refund_number: order.refund_number.clone(),
        gateway_refund_id: None,
        state: ReportedRefund::Failed(reason),
    };
    settle(kassa, refund, report).await
}

async fn ask(
    kassa: &Kassa,
    gateway: &dyn Gateway,
    order: &PlaceRefund,
) -> Result<RefundReport, CallError> {
    tokio::time::timeout(kassa.settings.call_timeout, gateway.query_refund(order))
        .await
        .unwrap_or_else(|_elapsed| Err(CallError::Unknown("no answer in time".to_owned())))
}

async fn settle(
    kassa: &Kassa,
    refund: &RefundTransaction,
    report: RefundReport,
) -> Result<Step, Error> {
    apply::apply_refund_report(kassa, refund.channel_account_id, &report).await?;
    Ok(Step::Report(report.state))
}

fn undecided(refund: &RefundTransaction, error: &CallError) -> Step {
    tracing::warn!(refund.id = %refund.id, error = %error, "the outcome of a refund is not known");
    match error {
        CallError::Misconfigured(reason) => {
            Step::Misconfigured(format!("{}: {}", reason.code, reason.message))
        }
        CallError::Refused(_)
        | CallError::Later(_)
        | CallError::NotSent(_)
        | CallError::Unknown(_) => Step::Later,
    }
}

/// Written before the call: from here on the refund may have reached the gateway. `false` if another
/// worker has written it before.
async fn mark_submitted(kassa: &Kassa, id: RefundId) -> Result<bool, Error> {
    let tx = kassa.store.begin().await?;
    let locked = tx.load_refund_for_update_in_tx(id).await?;
    if locked.get().submitted_at.is_some() {
        return Ok(false);
    }
    let now = kassa.clock.now();
    let refund = RefundTransaction {
        submitted_at: Some(now),
        updated_at: now,
        ..locked.get().clone()
    };
    tx.update_refund_in_tx(locked, refund).await?;
    tx.commit().await?;
    Ok(true)
}

async fn order(
    kassa: &Kassa,
    refund: &RefundTransaction,
    account: &kassa_core::channel::ChannelAccount,
) -> Result<PlaceRefund, Error> {
    let attempt = kassa
        .store
        .find_attempt(refund.attempt_id)
        .await?
        .ok_or_else(|| Error::internal("a refund without its attempt"))?;
    Ok(PlaceRefund {
        request_number: attempt.request_number(),
        refund_number: refund.refund_number.clone(),
        amount: refund.amount_requested,
        paid: attempt.amount,
        reason: refund.reason.clone(),
        notify_url: kassa.callback_url(account, CallbackRoute::Refund)?,
    })
}

/// The next look at a refund that is not final: the retry ladder, step by step, but never sooner than
/// gateways want to be asked after a refund (alipay.md §7: 10 s).
fn delay(retries: u32) -> Duration {
    let step = usize::try_from(retries).unwrap_or(usize::MAX);
    let step = RETRY_LADDER.get(step).or(RETRY_LADDER.last()).copied();
    step.unwrap_or(LOOK_AGAIN_MIN).max(LOOK_AGAIN_MIN)
}
