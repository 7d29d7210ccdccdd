//! Create: reserve the amount, write the refund and the command to submit it, in one transaction.

use kassa_core::Money;
use kassa_core::event::EventKind;
use kassa_core::id::{AnomalyId, EnvelopeId, RefundId, TransactionId};
use kassa_core::payment::PaymentTransaction;
use kassa_core::refund::{RefundSource, RefundStatus, RefundTransaction};
use kassa_core::text::{AppId, BusinessRefundId, RefundReason};
use runtime::checkpoint::Checkpoint;
use runtime::queue::{Envelope, QueueName};
use runtime::store::{NewCommand, StoreError, Tx};
use runtime::telemetry::trace_context;
use serde_json::json;
use sha2::{Digest, Sha256};

use super::legs::Ways;
use super::{SUBMIT_KIND, apply, submit::SubmitCommand};
use crate::audit::{self, Action};
use crate::event::record_refund_event_in_tx;
use crate::synchronise::plan_refund;
use crate::wallet::top_up;
use crate::{Error, Kassa};

/// A request to refund: every field well-formed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreateRefund {
    /// The payment.
    pub transaction_id: TransactionId,
    /// The caller's own refund request; its idempotency key.
    pub business_refund_id: BusinessRefundId,
    /// How much.
    pub amount: Money,
    /// Why, for the payer.
    pub reason: Option<RefundReason>,
    /// What of which leg; empty for the order of the app's policy.
    pub legs: Vec<RefundShare>,
    /// Whether the part that would go back through a gateway goes to the payer's balance instead.
    pub to_balance: bool,
}

/// What a refund is to give back of one leg.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RefundShare {
    /// The leg's number in the payment.
    pub leg_no: i32,
    /// How much.
    pub amount: Money,
}

impl CreateRefund {
    fn fingerprint(&self) -> String {
        let mut content = json!([
            self.transaction_id,
            self.amount.amount_minor(),
            self.amount.currency(),
            self.reason,
        ]);
        // Requests that name no legs keep the fingerprint that they had before there were any.
        let is_special = self.to_balance || !self.legs.is_empty();
        if let (Some(content), true) = (content.as_array_mut(), is_special) {
            let shares = self.legs.iter();
            let shares = shares.map(|share| json!([share.leg_no, share.amount.to_string()]));
            content.push(json!([self.to_balance, shares.collect::<Vec<_>>()]));
        }
        hex::encode(Sha256::digest(content.to_string().as_bytes()))
    }
}

/// Creates a refund of a payment of `app`. Repeating the same request answers the same refund. One
/// that only wallets take part in has succeeded when it is answered.
///
/// # Errors
/// [`Error::NotFound`], [`Error::IdempotencyMismatch`], [`Error::PaymentState`],
/// [`Error::RefundExceedsRefundable`], [`Error::Legs`].
pub async fn create(
    kassa: &Kassa,
    app: &AppId,
    request: CreateRefund,
) -> Result<RefundTransaction, Error> {
    let fingerprint = request.fingerprint();
    if let Some(existing) = find_existing(kassa, app, &request, &fingerprint).await? {
        return Ok(existing);
    }
    let payment = refundable_payment(kassa, app, &request).await?;
    let tx = kassa.store.begin().await?;
    if !tx
        .reserve_refund_in_tx(payment.id, app, request.amount)
        .await?
    {
        drop(tx);
        // The same request may have reserved it a moment ago.
        if let Some(existing) = find_existing(kassa, app, &request, &fingerprint).await? {
            return Ok(existing);
        }
        return Err(refused(kassa, app, &request).await?);
    }
    let written = Box::pin(write_down_in_tx(kassa, &tx, &request, fingerprint.clone()));
    let refund = match written.await {
        Ok(refund) => {
            tx.commit().await?;
            kassa.checkpoints.reach(Checkpoint::RefundWrittenDown).await;
            refund
        }
        Err(Error::Store(StoreError::UniqueViolation { .. })) => {
            drop(tx);
            let existing = find_existing(kassa, app, &request, &fingerprint).await?;
            return existing.ok_or(Error::RequestInFlight);
        }
        Err(error) => {
            drop(tx);
            // The same request may have taken what is missing now.
            let existing = find_existing(kassa, app, &request, &fingerprint).await?;
            return existing.ok_or(error);
        }
    };
    metrics::counter!("kassa_refunds_created_total", "channel" => payment.channel.as_str())
        .increment(1);
    tracing::info!(payment.id = %payment.id, refund.id = %refund.id, "refund created");
    Ok(refund)
}

