//! [`TestApp`]: an installation for one test.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use chrono::{DateTime, TimeDelta, Utc};
use flows::Kassa;
use flows::app::NewApp;
use kassa::node::seed::code;
use kassa::node::{Node, NodeOptions, Seed, WorkerMode};
use kassa::token::{self, AppSigningKey};
use kassa_core::text::{AccountCode, AppId};
use kassa_core::{Clock, IdSource};
use runtime::config::{Config, SecretValue};
use runtime::store::testing::{TestBackend, TestDatabase};
use sandbox::{Control, SandboxConfig};
use tempfile::TempDir;
use tonic::transport::Channel;

use crate::PATIENCE;
use crate::caller::Caller;
use crate::checks::Expected;
use crate::event::Bound;
use crate::queues;

/// Codes of all planted accounts.
pub const ACCOUNTS: [&str; 9] = code::ALL;
/// The apps that call.
const APPS: [&str; 2] = ["shop", "other"];
/// Connections of the node: enough for a hundred calls at once to take turns.
const CONNECTIONS: u32 = 8;
/// How long a gateway may take. No test waits that long; it is only reached on an overloaded machine.
const CALL_TIMEOUT_MS: u64 = 10_000;

/// How long a gateway seems to take whenever it looks at its clock.
const TICK_MS: i64 = 7;

/// How an app is to be.
#[derive(Debug, Default)]
#[must_use]
pub struct Builder {
    is_embedded: bool,
    depth_max: Option<u64>,
    call_timeout_ms: Option<u64>,
    seed: Option<u64>,
}

impl Builder {
    /// On SQLite and the embedded queue whatever the environment says: for what only they have.
    pub fn embedded(mut self) -> Self {
        self.is_embedded = true;
        self
    }

    /// The embedded queue refuses messages beyond this many.
    pub fn depth_max(mut self, messages: u64) -> Self {
        self.depth_max = Some(messages);
        self
    }

    /// The same ids in every run, for a test that does one thing after the other; and time passes
    /// while a gateway works, so that what happens has an order.
    pub fn seeded(mut self, seed: u64) -> Self {
        self.seed = Some(seed);
        self
    }

    /// Gateways must answer within this time.
    pub fn call_timeout_ms(mut self, millis: u64) -> Self {
        self.call_timeout_ms = Some(millis);
        self
    }

    /// Starts it.
    pub async fn build(self) -> TestApp {
        let backend = if self.is_embedded {
            TestBackend::Sqlite
        } else {
            TestBackend::from_env()
        };
        let amqp_url = matches!(backend, TestBackend::Postgres(_)).then(amqp_url);
        let database = TestDatabase::create_on(&backend).await;
        let folder = tempfile::tempdir().expect("a folder");
        let clock = Clock::settable(start());
        let config = self.config(&database, &folder, amqp_url.as_deref());

        let (shop, other) = (signing_key(), signing_key());
        let sandbox_clock = clock.clone();
        let tick = TimeDelta::milliseconds(if self.seed.is_some() { TICK_MS } else { 0 });
        let sandbox = SandboxConfig::for_testing(Arc::new(move || {
            sandbox_clock.advance(tick);
            sandbox_clock.now()
        }));
        let options = NodeOptions {
            config: config.clone(),
            sandbox: Some(sandbox.expect("the committed keys")),
            seed: Some(Seed {
                app: app_id(APPS[0]),
                key: shop.clone(),
                code_key: None,
                suffix: String::new(),
            }),
            worker: WorkerMode::Manual,
            clock: clock.clone(),
            ids: match self.seed {
                Some(seed) => IdSource::seeded(seed, clock.clone()),
                None => IdSource::system(clock.clone()),
            },
        };
        let node = Box::pin(Node::start(options))
            .await
            .expect("the node starts");
        plant_other(node.kassa(), &other).await;
        let bound = match (&amqp_url, node.events_exchange()) {
            (Some(url), Some(exchange)) => Some(Bound::open(url, exchange).await),
            _ => None,
        };
        let channel = connect(&node).await;
        let audience = config.auth.audience.clone();
        let [shop, other] = [(APPS[0], shop), (APPS[1], other)].map(|(app, key)| {
            Caller::new(
                app_id(app),
                key,
                audience.clone(),
                clock.clone(),
                channel.clone(),
            )
        });
        TestApp {
            control: node.sandbox().expect("a sandbox").control(),
            node: Some(node),
            config,
            database,
            _folder: folder,
            clock,
            shop,
            other,
            bound,
            http: http(),
            is_shared: AtomicBool::new(false),
            is_finished: false,
        }
    }

    fn config(&self, database: &TestDatabase, folder: &TempDir, amqp_url: Option<&str>) -> Config {
        let mut config = Config::for_testing(folder.path());
        config.database.url = Some(SecretValue::new(database.url()));
        config.database.connections_max = CONNECTIONS;
        config.gateway.call_timeout_ms = self.call_timeout_ms.unwrap_or(CALL_TIMEOUT_MS);
        config.grpc.rate_limit_burst = 10_000;
        if let Some(depth_max) = self.depth_max {
            config.queue.depth_max = depth_max;
        }
        if let Some(url) = amqp_url {
            config.queue.amqp_url = Some(SecretValue::new(url));
            config.queue.prefix = queues::take();
        }
        config
    }
}

