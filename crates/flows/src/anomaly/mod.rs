//! Money that did not come as agreed: opened and told once, given back where the app's policy says so,
//! resolved by people, or by the refund that hung and settled after all.

mod dispute;
mod give_back;
mod list;
mod mismatch;
mod open;
mod question;
mod resolve;
mod settle;

use kassa_core::anomaly::{Anomaly, Resolution, ResolutionAction, ResolutionRequest};
use kassa_core::event::EventKind;
use kassa_core::payment::PaymentTransaction;
use runtime::store::{Locked, Tx};

use crate::event::record_anomaly_event_in_tx;
use crate::{Error, Kassa};

pub(crate) use dispute::apply_dispute_in_tx;
pub use give_back::refund_due;
pub use list::{ListAnomalies, find, list};
pub(crate) use open::Finding;
pub(crate) use question::apply_question_in_tx;
pub use resolve::{ResolveAnomaly, Resolved, resolve};
pub(crate) use settle::{
    duplicate_given_back_in_tx, external_hang_ended_in_tx, refund_ended_in_tx, resent_ended_in_tx,
};

/// Who deals with what nobody was needed for.
const KASSA: &str = "kassa";

/// Writes that a locked anomaly was dealt with, and its event: into the sequence of its payment, which
/// the caller has locked and writes afterwards.
async fn close_in_tx(
    kassa: &Kassa,
    tx: &Tx,
    payment: Option<&mut PaymentTransaction>,
    locked: Locked<Anomaly>,
    action: ResolutionAction,
    request: ResolutionRequest,
) -> Result<Anomaly, Error> {
    let now = kassa.clock.now();
    let anomaly = Anomaly {
        refund_due_at: None,
        requested: None,
        resolution: Some(Resolution {
            action,
            by: request.by,
            reason: request.reason,
            at: now,
        }),
        ..locked.get().clone()
    };
    tx.update_anomaly_in_tx(locked, &anomaly).await?;
    let mut payment = payment;
    if let Some(payment) = payment.as_deref_mut() {
        payment.updated_at = now;
    }
    record_anomaly_event_in_tx(kassa, tx, payment, &anomaly, EventKind::AnomalyResolved).await?;
    metrics::counter!(
        "kassa_anomalies_resolved_total",
        "channel" => kassa.channel_of(anomaly.channel_account_id),
        "kind" => anomaly.kind.as_str(),
        "action" => action.as_str()
    )
    .increment(1);
    tracing::info!(
        anomaly.id = %anomaly.id,
        anomaly.kind = anomaly.kind.as_str(),
        action = action.as_str(),
        "anomaly resolved"
    );
    Ok(anomaly)
}
