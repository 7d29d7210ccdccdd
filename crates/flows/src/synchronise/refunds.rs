//! One pass over the refunds whose next question is due. A refund that never reached its gateway is
//! submitted by it, under its own number.

use futures_util::StreamExt;
use kassa_core::refund::RefundTransaction;
use runtime::checkpoint::Checkpoint;
use runtime::store::NextQuery;

use super::plan;
use crate::refund::apply;
use crate::{Error, Kassa, refund};

/// Claims what is due, and looks.
pub(super) async fn pass(kassa: &Kassa) -> Result<usize, Error> {
    let claimed = claim(kassa).await?;
    let count = claimed.len();
    if count == 0 {
        return Ok(0);
    }
    kassa
        .checkpoints
        .reach(Checkpoint::SynchroniseClaimed)
        .await;
    let at_a_time = usize::from(kassa.settings.synchronise.concurrency);
    futures_util::stream::iter(claimed)
        .for_each_concurrent(at_a_time, |refund| async move {
            let id = refund.id;
            if let Err(error) = Box::pin(look(kassa, refund)).await {
                tracing::warn!(refund.id = %id, %error, "a refund keeps its open question");
            }
        })
        .await;
    Ok(count)
}

async fn claim(kassa: &Kassa) -> Result<Vec<RefundTransaction>, Error> {
    let now = kassa.clock.now();
    let resting = kassa.breakers.open_accounts(now);
    let limit = u64::from(kassa.settings.synchronise.batch);
    let tx = kassa.store.begin().await?;
    let due = tx.claim_due_refunds_in_tx(now, &resting, limit).await?;
    for refund in &due {
        let count = refund.query_count.saturating_add(1);
        let next = plan::after_refund_question(kassa, refund, count);
        tx.schedule_refund_in_tx(refund.id, next).await?;
    }
    tx.commit().await?;
    Ok(due)
}

async fn look(kassa: &Kassa, refund: RefundTransaction) -> Result<(), Error> {
    let now = kassa.clock.now();
    let account = apply::route(&refund)?.channel_account_id;
    if kassa.breakers.admits(account, now) {
        return Box::pin(refund::bring_on(kassa, refund)).await;
    }
    let next = NextQuery {
        at: plan::after_refund_question(kassa, &refund, 0).at,
        count: refund.query_count,
    };
    let tx = kassa.store.begin().await?;
    tx.schedule_refund_in_tx(refund.id, next).await?;
    Ok(tx.commit().await?)
}
