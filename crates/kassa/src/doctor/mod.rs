//! `kassa doctor`: looks at every part of an installation, changes nothing, and names each broken part
//! with its mend.

mod database;
mod files;
mod network;
mod report;

use std::path::Path;

use runtime::config::{Config, ConfigErrors};
use runtime::keyring::{Keyring, LOCAL_KEY_FILE};
use runtime::telemetry;

use crate::cli::{Doctor, Global};
use crate::exit::Outcome;
use crate::output::{Mark, Output};
use crate::settings::{self, LocalKey, Logs};

pub use report::{Check, Report};

/// What the doctor says must not be said again by the log.
const LOG_FILTER: &str = "off";

/// Looks at everything and prints what it found.
///
/// # Errors
/// If it cannot be printed.
pub async fn run(global: &Global, _args: &Doctor, output: Output) -> anyhow::Result<Outcome> {
    let report = match settings::load(global, Logs::Filter(LOG_FILTER), LocalKey::Use) {
        Ok(config) => {
            let telemetry = telemetry::init(&config.telemetry, "kassa-doctor")?;
            let report = examine(&config).await;
            telemetry.shutdown().await?;
            report
        }
        Err(errors) => misconfigured(&errors),
    };
    report.print(output)?;
    Ok(Outcome::of(report.is_healthy()))
}

/// Every check, for a configuration that is in order.
pub async fn examine(config: &Config) -> Report {
    let mut report = Report::default();
    report.add(Check::ok("configuration", "every value is as expected"));
    files::examine(config, &mut report);
    let keyring = keyring(config, &mut report);
    database::examine(config, keyring, &mut report).await;
    network::broker(config, &mut report).await;
    network::ports(config, &mut report).await;
    report
}

/// One check per problem: nothing else can be looked at without a configuration.
fn misconfigured(errors: &ConfigErrors) -> Report {
    let mut report = Report::default();
    for problem in &errors.problems {
        let seen = format!("{} is not as expected", problem.path);
        let mend = format!("set it to: {}", problem.expected);
        report.add(Check::broken("configuration", seen, mend));
    }
    for name in [
        "data folder",
        "keyring",
        "database",
        "broker",
        "ports",
        "clock",
    ] {
        report.add(Check::new(name, Mark::Skipped, "needs a configuration"));
    }
    report
}

/// The keyring, without making one.
fn keyring(config: &Config, report: &mut Report) -> Option<Keyring> {
    const NAME: &str = "keyring";
    match Keyring::from_config(&config.keyring) {
        Ok(Some(keyring)) => {
            let ids = config.keyring.keys.len();
            let active = keyring.active().as_str().to_owned();
            report.add(Check::ok(NAME, format!("keys: {ids}; {active} seals")));
            Some(keyring)
        }
        Ok(None) => local_keyring(&config.data_dir, report),
        Err(error) => {
            let mend = "give 32 bytes in base64: `openssl rand -base64 32`";
            report.add(Check::failed(NAME, &error, mend));
            None
        }
    }
}

fn local_keyring(data_dir: &Path, report: &mut Report) -> Option<Keyring> {
    const NAME: &str = "keyring";
    if !data_dir.join(LOCAL_KEY_FILE).is_file() {
        let seen = "there is no key yet; the first start of `kassa up` makes it";
        report.add(Check::new(NAME, Mark::Warn, seen));
        return None;
    }
    match Keyring::local(data_dir) {
        Ok(keyring) => {
            report.add(Check::ok(NAME, "the key in the data folder is readable"));
            Some(keyring)
        }
        Err(error) => {
            let mend = "put the key back from a backup; without it no credentials open";
            report.add(Check::failed(NAME, &error, mend));
            None
        }
    }
}
