//! Bar codes: orders that are placed with a code that the payer shows. A code is used once, for the attempt
//! that its own request wrote down, and is nowhere kept: an order whose call got lost is asked about, and never
//! placed again.

use kassa_core::channel::Method;
use kassa_core::id::{AttemptId, TransactionId};
use kassa_core::payment::{Attempt, AttemptStatus, AuthCode};
use tokio::time::{Instant, timeout_at};

use super::{apply, sync};
use crate::{Error, Kassa};

/// A code, and the attempt that it is for.
#[derive(Debug)]
pub(super) struct Shown {
    pub(super) attempt: AttemptId,
    pub(super) code: AuthCode,
}

impl Shown {
    /// The code for an attempt that nothing was sent for yet.
    pub(super) fn for_attempt(&self, attempt: &Attempt) -> Option<&AuthCode> {
        let is_unsent = attempt.status == AttemptStatus::Prepared;
        (self.attempt == attempt.id && is_unsent).then_some(&self.code)
    }
}

/// Whether an order that the gateway shows as unpaid is news: it needs no more than to be there. Of other
/// methods the payer needs what only the call's own answer tells.
pub(super) fn has_arrived(attempt: &Attempt) -> bool {
    let is_awaited = match attempt.status {
        AttemptStatus::Sent | AttemptStatus::Unknown => true,
        AttemptStatus::Prepared
        | AttemptStatus::Open
        | AttemptStatus::Paid
        | AttemptStatus::Closed
        | AttemptStatus::Failed => false,
    };
    attempt.method == Method::BarCode && is_awaited
}

/// What there is left to do about an order that cannot be placed any more.
pub(super) enum Waiting {
    /// Whoever has its code sends it just now.
    ForCode,
    /// The gateway was asked, and its answer applied.
    Asked,
}

/// Goes on with an order whose code is not at hand. What was sent is asked about.
pub(super) async fn wait(
    kassa: &Kassa,
    attempt: &Attempt,
    ends_at: Instant,
) -> Result<Waiting, Error> {
    match attempt.status {
        AttemptStatus::Prepared => Ok(Waiting::ForCode),
        AttemptStatus::Sent
        | AttemptStatus::Open
        | AttemptStatus::Unknown
        | AttemptStatus::Paid
        | AttemptStatus::Closed
        | AttemptStatus::Failed => {
            let asked = timeout_at(ends_at, ask(kassa, attempt)).await;
            asked.unwrap_or_else(|_elapsed| Err(unknown(attempt.transaction_id)))?;
            Ok(Waiting::Asked)
        }
    }
}

/// Asks once what became of an order that was just placed. No answer changes nothing: the ladder goes on.
pub(super) async fn look(kassa: &Kassa, id: AttemptId, ends_at: Instant) -> Result<(), Error> {
    let Some(attempt) = kassa.store.find_attempt(id).await? else {
        return Ok(());
    };
    match timeout_at(ends_at, ask(kassa, &attempt)).await {
        Ok(Err(Error::OutcomeUnknown { .. })) | Err(_) => Ok(()),
        Ok(asked) => asked,
    }
}

async fn ask(kassa: &Kassa, attempt: &Attempt) -> Result<(), Error> {
    let report = Box::pin(sync::query(kassa, attempt)).await?;
    apply::apply_answer(kassa, attempt, &report).await?;
    Ok(())
}

fn unknown(transaction_id: TransactionId) -> Error {
    Error::OutcomeUnknown {
        transaction_id: transaction_id.to_string(),
    }
}
