//! `kassa migrate`.

use anyhow::Context;
use migrations::MigrationState;
use runtime::config::Config;
use runtime::store::Store;
use runtime::telemetry;
use serde_json::json;

use crate::cli::{Global, Migrate, MigrateCommand};
use crate::data_dir;
use crate::exit::{BadInput, Outcome};
use crate::node::open;
use crate::output::{Mark, Output};
use crate::settings::{self, LocalKey, Logs};

/// Does what was asked, and shows where the schema stands then.
///
/// # Errors
/// What the database says.
pub async fn run(global: &Global, args: &Migrate, output: Output) -> anyhow::Result<Outcome> {
    // A schema needs no keys, so a deployment can run this before it has any.
    let config = settings::load(global, Logs::Quiet, LocalKey::NotNeeded)?;
    let telemetry = telemetry::init(&config.telemetry, super::SERVICE_NAME)?;
    let store = connect(&config, &args.command).await?;
    let connection = store.migration_connection();
    match &args.command {
        MigrateCommand::Up => open::migrate(&store).await?,
        MigrateCommand::Down { steps, yes: true } => {
            migrations::down(connection, *steps)
                .await
                .context("taking migrations back")?;
        }
        MigrateCommand::Down { steps, yes: false } => {
            let problem = format!("{steps} would go with everything in their tables; say --yes");
            return Err(BadInput::one("kassa migrate down", problem).into());
        }
        MigrateCommand::Status => {}
    }
    let states = migrations::status(connection)
        .await
        .context("reading the schema")?;
    print(&states, output)?;
    telemetry.shutdown().await?;
    let is_ours = states
        .iter()
        .all(|state| state.is_applied && state.is_known);
    // After taking some back, missing ones are what was wanted.
    Ok(Outcome::of(
        is_ours || matches!(args.command, MigrateCommand::Down { .. }),
    ))
}

/// Looking at a schema makes no database file.
async fn connect(config: &Config, command: &MigrateCommand) -> anyhow::Result<Store> {
    if config.database.is_embedded() {
        let file = config.data_dir.join(runtime::config::SQLITE_FILE);
        match command {
            MigrateCommand::Up => data_dir::prepare(&config.data_dir)?,
            MigrateCommand::Down { .. } | MigrateCommand::Status if !file.is_file() => {
                anyhow::bail!(
                    "there is no database at {}; run `kassa migrate up`",
                    file.display()
                );
            }
            MigrateCommand::Down { .. } | MigrateCommand::Status => {}
        }
    }
    Ok(runtime::open::store(config).await?)
}

fn print(states: &[MigrationState], output: Output) -> std::io::Result<()> {
    let rows: Vec<_> = states
        .iter()
        .map(|it| json!({ "name": it.name, "applied": it.is_applied, "known": it.is_known }))
        .collect();
    output.object(&rows)?;
    for state in states {
        let (mark, word) = match (state.is_applied, state.is_known) {
            (_, false) => (Mark::Broken, "applied by a newer program"),
            (true, true) => (Mark::Ok, "applied"),
            (false, true) => (Mark::Warn, "pending"),
        };
        output.line(format_args!(
            "{} {:<24} {word}",
            output.mark(mark),
            state.name
        ))?;
    }
    Ok(())
}
