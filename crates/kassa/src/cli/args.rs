//! The arguments of each command.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{ArgAction, Args, Subcommand};
use kassa_core::Secret;

use super::values::{self, Ttl};

/// Where the sandbox listens under `kassa up` unless told otherwise. Fixed, because the seeded
/// accounts name it.
const SANDBOX_LISTEN: &str = "127.0.0.1:8090";

/// What holds for every command.
#[derive(Debug, Clone, Default, Args)]
pub struct Global {
    /// The configuration file; without it `KASSA_CONFIG`, else ./kassa.toml if there is one
    #[arg(long, global = true, value_name = "FILE", help_heading = "Everywhere")]
    pub config: Option<PathBuf>,
    /// The folder for everything that is kept on this machine [default: ./data]
    #[arg(
        long,
        global = true,
        value_name = "FOLDER",
        help_heading = "Everywhere"
    )]
    pub data_dir: Option<PathBuf>,
    /// Print results as JSON
    #[arg(long, global = true, help_heading = "Everywhere")]
    pub json: bool,
    /// Log more: -v info, -vv debug, -vvv trace
    #[arg(short, long, global = true, action = ArgAction::Count, help_heading = "Everywhere")]
    pub verbose: u8,
    /// Which servers.
    #[command(flatten)]
    pub servers: Servers,
}

/// Servers to use in place of the embedded ones.
#[derive(Debug, Clone, Default, Args)]
pub struct Servers {
    /// PostgreSQL in place of the embedded SQLite file: `postgres://user:password@host/name`
    #[arg(long, global = true, value_name = "URL", help_heading = "Servers")]
    pub database_url: Option<Secret>,
    /// RabbitMQ in place of the embedded queue: `amqp://user:password@host/%2f`
    #[arg(long, global = true, value_name = "URL", help_heading = "Servers")]
    pub amqp_url: Option<Secret>,
}

/// `kassa up`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
At the first start it makes the data folder (0700) with a database, the key that seals secrets and
the sandbox's keys, an app `demo` that may do everything, and sandbox accounts: alipay-sandbox and
alipay-cert-sandbox (public-key and certificate mode), wechat-sandbox and wechat-pubkey-sandbox
(platform-certificate and public-key mode), wechat-v2-sandbox, baidu-sandbox, unionpay-sandbox,
stripe-sandbox and paypal-sandbox.
Orders of the sandbox end with the process; payments do not.

Examples:
  kassa up
  kassa up --data-dir /tmp/kassa
  kassa up --no-sandbox                    real accounts only, from `kassa channel apply`
  KASSA__GRPC__LISTEN=127.0.0.1:6000 kassa up
  kassa up --database-url postgres://kassa:secret@127.0.0.1/kassa \\
           --amqp-url amqp://kassa:secret@127.0.0.1/%2f")]
pub struct Up {
    /// Where the sandbox gateways listen
    #[arg(long, value_name = "ADDRESS", default_value = SANDBOX_LISTEN)]
    pub sandbox_listen: SocketAddr,
    /// Neither sandbox gateways nor the demo app and accounts
    #[arg(long)]
    pub no_sandbox: bool,
}

/// `kassa demo`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
It starts every role on free loopback ports, then acts as an ordinary gRPC client: an Alipay QR
payment and a WeChat Pay JSAPI payment, or one for each method of a channel's accounts, each
created, paid on the sandbox's payer page, confirmed by a signed callback, refunded in two parts;
then a recorded callback is posted again and must change nothing. Unless one channel is chosen, a
user's balance comes next: a payment password by a one-time code, a top-up, a payment with the
password, and one by balance and Alipay together that both get back. In the end the books must agree
with the gateways'. A step that is not seen in time fails the demo: exit code 1.

With --database-url and --amqp-url it runs on those servers: it brings the schema up, uses an app,
accounts and a queue prefix of its own, and leaves its rows in the database. Use a database for trials.

Examples:
  kassa demo
  kassa demo --channel UNIONPAY
  kassa demo --all
  kassa demo --json | jq -c 'select(.ok == false)'
  kassa demo --database-url postgres://kassa:secret@127.0.0.1/trial \\
             --amqp-url amqp://kassa:secret@127.0.0.1/%2f")]
pub struct Demo {
    /// Pays by every method of this channel, with each of its sandbox accounts
    #[arg(long, value_name = "CHANNEL", value_parser = values::channel, conflicts_with = "all")]
    pub channel: Option<kassa_core::channel::Channel>,
    /// Pays by every method of every channel
    #[arg(long)]
    pub all: bool,
    /// How long a step may take to be seen, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..=600))]
    pub step_timeout: u64,
}

