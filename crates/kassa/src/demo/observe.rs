//! What the story observes behind a step: the gateway's memory, the inbox, the events, the books.

use anyhow::{Context, ensure};
use kassa_core::event::EventKind;
use kassa_core::id::TransactionId;
use proto::v1::{self, NotificationStatus, PaymentStatus, RefundStatus};
use sandbox::Order;

use super::books::{self, Sums};
use super::metrics;
use super::stage::Stage;
use super::timeline::{Look, Seen, Sight, until};

/// What a repeated callback must leave as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct State {
    version: i64,
    status: PaymentStatus,
    events: usize,
    sums: Sums,
}

/// A callback was posted, is in the inbox, and was applied.
pub(super) async fn callback(
    stage: &Stage,
    id: &str,
    order: &Order,
    sight: &Sight,
) -> anyhow::Result<Seen<()>> {
    let seen = until(sight, async || {
        let recorded = stage.control.recorded_callbacks();
        let posted = recorded
            .iter()
            .find(|it| it.out_trade_no == order.out_trade_no);
        let Some(posted) = posted else {
            return Ok(Look::NotYet("no callback was posted".to_owned()));
        };
        let found = stage.client.notifications(id).await?;
        // A gateway may tell the same twice: one of them is applied.
        let applied = found
            .iter()
            .find(|it| it.status() == NotificationStatus::Applied);
        let Some(notification) = applied else {
            let (kind, count) = (&posted.kind, found.len());
            return Ok(Look::NotYet(format!(
                "{kind} was posted, {count} in the inbox, none applied"
            )));
        };
        let bytes = notification.body_size_bytes;
        Ok(Look::There(format!(
            "{}, {bytes} signed bytes, applied",
            posted.kind
        )))
    });
    Ok(Seen::new((), seen.await?))
}

/// The refund's event arrives, and the API agrees with it.
pub(super) async fn settled(
    stage: &mut Stage,
    id: &str,
    refund_id: &str,
    then: PaymentStatus,
    sight: &Sight,
) -> anyhow::Result<Seen<()>> {
    let kind = EventKind::RefundSucceeded.event_type();
    let is_it = |data: &serde_json::Value| {
        data.pointer("/refund/refund_id").and_then(|it| it.as_str()) == Some(refund_id)
    };
    let event = stage.events.wait(id, &kind, is_it, sight).await?;
    let refund = stage.client.refund(refund_id).await?;
    ensure!(
        refund.status() == RefundStatus::Success,
        "{}",
        refund.status().as_str_name()
    );
    let payment = stage.client.payment(id).await?;
    let status = payment.status();
    ensure!(status == then, "{}", status.as_str_name());
    let refunded = amount(payment.amount_refunded.as_ref());
    let seen = format!(
        "{kind}, number {}; {}, {refunded} back",
        event.sequence,
        status.as_str_name()
    );
    Ok(Seen::new((), seen))
}

/// Waits until every callback that was posted is answered and dealt with and every event is
/// published, then looks at everything.
pub(super) async fn quiet(stage: &Stage, id: &str, sight: &Sight) -> anyhow::Result<Seen<State>> {
    let counters = settle(stage, sight).await?;
    let before = look_at(stage, id).await?;
    let detail = format!(
        "{counters}; version {}, {} events",
        before.version, before.events
    );
    Ok(Seen::new(before, detail))
}

async fn settle(stage: &Stage, sight: &Sight) -> anyhow::Result<metrics::Counters> {
    until(sight, async || {
        let waiting = stage.control.pending_callbacks();
        let posted = u64::try_from(stage.control.recorded_callbacks().len())?;
        let counters = read_counters(stage).await?;
        let unpublished = stage.node().kassa().store.outbox_backlog().await?.count;
        let is_quiet = waiting == 0
            && posted == counters.answered
            && counters.accepted == counters.done
            && unpublished == 0;
        Ok(if is_quiet {
            Look::There(counters)
        } else {
            let outbox = format!("{unpublished} events and commands unpublished");
            Look::NotYet(format!(
                "{posted} posted, {waiting} waiting, {counters}, {outbox}"
            ))
        })
    })
    .await
}

/// A recorded callback is posted again; once the worker has dealt with it, everything is as before.
pub(super) async fn replayed(
    stage: &Stage,
    id: &str,
    order: &Order,
    before: State,
    sight: &Sight,
) -> anyhow::Result<Seen<()>> {
    let recorded = stage.control.recorded_callbacks();
    let first = recorded
        .iter()
        .find(|it| it.out_trade_no == order.out_trade_no);
    let first = first.context("no callback was recorded")?;
    let counted = read_counters(stage).await?;
    let report = stage.control.replay(first.index).await?;
    ensure!(
        report.acknowledged,
        "the answer {:?} {:?}",
        report.http_status,
        report.body
    );
    // The worker has had it in hand once more: only then does "nothing changed" say anything.
    until(sight, async || {
        let now = read_counters(stage).await?;
        let is_done = now.done > counted.done;
        Ok(if is_done {
            Look::There(())
        } else {
            Look::NotYet(now.to_string())
        })
    })
    .await?;
    settle(stage, sight).await?;
    let after = look_at(stage, id).await?;
    ensure!(after == before, "{after:?}, and before {before:?}");
    let transfers = after.sums.transfers;
    let detail = format!(
        "{} acknowledged; still {} events, {transfers} bookings",
        report.kind, after.events
    );
    Ok(Seen::new((), detail))
}

async fn read_counters(stage: &Stage) -> anyhow::Result<metrics::Counters> {
    metrics::read(stage.payer.http(), stage.node().addresses().admin).await
}

async fn look_at(stage: &Stage, id: &str) -> anyhow::Result<State> {
    let payment = stage.client.payment(id).await?;
    let transaction: TransactionId = id.parse()?;
    let events = stage.client.events().await?;
    Ok(State {
        version: payment.version,
        status: payment.status(),
        events: events
            .iter()
            .filter(|event| event.transaction_id == id)
            .count(),
        sums: books::sums(stage.node(), transaction).await?,
    })
}

/// An amount as a person reads it.
pub(super) fn amount(money: Option<&v1::Money>) -> String {
    money
        .map(|it| format!("{} {}", it.amount, it.currency_code))
        .unwrap_or_default()
}
