//! Submit: the worker's task that brings a refund to the gateway and to its end.
//!
//! A refund that may have reached the gateway is asked for first and submitted again only under the
//! same number, and only when the gateway says that it does not know it. Where a repeat might be a second
//! refund ([`gateways::Capabilities::is_refund_repeatable`]), that word is doubted for a while.

use chrono::{DateTime, TimeDelta, Utc};
use gateways::{CallError, Gateway, PlaceRefund};
use kassa_core::channel::ChannelAccount;
use kassa_core::gateway_call::CallOperation;
use kassa_core::id::RefundId;
use kassa_core::notification::{CallbackRoute, GatewayReason, RefundReport, ReportedRefund};
use kassa_core::payment::{Attempt, PaymentTransaction};
use kassa_core::refund::RefundTransaction;
use runtime::checkpoint::Checkpoint;
use runtime::queue::Envelope;
use runtime::store::NextQuery;
use serde::{Deserialize, Serialize};

use super::apply;
use crate::call::{About, call};
use crate::synchronise::plan_refund;
use crate::{Disposition, Error, Kassa};

/// For how long after a submission a refusal of the next one is doubted.
const REFUSAL_DOUBT: TimeDelta = TimeDelta::minutes(10);
/// For how long after a submission a gateway that might take a repeat for a second refund is not believed
/// that it knows none: what it is asked may lag behind what it was told.
const UNKNOWN_DOUBT: TimeDelta = TimeDelta::minutes(30);

/// The payload of a [`super::SUBMIT_KIND`] command.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SubmitCommand {
    /// The refund.
    pub refund_id: RefundId,
}

/// Brings a new refund to its gateway. What that does not settle is asked for on schedule.
///
/// # Errors
/// [`Error`]; the message is tried again then.
pub async fn submit_task(kassa: &Kassa, envelope: &Envelope) -> Result<Disposition, Error> {
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
    Box::pin(bring_on(kassa, refund)).await?;
    Ok(Disposition::Done)
}

/// Asks the gateway about the open refunds of a payment, for [`crate::payment::sync`].
pub async fn sync_open_refunds(kassa: &Kassa, payment: &PaymentTransaction) -> Result<(), Error> {
    for refund in kassa.store.list_refunds_of_payment(payment.id).await? {
        if refund.status.is_final() || refund.submitted_at.is_none() {
            continue;
        }
        Box::pin(bring_on(kassa, refund)).await?;
    }
    Ok(())
}

/// Brings a refund one step further: submits it, or asks for it if it may have reached its gateway. No
/// answer decides nothing.
pub(crate) async fn bring_on(kassa: &Kassa, refund: RefundTransaction) -> Result<(), Error> {
    if refund.status.is_final() && refund.next_query_at.is_none() {
        return Ok(());
    }
    let open = kassa
        .account(apply::route(&refund)?.channel_account_id)
        .await?;
    let gateway = open.gateway.as_ref();
    let mut job = Job::load(kassa, gateway, refund, &open.account).await?;
    if job.refund.status.is_final() {
        return job.ask_of_resent().await;
    }
    let mut marked = match job.refund.submitted_at {
        None => mark_submitted(kassa, job.refund.id, Submission::First).await?,
        Some(_) => None,
    };
    if marked.is_none() {
        match job.ask().await {
            Ok(report) if matches!(report.state, ReportedRefund::NotFound) => {}
            Ok(report) => return job.settle(report).await,
            Err(error) => {
                undecided(&job.refund, &error);
                return Ok(());
            }
        }
        marked = mark_submitted(kassa, job.refund.id, Submission::again(gateway)).await?;
    }
    let Some(marked) = marked else {
        return Ok(());
    };
    job.refund = marked.refund;
    kassa.checkpoints.reach(Checkpoint::RefundClaimed).await;
    let about = About::refund(CallOperation::Refund, &job.attempt, job.refund.id);
    let answer = call(kassa, about, gateway.refund(&job.order)).await;
    kassa.checkpoints.reach(Checkpoint::RefundAnswered).await;
    match answer {
        Ok(report) => job.settle(report).await,
        Err(CallError::Refused(reason)) => job.refused(reason, marked.before).await,
        Err(error) => {
            undecided(&job.refund, &error);
            Ok(())
        }
    }
}

/// A refund on its way to its gateway.
struct Job<'a> {
    kassa: &'a Kassa,
    gateway: &'a dyn Gateway,
    refund: RefundTransaction,
    /// The paid order.
    attempt: Attempt,
    order: PlaceRefund,
}

impl<'a> Job<'a> {
    async fn load(
        kassa: &'a Kassa,
        gateway: &'a dyn Gateway,
        refund: RefundTransaction,
        account: &ChannelAccount,
    ) -> Result<Self, Error> {
        let found = kassa
            .store
            .find_attempt(apply::route(&refund)?.attempt_id)
            .await?;
        let attempt = found.ok_or_else(|| Error::internal("a refund without its attempt"))?;
        let order = order(kassa, account, &attempt, &refund)?;
        Ok(Self {
            kassa,
            gateway,
            refund,
            attempt,
            order,
        })
    }

    async fn ask(&self) -> Result<RefundReport, CallError> {
        let about = About::refund(CallOperation::QueryRefund, &self.attempt, self.refund.id);
        call(self.kassa, about, self.gateway.query_refund(&self.order)).await
    }

