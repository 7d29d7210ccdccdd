//! Takes deliveries off one queue and works on several at a time.

use std::sync::Arc;

use flows::Kassa;
use runtime::queue::{Consumer, QueueName};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::dispatch;

/// Runs until `stop`, then waits for the deliveries that are being worked on.
pub(crate) async fn run(
    kassa: Kassa,
    queue: QueueName,
    mut consumer: Box<dyn Consumer>,
    concurrency: usize,
    stop: CancellationToken,
) {
    let slots = Arc::new(Semaphore::new(concurrency));
    let working = TaskTracker::new();
    loop {
        let slot = tokio::select! {
            () = stop.cancelled() => break,
            slot = Arc::clone(&slots).acquire_owned() => slot,
        };
        let Ok(slot) = slot else { break };
        let delivery = tokio::select! {
            () = stop.cancelled() => break,
            delivery = consumer.next() => delivery,
        };
        let Some(delivery) = delivery else { break };
        let kassa = kassa.clone();
        working.spawn(async move {
            dispatch::deliver(&kassa, queue, delivery).await;
            drop(slot);
        });
    }
    working.close();
    working.wait().await;
    tracing::info!(queue.name = queue.as_str(), "consumer drained");
}
