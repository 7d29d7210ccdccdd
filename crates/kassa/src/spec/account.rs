//! Channel accounts as `accounts.toml` wants them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use flows::channel::{ChannelAccountChange, Limits, NewChannelAccount};
use flows::{FieldViolation, Kassa, channel};
use gateways::{AccountConfig, registry};
use kassa_core::channel::{ChannelAccount, FeeRate, FeeTerms, GatewayName};
use kassa_core::text::AccountCode;
use kassa_core::{Currency, Money, Secret};
use runtime::accounts::open_credentials;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::file::{self, Resolver};
use super::{Action, Change};
use crate::exit::BadInput;

/// How one channel account is to be.
#[derive(Debug, Clone)]
pub struct AccountSpec {
    /// The short name in callback URLs.
    pub code: AccountCode,
    /// For people.
    pub display_name: String,
    /// The gateway.
    pub gateway: GatewayName,
    /// Its settings without secrets.
    pub settings: Value,
    /// Its secrets by field name; those that an existing account has and this leaves out stay.
    pub secrets: BTreeMap<String, Secret>,
    /// What it takes, for which fee, and from where.
    pub limits: Limits,
    /// Whether new payments may use it.
    pub is_active: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AccountsFile {
    #[serde(default)]
    account: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    code: String,
    display_name: String,
    gateway: String,
    amount_min: Option<Amount>,
    amount_max: Option<Amount>,
    fee_rate: Option<String>,
    #[serde(default)]
    fee_returned: bool,
    #[serde(default)]
    callback_cidrs: Vec<String>,
    #[serde(default = "yes")]
    active: bool,
    #[serde(default)]
    settings: toml::Table,
    #[serde(default)]
    secrets: toml::Table,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Amount {
    amount: String,
    currency: String,
}

fn yes() -> bool {
    true
}

/// Reads the file.
///
/// # Errors
/// [`BadInput`] with everything that is wrong with it.
pub fn load(path: &Path) -> Result<Vec<AccountSpec>, BadInput> {
    let file: AccountsFile = file::read(path)?;
    let mut problems = Vec::new();
    let mut specs = Vec::new();
    let mut codes = BTreeSet::new();
    if file.account.is_empty() {
        problems.push("expected at least one [[account]]".to_owned());
    }
    for (number, entry) in file.account.into_iter().enumerate() {
        if !codes.insert(entry.code.clone()) {
            problems.push(format!("account[{number}].code: expected every code once"));
        }
        specs.extend(read(
            entry,
            path,
            &format!("account[{number}]"),
            &mut problems,
        ));
    }
    if problems.is_empty() {
        Ok(specs)
    } else {
        Err(BadInput {
            what: path.display().to_string(),
            problems,
        })
    }
}

fn read(entry: Entry, path: &Path, at: &str, problems: &mut Vec<String>) -> Option<AccountSpec> {
    let code = AccountCode::try_new(entry.code)
        .map_err(|error| problems.push(format!("{at}.code: {error}")))
        .ok();
    let gateway = entry.gateway.parse().ok();
    if gateway.is_none() {
        let known: Vec<_> = GatewayName::ALL
            .iter()
            .map(|gateway| gateway.as_str())
            .collect();
        problems.push(format!(
            "{at}.gateway: expected one of {}",
            known.join(", ")
        ));
    }
    let amount_min = entry
        .amount_min
        .and_then(|it| money(&it, &format!("{at}.amount_min"), problems));
    let amount_max = entry
        .amount_max
        .and_then(|it| money(&it, &format!("{at}.amount_max"), problems));
    let fee_rate = entry
        .fee_rate
        .map(|text| text.parse::<FeeRate>())
        .transpose();
    let fee_rate = fee_rate
        .map_err(|error| problems.push(format!("{at}.fee_rate: {error}")))
        .unwrap_or_default();
    let settings = Resolver::new(path, problems).table(entry.settings, &format!("{at}.settings"));
    let secrets = Resolver::new(path, problems).table(entry.secrets, &format!("{at}.secrets"));
    let secrets = texts(secrets, &format!("{at}.secrets"), problems);
    Some(AccountSpec {
        code: code?,
        display_name: entry.display_name,
        gateway: gateway?,
        settings: Value::Object(settings),
        secrets,
        limits: Limits {
            amount_min,
            amount_max,
            fee: FeeTerms {
                rate: fee_rate.unwrap_or_default(),
                is_returned: entry.fee_returned,
            },
            callback_cidrs: entry.callback_cidrs,
        },
        is_active: entry.active,
    })
}

fn money(amount: &Amount, at: &str, problems: &mut Vec<String>) -> Option<Money> {
    let currency: Option<Currency> = amount.currency.parse().ok();
    let Some(currency) = currency else {
        problems.push(format!("{at}.currency: expected a currency such as CNY"));
        return None;
    };
    Money::parse(&amount.amount, currency)
        .map_err(|error| problems.push(format!("{at}.amount: {error}")))
        .ok()
}

fn texts(
    values: Map<String, Value>,
    at: &str,
    problems: &mut Vec<String>,
) -> BTreeMap<String, Secret> {
    let mut texts = BTreeMap::new();
    for (name, value) in values {
        match value {
            Value::String(text) => {
                texts.insert(name, Secret::new(text));
            }
            // Said already, where a file could not be read.
            Value::Null => {}
            Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
                problems.push(format!("{at}.{name}: expected a text"));
            }
        }
    }
    texts
}

/// Compares the accounts with what is there, and checks that each would open. Changes nothing.
///
/// # Errors
/// [`BadInput`] with everything that is wrong, or what the store says.
pub async fn plan(kassa: &Kassa, specs: &[AccountSpec], what: &str) -> anyhow::Result<Vec<Change>> {
    let mut problems = Vec::new();
    let mut changes = Vec::new();
    for spec in specs {
        let found = kassa.store.find_channel_account_by_code(&spec.code).await?;
        let mut secrets = BTreeMap::new();
        let mut before = None;
        if let Some(sealed) = found {
            secrets = open_credentials(
                &kassa.keyring,
                sealed.account.id,
                &sealed.credentials_sealed,
            )?;
            before = Some(sealed.account);
        }
        secrets.extend(spec.secrets.clone());
        check(kassa, spec, before.as_ref(), secrets, &mut problems);
        changes.push(match before {
            None => Change::create(spec.code.as_str()),
            Some(account) => Change::of(spec.code.as_str(), differences(kassa, &account, spec)),
        });
    }
    if problems.is_empty() {
        Ok(changes)
    } else {
        Err(BadInput {
            what: what.to_owned(),
            problems,
        }
        .into())
    }
}

fn check(
    kassa: &Kassa,
    spec: &AccountSpec,
    before: Option<&ChannelAccount>,
    secrets: BTreeMap<String, Secret>,
    problems: &mut Vec<String>,
) {
    if let Some(before) = before
        && before.gateway != spec.gateway
    {
        let gateway = before.gateway;
        problems.push(format!(
            "{}: its gateway is {gateway}; another needs another code",
            spec.code
        ));
        return;
    }
    let config = AccountConfig {
        gateway: spec.gateway,
        settings: spec.settings.clone(),
        secrets,
    };
    if let Err(error) = registry::open(&config, &kassa.gateway_deps) {
        let lines = error.problems.iter();
        problems
            .extend(lines.map(|line| format!("{}: {}: {}", spec.code, line.field, line.expected)));
    }
}

/// The names of the fields that differ.
fn differences(kassa: &Kassa, account: &ChannelAccount, spec: &AccountSpec) -> Vec<String> {
    let mut fields = Vec::new();
    let mut differs = |name: &str, differs: bool| {
        if differs {
            fields.push(name.to_owned());
        }
    };
    differs("display_name", account.display_name != spec.display_name);
    differs(
        "amount_min",
        account.limits.amount_min != spec.limits.amount_min,
    );
    differs(
        "amount_max",
        account.limits.amount_max != spec.limits.amount_max,
    );
    differs("fee_rate", account.fee.rate != spec.limits.fee.rate);
    differs(
        "fee_returned",
        account.fee.is_returned != spec.limits.fee.is_returned,
    );
    differs(
        "callback_cidrs",
        account.callback_cidrs != spec.limits.callback_cidrs,
    );
    differs("active", account.is_active != spec.is_active);
    let empty = Map::new();
    let (old, new) = (
        account.settings.as_object().unwrap_or(&empty),
        spec.settings.as_object().unwrap_or(&empty),
    );
    let names: BTreeSet<_> = old.keys().chain(new.keys()).collect();
    for name in names {
        differs(&format!("settings.{name}"), old.get(name) != new.get(name));
    }
    for (name, secret) in &spec.secrets {
        let is_same = account.fingerprints.get(name).is_some_and(|fingerprint| {
            kassa
                .keyring
                .is_fingerprint_of(fingerprint, secret.expose().as_bytes())
        });
        differs(&format!("secrets.{name}"), !is_same);
    }
    fields
}

/// Makes and changes accounts until they are as wanted, in order; says what was done. Everything is
/// checked before anything is changed.
///
/// # Errors
/// [`BadInput`] with everything that is wrong, or what the store says.
pub async fn apply(
    kassa: &Kassa,
    actor: &str,
    specs: Vec<AccountSpec>,
    what: &str,
) -> anyhow::Result<Vec<Change>> {
    let changes = plan(kassa, &specs, what).await?;
    for (spec, change) in specs.into_iter().zip(&changes) {
        let code = spec.code.clone();
        bring_about(kassa, actor, spec, change)
            .await
            .map_err(|error| named(what, code.as_str(), error))?;
    }
    Ok(changes)
}

async fn bring_about(
    kassa: &Kassa,
    actor: &str,
    spec: AccountSpec,
    change: &Change,
) -> Result<(), flows::Error> {
    let AccountSpec {
        code,
        display_name,
        gateway,
        settings,
        secrets,
        limits,
        is_active,
    } = spec;
    match change.action {
        Action::Unchanged => return Ok(()),
        Action::Create => {
            let new = NewChannelAccount {
                code: code.clone(),
                display_name,
                gateway,
                settings,
                secrets,
                limits,
            };
            channel::create(kassa, actor, new).await?;
        }
        // Switching alone is no change of the account's settings.
        Action::Update if change.fields.iter().any(|field| field != "active") => {
            let version = channel::find(kassa, &code).await?.version;
            let code = code.clone();
            let change = ChannelAccountChange {
                code,
                version,
                display_name,
                settings,
                secrets,
                limits,
            };
            channel::update(kassa, actor, change).await?;
        }
        Action::Update => {}
    }
    channel::switch(kassa, actor, &code, is_active).await?;
    Ok(())
}

/// Bad fields as an input error, named with their entry; everything else as it is.
pub(super) fn named(what: &str, entry: &str, error: flows::Error) -> anyhow::Error {
    match error {
        flows::Error::InvalidInput(violations) => {
            let line = |it: FieldViolation| format!("{entry}: {}: {}", it.field, it.description);
            let problems = violations.into_iter().map(line).collect();
            BadInput {
                what: what.to_owned(),
                problems,
            }
            .into()
        }
        error => anyhow::Error::new(error).context(entry.to_owned()),
    }
}