    /// A refund that hung after it had its final state was sent to the merchant: what became of it is
    /// asked, and nothing is ever submitted.
    async fn ask_of_resent(&self) -> Result<(), Error> {
        let payment = self.refund.original_transaction_id;
        let anomalies = self.kassa.store.list_anomalies_of(payment).await?;
        let is_resent = anomalies.iter().any(|anomaly| {
            anomaly.refund_id == Some(self.refund.id) && anomaly.requested.is_some()
        });
        if !is_resent {
            let never = NextQuery { at: None, count: 0 };
            let tx = self.kassa.store.begin().await?;
            tx.schedule_refund_in_tx(self.refund.id, never).await?;
            return Ok(tx.commit().await?);
        }
        match self.ask().await {
            Ok(report) => self.settle(report).await,
            Err(error) => {
                undecided(&self.refund, &error);
                Ok(())
            }
        }
    }

    async fn settle(&self, report: RefundReport) -> Result<(), Error> {
        let account = apply::route(&self.refund)?.channel_account_id;
        apply::apply_refund_report(self.kassa, account, &report).await?;
        Ok(())
    }

    /// A refusal of the first submission is believed. One of a later submission is not believed at once:
    /// the one `before` it may have arrived, and a gateway's query may lag behind it, or may be on its way
    /// still.
    async fn refused(
        &self,
        reason: GatewayReason,
        before: Option<DateTime<Utc>>,
    ) -> Result<(), Error> {
        let Some(before) = before else {
            return self.believe(reason).await;
        };
        match self.ask().await {
            Ok(report) if matches!(report.state, ReportedRefund::NotFound) => {}
            Ok(report) => return self.settle(report).await,
            Err(error) => {
                undecided(&self.refund, &error);
                return Ok(());
            }
        }
        let now = self.kassa.clock.now();
        if now.signed_duration_since(before) < REFUSAL_DOUBT {
            return Ok(());
        }
        self.believe(reason).await
    }

    /// While the answer was on its way another worker may have submitted the refund again, and the
    /// gateway may have taken that: then nothing is decided here.
    async fn believe(&self, reason: GatewayReason) -> Result<(), Error> {
        let (kassa, refund) = (self.kassa, &self.refund);
        let tx = kassa.store.begin().await?;
        let _payment = tx
            .load_payment_for_update_in_tx(refund.original_transaction_id)
            .await?;
        let now = tx.load_refund_for_update_in_tx(refund.id).await?;
        if now.get().version != refund.version {
            return Ok(());
        }
        let report = self.failed(reason);
        let account = apply::route(refund)?.channel_account_id;
        apply::apply_refund_report_in_tx(kassa, &tx, account, &report).await?;
        Ok(tx.commit().await?)
    }

    fn failed(&self, reason: GatewayReason) -> RefundReport {
        RefundReport {
            request_number: self.order.request_number.clone(),
            refund_number: self.order.refund_number.clone(),
            gateway_refund_id: None,
            state: ReportedRefund::Failed(reason),
        }
    }
}

/// The refund as a gateway is told of it.
pub(crate) fn order(
    kassa: &Kassa,
    account: &ChannelAccount,
    attempt: &Attempt,
    refund: &RefundTransaction,
) -> Result<PlaceRefund, Error> {
    Ok(PlaceRefund {
        request_number: attempt.request_number(),
        method: attempt.method,
        gateway_transaction_id: attempt.gateway_transaction_id.clone(),
        refund_number: refund.refund_number.clone(),
        amount: apply::route(refund)?.amount,
        paid: attempt.amount,
        reason: refund.reason.clone(),
        notify_url: kassa.callback_url(account, CallbackRoute::Refund)?,
    })
}

fn undecided(refund: &RefundTransaction, error: &CallError) {
    match error {
        CallError::Misconfigured(_) => tracing::error!(
            refund.id = %refund.id,
            %error,
            "a refund waits until the channel account is set up for it"
        ),
        CallError::Refused(_)
        | CallError::Later(_)
        | CallError::NotSent(_)
        | CallError::Unknown(_) => {
            tracing::warn!(refund.id = %refund.id, %error, "the outcome of a refund is not known");
        }
    }
}

/// Which submission a refund is marked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Submission {
    /// The first.
    First,
    /// A later one, for which the one before it must be at least `doubt` ago.
    Again { doubt: TimeDelta },
}

impl Submission {
    fn again(gateway: &dyn Gateway) -> Self {
        let doubt = if gateway.capabilities().is_refund_repeatable {
            TimeDelta::zero()
        } else {
            UNKNOWN_DOUBT
        };
        Self::Again { doubt }
    }

    /// Whether a refund that was submitted at `before` may be submitted now.
    fn is_due(self, before: Option<DateTime<Utc>>, now: DateTime<Utc>) -> bool {
        match (self, before) {
            (_, None) => true,
            (Self::First, Some(_)) => false,
            (Self::Again { doubt }, Some(before)) => now.signed_duration_since(before) >= doubt,
        }
    }
}

/// A refund that is about to be submitted.
struct Marked {
    refund: RefundTransaction,
    /// When it was submitted before.
    before: Option<DateTime<Utc>>,
}

/// Written before each call: from here on the refund may have reached the gateway. `None` if it has ended,
/// or if another submission stands in the way of this one, maybe one that another worker makes now.
async fn mark_submitted(
    kassa: &Kassa,
    id: RefundId,
    submission: Submission,
) -> Result<Option<Marked>, Error> {
    let tx = kassa.store.begin().await?;
    let locked = tx.load_refund_for_update_in_tx(id).await?;
    let known = locked.get();
    let before = known.submitted_at;
    let now = kassa.clock.now();
    if known.status.is_final() || !submission.is_due(before, now) {
        return Ok(None);
    }
    let mut refund = RefundTransaction {
        submitted_at: Some(now),
        updated_at: now,
        ..known.clone()
    };
    if submission == Submission::First {
        plan_refund(kassa, &mut refund);
    }
    let refund = tx.update_refund_in_tx(locked, refund).await?;
    tx.commit().await?;
    Ok(Some(Marked { refund, before }))
}
