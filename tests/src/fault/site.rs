//! [`Site`]: a whole installation of processes under load.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use flows::Kassa;
use kassa::node::{Seed, seed};
use kassa::token::AppSigningKey;
use kassa_core::text::AppId;
use runtime::open::OpenQueue;
use runtime::queue::QueueName;
use sandbox::{Control, Sandbox, SandboxConfig};
use tokio::time::Instant;

use super::binaries;
use super::checks;
use super::ground::{self, Ground};
use super::line::Line;
use super::process::{Process, Service};
use super::servers::Server;
use super::shop::Shop;
use super::subscription::Subscription;
use super::tally::Tally;

/// The business system that calls.
pub(super) const APP: &str = "shop";
/// Gateways repeat callbacks so many times faster than they really do.
const RETRY_TIME_SCALE: u32 = 60;
/// How long a process may take to say how it is.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);
/// How long all processes may take to be ready.
const READY_PATIENCE: Duration = Duration::from_mins(1);
/// How long everything may take to come to rest once there is no more trouble.
const REST_PATIENCE: Duration = Duration::from_mins(3);
/// The pause between two looks.
const LOOK_PAUSE: Duration = Duration::from_millis(200);
/// How often in a row nothing may be left to do: a message on its way is nowhere for a moment.
const QUIET_LOOKS: u32 = 5;
/// How often waiting callbacks are posted while everything comes to rest.
const POSTING_EVERY: u32 = 5;

/// How a site ended.
#[derive(Debug)]
#[must_use]
pub struct Ending {
    /// What happened.
    pub tally: Arc<Tally>,
    /// What was lost, doubled or out of order. Empty if all is well.
    pub violations: Vec<String>,
    /// Where the logs of the processes are.
    pub logs: PathBuf,
}

/// How a site is to be.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// Names the run, its orders and its folder of logs.
    pub name: &'static str,
    /// Chooses what customers and gateways do.
    pub seed: u64,
    /// What the processes log.
    pub log_filter: &'static str,
}

/// An installation: two of each service, over servers that can be killed and lines that can be cut.
#[derive(Debug)]
pub struct Site {
    ground: Ground,
    pub(super) kassa: Kassa,
    queue: OpenQueue,
    sandbox: Sandbox,
    /// The services.
    pub processes: Vec<Process>,
    /// The business system under load.
    pub shop: Shop,
    pub(super) subscription: Subscription,
    /// What happened.
    pub tally: Arc<Tally>,
    /// Keys of callbacks that were acknowledged.
    acknowledged: Mutex<BTreeMap<String, String>>,
    pub(super) secrets: BTreeSet<String>,
    logs: PathBuf,
}

impl Site {
    /// Builds and starts everything; returns when all processes are ready.
    ///
    /// # Panics
    /// If something does not start.
    pub async fn start(options: Options) -> Self {
        binaries::build().await;
        let ground = Box::pin(Ground::lay()).await;
        let mut gateways = SandboxConfig::new(sandbox::Keys::for_tests().expect("keys"));
        gateways.retry_time_scale = RETRY_TIME_SCALE;
        let sandbox = Sandbox::start(gateways).await.expect("the sandbox starts");
        let (kassa, queue) = ground.open().await;
        let seed = Seed {
            app: AppId::try_new(APP.to_owned()).expect("an app id"),
            key: AppSigningKey::generate().expect("a key"),
            code_key: None,
            suffix: String::new(),
        };
        let planted = Box::pin(seed::plant(&kassa, sandbox.credentials(), &seed)).await;
        planted.expect("the app and its accounts");
        let exchange = queue.events_exchange().expect("a broker");
        let subscription = ground.subscribe(exchange).await;

        let logs = logs_folder(options.name);
        let tally = Arc::<Tally>::default();
        let processes = ground.start_processes(&logs, options.log_filter, &tally);
        let counted = Arc::clone(&tally);
        let callers = ground.callers(&seed);
        let shop = Shop::new(
            callers,
            sandbox.control(),
            counted,
            options.name,
            options.seed,
        );
        let site = Self {
            secrets: secrets(&sandbox, &seed.key),
            ground,
            kassa,
            queue,
            sandbox,
            processes,
            shop,
            subscription,
            tally,
            acknowledged: Mutex::default(),
            logs,
        };
        assert!(
            site.become_ready().await,
            "the processes are not ready in time; their logs: {}",
            site.logs.display()
        );
        site
    }

    /// From the services to the database.
    pub fn database_line(&self) -> &Line {
        &self.ground.database_line
    }

    /// From the services to the broker.
    pub fn broker_line(&self) -> &Line {
        &self.ground.broker_line
    }

    /// Fair weather on both.
    pub fn mend(&self) {
        self.database_line().mend();
        self.broker_line().mend();
    }

    /// The gateways' hand behind the scenes.
    pub fn control(&self) -> Control {
        self.sandbox.control()
    }

    /// What the gateways know the merchants by.
    pub(super) fn credentials(&self) -> &sandbox::Credentials {
        self.sandbox.credentials()
    }

    /// The processes of a service.
    pub fn processes_of(&self, service: Service) -> impl Iterator<Item = &Process> {
        let all = self.processes.iter();
        all.filter(move |process| process.service == service)
    }

    /// Kills a server and starts it again on its data.
    pub async fn restart(&self, server: Server) {
        match server {
            Server::Database => self.tally.database_restarts.one(),
            Server::Broker => self.tally.broker_restarts.one(),
        }
        self.ground.servers.restart(server).await;
    }

