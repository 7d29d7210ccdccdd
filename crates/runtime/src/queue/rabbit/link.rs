//! One connection that is kept up: lost, it is opened again with back-off and jitter, and the
//! topology is declared again.

use std::sync::Arc;
use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};
use futures_util::StreamExt;
use kassa_core::Secret;
use lapin::uri::AMQPUri;
use lapin::{Channel, Connection, ConnectionProperties, Event};
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval, timeout};
use tokio_util::sync::CancellationToken;

use super::topology::Topology;
use crate::queue::{QueueError, count_reconnect};

/// How long opening a connection and declaring the topology may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(20);
/// How long one question to the broker may take.
pub(super) const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a polite goodbye may take.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);
/// The heartbeat that is asked for unless the URL names one, in seconds: a peer that vanished is
/// noticed within about twice that.
const HEARTBEAT_SECONDS: u16 = 10;
/// How often the connection's state is looked at, should its end not have been announced.
const WATCH_INTERVAL: Duration = Duration::from_secs(1);
/// The first and the longest pause between attempts; jitter up to doubles them.
const RECONNECT_DELAY_MIN: Duration = Duration::from_millis(100);
const RECONNECT_DELAY_MAX: Duration = Duration::from_secs(5);

/// Endless pauses with jitter, from 0.1 s to 5 s.
pub(super) fn pauses() -> ExponentialBackoff {
    ExponentialBuilder::new()
        .with_min_delay(RECONNECT_DELAY_MIN)
        .with_max_delay(RECONNECT_DELAY_MAX)
        .with_jitter()
        .without_max_times()
        .build()
}

/// How to connect.
pub(super) struct Connector {
    pub(super) url: Secret<String>,
    /// What the broker shows an operator.
    pub(super) name: String,
    pub(super) topology: Topology,
}

impl std::fmt::Debug for Connector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connector")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

impl Connector {
    async fn connect(&self) -> Result<Arc<Connection>, QueueError> {
        let opened = timeout(CONNECT_TIMEOUT, self.open()).await;
        opened.map_err(|_elapsed| QueueError::Timeout {
            operation: "connect",
        })?
    }

    async fn open(&self) -> Result<Arc<Connection>, QueueError> {
        let mut uri: AMQPUri = self
            .url
            .expose()
            .parse()
            .map_err(|_text_with_the_url| QueueError::Options("the URL is not an AMQP URL"))?;
        uri.query.heartbeat.get_or_insert(HEARTBEAT_SECONDS);
        let properties =
            ConnectionProperties::default().with_connection_name(self.name.as_str().into());
        let failed = |error| QueueError::broker("connect", error);
        let connection = Connection::connect_uri(uri, properties)
            .await
            .map_err(failed)?;
        let channel = connection.create_channel().await.map_err(failed)?;
        self.topology.declare(&channel).await?;
        channel.close(200, "OK".into()).await.map_err(failed)?;
        Ok(Arc::new(connection))
    }
}

/// A connection that is kept up until `closing`.
#[derive(Debug)]
pub(super) struct Link {
    current: watch::Receiver<Option<Arc<Connection>>>,
}

impl Link {
    /// Connects, and keeps connected from then on. `label` names it in metrics and logs.
    ///
    /// # Errors
    /// [`QueueError`] if the first attempt fails.
    pub(super) async fn open(
        connector: Connector,
        label: &'static str,
        closing: CancellationToken,
    ) -> Result<Arc<Self>, QueueError> {
        let first = connector.connect().await?;
        let (state, current) = watch::channel(Some(Arc::clone(&first)));
        tokio::spawn(keep_up(connector, label, first, state, closing));
        Ok(Arc::new(Self { current }))
    }

    fn connection(&self, operation: &'static str) -> Result<Arc<Connection>, QueueError> {
        self.current
            .borrow()
            .as_ref()
            .filter(|connection| connection.status().connected())
            .cloned()
            .ok_or(QueueError::away(operation))
    }

    /// Whether messages can be published now: connected, and not told to wait by a broker that is
    /// short of memory or disk.
    pub(super) fn takes_messages(&self) -> bool {
        self.connection("publish")
            .is_ok_and(|connection| !connection.status().blocked())
    }

    /// A new channel. Fails at once while the connection is away.
    pub(super) async fn channel(&self, operation: &'static str) -> Result<Channel, QueueError> {
        let connection = self.connection(operation)?;
        timeout(ANSWER_TIMEOUT, connection.create_channel())
            .await
            .map_err(|_elapsed| QueueError::Timeout { operation })?
            .map_err(|error| QueueError::broker(operation, error))
    }
}

async fn keep_up(
    connector: Connector,
    label: &'static str,
    first: Arc<Connection>,
    state: watch::Sender<Option<Arc<Connection>>>,
    closing: CancellationToken,
) {
    let mut connection = first;
    loop {
        let is_over = tokio::select! {
            () = closing.cancelled() => true,
            () = lost(&connection) => false,
        };
        state.send_replace(None);
        if is_over {
            say_goodbye(&connection).await;
            return;
        }
        tracing::warn!(link = label, "the connection to the broker was lost");
        let again = tokio::select! {
            () = closing.cancelled() => return,
            again = reconnect(&connector, label) => again,
        };
        count_reconnect(label);
        tracing::info!(link = label, "connected to the broker again");
        connection = Arc::clone(&again);
        state.send_replace(Some(again));
    }
}

/// Waits for the end of a connection.
async fn lost(connection: &Connection) {
    let mut events = std::pin::pin!(connection.events_listener());
    let mut ticks = interval(WATCH_INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while connection.status().connected() {
        tokio::select! {
            event = events.next() => match event {
                Some(Event::Error(_)) | None => return,
                Some(_) => {}
            },
            _ = ticks.tick() => {}
        }
    }
}

async fn reconnect(connector: &Connector, label: &'static str) -> Arc<Connection> {
    let mut pauses = pauses();
    loop {
        match connector.connect().await {
            Ok(connection) => return connection,
            Err(error) => tracing::debug!(link = label, %error, "the broker is still away"),
        }
        tokio::time::sleep(pauses.next().unwrap_or(RECONNECT_DELAY_MAX)).await;
    }
}

async fn say_goodbye(connection: &Connection) {
    match timeout(CLOSE_TIMEOUT, connection.close(200, "OK".into())).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::debug!(%error, "the broker was gone before the goodbye"),
        Err(_elapsed) => tracing::debug!("the broker did not answer the goodbye"),
    }
}
