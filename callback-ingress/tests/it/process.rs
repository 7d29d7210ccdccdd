//! The program itself: it starts from its environment alone, serves, drains on SIGTERM, and refuses a
//! database that is not ours.

use std::net::{Ipv4Addr, SocketAddr};
use std::process::{ExitStatus, Stdio};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use kassa_core::IdSource;
use runtime::store::testing::TestDatabase;
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStderr, Command};

use crate::support::accounts;
use crate::support::client::{Client, request};
use crate::support::vectors::{self, alipay_paid};

/// A running program and its log.
struct Program {
    child: Child,
    log: Lines<BufReader<ChildStderr>>,
}

impl Program {
    fn start(database: &TestDatabase, folder: &std::path::Path) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_callback-ingress"))
            .current_dir(folder)
            .env("KASSA__DATA_DIR", folder)
            .env("KASSA__DATABASE__URL", database.url())
            .env("KASSA__KEYRING__KEYS__TEST", STANDARD.encode([7; 32]))
            .env("KASSA__INGRESS__LISTEN", "127.0.0.1:0")
            .env("KASSA__ADMIN__LISTEN", "127.0.0.1:0")
            .env("KASSA__TELEMETRY__LOG_FORMAT", "json")
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("the program starts");
        let log = BufReader::new(child.stderr.take().expect("its log")).lines();
        Self { child, log }
    }

    /// The address in the next log line that says `what`.
    async fn address(&mut self, what: &str) -> SocketAddr {
        while let Some(line) = self.log.next_line().await.expect("a readable log") {
            if line.contains(what) {
                let (_, rest) = line.split_once("127.0.0.1:").expect("an address");
                let port = rest.split('"').next().and_then(|port| port.parse().ok());
                return SocketAddr::from((Ipv4Addr::LOCALHOST, port.expect("a port")));
            }
        }
        panic!("the program ended before it said {what:?}");
    }

    /// What it said until it ended, and how it ended.
    async fn end(mut self) -> (String, ExitStatus) {
        let mut said = String::new();
        while let Some(line) = self.log.next_line().await.expect("a readable log") {
            said.push_str(&line);
            said.push('\n');
        }
        (said, self.child.wait().await.expect("an end"))
    }
}

async fn status(address: SocketAddr, bytes: &[u8]) -> u16 {
    let mut client = Client::connect(address).await;
    client.send(bytes).await;
    client.answer().await.expect("an answer").status
}

#[tokio::test]
async fn the_program_becomes_ready_takes_a_callback_and_drains_on_sigterm() {
    let database = TestDatabase::create().await;
    let clock = vectors::clock();
    let ids = IdSource::seeded(1, clock.clone());
    drop(accounts::directory(&database.store, &clock, &ids, |_account| {}).await);
    let folder = tempfile::tempdir().unwrap();
    let mut program = Program::start(&database, folder.path());
    let admin = program.address("health and metrics").await;
    let ingress = program.address("listening").await;

    let ready = request("GET", "/readyz", &[], b"");
    while status(admin, &ready).await != 200 {
        tokio::task::yield_now().await;
    }
    assert_eq!(status(ingress, &alipay_paid().request()).await, 200);

    let pid = program.child.id().expect("a running program").to_string();
    let sent = Command::new("kill")
        .args(["-TERM", &pid])
        .status()
        .await
        .unwrap();
    assert!(sent.success());
    let (said, ended) = program.end().await;
    assert!(ended.success(), "{said}");
}

#[tokio::test]
async fn the_program_refuses_a_database_that_is_not_ours() {
    let database = TestDatabase::create_empty().await;
    let folder = tempfile::tempdir().unwrap();
    let (said, ended) = Program::start(&database, folder.path()).end().await;
    assert!(!ended.success());
    assert!(said.contains("schema is not ours"), "{said}");
}
