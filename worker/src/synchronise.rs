//! The loop that asks gateways: busy while questions are due, otherwise looking now and then.

use std::time::Duration;

use flows::Kassa;
use tokio_util::sync::CancellationToken;

/// How long it rests after a failure.
const FAILURE_PAUSE: Duration = Duration::from_secs(1);

/// Runs until `stop`. A pass that has begun is finished: its questions are claimed.
pub(crate) async fn run(kassa: Kassa, stop: CancellationToken) {
    while !stop.is_cancelled() {
        let pause = match flows::synchronise::pass(&kassa).await {
            Ok(asked) if asked > 0 => continue,
            Ok(_) => kassa.settings.synchronise.poll(),
            Err(error) => {
                tracing::warn!(%error, "due questions could not be claimed");
                FAILURE_PAUSE
            }
        };
        tokio::select! {
            () = stop.cancelled() => {}
            () = tokio::time::sleep(pause) => {}
        }
    }
}
