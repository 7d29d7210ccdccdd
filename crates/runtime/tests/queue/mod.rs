//! Backends for the tests of the queues, each test with its own database or prefix.

pub(crate) mod behaviours;
pub(crate) mod embedded;
pub(crate) mod parking;
mod proxy;
pub(crate) mod rabbit;

use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use chrono::{DateTime, TimeDelta};
use kassa_core::id::EnvelopeId;
use kassa_core::{Clock, IdSource, Secret};
use migrations::Migrator;
use runtime::queue::embedded::{EmbeddedOptions, EmbeddedQueue};
use runtime::queue::rabbit::{RabbitOptions, RabbitQueue};
use runtime::queue::{Consumer, Delivery, Envelope, Queue, TraceContext};
use runtime::store::Store;
use sea_orm::ConnectionTrait;
use sea_orm_migration::MigratorTrait;

/// How long a test waits for something that must come. Reached only by a failing test.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

static NEXT: AtomicU32 = AtomicU32::new(0);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Backend {
    Sqlite,
    Postgres,
    Rabbit,
}

/// One queue to test, and what is needed to open it again.
pub(crate) struct Bed {
    pub(crate) backend: Backend,
    pub(crate) queue: Arc<dyn Queue>,
    /// The same queue, where it is the embedded one.
    pub(crate) embedded: Option<EmbeddedQueue>,
    /// The same queue, where it is RabbitMQ.
    pub(crate) rabbit: Option<RabbitQueue>,
    pub(crate) store: Option<Store>,
    pub(crate) clock: Clock,
    pub(crate) ids: IdSource,
    pub(crate) name: String,
}

type Body = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Runs a test on each backend that `KASSA_TEST_BACKEND` selects: `embedded` (the default) is the
/// embedded queue on SQLite; `servers` is the embedded queue on PostgreSQL, and RabbitMQ. A server
/// that is asked for and does not answer fails the test.
pub(crate) async fn on_each_backend(body: impl Fn(Arc<Bed>) -> Body) {
    let backends: &[Backend] = match variable("KASSA_TEST_BACKEND").as_deref() {
        None | Some("embedded") => &[Backend::Sqlite],
        Some("servers") => &[Backend::Postgres, Backend::Rabbit],
        Some(other) => panic!("KASSA_TEST_BACKEND is {other}: expected embedded or servers"),
    };
    for backend in backends {
        run(*backend, &body).await;
    }
}

/// Runs a test on the embedded queue, on the database that `KASSA_TEST_BACKEND` selects.
pub(crate) async fn on_the_embedded_backend(body: impl Fn(Arc<Bed>) -> Body) {
    let is_server = variable("KASSA_TEST_BACKEND").as_deref() == Some("servers");
    run(
        if is_server {
            Backend::Postgres
        } else {
            Backend::Sqlite
        },
        &body,
    )
    .await;
}

/// Runs a test on RabbitMQ if servers were asked for; says whether they were.
pub(crate) async fn on_rabbit(body: impl Fn(Arc<Bed>) -> Body) -> bool {
    let is_asked_for = variable("KASSA_TEST_BACKEND").as_deref() == Some("servers");
    if is_asked_for {
        run(Backend::Rabbit, &body).await;
    }
    is_asked_for
}

/// Runs the body as a task, so that what it made is cleared away even if it panics.
async fn run(backend: Backend, body: &impl Fn(Arc<Bed>) -> Body) {
    let bed = Arc::new(Bed::new(backend).await);
    let result = tokio::spawn(body(Arc::clone(&bed))).await;
    bed.clear_away().await;
    if let Err(error) = result {
        match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(error) => panic!("the test on {backend:?} ended early: {error}"),
        }
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "tests are configured by the script that runs them"
)]
pub(crate) fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

fn server_url(name: &str) -> String {
    variable(name).unwrap_or_else(|| panic!("KASSA_TEST_BACKEND is servers, but {name} is not set"))
}

/// A name that no other test of any process uses at this time.
pub(crate) fn unique_name() -> String {
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    format!("kassa_queue_{}_{number}", std::process::id())
}

fn sqlite_path(name: &str) -> PathBuf {
    std::env::temp_dir().join(format!("{name}.db"))
}

impl Bed {
    pub(crate) async fn new(backend: Backend) -> Self {
        let name = unique_name();
        let start = DateTime::from_timestamp(1_800_000_000, 0).unwrap();
        let (clock, store) = match backend {
            Backend::Rabbit => (Clock::system(), None),
            Backend::Sqlite => {
                let url = format!("sqlite://{}?mode=rwc", sqlite_path(&name).display());
                (
                    Clock::settable(start),
                    Some(Store::connect(&url, 4).await.unwrap()),
                )
            }
            Backend::Postgres => (Clock::settable(start), Some(new_postgres(&name).await)),
        };
        if let Some(store) = &store {
            Migrator::up(store.migration_connection(), None)
                .await
                .unwrap();
        }
        let ids = IdSource::system(Clock::system());
        let (embedded, rabbit) = open(store.as_ref(), &clock, &ids, &name).await;
        let queue = queue_of(embedded.as_ref(), rabbit.as_ref());
        Self {
            backend,
            queue,
            embedded,
            rabbit,
            store,
            clock,
            ids,
            name,
        }
    }

