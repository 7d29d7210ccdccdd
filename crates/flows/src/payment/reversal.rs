//! Reversals: an order that was paid and that the gateway gave back whole, because it was cancelled while its
//! payer paid. Both is booked, as money that came and went: the payment ends refunded, and people are told.

use kassa_core::Money;
use kassa_core::anomaly::{Anomaly, AnomalyKind};
use kassa_core::channel::Method;
use kassa_core::id::{AttemptId, ChannelAccountId};
use kassa_core::notification::{PaymentReport, RefundReport, ReportedRefund};
use kassa_core::payment::{Attempt, AttemptStatus, PaymentTransaction};
use kassa_core::refund::{RefundStatus, RefundTransaction};
use runtime::store::Tx;
use serde_json::Value;

use super::apply::Outcome;
use crate::refund::apply::apply_refund_report_in_tx;
use crate::{Error, Kassa};

/// Books what the gateway gave back of an order that `paid` has told of, unless a refund that is known, or
/// under way, is what it speaks of. Gateways give such a refund no number: it has the order's.
pub(super) async fn give_back_in_tx(
    kassa: &Kassa,
    tx: &Tx,
    account: ChannelAccountId,
    report: &PaymentReport,
    (amount, paid): (Money, Outcome),
) -> Result<Outcome, Error> {
    let attempt = match report.request_number.parse::<AttemptId>() {
        Ok(id) => tx.find_attempt_in_tx(id).await?,
        Err(_not_ours) => None,
    };
    // What was not booked as paid cannot be booked as given back: people have been told of it.
    let is_ours = |attempt: &Attempt| {
        attempt.channel_account_id == account && attempt.status == AttemptStatus::Paid
    };
    let Some(attempt) = attempt.filter(is_ours) else {
        return Ok(paid);
    };
    let known = tx.list_refunds_of_attempt_in_tx(attempt.id).await?;
    if known.iter().any(|it| it.status != RefundStatus::Failed) {
        return Ok(paid);
    }
    let refund = RefundReport {
        request_number: report.request_number.clone(),
        refund_number: attempt.request_number(),
        gateway_refund_id: None,
        state: ReportedRefund::Succeeded {
            amount: Some(amount),
            refunded_total: None,
            refunded_at: None,
        },
    };
    let given_back = apply_refund_report_in_tx(kassa, tx, account, &refund).await?;
    Ok(Outcome {
        changed: paid.changed || given_back.changed,
        anomaly: paid.anomaly.or(given_back.anomaly),
        ..given_back
    })
}

/// Whether this refund is the reversal of a payer's code: nothing is left to give back then, whatever number
/// the gateway's notice about it has.
pub(crate) fn is_reversal(attempt: &Attempt, refund: &RefundTransaction) -> bool {
    attempt.method == Method::BarCode
        && refund.refund_number == attempt.request_number()
        && refund.status == RefundStatus::Success
        && refund.goes_through(attempt.id) == Some(attempt.amount)
}

/// Whether an anomaly tells of the reversal of this payment.
pub(super) fn tells_of_reversal(payment: &PaymentTransaction, anomaly: &Anomaly) -> bool {
    let number = anomaly.evidence.get("refund_number");
    payment.method == Method::BarCode
        && anomaly.kind == AnomalyKind::ExternalRefund
        && anomaly.attempt_id() == payment.current_attempt_id
        && number
            .and_then(Value::as_str)
            .map(str::parse)
            .and_then(Result::ok)
            == payment.current_attempt_id
}
