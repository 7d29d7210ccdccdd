//! Runs a script and reads what it proved.
//!
//! A script gets one JSON document on its standard input, and writes one line of JSON for everything
//! that it has to say: `{"version"}`, `{"product", "operation", "way", "ok", "why"}`, `{"settled"}`.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::Stdio;

use kassa_core::channel::GatewayName;
use serde::Deserialize;
use serde_json::Value;
use tests::PATIENCE;
use tests::fault::binaries;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

use crate::table::{Check, Software};

/// What a script said.
#[derive(Debug)]
pub(crate) struct Told {
    /// What it proved.
    pub(crate) proven: BTreeSet<Check>,
    /// The payments that its callbacks settled.
    pub(crate) settled: Vec<Settled>,
}

/// What became of a payment by a callback that the software signed.
#[derive(Debug, Deserialize)]
pub(crate) struct Settled {
    /// The payment's id.
    pub(crate) transaction_id: String,
    /// The status that it has to have.
    pub(crate) status: String,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Line {
    Version {
        version: String,
    },
    Settled {
        settled: Settled,
    },
    Check {
        #[serde(flatten)]
        check: Check,
        ok: bool,
        #[serde(default)]
        why: String,
    },
}

/// Runs the script of `name` for `gateway`. Everything that it checks has to hold.
pub(crate) async fn run(
    gateway: GatewayName,
    name: &str,
    software: &Software,
    input: &Value,
) -> Told {
    let output = run_process(gateway, name, software, input).await;
    let mut told = Told {
        proven: BTreeSet::new(),
        settled: Vec::new(),
    };
    let mut failed = Vec::new();
    let mut is_version_right = false;
    for line in output.lines() {
        let line: Line = serde_json::from_str(line).expect("a line of the script");
        match line {
            Line::Version { version } => {
                assert!(
                    software.package.ends_with(&format!(" {version}")),
                    "{name} is {version}"
                );
                is_version_right = true;
            }
            Line::Settled { settled } => told.settled.push(settled),
            Line::Check { check, ok, why } => {
                if ok {
                    assert!(
                        told.proven.insert(check.clone()),
                        "{name}: twice: {check:?}"
                    );
                } else {
                    failed.push(format!("{check:?}: {why}"));
                }
            }
        }
    }
    assert!(
        failed.is_empty(),
        "{gateway} {name} disagrees:\n{}",
        failed.join("\n")
    );
    assert!(is_version_right, "{name} does not tell its version");
    told
}

async fn run_process(
    gateway: GatewayName,
    name: &str,
    software: &Software,
    input: &Value,
) -> String {
    let mut command = command(gateway, name, software);
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .expect("scripts/test conformance has installed the software");
    let mut stdin = child.stdin.take().expect("a pipe");
    let bytes = input.to_string().into_bytes();
    let written = tokio::spawn(async move { stdin.write_all(&bytes).await });
    let ended = tokio::time::timeout(PATIENCE, child.wait_with_output()).await;
    let output = ended.expect("the script ends in time").expect("its output");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{gateway} {name}: {said}");
    written
        .await
        .expect("no panic")
        .expect("the script reads its input");
    String::from_utf8(output.stdout).expect("text")
}

fn command(gateway: GatewayName, name: &str, software: &Software) -> Command {
    let tools = tools();
    let suite = binaries::root().join("tests/conformance");
    let folder = suite.join(gateway.as_str().to_lowercase());
    let mut command = if let Some(environment) = &software.python {
        let mut command = Command::new(tools.join(environment).join("bin/python"));
        // A script has the name of the package that it imports.
        command.arg("-P").arg(folder.join(format!("{name}.py")));
        command.env("PYTHONPATH", suite.join("kit"));
        command.env("PYTHONDONTWRITEBYTECODE", "1");
        command
    } else {
        let mut command = Command::new("node");
        command.arg(folder.join(format!("{name}.cjs")));
        command.env("NODE_PATH", tools.join("node_modules"));
        command
    };
    // Some of the software writes the machine's time where the gateway expects China's.
    command.env("TZ", "Asia/Shanghai");
    command.env("NO_PROXY", "127.0.0.1");
    command
}

/// Where `scripts/test conformance` installs the software.
fn tools() -> PathBuf {
    binaries::target().join("tools/conformance")
}
