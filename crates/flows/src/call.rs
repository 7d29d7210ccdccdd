//! Every call to a gateway goes through here: within its time, counted, timed and written down for
//! people who want to know what happened to a payment. Nothing that was said is kept.

use std::time::Duration;

use gateways::CallError;
use kassa_core::gateway_call::{CallOperation, CallOutcome, GatewayCall};
use kassa_core::id::{GatewayCallId, RefundId};
use kassa_core::payment::Attempt;
use tokio::time::Instant;

use crate::Kassa;

/// What a call is about.
#[derive(Debug, Clone, Copy)]
pub(crate) struct About<'a> {
    /// What the gateway is asked to do.
    pub(crate) operation: CallOperation,
    /// The order, or the paid order of the refund.
    pub(crate) attempt: &'a Attempt,
    /// The refund, where it is about one.
    pub(crate) refund: Option<RefundId>,
}

impl<'a> About<'a> {
    /// A call about an order.
    pub(crate) fn order(operation: CallOperation, attempt: &'a Attempt) -> Self {
        Self {
            operation,
            attempt,
            refund: None,
        }
    }

    /// A call about a refund of an order.
    pub(crate) fn refund(operation: CallOperation, attempt: &'a Attempt, refund: RefundId) -> Self {
        Self {
            operation,
            attempt,
            refund: Some(refund),
        }
    }
}

/// Waits for a gateway's answer, for at most the time that gateways have. An answer that does not come
/// in time is unknown.
pub(crate) async fn call<T>(
    kassa: &Kassa,
    about: About<'_>,
    answer: impl Future<Output = Result<T, CallError>>,
) -> Result<T, CallError> {
    call_within(kassa, about, kassa.settings.call_timeout, answer).await
}

/// As [`call`], within `limit` if that is shorter.
pub(crate) async fn call_within<T>(
    kassa: &Kassa,
    about: About<'_>,
    limit: Duration,
    answer: impl Future<Output = Result<T, CallError>>,
) -> Result<T, CallError> {
    let (called_at, started) = (kassa.clock.now(), Instant::now());
    let limit = limit.min(kassa.settings.call_timeout);
    let result = tokio::time::timeout(limit, answer)
        .await
        .unwrap_or_else(|_elapsed| Err(CallError::Unknown("no answer in time".to_owned())));
    let (outcome, code) = outcome(result.as_ref().err());
    let account = about.attempt.channel_account_id;
    let channel = kassa.channel_of(account);
    // A caller's short patience says nothing about the gateway; and what is only signed here is placed
    // without it.
    let is_cut_short = outcome == CallOutcome::Unknown && limit < kassa.settings.call_timeout;
    let is_placed = about.operation == CallOperation::Place && result.is_ok();
    if !is_cut_short && !is_placed {
        let changed = kassa.breakers.record(account, outcome, kassa.clock.now());
        if let Some(word) = changed {
            let labels = [("channel", channel), ("to", word)];
            metrics::counter!("kassa_gateway_breaker_changes_total", &labels).increment(1);
            tracing::warn!(channel_account.id = %account, channel, "the gateway's breaker {word}");
        }
    }
    let took = started.elapsed();
    metrics::histogram!(
        "kassa_gateway_call_seconds",
        "channel" => channel,
        "operation" => about.operation.as_str(),
        "outcome" => outcome.as_str()
    )
    .record(took);
    let call = GatewayCall {
        id: GatewayCallId::new(&kassa.ids),
        transaction_id: about.attempt.transaction_id,
        attempt_id: about.attempt.id,
        refund_id: about.refund,
        channel_account_id: account,
        operation: about.operation,
        outcome,
        code,
        duration_ms: i64::try_from(took.as_millis()).unwrap_or(i64::MAX),
        called_at,
    };
    // What came of the call counts more than its record.
    if let Err(error) = kassa.store.insert_gateway_call(&call).await {
        tracing::warn!(%error, payment.id = %call.transaction_id, "a gateway call was not recorded");
    }
    result
}

fn outcome(error: Option<&CallError>) -> (CallOutcome, Option<String>) {
    match error {
        None => (CallOutcome::Answered, None),
        Some(CallError::Refused(reason)) => (CallOutcome::Refused, Some(reason.code.clone())),
        Some(CallError::Later(reason)) => (CallOutcome::Later, Some(reason.code.clone())),
        Some(CallError::Misconfigured(reason)) => {
            (CallOutcome::Misconfigured, Some(reason.code.clone()))
        }
        Some(CallError::NotSent(_)) => (CallOutcome::NotSent, None),
        Some(CallError::Unknown(_)) => (CallOutcome::Unknown, None),
    }
}
