//! Resolve: what an operator does about an anomaly, with a reason, and audited.

use gateways::{CallError, PlaceRefund};
use kassa_core::anomaly::{Anomaly, AnomalyKind, ResolutionAction, ResolutionRequest};
use kassa_core::gateway_call::CallOperation;
use kassa_core::id::AnomalyId;
use kassa_core::notification::{RefundReport, ReportedRefund};
use kassa_core::payment::{Attempt, Failure, PaymentTransaction};
use kassa_core::refund::RefundTransaction;
use kassa_core::text::{AppId, ResolutionReason};
use runtime::accounts::OpenAccount;
use runtime::store::{Locked, Tx};
use serde_json::json;
use std::sync::Arc;

use super::give_back::{GivenBack, give_back_in_tx};
use super::{close_in_tx, find, mismatch};
use crate::audit::{self, Action};
use crate::call::{About, call};
use crate::refund::{apply, order};
use crate::synchronise::plan_refund_anew;
use crate::{Error, Kassa};

/// What is to be done about an anomaly.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResolveAnomaly {
    /// The anomaly.
    pub id: AnomalyId,
    /// What to do.
    pub action: ResolutionAction,
    /// Why.
    pub reason: ResolutionReason,
}

/// An anomaly as it stands, and the refund that is to deal with it or did.
#[derive(Debug, Clone, PartialEq)]
pub struct Resolved {
    /// The anomaly.
    pub anomaly: Anomaly,
    /// Its refund.
    pub refund: Option<RefundTransaction>,
}

/// Deals with an anomaly in the name of `actor`. The same action again answers the same.
///
/// # Errors
/// [`Error::NotFound`]; [`Error::AnomalyResolved`] if it was dealt with otherwise;
/// [`Error::AnomalyAction`] if the action does not fit it as it is; and, where a gateway has to be
/// asked, [`Error::OutcomeUnknown`] and [`Error::GatewayRefused`].
pub async fn resolve(
    kassa: &Kassa,
    actor: &AppId,
    wanted: ResolveAnomaly,
) -> Result<Resolved, Error> {
    let anomaly = find(kassa, wanted.id).await?;
    check_kind(&anomaly, wanted.action)?;
    match wanted.action {
        ResolutionAction::Accept => accept(kassa, actor, &anomaly, &wanted).await?,
        ResolutionAction::Refund => refund(kassa, actor, &anomaly, &wanted).await?,
        ResolutionAction::RefundToMerchant => {
            Box::pin(to_merchant(kassa, actor, &anomaly, &wanted)).await?;
        }
        ResolutionAction::Settled => {}
    }
    answer(kassa, wanted.id).await
}

async fn answer(kassa: &Kassa, id: AnomalyId) -> Result<Resolved, Error> {
    let anomaly = find(kassa, id).await?;
    let refund = match (anomaly.refund_id, anomaly.transaction_id) {
        (Some(refund), _) => kassa.store.find_refund(refund).await?,
        (None, Some(payment)) => {
            let refunds = kassa.store.list_refunds_of_payment(payment).await?;
            let made_for = |refund: &RefundTransaction| refund.anomaly_id == Some(id);
            refunds.into_iter().find(made_for)
        }
        (None, None) => None,
    };
    Ok(Resolved { anomaly, refund })
}

fn check_kind(anomaly: &Anomaly, action: ResolutionAction) -> Result<(), Error> {
    match action {
        ResolutionAction::Accept => Ok(()),
        ResolutionAction::Refund if anomaly.kind.is_refundable() => Ok(()),
        ResolutionAction::Refund => Err(misfit(
            anomaly,
            action,
            "only late and duplicate money can be refunded",
        )),
        ResolutionAction::RefundToMerchant if anomaly.kind == AnomalyKind::RefundAbnormal => Ok(()),
        ResolutionAction::RefundToMerchant => Err(misfit(
            anomaly,
            action,
            "only a refund that hangs can be sent to the merchant",
        )),
        ResolutionAction::Settled => Err(misfit(anomaly, action, "nobody can ask for that")),
    }
}

fn misfit(anomaly: &Anomaly, action: ResolutionAction, why: &'static str) -> Error {
    Error::AnomalyAction {
        anomaly_id: anomaly.id.to_string(),
        kind: anomaly.kind,
        action,
        why,
    }
}

/// `true` if the action was done before.
fn is_done(anomaly: &Anomaly, action: ResolutionAction) -> Result<bool, Error> {
    match &anomaly.resolution {
        None => Ok(false),
        Some(resolution) if resolution.action == action => Ok(true),
        Some(resolution) => Err(Error::AnomalyResolved {
            anomaly_id: anomaly.id.to_string(),
            resolution: resolution.action,
        }),
    }
}

impl ResolveAnomaly {
    fn request(&self, actor: &AppId) -> ResolutionRequest {
        ResolutionRequest {
            by: actor.to_string(),
            reason: self.reason.to_string(),
        }
    }

