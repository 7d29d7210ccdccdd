//! One delivery: find the flow for its kind, run it, end the delivery as the flow says.

use std::time::Instant;

use flows::{Disposition, Kassa, notification, payment, refund};
use kassa_core::notification::NOTIFICATION_KIND;
use runtime::checkpoint::Checkpoint;
use runtime::queue::{Delivery, QueueName, RETRY_LADDER};
use runtime::telemetry::trace_context;
use tracing::Instrument;

/// Works on a delivery and ends it. A delivery that cannot be ended comes back by itself.
pub(crate) async fn deliver(kassa: &Kassa, queue: QueueName, delivery: Box<dyn Delivery>) {
    let span = tracing::info_span!(
        "queue.delivery",
        queue.name = queue.as_str(),
        message.id = %delivery.envelope().id,
        message.kind = delivery.envelope().kind,
        retries = delivery.retries(),
    );
    trace_context::set_parent(&span, &delivery.envelope().trace);
    let started = Instant::now();
    async {
        let disposition = Box::pin(work(kassa, delivery.as_ref())).await;
        kassa.checkpoints.reach(Checkpoint::DeliveryDone).await;
        end(queue, delivery, disposition).await;
    }
    .instrument(span)
    .await;
    metrics::histogram!("kassa_worker_delivery_seconds", "queue" => queue.as_str())
        .record(started.elapsed());
}

async fn work(kassa: &Kassa, delivery: &dyn Delivery) -> Disposition {
    let envelope = delivery.envelope();
    let outcome = match envelope.kind.as_str() {
        NOTIFICATION_KIND => notification::take_task(kassa, envelope).await,
        refund::SUBMIT_KIND => refund::submit_task(kassa, envelope).await,
        payment::QUERY_KIND => Box::pin(payment::sync_task(kassa, envelope)).await,
        other => Ok(Disposition::Park(format!(
            "no task for messages of kind {other}"
        ))),
    };
    let wanted = outcome.unwrap_or_else(|error| {
        tracing::warn!(error = chain(&error), "a message failed and is tried again");
        let step = usize::try_from(delivery.retries()).unwrap_or(usize::MAX);
        match RETRY_LADDER.get(step) {
            Some(delay) => Disposition::RetryAfter(*delay),
            None => Disposition::Park(chain(&error)),
        }
    });
    last_step(wanted, delivery.retries())
}

/// After the last step of the ladder a message that is still not dealt with goes to people.
fn last_step(wanted: Disposition, retries: u32) -> Disposition {
    let tried_out = usize::try_from(retries).unwrap_or(usize::MAX) >= RETRY_LADDER.len();
    match wanted {
        Disposition::RetryAfter(_) if tried_out => {
            Disposition::Park("not settled after the last retry".to_owned())
        }
        other => other,
    }
}

async fn end(queue: QueueName, delivery: Box<dyn Delivery>, disposition: Disposition) {
    let word = match &disposition {
        Disposition::Done => "done",
        Disposition::RetryAfter(_) => "retry",
        Disposition::Park(_) => "parked",
    };
    let ended = match disposition {
        Disposition::Done => delivery.done().await,
        Disposition::RetryAfter(delay) => delivery.retry_after(delay).await,
        Disposition::Park(reason) => {
            tracing::error!(reason, "a message was parked");
            delivery.park(&reason).await
        }
    };
    metrics::counter!("kassa_worker_deliveries_total", "queue" => queue.as_str(), "end" => word)
        .increment(1);
    if let Err(error) = ended {
        tracing::warn!(
            error = chain(&error),
            "a delivery could not be ended and will come back"
        );
    }
}

/// The whole chain of an error, for the log.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_message_is_parked_after_the_last_retry_and_not_before() {
        let wanted = Disposition::RetryAfter(Duration::from_secs(1));
        let last = u32::try_from(RETRY_LADDER.len()).unwrap();
        assert_eq!(last_step(wanted.clone(), last - 1), wanted);
        assert!(matches!(last_step(wanted, last), Disposition::Park(_)));
        assert_eq!(last_step(Disposition::Done, last), Disposition::Done);
    }
}
