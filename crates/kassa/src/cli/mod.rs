//! The commands, their arguments and their help. What they do is in [`crate::command`].

mod args;
mod run;
mod values;

use clap::{Parser, Subcommand};

pub use args::{
    AppCommand, AuditCommand, ChannelCommand, ConfigCommand, Demo, Doctor, Explain, File, Global,
    LedgerCommand, Migrate, MigrateCommand, OpsCommand, ParkedChoice, ParkedCommand, ParkedRedrive,
    Servers, Shell, Token, TokenCommand, TokenKeygen, Up, WaitingChoice, WaitingCommand,
    WaitingRedrive,
};
pub use run::{main, run};
pub use values::Ttl;

const AFTER_HELP: &str = "\
First steps:
  kassa demo                       see two payments from create to refund, every step observed
  kassa up                         serve on this machine, with sandbox gateways; prints a first call
  kassa doctor                     what is wrong with this installation, and how to mend it

Exit codes:
  0  everything was done; everything that was looked at is in order
  1  something failed: a step of the demo was not seen, a part is broken, a server is away
  2  the command line, the configuration or an input file is wrong; nothing was done

Results go to standard output, logs to standard error. Every configuration key is described in
docs/configuration.md; a key can come from the environment: grpc.listen is KASSA__GRPC__LISTEN.";

/// Kassa: a self-hosted payment service. Takes money through Alipay and WeChat Pay, gives it back,
/// and tells business systems what happened.
#[derive(Debug, Parser)]
#[command(name = "kassa", version, after_help = AFTER_HELP, max_term_width = 100)]
#[command(
    propagate_version = true,
    subcommand_required = true,
    arg_required_else_help = true
)]
pub struct Cli {
    /// What holds for every command.
    #[command(flatten)]
    pub global: Global,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run every role in this process until SIGTERM or Ctrl-C
    Up(Up),
    /// Watch payments go from create to refund, and a wallet, every step observed
    Demo(Demo),
    /// Name what is broken in this installation, and the mend
    Doctor(Doctor),
    /// Bring the database schema up, take it back, or look at it
    Migrate(Migrate),
    /// Mint a development token for an app
    Token(Token),
    /// Make, change and list channel accounts: our accounts at the gateways
    #[command(subcommand, arg_required_else_help = true)]
    Channel(ChannelCommand),
    /// Make, change and list apps: the business systems that call
    #[command(subcommand, arg_required_else_help = true)]
    App(AppCommand),
    /// Tell the whole life of one payment in order
    Explain(Explain),
    /// List and put back what is stuck: parked messages, unsent events
    #[command(subcommand, arg_required_else_help = true)]
    Ops(OpsCommand),
    /// Check the configuration, or print its schema
    #[command(subcommand, arg_required_else_help = true)]
    Config(ConfigCommand),
    /// Check the books
    #[command(subcommand, arg_required_else_help = true)]
    Ledger(LedgerCommand),
    /// Check the audit log
    #[command(subcommand, arg_required_else_help = true)]
    Audit(AuditCommand),
    /// Print a completion script for a shell
    Completions(Shell),
}