    async fn audit_in_tx(&self, kassa: &Kassa, tx: &Tx, actor: &AppId) -> Result<(), Error> {
        let action = Action {
            actor: actor.as_str(),
            name: "anomaly.resolve",
            subject: format!("anomalies/{}", self.id),
            detail: json!({ "action": self.action, "reason": self.reason }),
        };
        audit::record_in_tx(kassa, tx, action).await
    }
}

/// Its payment, if it has one, and the anomaly, both locked.
async fn lock_in_tx(
    tx: &Tx,
    anomaly: &Anomaly,
) -> Result<(Option<Locked<PaymentTransaction>>, Locked<Anomaly>), Error> {
    let payment = match anomaly.transaction_id {
        Some(id) => Some(tx.load_payment_for_update_in_tx(id).await?),
        None => None,
    };
    Ok((payment, tx.load_anomaly_for_update_in_tx(anomaly.id).await?))
}

async fn accept(
    kassa: &Kassa,
    actor: &AppId,
    anomaly: &Anomaly,
    wanted: &ResolveAnomaly,
) -> Result<(), Error> {
    if !is_done(anomaly, wanted.action)? {
        Box::pin(mismatch::end_order(kassa, anomaly)).await?;
    }
    let tx = kassa.store.begin().await?;
    let (payment, locked) = lock_in_tx(&tx, anomaly).await?;
    if is_done(locked.get(), wanted.action)? {
        return Ok(());
    }
    if locked.get().requested.is_some() {
        return Err(misfit(
            anomaly,
            wanted.action,
            "a refund of it is under way",
        ));
    }
    wanted.audit_in_tx(kassa, &tx, actor).await?;
    let payment = match payment {
        Some(payment) => Some(mismatch::close_in_tx(kassa, &tx, payment, locked.get()).await?),
        None => None,
    };
    let mut changed = payment.as_ref().map(|payment| payment.get().clone());
    let request = wanted.request(actor);
    close_in_tx(kassa, &tx, changed.as_mut(), locked, wanted.action, request).await?;
    if let (Some(payment), Some(changed)) = (payment, changed) {
        tx.update_payment_in_tx(payment, changed).await?;
    }
    Ok(tx.commit().await?)
}

async fn refund(
    kassa: &Kassa,
    actor: &AppId,
    anomaly: &Anomaly,
    wanted: &ResolveAnomaly,
) -> Result<(), Error> {
    let tx = kassa.store.begin().await?;
    let (payment, locked) = lock_in_tx(&tx, anomaly).await?;
    if is_done(locked.get(), wanted.action)? || locked.get().requested.is_some() {
        return Ok(());
    }
    let payment = payment.ok_or_else(|| Error::internal("money of no payment"))?;
    wanted.audit_in_tx(kassa, &tx, actor).await?;
    match give_back_in_tx(kassa, &tx, payment, locked, wanted.request(actor)).await? {
        GivenBack::Refund | GivenBack::Nothing => Ok(tx.commit().await?),
        GivenBack::UnderWay => Err(misfit(
            anomaly,
            wanted.action,
            "refunds of it are under way: their end must be known first",
        )),
    }
}

/// Sends a refund that hangs to the merchant's own account. The gateway is asked first: what is on its
/// way, or at its end, is not sent again.
async fn to_merchant(
    kassa: &Kassa,
    actor: &AppId,
    anomaly: &Anomaly,
    wanted: &ResolveAnomaly,
) -> Result<(), Error> {
    if is_done(anomaly, wanted.action)? {
        return Ok(());
    }
    if anomaly.refund_id.is_none() {
        let why = "the refund was made at the gateway's console: deal with it there";
        return Err(misfit(anomaly, wanted.action, why));
    }
    let hung = Hung::load(kassa, anomaly).await?;
    if !hung.open.gateway.capabilities().refund_to_merchant {
        let why = "the gateway cannot send a refund to the merchant";
        return Err(misfit(anomaly, wanted.action, why));
    }
    let report = hung.ask(kassa).await?;
    if !matches!(report.state, ReportedRefund::Abnormal(_)) {
        hung.apply(kassa, &report).await?;
        let now = find(kassa, anomaly.id).await?;
        if is_done(&now, wanted.action)? || now.requested.is_some() {
            return Ok(());
        }
        return Err(misfit(
            anomaly,
            wanted.action,
            "the refund does not hang any more",
        ));
    }
    let number = report.gateway_refund_id.clone();
    let number = number.or_else(|| hung.refund.gateway_refund_id.clone());
    let number = number.ok_or_else(|| Error::internal("a refund that hangs without its number"))?;
    let Some(request) = request(kassa, actor, anomaly, wanted).await? else {
        return Ok(());
    };
    let about = About::refund(
        CallOperation::ApplyAbnormalRefund,
        &hung.attempt,
        hung.refund.id,
    );
    let asked = hung.open.gateway.refund_to_merchant(&hung.order, &number);
    match call(kassa, about, asked).await {
        Ok(report) => {
            hung.apply(kassa, &report).await?;
            hung.moves(kassa, anomaly, request).await
        }
        Err(error) => hung.not_sent(kassa, anomaly, request, error).await,
    }
}

