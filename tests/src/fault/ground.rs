//! What a site stands on: servers, lines, ports, a database and a configuration of its own.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use flows::Kassa;
use kassa::node::Seed;
use kassa_core::{Clock, IdSource};
use runtime::config::{Config, SecretValue};
use runtime::open::OpenQueue;
use runtime::store::testing::{TestBackend, TestDatabase};
use tempfile::TempDir;
use tonic::transport::Endpoint;
use url::Url;

use super::line::Line;
use super::process::{self, Process, Service};
use super::servers::Servers;
use super::subscription::Subscription;
use super::tally::Tally;
use crate::caller::Caller;

/// Processes of each service, which compete.
const PROCESSES: usize = 2;
/// The key that seals secrets.
const SEALING_KEY: [u8; 32] = [7; 32];
/// How long a gateway may take. A process that died while it was calling is waited for about three
/// times as long.
const CALL_TIMEOUT_MS: u64 = 1_000;
/// How long a caller waits for an answer, and for a connection.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);

/// What a site stands on.
#[derive(Debug)]
pub(super) struct Ground {
    pub(super) servers: Servers,
    database: TestDatabase,
    pub(super) database_line: Line,
    pub(super) broker_line: Line,
    /// From the gateways to the ingresses, by turns.
    _callback_line: Line,
    config: Config,
    apis: Vec<SocketAddr>,
    ingresses: Vec<SocketAddr>,
    clock: Clock,
    ids: IdSource,
    _folder: TempDir,
}

impl Ground {
    pub(super) async fn lay() -> Self {
        let servers = Servers::start().await;
        let backend = TestBackend::Postgres(servers.database_url.clone());
        let database = TestDatabase::create_on(&backend).await;
        let folder = tempfile::tempdir().expect("a folder");
        let apis = (0..PROCESSES).map(|_| process::port()).collect();
        let ingresses: Vec<_> = (0..PROCESSES).map(|_| process::port()).collect();
        let callback_line = Line::to(ingresses.iter().map(ToString::to_string).collect()).await;
        let clock = Clock::system();
        let ids = IdSource::system(clock.clone());
        let mut config = Config::for_testing(folder.path());
        config.database.url = Some(SecretValue::new(database.url()));
        config.queue.amqp_url = Some(SecretValue::new(servers.amqp_url.clone()));
        config.queue.prefix = format!("fault-{}.", ids.next().simple());
        let keys = &mut config.keyring.keys;
        keys.insert("test".to_owned(), SecretValue::new(sealing_key()));
        config.ingress.public_base_url = format!("http://{}", callback_line.address());
        Self {
            database_line: Line::to(vec![host_and_port(&servers.database_url)]).await,
            broker_line: Line::to(vec![host_and_port(&servers.amqp_url)]).await,
            _callback_line: callback_line,
            servers,
            database,
            config,
            apis,
            ingresses,
            clock,
            ids,
            _folder: folder,
        }
    }

    /// What flows work with, past all lines: for looking behind the services.
    pub(super) async fn open(&self) -> (Kassa, OpenQueue) {
        let (config, clock, ids) = (&self.config, &self.clock, &self.ids);
        let store = self.database.store.clone();
        let keyring = Arc::new(runtime::open::keyring(config).expect("a keyring"));
        let queue = runtime::open::queue(config, "tests", &store, clock, ids).await;
        let queue = queue.expect("the broker answers");
        let opened = Arc::clone(&queue.queue);
        let sources = (clock.clone(), ids.clone());
        let kassa = flows::open(config, store, opened, keyring, sources);
        (kassa.expect("the flows open"), queue)
    }

    /// A queue of a business system's own, bound to all events.
    pub(super) async fn subscribe(&self, exchange: &str) -> Subscription {
        let queue = format!("{}shop", self.config.queue.prefix);
        Subscription::open(&self.servers.amqp_url, exchange, &queue).await
    }

