//! Small regular work: read changed channel accounts, seal the audit chain, expire points, measure what
//! waits.

use std::time::Duration;

use chrono::{DateTime, Utc};
use flows::Kassa;
use flows::synchronise::OpenOfChannel;
use tokio_util::sync::CancellationToken;

/// How often.
const INTERVAL: Duration = Duration::from_secs(2);
/// Audit records that one round seals.
const AUDIT_BATCH: u64 = 500;
/// Wallets whose due points one round expires.
const EXPIRY_BATCH: u64 = 100;
/// What is open is counted every so many rounds.
const OPEN_ROUNDS: u32 = 8;

/// Runs until `stop`.
pub(crate) async fn run(kassa: Kassa, stop: CancellationToken) {
    let mut round_no: u32 = 0;
    loop {
        if let Err(error) = round(&kassa, round_no.is_multiple_of(OPEN_ROUNDS)).await {
            tracing::warn!(%error, "upkeep failed and is tried again");
        }
        round_no = round_no.wrapping_add(1);
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(INTERVAL) => {}
        }
    }
}

async fn round(kassa: &Kassa, counts_open: bool) -> Result<(), flows::Error> {
    kassa.accounts.refresh().await?;
    kassa.store.seal_audit_batch(AUDIT_BATCH).await?;
    let backlog = kassa.store.outbox_backlog().await?;
    let age = backlog.oldest_created_at.map(|oldest| age(kassa, oldest));
    metrics::gauge!("kassa_outbox_oldest_seconds").set(age.unwrap_or_default().as_secs_f64());
    metrics::gauge!("kassa_outbox_waiting").set(small(backlog.count));
    if counts_open {
        flows::synchronise::plan_unplanned(kassa).await?;
        flows::wallet::expire_due(kassa, EXPIRY_BATCH).await?;
        for open in flows::synchronise::count_open(kassa).await? {
            show_open(kassa, &open);
        }
    }
    Ok(())
}

/// How much has no final state on a channel, and for how long the oldest of it.
fn show_open(kassa: &Kassa, open: &OpenOfChannel) {
    let channel = open.channel.as_str();
    let oldest =
        |since: Option<DateTime<Utc>>| since.map_or(0.0, |oldest| age(kassa, oldest).as_secs_f64());
    metrics::gauge!("kassa_attempts_open", "channel" => channel).set(small(open.attempts.count));
    metrics::gauge!("kassa_attempts_oldest_open_seconds", "channel" => channel)
        .set(oldest(open.attempts.oldest_created_at));
    metrics::gauge!("kassa_refunds_open", "channel" => channel).set(small(open.refunds.count));
    metrics::gauge!("kassa_refunds_oldest_open_seconds", "channel" => channel)
        .set(oldest(open.refunds.oldest_created_at));
}

fn age(kassa: &Kassa, since: DateTime<Utc>) -> Duration {
    let age = kassa.clock.now().signed_duration_since(since);
    age.to_std().unwrap_or_default()
}

/// Gauges are floats; counts beyond 32 bits are shown as the largest.
fn small(count: u64) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(u32::MAX))
}
