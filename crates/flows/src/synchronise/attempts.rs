//! One pass over the attempts whose next question is due.

use chrono::TimeDelta;
use futures_util::StreamExt;
use kassa_core::channel::Method;
use kassa_core::notification::ReportedPayment;
use kassa_core::payment::{Attempt, AttemptStatus, PaymentTransaction};
use runtime::checkpoint::Checkpoint;
use runtime::store::NextQuery;

use super::plan;
use crate::payment::{apply, close, place, query_attempt};
use crate::{Error, Kassa};

/// When a closed order is looked at again if a look at it brings no answer.
const UNANSWERED: TimeDelta = TimeDelta::hours(1);

/// What is to be done about an attempt that is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Look {
    /// Nothing now.
    Wait,
    /// Ask what became of it.
    Ask,
    /// It was closed: ask whether it stayed so.
    AskAgain,
    /// Its payment has expired with it: close both.
    Expire,
    /// It is of no use any more: nobody may pay it.
    End,
}

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
        .for_each_concurrent(at_a_time, |attempt| async move {
            let id = attempt.id;
            if let Err(error) = Box::pin(look(kassa, attempt)).await {
                tracing::warn!(attempt.id = %id, %error, "an order keeps its open question");
            }
        })
        .await;
    Ok(count)
}

/// Takes what is due and moves it to its next question, so that nobody else asks this one.
async fn claim(kassa: &Kassa) -> Result<Vec<Attempt>, Error> {
    let now = kassa.clock.now();
    let resting = kassa.breakers.open_accounts(now);
    let limit = u64::from(kassa.settings.synchronise.batch);
    let tx = kassa.store.begin().await?;
    let due = tx.claim_due_attempts_in_tx(now, &resting, limit).await?;
    for attempt in &due {
        let next = if attempt.status == AttemptStatus::Closed {
            // Its looks are numbered: one that brings no answer does not count.
            NextQuery {
                at: now.checked_add_signed(UNANSWERED),
                count: attempt.query_count,
            }
        } else {
            next(kassa, attempt)
        };
        tx.schedule_attempt_in_tx(attempt.id, next).await?;
    }
    tx.commit().await?;
    Ok(due)
}

fn next(kassa: &Kassa, attempt: &Attempt) -> NextQuery {
    plan::after_question(kassa, attempt, attempt.query_count.saturating_add(1))
}

async fn look(kassa: &Kassa, attempt: Attempt) -> Result<(), Error> {
    let payment = place::load(kassa, attempt.transaction_id).await?;
    let look = decide(kassa, &payment, &attempt);
    let asks = attempt.status != AttemptStatus::Prepared && look != Look::Wait;
    if asks
        && !kassa
            .breakers
            .admits(attempt.channel_account_id, kassa.clock.now())
    {
        return postpone(kassa, &attempt).await;
    }
    match look {
        Look::Wait => Ok(()),
        Look::Ask => ask(kassa, &attempt).await,
        Look::AskAgain => ask_again(kassa, &attempt).await,
        Look::Expire => {
            let now = kassa.clock.now();
            // A retry may have taken its place meanwhile: what has not expired is left open.
            let has_expired = |current: &Attempt| current.expires_at <= now;
            let closing = close::close_payment_while(kassa, payment, has_expired);
            let closed = Box::pin(closing).await?;
            tracing::info!(
                payment.id = %closed.id,
                status = closed.status.as_str(),
                "payment expired"
            );
            Ok(())
        }
        Look::End => close::end(kassa, &attempt, false).await,
    }
}

async fn ask(kassa: &Kassa, attempt: &Attempt) -> Result<(), Error> {
    let report = query_attempt(kassa, attempt).await?;
    kassa
        .checkpoints
        .reach(Checkpoint::SynchroniseAnswered)
        .await;
    apply::apply_answer(kassa, attempt, &report).await?;
    Ok(())
}

/// Asks about a closed order: money may have come after all, and one that is open there is closed now.
async fn ask_again(kassa: &Kassa, attempt: &Attempt) -> Result<(), Error> {
    let report = query_attempt(kassa, attempt).await?;
    kassa
        .checkpoints
        .reach(Checkpoint::SynchroniseAnswered)
        .await;
    if report.state == ReportedPayment::Unpaid {
        close::close_at_gateway(kassa, attempt).await?;
    } else {
        apply::apply_answer(kassa, attempt, &report).await?;
    }
    schedule(kassa, attempt, next(kassa, attempt)).await
}

fn decide(kassa: &Kassa, payment: &PaymentTransaction, attempt: &Attempt) -> Look {
    let is_wanted = payment.status.is_pending() && payment.current_attempt_id == Some(attempt.id);
    let is_expired = kassa.clock.now() >= attempt.expires_at;
    match attempt.status {
        // Only what was paid at a counter is ever due: whether it stayed so.
        AttemptStatus::Paid if attempt.method == Method::BarCode => Look::Ask,
        AttemptStatus::Paid | AttemptStatus::Failed => Look::Wait,
        AttemptStatus::Closed => Look::AskAgain,
        // Its order may be on its way: what the gateway says now proves nothing.
        AttemptStatus::Sent if place::is_being_sent(kassa, attempt) => Look::Wait,
        AttemptStatus::Prepared if is_wanted && !is_expired => Look::Wait,
        AttemptStatus::Prepared
        | AttemptStatus::Sent
        | AttemptStatus::Open
        | AttemptStatus::Unknown => {
            if !is_wanted {
                Look::End
            } else if is_expired {
                Look::Expire
            } else {
                Look::Ask
            }
        }
    }
}

/// The gateway rests: the question was not asked, and does not count.
async fn postpone(kassa: &Kassa, attempt: &Attempt) -> Result<(), Error> {
    let next = NextQuery {
        at: plan::after_question(kassa, attempt, 0).at,
        count: attempt.query_count,
    };
    schedule(kassa, attempt, next).await
}

async fn schedule(kassa: &Kassa, attempt: &Attempt, next: NextQuery) -> Result<(), Error> {
    let tx = kassa.store.begin().await?;
    tx.schedule_attempt_in_tx(attempt.id, next).await?;
    Ok(tx.commit().await?)
}
