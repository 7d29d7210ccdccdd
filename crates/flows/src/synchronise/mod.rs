//! Synchronise on schedule: ask gateways about what has no final state, close what has expired.
//!
//! Any number of workers share the work: a claim moves what is due to its next question at once, so none
//! is asked twice, and a worker that dies costs one step of the ladder. Answers become the same facts as
//! callbacks. Nothing is decided without the gateway's word.
//!
//! | file | owns |
//! | --- | --- |
//! | `ladder` | the table of pauses |
//! | `plan` | when an attempt or a refund is asked about next, after it changed |
//! | `breaker` | gateways that don't answer are left in peace |
//! | `attempts`, `refunds` | one pass over what is due |
//! | `open` | what has no final state, for operators |

mod attempts;
mod breaker;
mod ladder;
mod open;
mod plan;
mod refunds;

pub use breaker::Breakers;
pub use open::{Open, OpenOfChannel, count_open};
pub(crate) use plan::{plan_attempt, plan_refund, plan_refund_anew};

use crate::{Error, Kassa, anomaly};

/// One pass: claims what is due and asks, and gives back the money that is due to go back; how much was
/// claimed. A question that brings no answer is logged and comes again by the ladder.
///
/// # Errors
/// [`Error::Store`] if nothing could be claimed.
pub async fn pass(kassa: &Kassa) -> Result<usize, Error> {
    let limit = u64::from(kassa.settings.synchronise.batch);
    // None of them keeps the others from their turn.
    let attempts = Box::pin(attempts::pass(kassa)).await;
    let refunds = Box::pin(refunds::pass(kassa)).await;
    let given_back = Box::pin(anomaly::refund_due(kassa, limit)).await;
    Ok(attempts?
        .saturating_add(refunds?)
        .saturating_add(given_back?))
}

/// Gives a question to everything that is open and has none.
///
/// # Errors
/// [`Error::Store`].
pub async fn plan_unplanned(kassa: &Kassa) -> Result<(), Error> {
    let found = kassa.store.schedule_unscheduled(kassa.clock.now()).await?;
    if found > 0 {
        tracing::warn!(
            count = found,
            "what is open and had no question has one now"
        );
    }
    Ok(())
}