/// The refund that this request made before. The same key with another content is refused.
async fn find_existing(
    kassa: &Kassa,
    app: &AppId,
    request: &CreateRefund,
    fingerprint: &str,
) -> Result<Option<RefundTransaction>, Error> {
    let id = &request.business_refund_id;
    match kassa.store.find_refund_by_business_id(app, id).await? {
        Some(existing) if existing.request_fingerprint != fingerprint => {
            Err(Error::IdempotencyMismatch {
                field: "business_refund_id",
                key: id.to_string(),
            })
        }
        found => Ok(found),
    }
}

async fn refundable_payment(
    kassa: &Kassa,
    app: &AppId,
    request: &CreateRefund,
) -> Result<PaymentTransaction, Error> {
    let id = request.transaction_id;
    let payment = kassa
        .store
        .find_payment_of_app(app, id)
        .await?
        .ok_or_else(|| Error::NotFound {
            resource: "payment",
            name: id.to_string(),
        })?;
    if request.amount.is_zero() {
        return Err(Error::field("amount.amount", "must be more than zero"));
    }
    let currency = payment.amount_requested.currency();
    if request.amount.currency() != currency {
        return Err(Error::field(
            "amount.currency_code",
            format!("must be {currency}"),
        ));
    }
    if !payment.status.is_paid() {
        return Err(Error::PaymentState {
            transaction_id: id.to_string(),
            status: payment.status,
            wanted: "only a paid payment can be refunded",
        });
    }
    Ok(payment)
}

async fn refused(kassa: &Kassa, app: &AppId, request: &CreateRefund) -> Result<Error, Error> {
    let payment = refundable_payment(kassa, app, request).await?;
    let refundable = payment.amount_refundable().map_err(Error::internal)?;
    Ok(Error::RefundExceedsRefundable {
        transaction_id: payment.id.to_string(),
        refundable,
    })
}

/// Divides the reserved amount among the payment's legs and writes the refund down. One that only
/// wallets take part in is done with it.
async fn write_down_in_tx(
    kassa: &Kassa,
    tx: &Tx,
    request: &CreateRefund,
    fingerprint: String,
) -> Result<RefundTransaction, Error> {
    let payment = tx
        .load_payment_for_update_in_tx(request.transaction_id)
        .await?
        .into_inner();
    let attempt = match payment.current_attempt_id {
        Some(id) => tx.find_attempt_in_tx(id).await?,
        None => None,
    };
    let app = tx.find_app_in_tx(&payment.app_id).await?;
    let config = app
        .map(|app| app.policies.payment_config)
        .unwrap_or_default();
    // What is reserved counts as refundable here: it was reserved for this very refund.
    let before = before_reservation(&payment, request.amount)?;
    let ways = Ways::asked_for(&kassa.ids, &before, attempt.as_ref(), request, &config)?;
    for share in ways.legs.iter().filter(|_| !payment.legs.is_empty()) {
        if !tx
            .reserve_leg_refund_in_tx(share.leg_id, share.amount)
            .await?
        {
            return Err(Error::internal("a leg that does not bear its share"));
        }
    }
    let wanted = NewRefund {
        business_refund_id: Some(request.business_refund_id.clone()),
        fingerprint,
        amount: request.amount,
        reason: request.reason.clone(),
        source: RefundSource::Payment,
        anomaly_id: None,
    };
    let refund = wanted.of(kassa, &payment, ways);
    record_refund_in_tx(kassa, tx, &refund, refund.app_id.as_str()).await?;
    if refund.route.is_some() {
        return Ok(refund);
    }
    apply::settle_in_wallets_in_tx(kassa, tx, &refund).await
}