    /// Opens the same queue once more, as a process does that starts again.
    pub(crate) async fn reopen(&self) -> Arc<dyn Queue> {
        let (embedded, rabbit) =
            open(self.store.as_ref(), &self.clock, &self.ids, &self.name).await;
        queue_of(embedded.as_ref(), rabbit.as_ref())
    }

    /// A name as the broker has it.
    pub(crate) fn broker_name(&self, name: &str) -> lapin::types::ShortString {
        format!("{}.{name}", self.name).into()
    }

    /// An envelope with a number in it.
    pub(crate) fn envelope(&self, number: u32) -> Envelope {
        Envelope {
            id: EnvelopeId::new(&self.ids),
            kind: "test.v1".to_owned(),
            created_at: self.clock.now(),
            trace: TraceContext([("traceparent".to_owned(), "00-a-b-01".to_owned())].into()),
            payload: serde_json::json!({ "number": number }),
        }
    }

    /// Lets time pass where it can be set; elsewhere it passes by itself.
    pub(crate) fn let_pass(&self, time: Duration) {
        self.clock.advance(TimeDelta::from_std(time).unwrap());
        if let Some(embedded) = &self.embedded {
            embedded.wake();
        }
    }

    async fn clear_away(&self) {
        if let Some(rabbit) = &self.rabbit {
            // The test may have closed its own.
            let last = connect_rabbit(&self.name).await;
            last.delete_everything().await.unwrap();
            last.close().await;
            rabbit.close().await;
        }
        self.queue.close().await;
        match self.backend {
            Backend::Rabbit => {}
            Backend::Sqlite => {
                let path = sqlite_path(&self.name);
                for suffix in ["", "-wal", "-shm"] {
                    let file = format!("{}{suffix}", path.display());
                    if std::fs::exists(&file).unwrap() {
                        std::fs::remove_file(file).unwrap();
                    }
                }
            }
            Backend::Postgres => drop_postgres(&self.name).await,
        }
    }
}

fn queue_of(embedded: Option<&EmbeddedQueue>, rabbit: Option<&RabbitQueue>) -> Arc<dyn Queue> {
    match (embedded, rabbit) {
        (Some(embedded), _) => Arc::new(embedded.clone()),
        (None, Some(rabbit)) => Arc::new(rabbit.clone()),
        (None, None) => panic!("a bed without a queue"),
    }
}

async fn open(
    store: Option<&Store>,
    clock: &Clock,
    ids: &IdSource,
    name: &str,
) -> (Option<EmbeddedQueue>, Option<RabbitQueue>) {
    match store {
        Some(store) => {
            let options = EmbeddedOptions::default();
            let queue = EmbeddedQueue::new(store.clone(), clock.clone(), ids.clone(), options);
            (Some(queue), None)
        }
        None => (None, Some(connect_rabbit(name).await)),
    }
}

pub(crate) fn rabbit_url() -> String {
    server_url("KASSA_TEST_AMQP_URL")
}

pub(crate) fn rabbit_options(url: String, name: &str) -> RabbitOptions {
    RabbitOptions {
        url: Secret::new(url),
        prefix: format!("{name}."),
        connection_name: name.to_owned(),
        clock: Clock::system(),
        checkpoints: runtime::checkpoint::Checkpoints::none(),
    }
}

async fn connect_rabbit(name: &str) -> RabbitQueue {
    RabbitQueue::connect(rabbit_options(rabbit_url(), name))
        .await
        .unwrap()
}

async fn new_postgres(name: &str) -> Store {
    let url = server_url("KASSA_TEST_DATABASE_URL");
    let server = Store::connect(&url, 1).await.unwrap();
    let create = format!("CREATE DATABASE {name}");
    server
        .migration_connection()
        .execute_unprepared(&create)
        .await
        .unwrap();
    let mut url: url::Url = url.parse().unwrap();
    url.set_path(name);
    Store::connect(url.as_str(), 8).await.unwrap()
}

async fn drop_postgres(name: &str) {
    let server = Store::connect(&server_url("KASSA_TEST_DATABASE_URL"), 1)
        .await
        .unwrap();
    let drop = format!("DROP DATABASE {name} WITH (FORCE)");
    server
        .migration_connection()
        .execute_unprepared(&drop)
        .await
        .unwrap();
}

/// The next delivery, which must come.
pub(crate) async fn next(consumer: &mut Box<dyn Consumer>) -> Box<dyn Delivery> {
    tokio::time::timeout(PATIENCE, consumer.next())
        .await
        .expect("a message should have come")
        .expect("the queue should be open")
}

/// The number in an envelope.
pub(crate) fn number(envelope: &Envelope) -> u64 {
    envelope.payload["number"].as_u64().unwrap()
}
