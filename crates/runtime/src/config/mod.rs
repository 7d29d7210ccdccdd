//! Configuration: documented defaults ← one TOML file ← the environment ← overrides by the caller.
//!
//! One file per section; each has its limits as named constants, `validate` and `for_testing`. All
//! that is wrong is reported at once, by key and what was expected, never with the value. Nothing
//! else in Kassa reads the environment.
//!
//! To add a key: a documented field with a default in its section, its bounds in `validate`, a line
//! in `kassa.example.toml` and `docs/configuration.md`, and `KASSA_UPDATE=1 cargo test -p runtime
//! --test config_schema` for the schema. The tests say which of them was forgotten.

pub mod admin;
pub mod auth;
mod check;
pub mod database;
mod error;
pub mod events;
mod extract;
pub mod gateway;
pub mod grpc;
pub mod ingress;
pub mod keyring;
mod load;
pub mod password;
pub mod queue;
mod secret;
pub mod synchronise;
pub mod telemetry;
#[cfg(test)]
mod tests;
mod tls;
pub mod worker;

use std::path::{Path, PathBuf};

use kassa_core::Secret;
use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde::{Deserialize, Serialize};

pub use admin::AdminConfig;
pub use auth::AuthConfig;
pub use database::DatabaseConfig;
pub use error::{ConfigErrors, Problem};
pub use events::EventsConfig;
pub use gateway::GatewayConfig;
pub use grpc::GrpcConfig;
pub use ingress::IngressConfig;
pub use keyring::KeyringConfig;
pub(crate) use keyring::decode_key;
pub use load::{CONFIG_FILE_DEFAULT, CONFIG_FILE_VARIABLE, Environment, LoadOptions};
pub use password::PasswordConfig;
pub use queue::{QueueConfig, QueueKind};
pub use secret::SecretValue;
pub use synchronise::SynchroniseConfig;
pub use telemetry::{LogFormat, TelemetryConfig};
pub use tls::TlsFiles;
pub use worker::WorkerConfig;

use check::Check;

/// Where data lives unless configured otherwise.
pub const DATA_DIR_DEFAULT: &str = "./data";
/// The database file inside the data folder.
pub const SQLITE_FILE: &str = "kassa.db";

/// Everything that a Kassa process can be told.
///
/// Each key can also come from the environment: `grpc.listen` is `KASSA__GRPC__LISTEN`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// The folder for everything that is kept on this machine: the embedded database and the
    /// generated key of a trial installation.
    pub data_dir: PathBuf,
    /// The database.
    pub database: DatabaseConfig,
    /// The work queues and the event exchange.
    pub queue: QueueConfig,
    /// The gRPC API.
    pub grpc: GrpcConfig,
    /// The HTTP side that gateways and payers reach.
    pub ingress: IngressConfig,
    /// Background work.
    pub worker: WorkerConfig,
    /// Asking gateways about what has no final state yet.
    pub synchronise: SynchroniseConfig,
    /// Who may call.
    pub auth: AuthConfig,
    /// The keys that seal secret columns.
    pub keyring: KeyringConfig,
    /// Hashing of payment passwords.
    pub password: PasswordConfig,
    /// Calls to the gateways.
    pub gateway: GatewayConfig,
    /// Logs and traces.
    pub telemetry: TelemetryConfig,
    /// Health, readiness and metrics; the end of the process.
    pub admin: AdminConfig,
    /// The events for the business systems.
    pub events: EventsConfig,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            data_dir: PathBuf::from(DATA_DIR_DEFAULT),
            database: DatabaseConfig::default(),
            queue: QueueConfig::default(),
            grpc: GrpcConfig::default(),
            ingress: IngressConfig::default(),
            worker: WorkerConfig::default(),
            synchronise: SynchroniseConfig::default(),
            auth: AuthConfig::default(),
            keyring: KeyringConfig::default(),
            password: PasswordConfig::default(),
            gateway: GatewayConfig::default(),
            telemetry: TelemetryConfig::default(),
            admin: AdminConfig::default(),
            events: EventsConfig::default(),
        }
    }
}

impl Config {
    /// Reads and checks the whole configuration.
    ///
    /// # Errors
    /// [`ConfigErrors`] with everything that is wrong.
    pub fn load(options: &LoadOptions) -> Result<Self, ConfigErrors> {
        load::load(options)
    }

    /// Free ports, a database in `data_dir`, short waits.
    pub fn for_testing(data_dir: &Path) -> Self {
        Self {
            data_dir: data_dir.to_owned(),
            database: DatabaseConfig::for_testing(),
            queue: QueueConfig::for_testing(),
            grpc: GrpcConfig::for_testing(),
            ingress: IngressConfig::for_testing(),
            worker: WorkerConfig::for_testing(),
            synchronise: SynchroniseConfig::for_testing(),
            auth: AuthConfig::for_testing(),
            keyring: KeyringConfig::for_testing(),
            password: PasswordConfig::for_testing(),
            gateway: GatewayConfig::for_testing(),
            telemetry: TelemetryConfig::for_testing(),
            admin: AdminConfig::for_testing(),
            events: EventsConfig::for_testing(),
        }
    }

