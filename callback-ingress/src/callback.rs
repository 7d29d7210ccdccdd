//! `POST /callbacks/{channel}/{account}/{payment|refund}`: read, verify, publish, acknowledge.
//!
//! The gateway gets its "success" only after the broker confirmed a durable copy (promise P1).
//! Whatever else happens is answered with the gateway's failure, so that it repeats; repeats are
//! harmless, because the inbox is unique by the notification's key. Callbacks of disabled accounts
//! are taken: money may still be on its way.

use std::net::IpAddr;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use gateways::{Gateway, Outcome, RawCallback, Verified, VerifyError};
use http::{Request, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use kassa_core::channel::Channel;
use kassa_core::id::{EnvelopeId, NotificationId};
use kassa_core::notification::{CallbackRoute, NOTIFICATION_KIND, NotificationMessage};
use runtime::accounts::OpenAccount;
use runtime::checkpoint::Checkpoint;
use runtime::queue::{Envelope, QueueError, QueueName};
use runtime::telemetry::trace_context;
use tokio::time::Instant;
use tracing::Instrument;

use crate::body::{self, BodyError};
use crate::error::loggable;
use crate::handler::{Handler, Origin, count_refused};
use crate::peer;
use crate::reply::{self, Reply};

/// Callbacks of known accounts. Labels `channel`, `account`, `outcome`.
pub(crate) const CALLBACKS: &str = "kassa_ingress_callbacks_total";
/// From the request's head to the acknowledgement. Labels `channel`, `outcome`.
pub(crate) const CALLBACK_SECONDS: &str = "kassa_ingress_callback_seconds";

/// An account at the door.
type Account = OpenAccount<Arc<dyn Gateway>>;

/// Why a callback was not accepted.
#[derive(Debug, thiserror::Error)]
enum Refusal {
    #[error("the address is not in the account's allow-list")]
    Address,
    #[error(transparent)]
    Body(#[from] BodyError),
    #[error(transparent)]
    Verify(#[from] VerifyError),
    #[error("the broker did not confirm in time")]
    PublishTimeout,
    #[error("not published")]
    Publish(#[source] QueueError),
    #[error("the notification cannot be written as JSON")]
    Encode(#[source] serde_json::Error),
}

impl Refusal {
    /// The word used in metrics and logs.
    fn as_str(&self) -> &'static str {
        match self {
            Self::Address => "address",
            Self::Body(BodyError::TooLarge) => "too_large",
            Self::Body(BodyError::Slow) => "slow",
            Self::Body(BodyError::Broken) => "broken",
            Self::Verify(error) => error.as_str(),
            Self::PublishTimeout => "publish_timeout",
            Self::Publish(_) => "publish_failed",
            Self::Encode(_) => "encode_failed",
        }
    }

    /// What the gateway is told.
    fn outcome(&self) -> Outcome {
        match self {
            Self::Address | Self::Body(_) | Self::Verify(_) => Outcome::Refused,
            Self::PublishTimeout | Self::Publish(_) | Self::Encode(_) => Outcome::NotKept,
        }
    }

    /// The status, where HTTP has a better one than the gateway's failure.
    fn status(&self) -> Option<StatusCode> {
        match self {
            Self::Address => Some(StatusCode::FORBIDDEN),
            Self::Body(error) => Some(error.status()),
            Self::Verify(_) | Self::PublishTimeout | Self::Publish(_) | Self::Encode(_) => None,
        }
    }
}

/// Takes one callback, from its head to its acknowledgement.
pub(crate) async fn handle(
    handler: &Handler,
    (channel, code, route): (Channel, &str, CallbackRoute),
    request: Request<Incoming>,
    origin: Origin,
) -> Reply {
    let accounts = &handler.deps.accounts;
    let Some(account) = accounts.find_by_code(channel, code) else {
        if accounts.is_loaded() {
            count_refused("unknown_account");
            return reply::empty(StatusCode::NOT_FOUND);
        }
        count_refused("accounts_not_loaded");
        return reply::retry_later(StatusCode::SERVICE_UNAVAILABLE);
    };
    let started = Instant::now();
    let span = tracing::info_span!(
        "ingress.callback",
        channel = channel.as_str(),
        account.code = account.account.code.as_str(),
        route = route.as_str(),
        notification.id = tracing::field::Empty,
    );
    if origin.is_proxied {
        let headers = request.headers().iter();
        let texts = headers.filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?)));
        trace_context::set_parent(&span, &trace_context::from_headers(texts));
    }
    let result = take(handler, &account, route, request, origin.client)
        .instrument(span.clone())
        .await;
    span.in_scope(|| log(&result, origin.client));
    let outcome = result.as_ref().err().map_or("accepted", Refusal::as_str);
    count(channel, &account, outcome, started);
    acknowledge(account.gateway.as_ref(), result)
}

/// Read, verify, publish. Gives back what the gateway is to be told beside its usual success.
async fn take(
    handler: &Handler,
    account: &Account,
    route: CallbackRoute,
    request: Request<Incoming>,
    client: IpAddr,
) -> Result<Option<String>, Refusal> {
    if !peer::is_allowed(client, &account.account.callback_cidrs) {
        return Err(Refusal::Address);
    }
    let (head, body) = request.into_parts();
    let options = &handler.options;
    let body = body::read(
        &head.headers,
        body,
        options.body_bytes_max,
        options.read_timeout,
    )
    .await?;
    let callback = RawCallback {
        route,
        headers: &head.headers,
        body: &body,
    };
    let verified = account.gateway.verify(&callback)?;
    let kept = account.gateway.kept_body(&callback);
    let kept = kept.as_deref().unwrap_or(&body);
    publish(handler, account, route, verified, kept).await?;
    Ok(account.gateway.reply_body(&callback))
}

async fn publish(
    handler: &Handler,
    account: &Account,
    route: CallbackRoute,
    verified: Verified,
    body: &[u8],
) -> Result<(), Refusal> {
    let deps = &handler.deps;
    let message = NotificationMessage {
        id: NotificationId::new(&deps.ids),
        channel_account_id: account.account.id,
        gateway: account.account.gateway,
        route,
        key: verified.key,
        headers: verified.headers,
        body: STANDARD.encode(body),
        received_at: deps.clock.now(),
    };
    tracing::Span::current().record("notification.id", tracing::field::display(message.id));
    let envelope = Envelope {
        id: EnvelopeId::new(&deps.ids),
        kind: NOTIFICATION_KIND.to_owned(),
        created_at: message.received_at,
        trace: trace_context::current(),
        payload: serde_json::to_value(&message).map_err(Refusal::Encode)?,
    };
    deps.checkpoints.reach(Checkpoint::CallbackVerified).await;
    let confirmed = deps.queue.publish(QueueName::Notifications, &envelope);
    let outcome = tokio::time::timeout(handler.options.publish_timeout, confirmed).await;
    deps.checkpoints.reach(Checkpoint::CallbackEnqueued).await;
    match outcome {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => Err(Refusal::Publish(error)),
        Err(_elapsed) => Err(Refusal::PublishTimeout),
    }
}

fn acknowledge(gateway: &dyn Gateway, result: Result<Option<String>, Refusal>) -> Reply {
    let refusal = match result {
        Ok(body) => {
            let words = gateway.acknowledge(Outcome::Accepted);
            let mut reply = reply::acknowledgement(&words, None);
            if let Some(body) = body {
                *reply.body_mut() = Full::new(Bytes::from(body));
            }
            return reply;
        }
        Err(refusal) => refusal,
    };
    let words = gateway.acknowledge(refusal.outcome());
    let mut reply = reply::acknowledgement(&words, refusal.status());
    if matches!(refusal, Refusal::Body(_)) {
        // What is left of the body must not be taken for a request.
        reply::close_after(&mut reply);
    }
    reply
}

fn count(channel: Channel, account: &Account, outcome: &'static str, started: Instant) {
    let code = account.account.code.to_string();
    let channel = channel.as_str();
    metrics::counter!(CALLBACKS, "channel" => channel, "account" => code, "outcome" => outcome)
        .increment(1);
    metrics::histogram!(CALLBACK_SECONDS, "channel" => channel, "outcome" => outcome)
        .record(started.elapsed().as_secs_f64());
}

/// Logs how it ended, once.
fn log(result: &Result<Option<String>, Refusal>, client: IpAddr) {
    match result {
        Ok(_) => tracing::debug!("callback accepted"),
        Err(refusal) if refusal.outcome() == Outcome::NotKept => tracing::error!(
            reason = refusal.as_str(),
            error = loggable(refusal),
            "callback not kept; the gateway is asked to repeat it"
        ),
        // The gateway's own test, which a refusal passes.
        Err(refusal @ Refusal::Verify(VerifyError::Probe)) => tracing::info!(
            reason = refusal.as_str(),
            client.address = %client,
            "signature probe refused, as it should be"
        ),
        Err(refusal) => tracing::warn!(
            reason = refusal.as_str(),
            client.address = %client,
            "callback refused"
        ),
    }
}