    /// Remembers which callbacks were acknowledged; the gateways keep only the last thousands.
    pub fn harvest(&self) -> BTreeMap<String, String> {
        let mut known = self
            .acknowledged
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        for callback in self.control().recorded_callbacks() {
            if !callback.acknowledged {
                continue;
            }
            known
                .entry(checks::notification_key(&callback))
                .or_insert_with(|| {
                    self.tally.callbacks.one();
                    format!("{} of {}", callback.kind, callback.out_trade_no)
                });
        }
        known.clone()
    }

    /// No more trouble: everything comes to rest, the processes end, and what must hold is checked.
    pub async fn finish(self) -> Ending {
        let mut violations = Vec::new();
        self.mend();
        if !self.become_ready().await {
            violations.push("the processes did not become ready again".to_owned());
        }
        if let Err(left) = self.come_to_rest().await {
            violations.push(format!("did not come to rest: {left}"));
        }
        self.harvest();
        Box::pin(self.end(violations)).await
    }

    async fn end(mut self, mut violations: Vec<String>) -> Ending {
        let mut logs = Vec::new();
        let stopping = std::mem::take(&mut self.processes).into_iter().map(|it| {
            logs.push(it.log.clone());
            it.stop()
        });
        for ends in futures_util::future::join_all(stopping).await {
            violations.extend(ends);
        }
        // What a process held without an end is back now.
        if let Err(left) = self.left_to_do().await {
            violations.push(format!("left when all processes had ended: {left}"));
        }
        violations.extend(self.shop.complaints());
        violations.extend(Box::pin(checks::all(&self, &logs)).await);
        let Self {
            queue,
            sandbox,
            subscription,
            tally,
            logs,
            kassa,
            ..
        } = self;
        subscription.remove().await;
        queue.delete_everything().await.expect("the queues go");
        kassa.queue.close().await;
        sandbox.stop().await;
        Ending {
            tally,
            violations,
            logs,
        }
    }

    async fn become_ready(&self) -> bool {
        let http = reqwest::Client::builder().no_proxy();
        let http = http.timeout(ANSWER_TIMEOUT).build().expect("a client");
        let until = Instant::now() + READY_PATIENCE;
        for process in &self.processes {
            let url = format!("http://{}/readyz", process.admin);
            loop {
                let answer = http.get(&url).send().await;
                if answer.is_ok_and(|answer| answer.status().is_success()) {
                    break;
                }
                if Instant::now() >= until {
                    return false;
                }
                tokio::time::sleep(LOOK_PAUSE).await;
            }
        }
        true
    }

    async fn come_to_rest(&self) -> Result<(), String> {
        let control = self.control();
        control.clear_faults();
        control.release_hangs();
        let until = Instant::now() + REST_PATIENCE;
        let (mut quiet, mut looks) = (0_u32, 0_u32);
        loop {
            if looks.is_multiple_of(POSTING_EVERY) {
                control.deliver_due().await;
            }
            looks = looks.saturating_add(1);
            let left = self.left_to_do().await;
            quiet = if left.is_ok() {
                quiet.saturating_add(1)
            } else {
                0
            };
            if quiet >= QUIET_LOOKS {
                return Ok(());
            }
            if Instant::now() >= until {
                return left;
            }
            tokio::time::sleep(LOOK_PAUSE).await;
        }
    }

    /// What waits to be done by somebody.
    async fn left_to_do(&self) -> Result<(), String> {
        let callbacks = self.control().pending_callbacks();
        if callbacks > 0 {
            return Err(format!("{callbacks} callbacks"));
        }
        for queue in QueueName::ALL {
            let depth = self.kassa.queue.depth(*queue).await;
            let depth = depth.map_err(|error| format!("the depth of a queue: {error}"))?;
            if depth > 0 {
                return Err(format!("{depth} messages on {}", queue.as_str()));
            }
        }
        let backlog = self.kassa.store.outbox_backlog().await;
        let backlog = backlog.map_err(|error| format!("the backlog: {error}"))?;
        if backlog.count > 0 {
            return Err(format!("{} rows in the outbox", backlog.count));
        }
        checks::nothing_is_open(self).await
    }
}

/// An empty folder for the logs of this run.
fn logs_folder(name: &str) -> PathBuf {
    let folder = binaries::target().join("fault-logs").join(name);
    if folder.exists() {
        std::fs::remove_dir_all(&folder).expect("the last run's logs go");
    }
    std::fs::create_dir_all(&folder).expect("a folder for logs");
    folder
}

/// Lines of secrets that must be in no log.
fn secrets(sandbox: &Sandbox, key: &AppSigningKey) -> BTreeSet<String> {
    let credentials = sandbox.credentials();
    let pems = [
        credentials.alipay.app_private_key_pem.as_str(),
        &credentials.alipay_certificate_mode.app_private_key_pem,
        &credentials.wechat.merchant_private_key_pem,
        &credentials.wechat_public_key_mode.merchant_private_key_pem,
        key.private_pem().expose(),
    ];
    let lines = pems.iter().flat_map(|pem| pem.lines());
    let inside = lines.filter(|line| !line.starts_with("-----") && !line.is_empty());
    let sealing_key = ground::sealing_key();
    let whole = [
        credentials.wechat.apiv3_key.as_str(),
        &credentials.wechat_public_key_mode.apiv3_key,
        &sealing_key,
    ];
    inside.chain(whole).map(str::to_owned).collect()
}
