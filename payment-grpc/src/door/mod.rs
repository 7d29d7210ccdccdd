//! The door: what every call passes before a handler sees it, in this order.
//!
//! 1. a span with the caller's trace context, and the call counted;
//! 2. the rate limit of the address;
//! 3. the RPC looked up: what is not in the table is refused;
//! 4. the token, the rate limit of the app, the scope;
//! 5. a place among the calls at a time;
//! 6. the handler, until the deadline.
//!
//! Health and reflection need no token and no place. Errors of our methods that tonic made itself
//! leave with the same details as ours.

mod deadline;
mod rate_limit;

use std::future::Future;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::{HeaderMap, Request, Response};
use kassa_core::IdSource;
use runtime::telemetry::trace_context;
use tokio::sync::Semaphore;
use tokio::time::Instant;
use tokio_util::task::TaskTracker;
use tonic::body::Body;
use tonic::transport::server::{TcpConnectInfo, TlsConnectInfo};
use tonic::{Code, Status};
use tower::{Layer, Service};
use tracing::{Instrument, Span, field};

pub use rate_limit::RateLimit;

use self::deadline::Patience;
use self::rate_limit::RateLimits;
use crate::auth::{Access, Authenticator, Caller, Rpc, find_rpc};
use crate::call::Call;
use crate::error::{Error, Limit};
use crate::metrics::{REQUEST_SECONDS, REQUESTS};
use crate::status;

/// How long a call waits for a place before it is sent away.
const PLACE_WAIT_MAX: Duration = Duration::from_millis(500);
/// What stands in spans and metrics for a method that does not exist.
const UNKNOWN_RPC: &str = "unknown";

/// What the door decides with.
#[derive(Debug)]
pub(crate) struct Door {
    authenticator: Authenticator,
    limits: RateLimits,
    places: Semaphore,
    deadline_max: Duration,
    ids: IdSource,
    in_flight: TaskTracker,
}

/// The door's limits.
#[derive(Debug, Clone, Copy)]
pub(crate) struct DoorLimits {
    pub(crate) rate: RateLimit,
    pub(crate) concurrency_max: u32,
    pub(crate) deadline_max: Duration,
}

impl Door {
    pub(crate) fn new(
        authenticator: Authenticator,
        limits: DoorLimits,
        ids: IdSource,
        in_flight: TaskTracker,
    ) -> Self {
        let places = usize::try_from(limits.concurrency_max).unwrap_or(Semaphore::MAX_PERMITS);
        Self {
            authenticator,
            limits: RateLimits::new(limits.rate),
            places: Semaphore::new(places.min(Semaphore::MAX_PERMITS)),
            deadline_max: limits.deadline_max,
            ids,
            in_flight,
        }
    }

    async fn pass<S>(&self, mut handler: S, mut request: Request<Body>, id: &str) -> Answer
    where
        S: Service<Request<Body>, Response = Response<Body>>,
        S::Error: Into<BoxError>,
    {
        if let Some(address) = peer(&request) {
            self.limits.check_address(address)?;
        }
        let rpc = find_rpc(request.uri().path());
        if let Some(Rpc {
            access: Access::Open,
            ..
        }) = rpc
        {
            return handler.call(request).await.map_err(|_broken| BROKEN);
        }
        let patience = Patience::of(request.headers(), self.deadline_max);
        let begin = Instant::now();
        let work = async {
            let caller = self.admit(rpc, request.headers()).await?;
            let _place = self.place().await?;
            let end = |after| begin.checked_add(after).unwrap_or(begin);
            request.extensions_mut().insert(Call {
                request_id: id.to_owned(),
                caller: Arc::new(caller),
                deadline: end(patience.answer),
                stream_deadline: patience.caller.map(end),
                in_flight: self.in_flight.token(),
            });
            handler.call(request).await.map_err(|_broken| BROKEN)
        };
        match tokio::time::timeout(patience.answer, work).await {
            Ok(answer) => Ok(answer?),
            Err(_elapsed) => Err(Error::DeadlineExceeded),
        }
    }

    /// The caller, if it may call this RPC.
    async fn admit(&self, rpc: Option<Rpc>, headers: &HeaderMap) -> Result<Caller, Error> {
        let caller = self.authenticator.authenticate(headers).await?;
        Span::current().record("app.id", caller.app.id.as_str());
        self.limits.check_app(&caller.app.id)?;
        match rpc {
            Some(Rpc {
                path,
                access: Access::Scoped(scope),
            }) => caller.ensure(path, scope)?,
            Some(Rpc {
                access: Access::Open,
                ..
            })
            | None => return Err(Error::NoSuchRpc),
        }
        Ok(caller)
    }