/// `kassa doctor`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
It looks at the configuration, the data folder and its permissions, the keyring, the database and its
schema, the broker, the credentials of every channel account, the keys of every app, the ports and the
clock. It changes nothing. Each broken part is named with its mend; one broken part: exit code 1.

Examples:
  kassa doctor
  kassa doctor --config /etc/kassa/kassa.toml
  kassa doctor --json | jq '.checks[] | select(.state == \"broken\")'")]
pub struct Doctor {}

/// `kassa migrate`.
#[derive(Debug, Clone, Args)]
#[command(arg_required_else_help = true)]
pub struct Migrate {
    /// What to do.
    #[command(subcommand)]
    pub command: MigrateCommand,
}

/// What to do with the schema.
#[derive(Debug, Clone, Subcommand)]
pub enum MigrateCommand {
    /// Apply every migration that is pending
    #[command(after_help = "\
Services refuse to start on a schema that is not theirs, so this comes first in every deployment.

Examples:
  kassa migrate up
  KASSA__DATABASE__URL=postgres://kassa:secret@db/kassa kassa migrate up")]
    Up,
    /// Take back the newest migrations, with everything in their tables
    #[command(after_help = "\
The data in the tables that go is lost. It asks for --yes, because there is no way back.

Examples:
  kassa migrate down --yes
  kassa migrate down --steps 3 --yes")]
    Down {
        /// How many
        #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
        steps: u32,
        /// Yes, lose that data
        #[arg(long)]
        yes: bool,
    },
    /// Show each migration and whether it was applied
    #[command(after_help = "\
Exit code 1 if the schema is not exactly this program's.

Examples:
  kassa migrate status
  kassa migrate status --json")]
    Status,
}

/// `kassa token`.
#[derive(Debug, Clone, Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
#[command(after_help = "\
Signs with the app's private key in the data folder, where `kassa up` puts the demo app's and `kassa
token keygen` those of others. A business system signs its own tokens with its own key: iss and sub
are the app, aud is auth.audience, scope lists scopes by blanks, and exp, nbf and iat are set.

Scopes: payments:write payments:read refunds:write refunds:read events:read channels:write
channels:read operations:read operations:write

Examples:
  kassa token --app demo
  kassa token --app demo --scopes payments:read,events:read --ttl 10m
  grpcurl -plaintext -H \"authorization: Bearer $(kassa token --app demo)\" \\
    127.0.0.1:50051 payment.v1.PaymentService/ListPayments")]
pub struct Token {
    /// The app that will call
    #[arg(long, value_name = "APP", required = true)]
    pub app: Option<String>,
    /// What the token allows, by commas [default: everything; the app's own scopes limit it]
    #[arg(long, value_name = "SCOPES", value_delimiter = ',', value_parser = values::scope)]
    pub scopes: Vec<kassa_core::app::Scope>,
    /// How long it holds: 90s, 15m, 1h; at most `auth.token_ttl_max_secs`
    #[arg(long, value_name = "TIME", default_value = "1h", value_parser = values::ttl)]
    pub ttl: Ttl,
    /// Something else than minting.
    #[command(subcommand)]
    pub command: Option<TokenCommand>,
}

/// What else there is to do about tokens.
#[derive(Debug, Clone, Subcommand)]
pub enum TokenCommand {
    /// Make an Ed25519 key for an app, and print what to put into apps.toml
    Keygen(TokenKeygen),
}

/// `kassa token keygen`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
The private key goes to a file for its owner alone; a key that is there is never overwritten. The public
key is printed as a block for apps.toml.

Examples:
  kassa token keygen --app shop
  kassa token keygen --app shop --out /secure/shop.key.pem")]
pub struct TokenKeygen {
    /// The app
    #[arg(long, value_name = "APP")]
    pub app: String,
    /// Where the private key goes [default: apps/APP.key.pem in the data folder]
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
}

/// A declarative file.
#[derive(Debug, Clone, Args)]
pub struct File {
    /// The file
    #[arg(short, long, value_name = "FILE")]
    pub file: PathBuf,
    /// Show what would be done, and do nothing
    #[arg(long)]
    pub dry_run: bool,
}

