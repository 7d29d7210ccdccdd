//! `kassa config`.

use runtime::config::ConfigErrors;
use serde_json::json;

use crate::cli::Global;
use crate::exit::Outcome;
use crate::output::{Mark, Output};
use crate::settings::{self, LocalKey, Logs};

/// Checks the configuration and prints what is in force.
///
/// # Errors
/// [`ConfigErrors`] with everything that is wrong; with `--json` it is on standard output too.
pub fn check(global: &Global, output: Output) -> anyhow::Result<Outcome> {
    let config = match settings::load(global, Logs::Configured, LocalKey::Use) {
        Ok(config) => config,
        Err(errors) => {
            output.object(&problems(&errors))?;
            return Err(errors.into());
        }
    };
    let effective = config.effective();
    output.object(&json!({ "ok": true, "effective": effective }))?;
    output.line(format_args!(
        "{} the configuration is in order",
        output.mark(Mark::Ok)
    ))?;
    output.line(serde_json::to_string_pretty(&effective)?)?;
    Ok(Outcome::Done)
}

fn problems(errors: &ConfigErrors) -> serde_json::Value {
    let problems: Vec<_> = errors
        .problems
        .iter()
        .map(|it| json!({ "path": it.path, "expected": it.expected }))
        .collect();
    json!({ "ok": false, "problems": problems })
}

/// Prints the JSON schema of the configuration file.
///
/// # Errors
/// If it cannot be written.
pub fn schema(output: Output) -> anyhow::Result<Outcome> {
    let mut text = serde_json::to_string_pretty(&runtime::config::schema())?;
    text.push('\n');
    output.raw(&text)?;
    Ok(Outcome::Done)
}
