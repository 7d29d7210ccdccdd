//! A service as a process of its own, restarted when it dies, as an orchestrator does.

use std::fs::File;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use tokio::process::{Child, Command};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use super::binaries;
use super::tally::Tally;

/// The pause before a process that ended is started again.
const RESTART_PAUSE: Duration = Duration::from_millis(200);
/// How long a process that was told to end may take.
const DRAIN_PATIENCE: Duration = Duration::from_secs(20);
/// Orders that wait for a process.
const ORDERS_MAX: usize = 16;
/// SIGABRT, by which a process ends at a checkpoint: as sudden as SIGKILL.
const ABORTED: i32 = 6;
/// SIGTERM.
const TERMINATED: i32 = 15;
/// The variable that makes a process kill itself at a checkpoint.
const KILL_AT: &str = "KASSA_KILL_AT";
/// Ports come from below the range that the system gives to outgoing connections, so that nobody takes
/// one while its process is dead.
const PORT_FIRST: u16 = 15_000;
const PORTS: u16 = 15_000;

/// One of the three services.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Service {
    /// The API.
    PaymentGrpc,
    /// The door for gateways.
    CallbackIngress,
    /// Background work.
    Worker,
}

impl Service {
    /// Every service.
    pub const ALL: [Self; 3] = [Self::PaymentGrpc, Self::CallbackIngress, Self::Worker];

    /// The name of its program.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::PaymentGrpc => "payment-grpc",
            Self::CallbackIngress => "callback-ingress",
            Self::Worker => "worker",
        }
    }

    /// Its place in [`Service::ALL`].
    pub fn index(self) -> usize {
        match self {
            Self::PaymentGrpc => 0,
            Self::CallbackIngress => 1,
            Self::Worker => 2,
        }
    }
}

/// A free port that stays the process's own over its deaths.
///
/// # Panics
/// If there is none.
pub fn port() -> SocketAddr {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let own = u16::try_from(std::process::id() % u32::from(PORTS)).unwrap_or_default();
    for _ in 0..PORTS {
        let offset = own.wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed)) % PORTS;
        let port = PORT_FIRST.saturating_add(offset);
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        if std::net::TcpListener::bind(address).is_ok() {
            return address;
        }
    }
    panic!("no port is free");
}

/// What is known of a process.
#[derive(Debug, Clone, Default)]
pub struct Life {
    /// How often it was started.
    pub starts: u64,
    /// How often it died at a checkpoint.
    pub deaths: u64,
    /// How it ended by itself or when it was told to, other than well.
    pub ends: Vec<String>,
}

#[derive(Debug)]
enum Order {
    Kill,
    Arm(String),
    Disarm,
    Stop,
}

/// A process. Killed when it is dropped.
#[derive(Debug)]
pub struct Process {
    /// Which service.
    pub service: Service,
    /// Its name in logs.
    pub name: String,
    /// Where it tells how it is.
    pub admin: SocketAddr,
    /// The file that its log goes to.
    pub log: PathBuf,
    orders: mpsc::Sender<Order>,
    life: watch::Receiver<Life>,
    keeper: JoinHandle<()>,
}

impl Drop for Process {
    fn drop(&mut self) {
        self.keeper.abort();
    }
}

impl Process {
    /// Starts it, and keeps it running until [`Process::stop`].
    pub fn start(
        service: Service,
        number: usize,
        environment: &[(String, String)],
        folder: &Path,
        tally: Arc<Tally>,
    ) -> Self {
        let name = format!("{}-{number}", service.as_str());
        let admin = port();
        let log = folder.join(format!("{name}.log"));
        let (orders, taken) = mpsc::channel(ORDERS_MAX);
        let (told, life) = watch::channel(Life::default());
        let mut environment = environment.to_vec();
        environment.push(("KASSA__ADMIN__LISTEN".to_owned(), admin.to_string()));
        let keeper = Keeper {
            service,
            environment,
            folder: folder.to_owned(),
            log: log.clone(),
            orders: taken,
            life: told,
            tally,
            armed: None,
        };
        Self {
            service,
            name,
            admin,
            log,
            orders,
            life,
            keeper: tokio::spawn(keeper.keep()),
        }
    }

    /// Kills it with SIGKILL; it is started again.
    pub async fn kill(&self) {
        self.order(Order::Kill).await;
    }

    /// Restarts it so that it kills itself when it passes a checkpoint, `name` or `name:nth`.
    pub async fn arm(&self, checkpoint: &str) {
        self.order(Order::Arm(checkpoint.to_owned())).await;
    }

    /// Restarts it, armed no more.
    pub async fn disarm(&self) {
        self.order(Order::Disarm).await;
    }

    /// What is known of it.
    pub fn life(&self) -> Life {
        self.life.borrow().clone()
    }