    /// Adds everything that is wrong with the values, in each section and between them.
    pub fn validate(&self, problems: &mut Vec<Problem>) {
        let mut check = Check::new("", problems);
        let data_dir = self
            .data_dir
            .to_str()
            .is_some_and(|path| !path.trim().is_empty());
        check.that(data_dir, "data_dir", "a path in UTF-8");
        self.database.validate("database", problems);
        self.queue.validate("queue", problems);
        self.grpc.validate("grpc", problems);
        self.ingress.validate("ingress", problems);
        self.worker.validate("worker", problems);
        self.synchronise.validate("synchronise", problems);
        self.auth.validate("auth", problems);
        self.keyring.validate("keyring", problems);
        self.password.validate("password", problems);
        self.gateway.validate("gateway", problems);
        self.telemetry.validate("telemetry", problems);
        self.admin.validate("admin", problems);
        self.events.validate("events", problems);
        self.validate_together(problems);
    }

    fn validate_together(&self, problems: &mut Vec<Problem>) {
        let mut check = Check::new("", problems);
        check.that(
            self.keyring.has_keys() || self.database.is_embedded(),
            "keyring.keys",
            "a key, since the database is not the embedded default; make one with `openssl rand \
             -base64 32` and name it, for example KASSA__KEYRING__KEYS__K1 or, as a file, \
             KASSA__KEYRING__KEYS_FILE__K1",
        );
        check.that(
            self.gateway.call_timeout_ms < self.grpc.deadline_max_ms,
            "gateway.call_timeout_ms",
            "less than grpc.deadline_max_ms, since gateways are called within it",
        );
    }

    /// The database to connect to: the one configured, or a file in the data folder.
    pub fn database_url(&self) -> Secret {
        match &self.database.url {
            Some(url) => url.secret().clone(),
            None => Secret::new(sqlite_url(&self.data_dir)),
        }
    }

    /// What is in force, for people: secrets are replaced by `[redacted]`, URLs lose user names,
    /// passwords and queries.
    pub fn effective(&self) -> serde_json::Value {
        let mut view = serde_json::to_value(self).unwrap_or_default();
        let database = redact_url(self.database_url().expose());
        put(&mut view, "database", "url", Some(database));
        let amqp = self
            .queue
            .amqp_url
            .as_ref()
            .map(|url| redact_url(url.secret().expose()));
        put(&mut view, "queue", "amqp_url", amqp);
        put(
            &mut view,
            "queue",
            "kind",
            Some(self.queue.kind().as_str().to_owned()),
        );
        view
    }
}

/// The JSON schema of the configuration file.
pub fn schema() -> serde_json::Value {
    let generator = SchemaSettings::draft2020_12()
        .for_deserialize()
        .into_generator();
    let mut schema = generator.into_root_schema_for::<Config>();
    schema.insert("title".to_owned(), "Kassa's configuration".into());
    schema.to_value()
}

fn put(view: &mut serde_json::Value, section: &str, key: &str, value: Option<String>) {
    if let Some(fields) = view
        .get_mut(section)
        .and_then(serde_json::Value::as_object_mut)
    {
        fields.insert(
            key.to_owned(),
            value.map_or(serde_json::Value::Null, Into::into),
        );
    }
}

/// `sqlite://…?mode=rwc`; characters that mean something in a URL are escaped.
fn sqlite_url(data_dir: &Path) -> String {
    let file = data_dir.join(SQLITE_FILE);
    let path = file
        .to_string_lossy()
        .replace('%', "%25")
        .replace('?', "%3F")
        .replace('#', "%23");
    format!("sqlite://{path}?mode=rwc")
}

/// The URL with scheme, host, port and path alone. What is no URL is hidden whole.
fn redact_url(url: &str) -> String {
    if url.starts_with("sqlite:") {
        return url.split('?').next().unwrap_or_default().to_owned();
    }
    let Ok(mut parsed) = url::Url::parse(url) else {
        return secret::REDACTED.to_owned();
    };
    let had_user = !parsed.username().is_empty() || parsed.password().is_some();
    let stripped = parsed
        .set_password(None)
        .and_then(|()| parsed.set_username(""));
    if stripped.is_err() {
        return secret::REDACTED.to_owned();
    }
    parsed.set_query(None);
    parsed.set_fragment(None);
    let text = parsed.to_string();
    if had_user {
        text.replacen("://", &format!("://{}@", secret::REDACTED), 1)
    } else {
        text
    }
}
