//! What each command does, one file per command. `demo` and `doctor` have rooms of their own.

pub mod app;
pub mod channel;
pub mod completions;
pub mod config;
pub mod explain;
pub mod migrate;
pub mod ops;
pub mod token;
pub mod up;
pub mod verify;

use flows::Kassa;
use runtime::telemetry::{self, TelemetryGuard};

use crate::cli::Global;
use crate::node::open;
use crate::output::{Mark, Output};
use crate::settings::{self, LocalKey, Logs};
use crate::spec::{Action, Change};

/// Who the audit log says it was.
const ACTOR: &str = "operator";
/// The name of this process in traces.
const SERVICE_NAME: &str = "kassa";

/// The installation that the configuration names, for a command that changes rows.
async fn installation(global: &Global) -> anyhow::Result<(Kassa, TelemetryGuard)> {
    let config = settings::load(global, Logs::Quiet, LocalKey::Use)?;
    let telemetry = telemetry::init(&config.telemetry, SERVICE_NAME)?;
    Ok((open::for_commands(&config).await?, telemetry))
}

/// As [`installation`], with the queue of the installation: for commands that move messages.
async fn installation_with_queue(global: &Global) -> anyhow::Result<(Kassa, TelemetryGuard)> {
    let config = settings::load(global, Logs::Quiet, LocalKey::Use)?;
    let telemetry = telemetry::init(&config.telemetry, SERVICE_NAME)?;
    Ok((open::for_operations(&config).await?, telemetry))
}

/// Prints what a declarative file comes to.
fn print_changes(changes: &[Change], dry_run: bool, output: Output) -> std::io::Result<()> {
    output.object(&serde_json::json!({ "dry_run": dry_run, "changes": changes }))?;
    for change in changes {
        let (mark, word) = match (change.action, dry_run) {
            (Action::Unchanged, _) => (Mark::Skipped, "is as it is to be"),
            (Action::Create, false) => (Mark::Ok, "created"),
            (Action::Create, true) => (Mark::Warn, "would be created"),
            (Action::Update, false) => (Mark::Ok, "changed"),
            (Action::Update, true) => (Mark::Warn, "would be changed"),
        };
        let fields = if change.fields.is_empty() {
            String::new()
        } else {
            format!(": {}", change.fields.join(", "))
        };
        output.line(format_args!(
            "{} {} {word}{fields}",
            output.mark(mark),
            change.name
        ))?;
    }
    if dry_run {
        output.line("nothing was done (--dry-run)")?;
    }
    Ok(())
}