    /// Waits until it has died at checkpoints so often in all. `false` if it did not in time.
    pub async fn has_died(&self, times: u64, patience: Duration) -> bool {
        let mut life = self.life.clone();
        let died = life.wait_for(|life| life.deaths >= times);
        tokio::time::timeout(patience, died)
            .await
            .is_ok_and(|told| told.is_ok())
    }

    /// Tells it to end, as an orchestrator does, and waits. Returns what did not end well.
    pub async fn stop(mut self) -> Vec<String> {
        self.order(Order::Stop).await;
        if (&mut self.keeper).await.is_err() {
            return vec![format!("{}: its keeper broke off", self.name)];
        }
        let ends = self.life().ends;
        ends.into_iter()
            .map(|end| format!("{} {end}", self.name))
            .collect()
    }

    async fn order(&self, order: Order) {
        self.orders.send(order).await.expect("the keeper runs");
    }
}

struct Keeper {
    service: Service,
    environment: Vec<(String, String)>,
    folder: PathBuf,
    log: PathBuf,
    orders: mpsc::Receiver<Order>,
    life: watch::Sender<Life>,
    tally: Arc<Tally>,
    armed: Option<String>,
}

enum Next {
    Ended(std::io::Result<ExitStatus>),
    Ordered(Option<Order>),
}

impl Keeper {
    async fn keep(mut self) {
        loop {
            let mut child = self.spawn();
            self.life
                .send_modify(|life| life.starts = life.starts.saturating_add(1));
            let next = tokio::select! {
                ended = child.wait() => Next::Ended(ended),
                order = self.orders.recv() => Next::Ordered(order),
            };
            match next {
                Next::Ended(status) => self.ended(status).await,
                Next::Ordered(Some(Order::Kill)) => {
                    child.kill().await.expect("a child can be killed");
                    self.tally.killed(self.service);
                }
                Next::Ordered(Some(Order::Arm(checkpoint))) => {
                    self.terminate(child, false).await;
                    self.armed = Some(checkpoint);
                }
                Next::Ordered(Some(Order::Disarm)) => {
                    self.terminate(child, false).await;
                    self.armed = None;
                }
                Next::Ordered(Some(Order::Stop) | None) => {
                    self.terminate(child, true).await;
                    return;
                }
            }
        }
    }

    fn spawn(&self) -> Child {
        let log = File::options().create(true).append(true).open(&self.log);
        let mut command = Command::new(binaries::folder().join(self.service.as_str()));
        command
            .current_dir(&self.folder)
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .env_remove(KILL_AT)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log.expect("the log file opens"))
            .kill_on_drop(true);
        if let Some(checkpoint) = &self.armed {
            command.env(KILL_AT, checkpoint);
        }
        command.spawn().expect("the service starts")
    }

    /// It ended by itself: at its checkpoint, or because it could not start.
    async fn ended(&mut self, status: std::io::Result<ExitStatus>) {
        let status = status.expect("a child can be waited for");
        match (status.signal(), self.armed.take()) {
            (Some(ABORTED), Some(checkpoint)) => {
                let name = checkpoint.split(':').next().unwrap_or_default();
                self.tally.died_at(name);
                self.life
                    .send_modify(|life| life.deaths = life.deaths.saturating_add(1));
            }
            // It cannot start while the database or the broker is away, and is tried again.
            (None, armed) if status.code() == Some(1) => {
                self.armed = armed;
                tokio::time::sleep(RESTART_PAUSE).await;
            }
            (_, armed) => {
                self.armed = armed;
                self.note(format!("ended by itself: {status}"));
                tokio::time::sleep(RESTART_PAUSE).await;
            }
        }
    }

    /// SIGTERM, and the end that a drain must come to. One that was `ready` has no excuse.
    async fn terminate(&mut self, mut child: Child, was_ready: bool) {
        let Some(id) = child.id() else { return };
        let mut kill = Command::new("kill");
        let sent = kill.args(["-TERM", &id.to_string()]).status().await;
        let sent = sent.expect("kill runs");
        let ended = tokio::time::timeout(DRAIN_PATIENCE, child.wait()).await;
        match ended {
            Ok(Ok(status)) if status.success() => {}
            // Told before it had installed its handlers, or in the middle of a start in vain.
            Ok(Ok(status))
                if !was_ready
                    && (status.signal() == Some(TERMINATED) || status.code() == Some(1)) => {}
            // It reached its checkpoint while it drained.
            Ok(Ok(status)) if status.signal() == Some(ABORTED) && self.armed.is_some() => {}
            Ok(Ok(status)) => self.note(format!("ended badly when told to: {status}")),
            Ok(Err(error)) => self.note(format!("cannot be waited for: {error}")),
            Err(_elapsed) => {
                self.note(format!("did not drain in time ({sent})"));
                child.kill().await.expect("a child can be killed");
            }
        }
    }

    fn note(&self, end: String) {
        self.life.send_modify(|life| life.ends.push(end));
    }
}
