//! How a sandbox is set up: where it listens, whose keys it uses, what time it is, and whether it
//! posts callbacks by itself.

use std::{
    fmt,
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
};

use chrono::{DateTime, Utc};

use crate::keys::Keys;

/// Tells the sandbox what time it is, so that tests can set it.
pub type SandboxClock = Arc<dyn Fn() -> DateTime<Utc> + Send + Sync>;

/// The clock of the operating system.
#[expect(
    clippy::disallowed_methods,
    reason = "the sandbox depends on no other Kassa crate, so this is its one way to the real time"
)]
pub fn system_clock() -> SandboxClock {
    Arc::new(Utc::now)
}

/// Who posts the callbacks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delivery {
    /// A background task posts them as they arise and repeats them on the gateway's schedule.
    /// WeChat Pay refunds settle by themselves shortly after they were accepted.
    Automatic,
    /// Nothing is posted until [`Control::deliver_due`](crate::Control::deliver_due) is called, and
    /// refunds settle only by [`Control::settle_refund`](crate::Control::settle_refund).
    Manual,
}

/// Settings of one sandbox.
#[derive(Clone)]
pub struct SandboxConfig {
    /// Loopback address to listen on; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Who posts the callbacks.
    pub delivery: Delivery,
    /// Keys of all parties.
    pub keys: Keys,
    /// The time that the gateways go by.
    pub clock: SandboxClock,
    /// The gateways' retry delays are divided by this number: 1 keeps the real schedule, 0 counts
    /// as 1. Concerns [`Delivery::Automatic`] only.
    pub retry_time_scale: u32,
}

impl SandboxConfig {
    /// Automatic delivery on a free loopback port, real time, retries 60 times faster than real.
    pub fn new(keys: Keys) -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            delivery: Delivery::Automatic,
            keys,
            clock: system_clock(),
            retry_time_scale: 60,
        }
    }

    /// Manual delivery with the committed throw-away keys and the given clock.
    ///
    /// # Errors
    /// The committed keys cannot be read, which a test of this crate rules out.
    pub fn for_testing(clock: SandboxClock) -> Result<Self, crate::KeysError> {
        let mut config = Self::new(Keys::for_tests()?);
        config.delivery = Delivery::Manual;
        config.clock = clock;
        Ok(config)
    }
}

impl fmt::Debug for SandboxConfig {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("SandboxConfig")
            .field("listen", &self.listen)
            .field("delivery", &self.delivery)
            .field("keys", &self.keys)
            .field("retry_time_scale", &self.retry_time_scale)
            .finish_non_exhaustive()
    }
}
