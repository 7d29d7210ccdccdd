//! Where the values come from, and in which order they win.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use figment::Figment;
use figment::providers::{Env, Serialized};
use figment::value::{Dict, Value};

use super::error::{ConfigErrors, Problem};
use super::extract::Sections;
use super::{Config, DATA_DIR_DEFAULT};

/// The file that is read, if it is there, when no other is named.
pub const CONFIG_FILE_DEFAULT: &str = "kassa.toml";
/// The environment variable that names the file.
pub const CONFIG_FILE_VARIABLE: &str = "KASSA_CONFIG";
/// What the environment variables of keys begin with.
const PREFIX: &str = "KASSA__";
/// What stands between the parts of a key in a variable's name.
const SEPARATOR: &str = "__";
/// The largest configuration file, in bytes.
const FILE_BYTES_MAX: usize = 1024 * 1024;

/// Which environment counts.
#[derive(Clone, Default, PartialEq, Eq)]
pub enum Environment {
    /// The process's own.
    #[default]
    Process,
    /// These variables and no others; for tests.
    Given(BTreeMap<String, String>),
}

/// How to load.
#[derive(Clone, Default)]
pub struct LoadOptions {
    /// The file (`--config`); it must exist. Without it: `KASSA_CONFIG`, else `kassa.toml` if there
    /// is one.
    pub file: Option<PathBuf>,
    /// What wins over everything, by dotted key: `grpc.listen`.
    pub overrides: BTreeMap<String, serde_json::Value>,
    /// Which environment counts.
    pub environment: Environment,
}

// Values may be secrets, so only names are printed.
impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Process => f.write_str("Process"),
            Self::Given(variables) => f.debug_tuple("Given").field(&variables.keys()).finish(),
        }
    }
}

impl fmt::Debug for LoadOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LoadOptions")
            .field("file", &self.file)
            .field("overrides", &self.overrides.keys())
            .field("environment", &self.environment)
            .finish()
    }
}

pub(super) fn load(options: &LoadOptions) -> Result<Config, ConfigErrors> {
    let mut problems = Vec::new();
    let values = merge(options, &mut problems);
    let mut config = extract(values, &mut problems);
    config.database.resolve("database", &mut problems);
    config.queue.resolve("queue", &mut problems);
    config.keyring.resolve("keyring", &mut problems);
    // A key that could not be read stands at its default here; one complaint about it is enough.
    let mut further = Vec::new();
    config.validate(&mut further);
    further.retain(|found| !problems.iter().any(|known| is_about_the_same(known, found)));
    problems.append(&mut further);
    if problems.is_empty() {
        return Ok(config);
    }
    problems.sort();
    problems.dedup();
    Err(ConfigErrors { problems })
}

/// Whether both speak of one key: `keyring.keys_file.k1` and `keyring.keys` do.
fn is_about_the_same(known: &Problem, found: &Problem) -> bool {
    known.path.starts_with(&found.path) || found.path.starts_with(&known.path)
}

fn extract(values: Dict, problems: &mut Vec<Problem>) -> Config {
    let mut sections = Sections::new(values, problems);
    let config = Config {
        data_dir: sections.key("data_dir", PathBuf::from(DATA_DIR_DEFAULT)),
        database: sections.section("database"),
        queue: sections.section("queue"),
        grpc: sections.section("grpc"),
        ingress: sections.section("ingress"),
        worker: sections.section("worker"),
        synchronise: sections.section("synchronise"),
        auth: sections.section("auth"),
        keyring: sections.section("keyring"),
        password: sections.section("password"),
        gateway: sections.section("gateway"),
        telemetry: sections.section("telemetry"),
        admin: sections.section("admin"),
        events: sections.section("events"),
    };
    sections.finish();
    config
}

fn merge(options: &LoadOptions, problems: &mut Vec<Problem>) -> Dict {
    let mut merged = Figment::new();
    if let Some(table) = read_file(options, problems) {
        merged = merged.merge(Serialized::defaults(table));
    }
    for (key, value) in options.environment.keys() {
        merged = merged.merge(Serialized::default(&key, value));
    }
    for (key, value) in &options.overrides {
        merged = merged.merge(Serialized::default(key, value));
    }
    merged
        .extract()
        .unwrap_or_else(|_unreadable: figment::Error| {
            // Only a variable named like a section, say KASSA__GRPC=1, brings it here.
            let expected = "a table of sections".to_owned();
            problems.push(Problem {
                path: "configuration".to_owned(),
                expected,
            });
            Dict::new()
        })
}

impl Environment {
    /// The keys that are set, dotted, with their values.
    fn keys(&self) -> Vec<(String, Value)> {
        let pairs: Vec<(String, String)> = match self {
            Self::Process => {
                let variables = Env::prefixed(PREFIX);
                variables
                    .iter()
                    .map(|(key, value)| (key.into_string(), value))
                    .collect()
            }
            Self::Given(variables) => variables
                .iter()
                .filter_map(|(key, value)| Some((key.strip_prefix(PREFIX)?, value.clone())))
                .map(|(key, value)| (key.to_ascii_lowercase(), value))
                .collect(),
        };
        let mut keys: Vec<_> = pairs
            .into_iter()
            .map(|(key, text)| (key.replace(SEPARATOR, "."), parse(&text)))
            .collect();
        keys.sort_by(|(a, _), (b, _)| a.cmp(b));
        keys
    }

    fn config_file(&self) -> Option<String> {
        match self {
            Self::Process => Env::var(CONFIG_FILE_VARIABLE),
            Self::Given(variables) => variables.get(CONFIG_FILE_VARIABLE).cloned(),
        }
    }
}

/// Numbers, true and false, and lists in brackets are what they look like; all else is text.
fn parse(text: &str) -> Value {
    match text.parse::<Value>() {
        Ok(value @ (Value::Bool(..) | Value::Array(..))) => value,
        // 0123 and 1_000 are no numbers, and a number that would read back otherwise is text.
        Ok(value @ Value::Num(..)) if is_number(text) => value,
        _ => text.into(),
    }
}

fn is_number(text: &str) -> bool {
    text.parse::<u64>()
        .is_ok_and(|number| number.to_string() == text)
}

fn read_file(options: &LoadOptions, problems: &mut Vec<Problem>) -> Option<toml::Table> {
    let named = options
        .file
        .clone()
        .or_else(|| options.environment.config_file().map(PathBuf::from));
    let path = match named {
        Some(path) => path,
        None if Path::new(CONFIG_FILE_DEFAULT).is_file() => PathBuf::from(CONFIG_FILE_DEFAULT),
        None => return None,
    };
    match parse_file(&path) {
        Ok(table) => Some(table),
        Err(expected) => {
            problems.push(Problem {
                path: path.display().to_string(),
                expected,
            });
            None
        }
    }
}

fn parse_file(path: &Path) -> Result<toml::Table, String> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| format!("a readable file of UTF-8 text ({})", error.kind()))?;
    if text.len() > FILE_BYTES_MAX {
        return Err(format!("a file of at most {FILE_BYTES_MAX} bytes"));
    }
    // The parser's own text would quote the line, which may hold a secret.
    toml::from_str(&text).map_err(|error| match error.span() {
        Some(span) => format!("valid TOML at line {}", line_of(&text, span.start)),
        None => "valid TOML".to_owned(),
    })
}

fn line_of(text: &str, offset: usize) -> usize {
    let newlines = text
        .bytes()
        .take(offset)
        .filter(|byte| *byte == b'\n')
        .count();
    newlines.saturating_add(1)
}
