//! The database server and the broker: a pair of their own, because they are killed.

use std::path::PathBuf;
use std::process::Output;

use tokio::process::Command;
use tokio::sync::OnceCell;

use super::binaries;

/// The pair that is used unless the environment names another: not that of the other tests.
const INSTANCE_DEFAULT: &str = "1";
/// Names the pair.
const INSTANCE_VARIABLE: &str = "KASSA_SERVERS_INSTANCE";

/// A server that can be killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Server {
    /// PostgreSQL.
    Database,
    /// RabbitMQ.
    Broker,
}

impl Server {
    /// What `scripts/servers` calls it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Database => "database",
            Self::Broker => "broker",
        }
    }
}

/// The running pair.
#[derive(Debug, Clone)]
pub struct Servers {
    instance: String,
    /// A role that may create databases.
    pub database_url: String,
    /// The broker.
    pub amqp_url: String,
}

impl Servers {
    /// Installs and starts what is missing, once.
    ///
    /// # Panics
    /// If they do not start.
    pub async fn start() -> Self {
        static RUNNING: OnceCell<Servers> = OnceCell::const_new();
        RUNNING.get_or_init(Self::started).await.clone()
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "whoever runs the tests chooses the servers by environment"
    )]
    async fn started() -> Self {
        let instance =
            std::env::var(INSTANCE_VARIABLE).unwrap_or_else(|_unset| INSTANCE_DEFAULT.to_owned());
        script(&instance, &["start"]).await;
        let said = script(&instance, &["env"]).await;
        let said = String::from_utf8(said.stdout).expect("shell text");
        let value = |name: &str| {
            let exported = said.lines().find_map(|line| {
                let pair = line.strip_prefix("export ")?;
                pair.strip_prefix(name)?.strip_prefix('=')
            });
            exported.expect("an export of it").to_owned()
        };
        Self {
            database_url: value("KASSA_TEST_DATABASE_URL"),
            amqp_url: value("KASSA_TEST_AMQP_URL"),
            instance,
        }
    }

    /// Kills a server and starts it again on its data; returns when it answers.
    ///
    /// # Panics
    /// If it does not come back.
    pub async fn restart(&self, server: Server) {
        script(&self.instance, &["restart", server.as_str()]).await;
    }
}

async fn script(instance: &str, arguments: &[&str]) -> Output {
    let path: PathBuf = binaries::root().join("scripts/servers");
    let run = Command::new(path)
        .env(INSTANCE_VARIABLE, instance)
        .args(arguments)
        .output();
    let output = run.await.expect("scripts/servers runs");
    assert!(
        output.status.success(),
        "scripts/servers {arguments:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    output
}