    /// Starts every service.
    pub(super) fn start_processes(
        &self,
        logs: &Path,
        log_filter: &str,
        tally: &Arc<Tally>,
    ) -> Vec<Process> {
        let mut common = self.environment();
        common.push(variable("TELEMETRY__LOG_FILTER", log_filter));
        let mut processes = Vec::new();
        for service in Service::ALL {
            for number in 0..PROCESSES {
                let mut own = common.clone();
                let mut listen = |name: &str, addresses: &[SocketAddr]| {
                    let address = addresses.get(number).expect("a port");
                    own.push(variable(name, &address.to_string()));
                };
                match service {
                    Service::PaymentGrpc => listen("GRPC__LISTEN", &self.apis),
                    Service::CallbackIngress => listen("INGRESS__LISTEN", &self.ingresses),
                    Service::Worker => {}
                }
                let counted = Arc::clone(tally);
                processes.push(Process::start(service, number, &own, logs, counted));
            }
        }
        processes
    }

    /// The business system, once per process of the API.
    pub(super) fn callers(&self, seed: &Seed) -> Vec<Caller> {
        let caller = |api: &SocketAddr| {
            let endpoint = Endpoint::from_shared(format!("http://{api}")).expect("a URL");
            let endpoint = endpoint
                .timeout(ANSWER_TIMEOUT)
                .connect_timeout(CONNECT_TIMEOUT);
            Caller::new(
                seed.app.clone(),
                seed.key.clone(),
                self.config.auth.audience.clone(),
                self.clock.clone(),
                endpoint.connect_lazy(),
            )
        };
        self.apis.iter().map(caller).collect()
    }

    /// What all processes are told.
    fn environment(&self) -> Vec<(String, String)> {
        let config = &self.config;
        let data_dir = config.data_dir.to_str().expect("a path in UTF-8");
        let database_url = over(self.database.url(), &self.database_line);
        let amqp_url = over(&self.servers.amqp_url, &self.broker_line);
        vec![
            variable("DATA_DIR", data_dir),
            variable("DATABASE__URL", &database_url),
            variable("DATABASE__CONNECTIONS_MAX", "8"),
            variable("QUEUE__AMQP_URL", &amqp_url),
            variable("QUEUE__PREFIX", &config.queue.prefix),
            variable("KEYRING__KEYS__TEST", &sealing_key()),
            variable("INGRESS__PUBLIC_BASE_URL", &config.ingress.public_base_url),
            variable("INGRESS__ACCOUNT_REFRESH_MS", "1000"),
            variable("GATEWAY__CALL_TIMEOUT_MS", &CALL_TIMEOUT_MS.to_string()),
            variable("WORKER__RELAY_POLL_MS", "50"),
            variable("SYNCHRONISE__POLL_MS", "200"),
            variable("SYNCHRONISE__TIME_DIVISOR", "30"),
            variable("SYNCHRONISE__REFUND_DELAY_SECS", "1"),
            variable("ADMIN__DRAIN_TIMEOUT_MS", "15000"),
            variable("TELEMETRY__LOG_FORMAT", "json"),
        ]
    }
}

/// The key that seals secrets, as the configuration wants it.
pub(super) fn sealing_key() -> String {
    BASE64.encode(SEALING_KEY)
}

fn variable(name: &str, value: &str) -> (String, String) {
    (format!("KASSA__{name}"), value.to_owned())
}

/// The same URL over a line.
fn over(url: &str, line: &Line) -> String {
    let mut url = Url::parse(url).expect("a URL");
    let address = line.address();
    url.set_ip_host(address.ip()).expect("a host");
    url.set_port(Some(address.port())).expect("a port");
    url.into()
}

fn host_and_port(url: &str) -> String {
    let url = Url::parse(url).expect("a URL");
    let port = url.port().expect("a port");
    format!("{}:{port}", url.host_str().expect("a host"))
}