/// What to do with channel accounts.
#[derive(Debug, Clone, Subcommand)]
pub enum ChannelCommand {
    /// Make or change channel accounts until they are as the file says
    #[command(after_help = "\
The file holds one [[account]] per account. Doing it again changes nothing. Accounts that the file does
not name are left alone. A field whose name ends in _file takes its value from a file beside it. Secrets
are sealed at rest; what is shown of them are fingerprints.

Example of accounts.toml:
  [[account]]
  code = \"alipay-main\"                       # in callback URLs; never reused
  display_name = \"Alipay, main shop\"
  gateway = \"ALIPAY\"                         # or WECHAT_V3
  amount_max = { amount = \"50000.00\", currency = \"CNY\" }
  fee_rate = \"0.006\"                         # the gateway keeps 0.6 %; for the books
  fee_returned = true                        # and gives it back with refunds
  callback_cidrs = []                        # empty: from anywhere
  active = true

  [account.settings]
  gateway_url = \"https://openapi.alipay.com/gateway.do\"
  app_id = \"2021000000000000\"
  seller_id = \"2088000000000000\"
  mode = \"public_key\"
  alipay_public_keys_file = [\"alipay-public.pem\"]

  [account.secrets]
  app_private_key_file = \"app-private.pem\"

Examples:
  kassa channel apply -f accounts.toml --dry-run
  kassa channel apply -f accounts.toml")]
    Apply(File),
    /// List channel accounts; of secrets only fingerprints
    #[command(after_help = "Example:\n  kassa channel list --json | jq '.[].callback_url_payment'")]
    List,
}

/// What to do with apps.
#[derive(Debug, Clone, Subcommand)]
pub enum AppCommand {
    /// Make or change apps until they are as the file says
    #[command(after_help = "\
The file holds one [[app]] per business system. Doing it again changes nothing. Apps that the file does
not name are left alone.

Example of apps.toml:
  [[app]]
  id = \"shop\"
  display_name = \"The shop\"
  scopes = [\"payments:write\", \"payments:read\", \"refunds:write\", \"refunds:read\", \"events:read\"]
  channel_accounts = [\"alipay-main\", \"wechat-main\"]   # in order of preference
  active = true

  [app.policies]                             # what is left out has the value that is shown here
  refund_late_payments = true
  refund_duplicate_payments = true

  [app.policies.payment_config]              # all of it: docs/payment-config.md
  time_zone = \"Asia/Shanghai\"                # where a day of daily limits begins
  balance = { daily_max = \"10000.00\", require_password = true }
  points = { points_per_unit = \"10\", min_points = \"10\", max_points_per_order = \"1000\" }

  [[app.keys]]                               # `kassa token keygen --app shop` prints this block
  kid = \"shop-2026\"
  algorithm = \"EdDSA\"                        # or RS256
  public_key_file = \"shop.pub.pem\"

Examples:
  kassa app apply -f apps.toml --dry-run
  kassa app apply -f apps.toml")]
    Apply(File),
    /// List apps: scopes, accounts, key ids and policies
    #[command(after_help = "Example:\n  kassa app list --json")]
    List,
}

/// What to do with the configuration.
#[derive(Debug, Clone, Subcommand)]
pub enum ConfigCommand {
    /// Check it as a whole, and print what is in force, without secrets
    #[command(after_help = "\
Every problem is named at once: the key's path and what was expected. Exit code 2 if there is one.

Examples:
  kassa config check
  kassa config check --config /etc/kassa/kassa.toml --json")]
    Check,
    /// Print the JSON schema of the configuration file
    #[command(after_help = "Example:\n  kassa config schema > kassa.schema.json")]
    Schema,
}

/// What to do with the books.
#[derive(Debug, Clone, Subcommand)]
pub enum LedgerCommand {
    /// Check that transfers sum to zero and balances are the sums of their entries
    #[command(after_help = "\
Reads everything, changes nothing. Exit code 1 if there is a difference.

Example:
  kassa ledger verify")]
    Verify,
}

/// What to do with the audit log.
#[derive(Debug, Clone, Subcommand)]
pub enum AuditCommand {
    /// Check the hash chain of the audit log
    #[command(after_help = "\
Reads everything, changes nothing. Exit code 1 if a record was changed, taken out or cut off.

Example:
  kassa audit verify")]
    Verify,
}

/// `kassa completions`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Examples:
  kassa completions bash > ~/.local/share/bash-completion/completions/kassa
  kassa completions zsh > ~/.zfunc/_kassa
  kassa completions fish > ~/.config/fish/completions/kassa.fish")]
pub struct Shell {
    /// The shell
    #[arg(value_name = "SHELL")]
    pub shell: clap_complete::Shell,
}

/// `kassa explain`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
It reads the database and changes nothing: requests, calls to the gateway, notifications, transitions,
transfers in the books, events and whether they were published, anomalies. A business order with several
payments lists them and explains the newest. Secrets and bodies are never shown.

Examples:
  kassa explain 019b768b4c0070008000000000000001
  kassa explain ORDER-2026-17 --app shop
  kassa explain ORDER-2026-17 --all
  kassa explain ORDER-2026-17 --json | jq '.payments[0].entries[] | select(.kind == \"call\")'")]
pub struct Explain {
    /// A transaction id, or a business order id
    #[arg(value_name = "ID")]
    pub id: String,
    /// Only a business order of this app
    #[arg(long, value_name = "APP")]
    pub app: Option<String>,
    /// Explain every payment of the business order, newest first
    #[arg(long)]
    pub all: bool,
}

/// What to do about work and events that are stuck.
#[derive(Debug, Clone, Subcommand)]
pub enum OpsCommand {
    /// Messages that were set aside after their last retry
    #[command(subcommand, arg_required_else_help = true)]
    Parked(ParkedCommand),
    /// Events and work in the outbox that were not published yet
    #[command(subcommand, arg_required_else_help = true)]
    Events(WaitingCommand),
}

/// What to do about parked messages.
#[derive(Debug, Clone, Subcommand)]
pub enum ParkedCommand {
    /// List them, oldest first, with the reason
    #[command(after_help = "\
Examples:
  kassa ops parked list
  kassa ops parked list --queue notifications --json | jq '.parked[].reason'")]
    List(ParkedChoice),
    /// Put them back on their queue, with their retries forgotten
    #[command(after_help = "\
Mend the cause first: what still cannot be done is parked again. Audited as `cli`. Doing work again
changes nothing twice.

Examples:
  kassa ops parked redrive --dry-run
  kassa ops parked redrive --queue commands --limit 10
  kassa ops parked redrive 019b768b4c0070008000000000000001")]
    Redrive(ParkedRedrive),
}

/// Which parked messages.
#[derive(Debug, Clone, Args)]
pub struct ParkedChoice {
    /// Only of this queue [default: all]
    #[arg(long, value_name = "QUEUE", value_parser = values::queue)]
    pub queue: Option<runtime::queue::QueueName>,
    /// How many of each queue at most
    #[arg(long, value_name = "COUNT", default_value_t = 50, value_parser = clap::value_parser!(u16).range(1..=1_000))]
    pub limit: u16,
}

/// `kassa ops parked redrive`.
#[derive(Debug, Clone, Args)]
pub struct ParkedRedrive {
    /// The messages' ids [default: the oldest]
    #[arg(value_name = "ID", value_parser = values::envelope_id)]
    pub ids: Vec<kassa_core::id::EnvelopeId>,
    /// Which messages.
    #[command(flatten)]
    pub choice: ParkedChoice,
    /// Show what would be put back, and do nothing
    #[arg(long)]
    pub dry_run: bool,
}

/// What to do about what was not published yet.
#[derive(Debug, Clone, Subcommand)]
pub enum WaitingCommand {
    /// List it, oldest first, and which worker holds it
    #[command(after_help = "\
Something waits for seconds while workers run. What waits longer and is held by nobody has no worker; what
is held by a worker is not taken by its broker: see that worker's log.

Examples:
  kassa ops events list
  kassa ops events list --json | jq '.waiting_count'")]
    List(WaitingChoice),
    /// Publish it now, as a worker does: in order, marked once confirmed
    #[command(after_help = "\
What a running worker holds is left to it. Audited as `cli`. With the embedded queue, events have no
broker to go to: they become readable through EventService.

Examples:
  kassa ops events redrive --dry-run
  kassa ops events redrive")]
    Redrive(WaitingRedrive),
}

/// How much to show.
#[derive(Debug, Clone, Args)]
pub struct WaitingChoice {
    /// How many to show at most
    #[arg(long, value_name = "COUNT", default_value_t = 50, value_parser = clap::value_parser!(u16).range(1..=1_000))]
    pub limit: u16,
}

/// `kassa ops events redrive`.
#[derive(Debug, Clone, Args)]
pub struct WaitingRedrive {
    /// How much to show.
    #[command(flatten)]
    pub choice: WaitingChoice,
    /// Show what would be published, and do nothing
    #[arg(long)]
    pub dry_run: bool,
}
