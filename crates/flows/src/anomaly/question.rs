//! Questions: a refund that a payer asked the gateway for, and that nobody has decided about, is told to
//! people. Nothing is booked: what the gateway gives back in the end is told by it.

use kassa_core::anomaly::AnomalyKind;
use kassa_core::id::ChannelAccountId;
use kassa_core::notification::RefundQuestion;
use runtime::store::Tx;
use serde_json::json;

use super::Finding;
use super::open::order_named_in_tx;
use crate::payment::apply::Outcome;
use crate::{Error, Kassa};

/// Writes down that the gateway asks: one anomaly, however often it does.
pub(crate) async fn apply_question_in_tx(
    kassa: &Kassa,
    tx: &Tx,
    account: ChannelAccountId,
    question: &RefundQuestion,
) -> Result<Outcome, Error> {
    let attempt = order_named_in_tx(tx, account, &question.request_number).await?;
    let asked = question.amount.map(|amount| amount.to_string());
    let finding = Finding {
        kind: AnomalyKind::RefundAsked,
        key: format!("{account}:{}", question.gateway_refund_id),
        evidence: json!({
            "request_number": question.request_number,
            "gateway_refund_id": question.gateway_refund_id,
            "amount_asked": asked.unwrap_or_default(),
        }),
    };
    finding
        .open_about_in_tx(kassa, tx, account, attempt.as_ref())
        .await?;
    Ok(Outcome {
        transaction_id: attempt.map(|attempt| attempt.transaction_id),
        changed: false,
        anomaly: Some(AnomalyKind::RefundAsked),
    })
}