    async fn place(&self) -> Result<tokio::sync::SemaphorePermit<'_>, Error> {
        match tokio::time::timeout(PLACE_WAIT_MAX, self.places.acquire()).await {
            Ok(Ok(place)) => Ok(place),
            Ok(Err(_)) | Err(_) => Err(Error::busy(Limit::ConcurrentCalls)),
        }
    }
}

type BoxError = Box<dyn std::error::Error + Send + Sync>;
type Answer = Result<Response<Body>, Error>;

const BROKEN: Error = Error::Broken("a handler broke off");

fn peer<B>(request: &Request<B>) -> Option<IpAddr> {
    let extensions = request.extensions();
    let plain = extensions.get::<TcpConnectInfo>();
    let tls = || {
        extensions
            .get::<TlsConnectInfo<TcpConnectInfo>>()
            .map(TlsConnectInfo::get_ref)
    };
    plain
        .or_else(tls)?
        .remote_addr()
        .map(|address| address.ip())
}

/// Puts a [`Door`] before the handlers.
#[derive(Debug, Clone)]
pub(crate) struct DoorLayer(Arc<Door>);

impl DoorLayer {
    pub(crate) fn new(door: Door) -> Self {
        Self(Arc::new(door))
    }
}

impl<S> Layer<S> for DoorLayer {
    type Service = Guarded<S>;

    fn layer(&self, inner: S) -> Guarded<S> {
        Guarded {
            door: Arc::clone(&self.0),
            inner,
        }
    }
}

/// Handlers behind a door.
#[derive(Debug, Clone)]
pub(crate) struct Guarded<S> {
    door: Arc<Door>,
    inner: S,
}

impl<S> Service<Request<Body>> for Guarded<S>
where
    S: Service<Request<Body>, Response = Response<Body>> + Clone + Send + 'static,
    S::Future: Send,
    S::Error: Into<BoxError> + Send,
{
    type Response = Response<Body>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, S::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        // The clone that was polled ready serves; the fresh one waits for the next call.
        let fresh = self.inner.clone();
        let handler = std::mem::replace(&mut self.inner, fresh);
        let door = Arc::clone(&self.door);
        let id = door.ids.next().simple().to_string();
        let known = find_rpc(request.uri().path());
        let rpc = known.map_or(UNKNOWN_RPC, |rpc| rpc.path);
        let is_ours = known.is_none_or(|rpc| rpc.access != Access::Open);
        let span = span(&request, rpc, &id);
        let work = async move {
            let begin = Instant::now();
            let answer = door.pass(handler, request, &id).await;
            let (response, code) = finish(answer, is_ours, &id);
            Span::current().record("grpc.code", status::code_name(code));
            metrics::counter!(REQUESTS, "method" => rpc, "code" => status::code_name(code))
                .increment(1);
            metrics::histogram!(REQUEST_SECONDS, "method" => rpc)
                .record(begin.elapsed().as_secs_f64());
            Ok(response)
        };
        Box::pin(work.instrument(span))
    }
}

fn span<B>(request: &Request<B>, rpc: &'static str, id: &str) -> Span {
    let span = tracing::info_span!(
        "grpc.call",
        otel.kind = "server",
        rpc.method = rpc,
        request.id = id,
        app.id = field::Empty,
        grpc.code = field::Empty,
    );
    let headers = request.headers().iter();
    let texts = headers.filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?)));
    trace_context::set_parent(&span, &trace_context::from_headers(texts));
    span
}

/// The response that leaves, and its code. Of a stream it is the code with which it began. What
/// health and reflection answer is theirs to say.
fn finish(answer: Answer, is_ours: bool, id: &str) -> (Response<Body>, Code) {
    let response = match answer {
        Ok(response) => response,
        Err(error) => {
            let status = status::answer(&error, id);
            return (status.into_http(), status::code(error.kind()));
        }
    };
    let Some(found) = Status::from_header_map(response.headers()) else {
        return (response, Code::Ok);
    };
    match status::complete(&found).filter(|_| is_ours) {
        Some(error) => (
            status::answer(&error, id).into_http(),
            status::code(error.kind()),
        ),
        None => (response, found.code()),
    }
}
