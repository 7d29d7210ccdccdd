//! Small regular work: read changed channel accounts, seal the audit chain, measure the backlog.

use std::time::Duration;

use flows::Kassa;
use tokio_util::sync::CancellationToken;

/// How often.
const INTERVAL: Duration = Duration::from_secs(2);
/// Audit records that one round seals.
const AUDIT_BATCH: u64 = 500;

/// Runs until `stop`.
pub(crate) async fn run(kassa: Kassa, stop: CancellationToken) {
    loop {
        if let Err(error) = round(&kassa).await {
            tracing::warn!(%error, "upkeep failed and is tried again");
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(INTERVAL) => {}
        }
    }
}

async fn round(kassa: &Kassa) -> Result<(), runtime::store::StoreError> {
    kassa.accounts.refresh().await?;
    kassa.store.seal_audit_batch(AUDIT_BATCH).await?;
    let backlog = kassa.store.outbox_backlog().await?;
    let age = backlog.oldest_created_at.map_or(0, |oldest| {
        kassa
            .clock
            .now()
            .signed_duration_since(oldest)
            .num_milliseconds()
    });
    let age = Duration::from_millis(u64::try_from(age).unwrap_or_default());
    metrics::gauge!("kassa_outbox_oldest_seconds").set(age.as_secs_f64());
    metrics::gauge!("kassa_outbox_waiting").set(small(backlog.count));
    Ok(())
}

/// Gauges are floats; counts beyond 32 bits are shown as the largest.
fn small(count: u64) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(u32::MAX))
}
