//! Places for streams: so many in the process, so many per app.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use kassa_core::text::AppId;

use crate::error::{Error, Limit};
use crate::metrics::STREAMS;

/// Streams that are open at a time in one process.
pub const STREAMS_MAX: usize = 4_096;
/// Streams that one app may have open at a time at one process.
pub const STREAMS_PER_APP_MAX: usize = 512;

/// The open streams. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(crate) struct Streams(Arc<Mutex<HashMap<AppId, usize>>>);

/// A place for one stream; dropping it gives it back.
#[derive(Debug)]
pub(crate) struct StreamPlace {
    streams: Streams,
    app: AppId,
    method: &'static str,
}

impl Streams {
    /// A place for another stream of `app`.
    pub(crate) fn place(&self, app: &AppId, method: &'static str) -> Result<StreamPlace, Error> {
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if open.values().sum::<usize>() >= STREAMS_MAX {
            return Err(Error::busy(Limit::Streams));
        }
        let count = open.entry(app.clone()).or_default();
        if *count >= STREAMS_PER_APP_MAX {
            return Err(Error::busy(Limit::StreamsOfApp));
        }
        *count = count.saturating_add(1);
        metrics::gauge!(STREAMS, "method" => method).increment(1.0);
        Ok(StreamPlace {
            streams: self.clone(),
            app: app.clone(),
            method,
        })
    }
}

impl Drop for StreamPlace {
    fn drop(&mut self) {
        let mut open = self
            .streams
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = open.get_mut(&self.app) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                open.remove(&self.app);
            }
        }
        metrics::gauge!(STREAMS, "method" => self.method).decrement(1.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_app_cannot_take_more_than_its_places_and_gives_them_back() {
        let streams = Streams::default();
        let (greedy, modest) = (
            AppId::try_new("greedy").unwrap(),
            AppId::try_new("modest").unwrap(),
        );
        let mut places: Vec<_> = (0..STREAMS_PER_APP_MAX)
            .map(|_| streams.place(&greedy, "m").unwrap())
            .collect();
        let full = streams.place(&greedy, "m");
        assert!(matches!(
            full,
            Err(Error::RateLimited {
                limit: Limit::StreamsOfApp,
                ..
            })
        ));
        assert!(streams.place(&modest, "m").is_ok());
        places.pop();
        assert!(streams.place(&greedy, "m").is_ok());
    }
}
