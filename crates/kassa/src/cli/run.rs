//! From the command line to an exit code.

use std::io::Write;
use std::process::ExitCode;

use anyhow::Context;
use clap::Parser;

use super::{
    AppCommand, ChannelCommand, Cli, Command, ConfigCommand, Global, OpsCommand, ParkedCommand,
    WaitingCommand,
};
use crate::exit::{self, Outcome};
use crate::output::Output;
use crate::{command, demo, doctor};

/// Reads the command line, does what it says, tells how it went.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let json = cli.global.json;
    let result = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("starting the runtime")
        .and_then(|runtime| runtime.block_on(Box::pin(run(cli))));
    if let Err(error) = &result
        && !exit::is_broken_pipe(error)
    {
        report(error, json);
    }
    exit::exit_code(&result)
}

/// Does what the command line says.
///
/// # Errors
/// What [`exit::code`] turns into an exit code.
pub async fn run(cli: Cli) -> anyhow::Result<Outcome> {
    let Cli { global, command } = cli;
    let output = Output::new(global.json);
    match command {
        Command::Up(args) => Box::pin(command::up::run(&global, &args, output)).await,
        Command::Demo(args) => Box::pin(demo::run(&global, &args, output)).await,
        Command::Doctor(args) => doctor::run(&global, &args, output).await,
        Command::Migrate(args) => command::migrate::run(&global, &args, output).await,
        Command::Token(args) => command::token::run(&global, &args, output),
        Command::Channel(ChannelCommand::Apply(file)) => {
            command::channel::apply(&global, &file, output).await
        }
        Command::Channel(ChannelCommand::List) => command::channel::list(&global, output).await,
        Command::App(AppCommand::Apply(file)) => command::app::apply(&global, &file, output).await,
        Command::App(AppCommand::List) => command::app::list(&global, output).await,
        Command::Explain(args) => Box::pin(command::explain::run(&global, &args, output)).await,
        Command::Ops(what) => Box::pin(ops(&global, what, output)).await,
        Command::Config(ConfigCommand::Check) => command::config::check(&global, output),
        Command::Config(ConfigCommand::Schema) => command::config::schema(output),
        Command::Ledger(_) => command::verify::ledger(&global, output).await,
        Command::Audit(_) => command::verify::audit(&global, output).await,
        Command::Completions(args) => command::completions::run(&args, output),
    }
}

async fn ops(global: &Global, what: OpsCommand, output: Output) -> anyhow::Result<Outcome> {
    match what {
        OpsCommand::Parked(ParkedCommand::List(args)) => {
            command::ops::list_parked(global, &args, output).await
        }
        OpsCommand::Parked(ParkedCommand::Redrive(args)) => {
            command::ops::redrive_parked(global, &args, output).await
        }
        OpsCommand::Events(WaitingCommand::List(args)) => {
            command::ops::list_waiting(global, &args, output).await
        }
        OpsCommand::Events(WaitingCommand::Redrive(args)) => {
            command::ops::publish_waiting(global, &args, output).await
        }
    }
}

/// The failure with its causes, on standard error; with `--json` as an object there.
fn report(error: &anyhow::Error, json: bool) {
    let text = if json {
        serde_json::json!({ "error": format!("{error:#}") }).to_string()
    } else {
        format!("error: {error:#}")
    };
    // Where standard error is closed, nobody is left to tell.
    if writeln!(std::io::stderr().lock(), "{text}").is_err() {
        tracing::error!(error = text, "standard error cannot be written");
    }
}