/// An installation for one test: all roles in one process. Ends with [`TestApp::finish`].
#[derive(Debug)]
pub struct TestApp {
    node: Option<Node>,
    config: Config,
    pub(crate) database: TestDatabase,
    _folder: TempDir,
    /// The time, for everybody.
    pub clock: Clock,
    /// The business system that calls.
    pub shop: Caller,
    /// Another one.
    pub other: Caller,
    /// The gateways' hand behind the scenes.
    pub control: Control,
    /// For callbacks posted by hand.
    pub http: reqwest::Client,
    pub(crate) bound: Option<Bound>,
    /// Whether another process has been at the queues, and may still hold some of what was in them.
    is_shared: AtomicBool,
    is_finished: bool,
}

impl Drop for TestApp {
    fn drop(&mut self) {
        assert!(
            self.is_finished || std::thread::panicking(),
            "a test has to end with finish(), which looks for what was left undone"
        );
    }
}

impl TestApp {
    /// An app as most tests want it.
    pub async fn start() -> Self {
        Box::pin(Self::builder().build()).await
    }

    /// For an app that is otherwise.
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// The process.
    pub fn node(&self) -> &Node {
        self.node
            .as_ref()
            .expect("the node runs until the test ends")
    }

    /// What flows work with, to look behind the API.
    pub fn kassa(&self) -> &Kassa {
        self.node().kassa()
    }

    /// The database, to look behind the store.
    pub fn database(&self) -> &TestDatabase {
        &self.database
    }

    /// Another process of the same installation, without gateways.
    pub async fn second_node(&self) -> Node {
        self.is_shared.store(true, Ordering::Relaxed);
        let options = NodeOptions {
            worker: WorkerMode::Manual,
            clock: self.clock.clone(),
            ids: IdSource::system(self.clock.clone()),
            ..NodeOptions::new(self.config.clone())
        };
        Box::pin(Node::start(options))
            .await
            .expect("a second node starts")
    }

    /// Ends the test: everything must be dealt with, and the books must be in order.
    pub async fn finish(self) {
        Box::pin(self.finish_expecting(Expected::default())).await;
    }

    /// As [`TestApp::finish`], where something is to be left.
    pub async fn finish_expecting(mut self, expected: Expected) {
        self.run_until_idle().await;
        self.let_delays_pass().await;
        Box::pin(self.check(&expected)).await;
        self.is_finished = true;
        let node = self.node.take().expect("the node runs");
        let is_shared = self.is_shared.load(Ordering::Relaxed);
        let draining = Box::pin(async {
            if is_shared {
                Box::pin(node.drain_and_remove_queues()).await
            } else {
                Box::pin(node.drain_and_empty_queues()).await
            }
        });
        let drained = tokio::time::timeout(PATIENCE, draining).await;
        let report = drained
            .expect("the node drains in time")
            .expect("the queues go, or are emptied");
        assert!(report.is_clean(), "{report:?}");
        if !is_shared && self.config.queue.amqp_url.is_some() {
            queues::give_back(self.config.queue.prefix.clone());
        }
    }
}

fn app_id(app: &str) -> AppId {
    AppId::try_new(app.to_owned()).expect("an app id")
}

fn start() -> DateTime<Utc> {
    "2026-01-01T00:00:00Z".parse().expect("a time")
}

fn signing_key() -> AppSigningKey {
    AppSigningKey::generate().expect("a key")
}

/// A second business system, which may do everything with its own payments.
async fn plant_other(kassa: &Kassa, key: &AppSigningKey) {
    let codes = ACCOUNTS.map(|code| AccountCode::try_new(code.to_owned()).expect("a code"));
    let app = NewApp {
        policies: kassa_core::app::Policies::default(),
        id: app_id(APPS[1]),
        display_name: "Other".to_owned(),
        scopes: token::all_scopes(),
        keys: vec![key.public().clone()],
        channel_accounts: codes.to_vec(),
        is_active: true,
    };
    flows::app::apply(kassa, "tests", app)
        .await
        .expect("the second app");
}

async fn connect(node: &Node) -> Channel {
    let url = format!("http://{}", node.addresses().grpc);
    let endpoint = Channel::from_shared(url).expect("a URL");
    endpoint.connect().await.expect("the gRPC server answers")
}

fn http() -> reqwest::Client {
    let builder = reqwest::Client::builder().timeout(PATIENCE).no_proxy();
    builder.build().expect("an HTTP client")
}

#[expect(
    clippy::disallowed_methods,
    reason = "tests choose their backend by environment"
)]
fn amqp_url() -> String {
    std::env::var("KASSA_TEST_AMQP_URL")
        .expect("KASSA_TEST_BACKEND=servers needs KASSA_TEST_AMQP_URL")
}
