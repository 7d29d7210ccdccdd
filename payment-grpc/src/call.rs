//! One call, as the handlers see it: who calls, until when, and under which id the log has it.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::task::task_tracker::TaskTrackerToken;
use tonic::{Request, Response, Status};

use crate::auth::Caller;
use crate::error::Error;
use crate::status;

/// One call. The door puts it into the request's extensions.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    /// Under which id the log has it.
    pub(crate) request_id: String,
    /// Who calls.
    pub(crate) caller: Arc<Caller>,
    /// When its answer must be there.
    pub(crate) deadline: Instant,
    /// When the caller stops listening, if it said so; streams end then.
    pub(crate) stream_deadline: Option<Instant>,
    /// Keeps the drain waiting as long as the call, or the stream that came of it, lives.
    pub(crate) in_flight: TaskTrackerToken,
}

impl Call {
    /// Takes a request apart. A request without a call never went through the door.
    pub(crate) fn split<T>(request: Request<T>) -> Result<(Self, T), Status> {
        let (_metadata, mut extensions, message) = request.into_parts();
        match extensions.remove::<Self>() {
            Some(call) => Ok((call, message)),
            None => Err(status::answer(
                &Error::Broken("a call did not pass the door"),
                "",
            )),
        }
    }

    /// What is left of the caller's patience.
    pub(crate) fn budget(&self) -> Duration {
        self.deadline.saturating_duration_since(Instant::now())
    }

    /// Logs and answers an error.
    pub(crate) fn refuse(&self, error: &Error) -> Status {
        status::answer(error, &self.request_id)
    }

    /// The answer of a handler.
    pub(crate) fn answer<T>(&self, result: Result<T, Error>) -> Result<Response<T>, Status> {
        result
            .map(Response::new)
            .map_err(|error| self.refuse(&error))
    }
}
