//! What the handlers share.

use flows::Kassa;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::Instrument;

use crate::error::Error;
use crate::streams::Streams;

/// What the handlers share. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Shared {
    /// What flows work with.
    pub(crate) kassa: Kassa,
    /// Flows that are under way.
    pub(crate) work: TaskTracker,
    /// Places for streams.
    pub(crate) streams: Streams,
    /// Changes when events were published in this process.
    pub(crate) events: Option<watch::Receiver<u64>>,
    /// Cancelled when the process drains.
    pub(crate) stopping: CancellationToken,
}

impl Shared {
    /// Runs a flow that changes something to its end, whatever becomes of the caller: a connection
    /// that breaks, or a deadline that passes, must not cut it in the middle.
    pub(crate) async fn to_its_end<T: Send + 'static>(
        &self,
        flow: impl Future<Output = Result<T, flows::Error>> + Send + 'static,
    ) -> Result<T, Error> {
        match self.work.spawn(flow.in_current_span()).await {
            Ok(done) => Ok(done?),
            Err(_panicked) => Err(Error::Broken("a flow panicked")),
        }
    }
}
