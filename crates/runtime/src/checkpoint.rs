//! Checkpoints: named places between two durable steps, where a process may die or another may get its
//! turn. In production passing one does nothing. The simulation stops, interleaves and crashes there;
//! the fault suite kills real processes there, so that every place between any two steps was a last
//! one at least once.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

/// What a hook does when a checkpoint is passed.
type Passing = Pin<Box<dyn Future<Output = ()> + Send>>;
/// Called at every checkpoint.
type Hook = Arc<dyn Fn(Checkpoint) -> Passing + Send + Sync>;

macro_rules! checkpoints {
    ($($(#[$doc:meta])* $name:ident = $word:literal),+ $(,)?) => {
        /// A place between two durable steps.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Checkpoint { $($(#[$doc])* $name),+ }

        impl Checkpoint {
            /// Every checkpoint.
            pub const ALL: &'static [Self] = &[$(Self::$name),+];

            /// Its name.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$name => $word),+ }
            }
        }
    };
}

checkpoints! {
    /// A payment is written down; nothing was sent.
    CreateWrittenDown = "create.written_down",
    /// An attempt is marked as sent; the gateway was not called yet.
    PlaceClaimed = "place.claimed",
    /// The gateway answered; nothing of it is written.
    PlaceAnswered = "place.answered",
    /// The answer is written; the caller does not know it.
    PlaceWritten = "place.written",
    /// The gateway closed an order; we have not written it.
    CloseAnswered = "close.answered",
    /// A new attempt is written down; the earlier one is still open at the gateway.
    RetryWrittenDown = "retry.written_down",
    /// A refund is reserved and written down; its caller does not know it.
    RefundWrittenDown = "refund.written_down",
    /// A refund is marked as submitted; the gateway was not called yet.
    RefundClaimed = "refund.claimed",
    /// The gateway answered about a refund; nothing of it is written.
    RefundAnswered = "refund.answered",
    /// Attempts or refunds are claimed for a question that was not asked yet.
    SynchroniseClaimed = "synchronise.claimed",
    /// The gateway answered the question; nothing of it is written.
    SynchroniseAnswered = "synchronise.answered",
    /// An anomaly's automatic refund is written down.
    AnomalyRefundWrittenDown = "anomaly.refund_written_down",
    /// A callback is verified; it is not on the queue.
    CallbackVerified = "callback.verified",
    /// A callback is on the queue; the gateway does not know that we have it.
    CallbackEnqueued = "callback.enqueued",
    /// A notification is applied inside a transaction that is not committed. Inside a transaction: only
    /// a crash can happen here.
    NotificationApplied = "notification.applied",
    /// A delivery is dealt with and committed; it is not acknowledged.
    DeliveryDone = "delivery.done",
    /// A message is written to the broker's socket; it is not confirmed.
    PublishSent = "publish.sent",
    /// Events are confirmed by the broker; they are not marked as published.
    RelayPublished = "relay.published",
    /// Somebody waits for somebody else.
    Resting = "resting",
}

impl Checkpoint {
    /// Whether a database transaction is open there: then nobody else may get a turn.
    pub fn is_in_transaction(self) -> bool {
        self == Self::NotificationApplied
    }
}

/// What happens at checkpoints. Cheap to clone.
#[derive(Clone, Default)]
pub struct Checkpoints(Kind);

#[derive(Clone, Default)]
enum Kind {
    #[default]
    None,
    Hooked(Hook),
    #[cfg(feature = "checkpoints")]
    Deadly(Arc<kill::KillAt>),
}

impl fmt::Debug for Checkpoints {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match &self.0 {
            Kind::None => "none",
            Kind::Hooked(_) => "hooked",
            #[cfg(feature = "checkpoints")]
            Kind::Deadly(_) => "deadly",
        })
    }
}

impl Checkpoints {
    /// Nothing happens at any of them.
    pub fn none() -> Self {
        Self(Kind::None)
    }

    /// `hook` is called at every checkpoint, and what it gives is waited for. There is no real time
    /// then: [`Checkpoints::rest`] is a checkpoint too.
    pub fn hooked(hook: Hook) -> Self {
        Self(Kind::Hooked(hook))
    }

    /// The process ends without any farewell when it passes the checkpoint that the environment
    /// variable `KASSA_KILL_AT` names: `name`, or `name:n` for the n-th passing. Only builds with the
    /// feature `checkpoints` listen to it.
    pub fn from_env() -> Self {
        #[cfg(feature = "checkpoints")]
        if let Some(kill_at) = kill::KillAt::from_env() {
            return Self(Kind::Deadly(Arc::new(kill_at)));
        }
        Self::none()
    }

    /// Passes a checkpoint.
    pub async fn reach(&self, checkpoint: Checkpoint) {
        match &self.0 {
            Kind::None => {}
            Kind::Hooked(hook) => hook(checkpoint).await,
            #[cfg(feature = "checkpoints")]
            Kind::Deadly(kill_at) => kill_at.pass(checkpoint),
        }
    }

    /// Sleeps for `duration`; in a simulation others get their turn instead.
    pub async fn rest(&self, duration: Duration) {
        match &self.0 {
            Kind::Hooked(hook) => hook(Checkpoint::Resting).await,
            Kind::None => tokio::time::sleep(duration).await,
            #[cfg(feature = "checkpoints")]
            Kind::Deadly(_) => tokio::time::sleep(duration).await,
        }
    }
}

#[cfg(feature = "checkpoints")]
mod kill {
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::Checkpoint;

    /// Names the checkpoint, and after a colon which passing of it is the last.
    const VARIABLE: &str = "KASSA_KILL_AT";

    /// Where a process ends.
    pub(super) struct KillAt {
        checkpoint: Checkpoint,
        passings_left: AtomicU64,
    }

    impl KillAt {
        #[expect(
            clippy::disallowed_methods,
            reason = "only builds for tests listen to it; it is no configuration"
        )]
        pub(super) fn from_env() -> Option<Self> {
            let wanted = std::env::var(VARIABLE).ok()?;
            let (name, passing) = wanted.split_once(':').unwrap_or((&wanted, "1"));
            let checkpoint = Checkpoint::ALL
                .iter()
                .copied()
                .find(|checkpoint| checkpoint.as_str() == name)?;
            Some(Self {
                checkpoint,
                passings_left: AtomicU64::new(passing.parse().ok()?),
            })
        }

        pub(super) fn pass(&self, checkpoint: Checkpoint) {
            if checkpoint == self.checkpoint
                && self.passings_left.fetch_sub(1, Ordering::SeqCst) == 1
            {
                std::process::abort();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    #[tokio::test]
    async fn a_hook_is_called_at_every_checkpoint_and_in_place_of_rest() {
        let seen: Arc<Mutex<Vec<Checkpoint>>> = Arc::default();
        let log = Arc::clone(&seen);
        let checkpoints = Checkpoints::hooked(Arc::new(move |checkpoint| {
            log.lock().unwrap().push(checkpoint);
            Box::pin(std::future::ready(()))
        }));
        checkpoints.reach(Checkpoint::PlaceClaimed).await;
        checkpoints.rest(Duration::from_hours(1)).await;
        let expected = [Checkpoint::PlaceClaimed, Checkpoint::Resting];
        assert_eq!(seen.lock().unwrap().as_slice(), expected);
    }

    #[test]
    fn every_checkpoint_has_a_name_of_its_own() {
        let names: std::collections::BTreeSet<_> =
            Checkpoint::ALL.iter().map(|point| point.as_str()).collect();
        assert_eq!(names.len(), Checkpoint::ALL.len());
    }
}
