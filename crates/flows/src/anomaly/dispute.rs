//! Disputes: what a payer contests at the gateway is told to people. Nothing is booked: what the gateway
//! takes back or returns in the end comes with its settlement.

use kassa_core::anomaly::AnomalyKind;
use kassa_core::id::ChannelAccountId;
use kassa_core::notification::{DisputeReport, ReportedDispute};
use runtime::store::Tx;
use serde_json::json;

use super::Finding;
use super::open::order_named_in_tx;
use crate::payment::apply::Outcome;
use crate::{Error, Kassa};

/// Writes down that a payment is disputed, or that its dispute was lost: one anomaly each. A dispute that
/// was won needs nobody.
pub(crate) async fn apply_dispute_in_tx(
    kassa: &Kassa,
    tx: &Tx,
    account: ChannelAccountId,
    report: &DisputeReport,
) -> Result<Outcome, Error> {
    let attempt = order_named_in_tx(tx, account, &report.request_number).await?;
    let transaction_id = attempt.as_ref().map(|attempt| attempt.transaction_id);
    let state = match report.state {
        ReportedDispute::Open => "OPEN",
        ReportedDispute::Lost => "LOST",
        ReportedDispute::Won => {
            return Ok(Outcome {
                transaction_id,
                changed: false,
                anomaly: None,
            });
        }
    };
    let finding = Finding {
        kind: AnomalyKind::Dispute,
        key: format!("{account}:{}:{state}", report.gateway_dispute_id),
        evidence: json!({
            "request_number": report.request_number,
            "gateway_dispute_id": report.gateway_dispute_id,
            "amount_found": report.amount.map(|amount| amount.to_string()).unwrap_or_default(),
            "reported": state,
            "reason": report.reason,
        }),
    };
    finding
        .open_about_in_tx(kassa, tx, account, attempt.as_ref())
        .await?;
    Ok(Outcome {
        transaction_id,
        changed: false,
        anomaly: Some(AnomalyKind::Dispute),
    })
}