fn before_reservation(
    payment: &PaymentTransaction,
    amount: Money,
) -> Result<PaymentTransaction, Error> {
    let reserved = payment.amount_refund_reserved.checked_sub(amount);
    Ok(PaymentTransaction {
        amount_refund_reserved: reserved.map_err(Error::internal)?,
        ..payment.clone()
    })
}

/// A refund to be written down.
#[derive(Debug)]
pub(crate) struct NewRefund {
    pub(crate) business_refund_id: Option<BusinessRefundId>,
    pub(crate) fingerprint: String,
    pub(crate) amount: Money,
    pub(crate) reason: Option<RefundReason>,
    pub(crate) source: RefundSource,
    pub(crate) anomaly_id: Option<AnomalyId>,
}

impl NewRefund {
    /// The refund that goes these `ways`.
    pub(crate) fn of(
        self,
        kassa: &Kassa,
        payment: &PaymentTransaction,
        ways: Ways,
    ) -> RefundTransaction {
        let now = kassa.clock.now();
        let id = RefundId::new(&kassa.ids);
        let mut refund = RefundTransaction {
            id,
            app_id: payment.app_id.clone(),
            original_transaction_id: payment.id,
            leg_id: ways.leg_id,
            route: ways.route,
            legs: ways.legs,
            business_refund_id: self.business_refund_id,
            request_fingerprint: self.fingerprint,
            refund_number: id.to_string(),
            amount_requested: self.amount,
            amount_refunded: Money::zero(self.amount.currency()),
            status: RefundStatus::Pending,
            reason: self.reason,
            gateway_refund_id: None,
            failure: None,
            submitted_at: None,
            created_at: now,
            updated_at: now,
            refunded_at: None,
            next_query_at: None,
            query_count: 0,
            source: self.source,
            anomaly_id: self.anomaly_id,
            version: 1,
        };
        plan_refund(kassa, &mut refund);
        refund
    }
}

/// The refund, its event, the command to submit it (if a gateway takes part) and the audit record: all
/// or nothing.
pub(crate) async fn record_refund_in_tx(
    kassa: &Kassa,
    tx: &Tx,
    refund: &RefundTransaction,
    actor: &str,
) -> Result<(), Error> {
    let payment_id = refund.original_transaction_id;
    let locked = tx.load_payment_for_update_in_tx(payment_id).await?;
    let mut payment = locked.get().clone();
    payment.updated_at = kassa.clock.now();
    tx.insert_refund_in_tx(refund).await?;
    top_up::hold_refund_in_tx(kassa, tx, &payment, refund).await?;
    record_refund_event_in_tx(kassa, tx, &mut payment, refund, EventKind::RefundCreated).await?;
    tx.update_payment_in_tx(locked, payment).await?;
    if refund.route.is_some() {
        command_in_tx(kassa, tx, refund).await?;
    }
    let action = Action {
        actor,
        name: "refund.create",
        subject: format!("refunds/{}", refund.id),
        detail: json!({
            "transaction_id": payment_id.to_string(),
            "amount": refund.amount_requested.to_string(),
            "anomaly_id": refund.anomaly_id.map(|id| id.to_string()),
        }),
    };
    audit::record_in_tx(kassa, tx, action).await
}

/// The command that makes a worker bring the refund to its gateway.
async fn command_in_tx(kassa: &Kassa, tx: &Tx, refund: &RefundTransaction) -> Result<(), Error> {
    let envelope = Envelope {
        id: EnvelopeId::new(&kassa.ids),
        kind: SUBMIT_KIND.to_owned(),
        created_at: kassa.clock.now(),
        trace: trace_context::current(),
        payload: serde_json::to_value(SubmitCommand {
            refund_id: refund.id,
        })
        .map_err(Error::internal)?,
    };
    let command = NewCommand {
        id: envelope.id,
        queue: QueueName::Commands.as_str(),
        envelope: serde_json::to_value(&envelope).map_err(Error::internal)?,
        aggregate: refund.original_transaction_id,
        created_at: envelope.created_at,
    };
    Ok(tx.append_command_in_tx(&command).await?)
}
