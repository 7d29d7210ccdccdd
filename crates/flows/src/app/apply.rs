//! Apply: make an app, or change it to what it is to be.

use std::collections::BTreeSet;

use kassa_core::app::{App, AppKey, OPERATIONS_APP, Policies, Scope};
use kassa_core::payment_config::PasswordConfig;
use kassa_core::text::{AccountCode, AppId};
use runtime::jwe::RecipientKey;
use serde_json::json;

use crate::audit::{self, Action};
use crate::{Error, FieldViolation, Kassa};

/// How many keys an app may have at once.
const KEYS_MAX: usize = 8;

/// An app as it is to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewApp {
    /// Its name.
    pub id: AppId,
    /// For people.
    pub display_name: String,
    /// What it may do.
    pub scopes: BTreeSet<Scope>,
    /// The keys that its tokens are verified with.
    pub keys: Vec<AppKey>,
    /// Codes of the channel accounts that it may use, in order of preference.
    pub channel_accounts: Vec<AccountCode>,
    /// Whether it may call at all.
    pub is_active: bool,
    /// What Kassa does for it without being asked.
    pub policies: Policies,
}

/// Makes or changes an app; one that is as it is to be is left alone. `actor` is written into the
/// audit log.
///
/// # Errors
/// [`Error::InvalidInput`] with every bad field.
pub async fn apply(kassa: &Kassa, actor: &str, new: NewApp) -> Result<App, Error> {
    let mut found = violations(&new);
    let mut channel_accounts = Vec::with_capacity(new.channel_accounts.len());
    for (index, code) in new.channel_accounts.iter().enumerate() {
        match kassa.store.find_channel_account_by_code(code).await? {
            Some(sealed) => channel_accounts.push(sealed.account.id),
            None => found.push(FieldViolation::new(
                format!("channel_accounts[{index}]"),
                format!("no channel account {code}"),
            )),
        }
    }
    if !found.is_empty() {
        return Err(Error::InvalidInput(found));
    }
    let before = kassa.store.find_app(&new.id).await?;
    let now = kassa.clock.now();
    let app = App {
        id: new.id,
        display_name: new.display_name,
        scopes: new.scopes,
        keys: new.keys,
        channel_accounts,
        is_active: new.is_active,
        policies: new.policies,
        version: before
            .as_ref()
            .map_or(1, |app| app.version.saturating_add(1)),
        created_at: before.as_ref().map_or(now, |app| app.created_at),
        updated_at: now,
    };
    if let Some(before) = before
        && same_content(&before, &app)
    {
        return Ok(before);
    }
    let kids: Vec<_> = app.keys.iter().map(|key| key.kid.clone()).collect();
    let action = Action {
        actor,
        name: "app.apply",
        subject: format!("apps/{}", app.id),
        detail: json!({ "scopes": app.scopes, "keys": kids, "is_active": app.is_active, "policies": app.policies }),
    };
    let tx = kassa.store.begin().await?;
    tx.upsert_app_in_tx(&app).await?;
    audit::record_in_tx(kassa, &tx, action).await?;
    tx.commit().await?;
    Ok(app)
}

/// What is wrong with an app in itself, whatever is there.
pub fn violations(new: &NewApp) -> Vec<FieldViolation> {
    let mut found = Vec::new();
    if new.id.as_str() == OPERATIONS_APP {
        found.push(FieldViolation::new("app_id", "is Kassa's own"));
    }
    if new.display_name.is_empty() || new.display_name.chars().count() > 100 {
        found.push(FieldViolation::new(
            "display_name",
            "must have 1 to 100 characters",
        ));
    }
    if new.keys.len() > KEYS_MAX {
        found.push(FieldViolation::new(
            "keys",
            format!("must be at most {KEYS_MAX}"),
        ));
    }
    found.extend(bad_password_config(&new.policies.payment_config.password));
    let kids: BTreeSet<_> = new.keys.iter().map(|key| key.kid.as_str()).collect();
    if kids.len() != new.keys.len() {
        found.push(FieldViolation::new("keys", "must have different kids"));
    }
    found
}

/// What is wrong with the settings of payment passwords.
fn bad_password_config(config: &PasswordConfig) -> Vec<FieldViolation> {
    const FIELD: &str = "policies.payment_config.password";
    let rules = config.rules.validate().err();
    let rules = rules
        .map(|(field, expected)| FieldViolation::new(format!("{FIELD}.rules.{field}"), expected));
    let key = config.code_key.as_ref();
    let key = key.and_then(|key| RecipientKey::try_parse(&key.kid, &key.public_key_pem).err());
    let key = key.map(|error| FieldViolation::new(format!("{FIELD}.code_key"), error));
    rules.into_iter().chain(key).collect()
}

/// The app with this name.
///
/// # Errors
/// [`Error::NotFound`].
pub async fn find(kassa: &Kassa, id: &AppId) -> Result<App, Error> {
    kassa
        .store
        .find_app(id)
        .await?
        .ok_or_else(|| Error::NotFound {
            resource: "app",
            name: id.to_string(),
        })
}

/// Every app, by name.
///
/// # Errors
/// [`Error::Store`].
pub async fn list(kassa: &Kassa) -> Result<Vec<App>, Error> {
    Ok(kassa.store.list_apps().await?)
}

fn same_content(left: &App, right: &App) -> bool {
    let stamped = App {
        version: left.version,
        created_at: left.created_at,
        updated_at: left.updated_at,
        ..right.clone()
    };
    *left == stamped
}
