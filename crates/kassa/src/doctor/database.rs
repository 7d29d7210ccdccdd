//! The database, its schema, and what is in it: accounts whose credentials must open, apps whose keys
//! must verify, times that must not lie in the future.

use std::sync::Arc;

use flows::gateway_opener;
use kassa_core::channel::ChannelAccount;
use kassa_core::{Clock, IdSource};
use runtime::accounts::open_credentials;
use runtime::config::{Config, SQLITE_FILE};
use runtime::keyring::Keyring;
use runtime::store::{SealedAccount, Store, StoreError};

use super::report::{Check, Report};
use crate::node::open;
use crate::output::Mark;
use crate::spec::app::check_public_key;

/// What depends on the database.
const AFTER: [&str; 3] = ["channel accounts", "apps", "clock"];
/// Before this (in seconds since 1970: 2025-01-01) a clock was never set.
const CLOCK_MIN: i64 = 1_735_689_600;
/// How far rows may be ahead of our clock, in seconds: what clocks of servers differ by.
const SKEW_MAX_SECONDS: i64 = 60;

/// Looks at the database and what is in it.
pub(super) async fn examine(config: &Config, keyring: Option<Keyring>, report: &mut Report) {
    let Some(store) = connect(config, report).await else {
        skip(&AFTER, report);
        return;
    };
    if !schema(&store, report).await {
        skip(&AFTER, report);
        return;
    }
    let clock = Clock::system();
    match contents(&store, keyring, &clock, report).await {
        Ok(()) => {}
        Err(error) => report.add(Check::failed("database", &error, "see what it says above")),
    }
}

fn skip(parts: &[&str], report: &mut Report) {
    for part in parts {
        report.add(Check::new(*part, Mark::Skipped, "needs the database"));
    }
}

async fn connect(config: &Config, report: &mut Report) -> Option<Store> {
    const NAME: &str = "database";
    let shown = config.effective();
    let url = shown
        .pointer("/database/url")
        .and_then(|url| url.as_str())
        .unwrap_or_default();
    let file = config.data_dir.join(SQLITE_FILE);
    // Connecting would make the file.
    if config.database.is_embedded() && !file.is_file() {
        let seen = format!(
            "{} is not there yet; the first start makes it",
            file.display()
        );
        report.add(Check::new(NAME, Mark::Warn, seen));
        return None;
    }
    let connected = async {
        let store = Store::connect(config.database_url().expose(), 1).await?;
        store.ping().await?;
        Ok::<_, StoreError>(store)
    };
    match connected.await {
        Ok(store) => {
            report.add(Check::ok(NAME, format!("{url} answers")));
            Some(store)
        }
        Err(error) => {
            let mend = format!("start it, or correct database.url (now {url})");
            report.add(Check::failed(NAME, &error, mend));
            None
        }
    }
}

async fn schema(store: &Store, report: &mut Report) -> bool {
    const NAME: &str = "database schema";
    match store.check_schema().await {
        Ok(()) => {
            report.add(Check::ok(NAME, "exactly this program's"));
            true
        }
        Err(error) => {
            let is_newer = matches!(&error, StoreError::Schema(text) if text.contains("newer"));
            let mend = if is_newer {
                "run a program at least as new as the schema"
            } else {
                "kassa migrate up"
            };
            report.add(Check::failed(NAME, &error, mend));
            false
        }
    }
}

async fn contents(
    store: &Store,
    keyring: Option<Keyring>,
    clock: &Clock,
    report: &mut Report,
) -> Result<(), StoreError> {
    let accounts = store.list_channel_accounts().await?;
    match keyring {
        Some(keyring) => examine_accounts(&accounts, &Arc::new(keyring), clock, report),
        None => report.add(Check::new(AFTER[0], Mark::Skipped, "needs the keyring")),
    }
    let mut newest = accounts
        .iter()
        .map(|sealed| sealed.account.updated_at)
        .max();
    let apps = store.list_apps().await?;
    let mut bad = 0_usize;
    for app in &apps {
        newest = newest.max(Some(app.updated_at));
        for key in &app.keys {
            if let Err(expected) = check_public_key(key.algorithm, &key.public_key_pem) {
                bad = bad.saturating_add(1);
                let seen = format!("key {} is not {expected}", key.kid);
                let mend = "correct it in apps.toml, then `kassa app apply -f apps.toml`";
                report.add(Check::broken(format!("app {}", app.id), seen, mend));
            }
        }
    }
    if bad == 0 {
        report.add(match apps.len() {
            0 => Check::advised(
                AFTER[1],
                "none: nobody can call",
                "kassa app apply -f apps.toml",
            ),
            count => Check::ok(AFTER[1], format!("{count}, every key can verify tokens")),
        });
    }
    let now = clock.now();
    let ahead = newest.map_or(0, |newest| newest.signed_duration_since(now).num_seconds());
    report.add(if now.timestamp() < CLOCK_MIN {
        Check::broken(
            "clock",
            format!("it shows {now}"),
            "set it, and keep it by NTP",
        )
    } else if ahead > SKEW_MAX_SECONDS {
        let seen = format!("rows in the database are {ahead} s ahead of it");
        Check::broken("clock", seen, "keep the clocks of all machines by NTP")
    } else {
        Check::ok("clock", format!("{}", now.format("%Y-%m-%dT%H:%M:%SZ")))
    });
    Ok(())
}

fn examine_accounts(
    accounts: &[SealedAccount],
    keyring: &Arc<Keyring>,
    clock: &Clock,
    report: &mut Report,
) {
    const NAME: &str = "channel accounts";
    let deps = match open::gateway_deps(clock, &IdSource::system(clock.clone())) {
        Ok(deps) => deps,
        Err(error) => {
            let mend = "install the system's root certificates (package ca-certificates)";
            report.add(Check::failed(NAME, &error, mend));
            return;
        }
    };
    let opener = gateway_opener(deps);
    let mut good = 0_usize;
    for SealedAccount {
        account,
        credentials_sealed,
    } in accounts
    {
        match open_one(account, credentials_sealed, keyring, &opener) {
            Ok(()) => good = good.saturating_add(1),
            Err(seen) => {
                let mend =
                    "correct it in accounts.toml, then `kassa channel apply -f accounts.toml`";
                report.add(Check::broken(
                    format!("account {}", account.code),
                    seen,
                    mend,
                ));
            }
        }
    }
    if accounts.is_empty() {
        let mend = "kassa channel apply -f accounts.toml";
        report.add(Check::advised(NAME, "none: nothing can be paid", mend));
    } else if good == accounts.len() {
        report.add(Check::ok(
            NAME,
            format!("{good}, each opens with its credentials"),
        ));
    }
}

fn open_one<G>(
    account: &ChannelAccount,
    sealed: &[u8],
    keyring: &Keyring,
    opener: &impl Fn(
        &ChannelAccount,
        std::collections::BTreeMap<String, kassa_core::Secret>,
    ) -> Result<G, String>,
) -> Result<(), String> {
    let secrets = open_credentials(keyring, account.id, sealed)
        .map_err(|error| crate::output::chain(&error))?;
    opener(account, secrets).map(drop)
}
