//! The outbox relay's loop: woken by the poll interval, busy while there is something to publish.

use std::time::Duration;

use flows::Kassa;
use runtime::config::WorkerConfig;
use tokio_util::sync::CancellationToken;

/// How long the relay rests after a failure.
const FAILURE_PAUSE: Duration = Duration::from_secs(1);

/// Runs until `stop`; gives its shards back then.
pub(crate) async fn run(
    kassa: Kassa,
    config: WorkerConfig,
    owner: String,
    stop: CancellationToken,
) {
    while !stop.is_cancelled() {
        let batch = u64::from(config.relay_batch);
        let pause = match flows::event::relay(&kassa, &owner, batch).await {
            Ok(relayed) if relayed.published > 0 => continue,
            Ok(_) => config.relay_poll(),
            Err(error) => {
                tracing::warn!(%error, "the outbox could not be relayed");
                FAILURE_PAUSE
            }
        };
        tokio::select! {
            () = stop.cancelled() => {}
            () = tokio::time::sleep(pause) => {}
        }
    }
    if let Err(error) = kassa.store.release_outbox_shards(&owner).await {
        tracing::warn!(%error, "the outbox shards stay leased until their lease ends");
    }
}
