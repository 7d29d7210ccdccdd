//! Open: what does not fit is written down with its evidence and told once, however often it is found.

use chrono::{DateTime, Utc};
use kassa_core::anomaly::{Anomaly, AnomalyKind};
use kassa_core::event::EventKind;
use kassa_core::id::{AnomalyId, AttemptId, ChannelAccountId, RefundId};
use kassa_core::payment::{Attempt, PaymentFact, PaymentTransaction};
use runtime::store::{Locked, Tx};
use serde_json::{Value, json};

use crate::event::record_anomaly_event_in_tx;
use crate::{Error, Kassa};

/// A finding that becomes an anomaly.
#[derive(Debug)]
pub(crate) struct Finding {
    pub(crate) kind: AnomalyKind,
    /// What makes the finding the same one when it is told again.
    pub(crate) key: String,
    /// What was expected and what was found: an object of texts, without secrets.
    pub(crate) evidence: Value,
}

impl Finding {
    /// What a fact about an attempt says that does not fit its payment.
    pub(crate) fn of_fact(
        kind: AnomalyKind,
        attempt: &Attempt,
        payment: &PaymentTransaction,
        fact: &PaymentFact,
    ) -> Self {
        let (reported, found) = match fact {
            PaymentFact::Paid { amount, .. } => ("PAID", amount.to_string()),
            PaymentFact::Refunded { amount, .. } => ("REFUNDED", amount.to_string()),
            PaymentFact::Closed => ("CLOSED", String::new()),
            PaymentFact::Failed(failure) => ("FAILED", failure.code.clone()),
            PaymentFact::Placed => ("PLACED", String::new()),
            PaymentFact::Retried => ("RETRIED", String::new()),
            PaymentFact::Unpaid => ("UNPAID", String::new()),
        };
        let gateway_transaction_id = attempt.gateway_transaction_id.clone();
        let mut evidence = json!({
            "attempt_id": attempt.id.to_string(),
            "attempt_no": attempt.attempt_no.to_string(),
            "gateway_transaction_id": gateway_transaction_id.unwrap_or_default(),
            "amount_requested": payment.amount_requested.to_string(),
            "amount_found": found,
            "status_before": payment.status.as_str(),
            "reported": reported,
        });
        if payment.is_mixed()
            && let Some(evidence) = evidence.as_object_mut()
        {
            let by_gateway = payment.amount_by_gateway().to_string();
            evidence.insert("amount_by_gateway".to_owned(), by_gateway.into());
        }
        Self {
            kind,
            key: format!("{}:{found}", attempt.id),
            evidence,
        }
    }

    /// With more evidence.
    pub(crate) fn with(mut self, more: Vec<(&'static str, String)>) -> Self {
        if let Some(evidence) = self.evidence.as_object_mut() {
            let more = more.into_iter();
            evidence.extend(more.map(|(name, text)| (name.to_owned(), Value::from(text))));
        }
        self
    }

    /// Writes the anomaly and its event unless it is known; says whether it is new. With a `payment`,
    /// which the caller has locked and writes afterwards, the event is in that payment's sequence.
    pub(crate) async fn open_in_tx(
        self,
        kassa: &Kassa,
        tx: &Tx,
        account: ChannelAccountId,
        refund_id: Option<RefundId>,
        mut payment: Option<&mut PaymentTransaction>,
    ) -> Result<bool, Error> {
        let refund_due_at = match &payment {
            Some(payment) => refund_due_at(kassa, tx, payment, self.kind).await?,
            None => None,
        };
        let anomaly = Anomaly {
            id: AnomalyId::new(&kassa.ids),
            kind: self.kind,
            dedupe_key: format!("{}:{}", self.kind, self.key),
            channel_account_id: account,
            transaction_id: payment.as_ref().map(|payment| payment.id),
            refund_id,
            evidence: self.evidence,
            created_at: kassa.clock.now(),
            refund_due_at,
            requested: None,
            resolution: None,
        };
        if !tx.insert_anomaly_in_tx(&anomaly).await? {
            return Ok(false);
        }
        if let Some(payment) = payment.as_deref_mut() {
            payment.updated_at = anomaly.created_at;
        }
        record_anomaly_event_in_tx(kassa, tx, payment, &anomaly, EventKind::AnomalyOpened).await?;
        let labels = [
            ("channel", kassa.channel_of(account)),
            ("kind", anomaly.kind.as_str()),
        ];
        metrics::counter!("kassa_anomalies_total", &labels).increment(1);
        tracing::error!(
            anomaly.id = %anomaly.id,
            anomaly.kind = anomaly.kind.as_str(),
            channel_account.id = %account,
            payment.id = anomaly.transaction_id.map(|id| id.to_string()),
            refund.id = anomaly.refund_id.map(|id| id.to_string()),
            refund.due_at = anomaly.refund_due_at.map(|due| due.to_rfc3339()),
            "money did not come as agreed"
        );
        Ok(true)
    }

    /// As [`Self::open_in_tx`], for the payment of this order, if it is one of ours.
    pub(crate) async fn open_about_in_tx(
        self,
        kassa: &Kassa,
        tx: &Tx,
        account: ChannelAccountId,
        attempt: Option<&Attempt>,
    ) -> Result<(), Error> {
        let Some(attempt) = attempt else {
            self.open_in_tx(kassa, tx, account, None, None).await?;
            return Ok(());
        };
        let payment = tx
            .load_payment_for_update_in_tx(attempt.transaction_id)
            .await?;
        self.open_alone_in_tx(kassa, tx, account, None, payment)
            .await
    }

    /// As [`Self::open_in_tx`], for a locked payment that nothing else changes.
    pub(crate) async fn open_alone_in_tx(
        self,
        kassa: &Kassa,
        tx: &Tx,
        account: ChannelAccountId,
        refund_id: Option<RefundId>,
        locked: Locked<PaymentTransaction>,
    ) -> Result<(), Error> {
        let mut payment = locked.get().clone();
        if self
            .open_in_tx(kassa, tx, account, refund_id, Some(&mut payment))
            .await?
        {
            tx.update_payment_in_tx(locked, payment).await?;
        }
        Ok(())
    }
}

/// The order of ours on this account that a gateway names.
pub(super) async fn order_named_in_tx(
    tx: &Tx,
    account: ChannelAccountId,
    request_number: &str,
) -> Result<Option<Attempt>, Error> {
    let found = match request_number.parse::<AttemptId>() {
        Ok(id) => tx.find_attempt_in_tx(id).await?,
        Err(_not_ours) => None,
    };
    Ok(found.filter(|attempt| attempt.channel_account_id == account))
}

/// When the money is given back by the policy of the payment's app.
async fn refund_due_at(
    kassa: &Kassa,
    tx: &Tx,
    payment: &PaymentTransaction,
    kind: AnomalyKind,
) -> Result<Option<DateTime<Utc>>, Error> {
    if !kind.is_refundable() {
        return Ok(None);
    }
    let app = tx.find_app_in_tx(&payment.app_id).await?;
    let policies = app.map(|app| app.policies).unwrap_or_default();
    let is_wanted = if kind == AnomalyKind::DuplicatePayment {
        policies.refund_duplicate_payments
    } else {
        policies.refund_late_payments
    };
    let delay = kassa.settings.synchronise.refund_delay();
    let delay = chrono::TimeDelta::from_std(delay).map_err(Error::internal)?;
    let due = kassa.clock.now().checked_add_signed(delay);
    Ok(due.filter(|_due| is_wanted))
}