/// Writes down who wants it, before the gateway is called. Gives what is written: whoever asked first
/// stays the one. `None` if there is nothing to ask for any more.
async fn request(
    kassa: &Kassa,
    actor: &AppId,
    anomaly: &Anomaly,
    wanted: &ResolveAnomaly,
) -> Result<Option<ResolutionRequest>, Error> {
    let tx = kassa.store.begin().await?;
    let (_payment, locked) = lock_in_tx(&tx, anomaly).await?;
    if is_done(locked.get(), wanted.action)? {
        return Ok(None);
    }
    wanted.audit_in_tx(kassa, &tx, actor).await?;
    let before = locked.get().clone();
    let request = before.requested.clone();
    let request = request.unwrap_or_else(|| wanted.request(actor));
    let asked = Anomaly {
        requested: Some(request.clone()),
        ..before
    };
    tx.update_anomaly_in_tx(locked, &asked).await?;
    tx.commit().await?;
    Ok(Some(request))
}

/// A refund that hangs at its gateway.
struct Hung {
    refund: RefundTransaction,
    attempt: Attempt,
    order: PlaceRefund,
    open: OpenAccount<Arc<dyn gateways::Gateway>>,
}

impl Hung {
    async fn load(kassa: &Kassa, anomaly: &Anomaly) -> Result<Self, Error> {
        let broken = || Error::internal("an anomaly without its refund");
        let id = anomaly.refund_id.ok_or_else(broken)?;
        let refund = kassa.store.find_refund(id).await?.ok_or_else(broken)?;
        let route = *apply::route(&refund)?;
        let attempt = kassa.store.find_attempt(route.attempt_id).await?;
        let attempt = attempt.ok_or_else(broken)?;
        let open = kassa.account(route.channel_account_id).await?;
        let order = order(kassa, &open.account, &attempt, &refund)?;
        Ok(Self {
            refund,
            attempt,
            order,
            open,
        })
    }

    async fn ask(&self, kassa: &Kassa) -> Result<RefundReport, Error> {
        let about = About::refund(CallOperation::QueryRefund, &self.attempt, self.refund.id);
        let told = call(kassa, about, self.open.gateway.query_refund(&self.order)).await;
        told.map_err(|_no_answer| self.unknown())
    }

    async fn apply(&self, kassa: &Kassa, report: &RefundReport) -> Result<(), Error> {
        apply::apply_refund_report(kassa, self.attempt.channel_account_id, report).await?;
        Ok(())
    }

    /// It moves again: its questions begin anew. The refusal of another call may have taken the
    /// `request` back meanwhile.
    async fn moves(
        &self,
        kassa: &Kassa,
        anomaly: &Anomaly,
        request: ResolutionRequest,
    ) -> Result<(), Error> {
        let tx = kassa.store.begin().await?;
        let (_payment, locked) = lock_in_tx(&tx, anomaly).await?;
        if locked.get().resolution.is_some() {
            return Ok(());
        }
        if locked.get().requested.is_none() {
            let asked = Anomaly {
                requested: Some(request),
                ..locked.get().clone()
            };
            tx.update_anomaly_in_tx(locked, &asked).await?;
        }
        let locked = tx.load_refund_for_update_in_tx(self.refund.id).await?;
        let mut refund = locked.get().clone();
        plan_refund_anew(kassa, &mut refund);
        tx.update_refund_in_tx(locked, refund).await?;
        Ok(tx.commit().await?)
    }

    fn unknown(&self) -> Error {
        Error::OutcomeUnknown {
            transaction_id: self.attempt.transaction_id.to_string(),
        }
    }

    /// A definite refusal leaves the anomaly as it was before; otherwise the next try asks first. A
    /// gateway also refuses what another operator has just sent: then the refund moves.
    async fn not_sent(
        &self,
        kassa: &Kassa,
        anomaly: &Anomaly,
        request: ResolutionRequest,
        error: CallError,
    ) -> Result<(), Error> {
        let reason = match error {
            CallError::Refused(reason) | CallError::Misconfigured(reason) => reason,
            CallError::Later(_) | CallError::NotSent(_) | CallError::Unknown(_) => {
                return Err(self.unknown());
            }
        };
        if let Ok(report) = self.ask(kassa).await
            && !matches!(report.state, ReportedRefund::Abnormal(_))
        {
            self.apply(kassa, &report).await?;
            return self.moves(kassa, anomaly, request).await;
        }
        let tx = kassa.store.begin().await?;
        let (_payment, locked) = lock_in_tx(&tx, anomaly).await?;
        if locked.get().resolution.is_none() && locked.get().requested == Some(request) {
            let open = Anomaly {
                requested: None,
                ..locked.get().clone()
            };
            tx.update_anomaly_in_tx(locked, &open).await?;
            tx.commit().await?;
        }
        Err(Error::GatewayRefused {
            channel: self.open.account.channel(),
            transaction_id: self.attempt.transaction_id.to_string(),
            failure: Failure {
                code: reason.code,
                message: reason.message,
            },
        })
    }
}
