//! Change a channel account.

use std::collections::BTreeMap;

use kassa_core::Secret;
use kassa_core::channel::ChannelAccount;
use kassa_core::text::AccountCode;
use runtime::accounts::open_credentials;
use runtime::store::SealedAccount;
use serde_json::{Value, json};

use super::find::find_sealed;
use super::settings::{self, Limits};
use crate::audit::{self, Action};
use crate::{Error, Kassa};

/// A change of a channel account: everything as it is to be, but of the secrets only the new ones.
#[derive(Debug, Clone)]
pub struct ChannelAccountChange {
    /// Which account.
    pub code: AccountCode,
    /// The version that the change is based on.
    pub version: i64,
    /// For people.
    pub display_name: String,
    /// Its settings without secrets.
    pub settings: Value,
    /// New secrets by field name; the others stay.
    pub secrets: BTreeMap<String, Secret>,
    /// What it takes, for which fee, and from where.
    pub limits: Limits,
}

/// Changes a channel account. `actor` is written into the audit log.
///
/// # Errors
/// [`Error::NotFound`], [`Error::InvalidInput`] with every bad field, [`Error::VersionConflict`].
pub async fn update(
    kassa: &Kassa,
    actor: &str,
    change: ChannelAccountChange,
) -> Result<ChannelAccount, Error> {
    let before = find_sealed(kassa, &change.code).await?;
    let id = before.account.id;
    settings::keep_identity(&before.account, &change.settings)?;
    let mut secrets = open_credentials(&kassa.keyring, id, &before.credentials_sealed)?;
    let changed: Vec<String> = change.secrets.keys().cloned().collect();
    secrets.extend(change.secrets);
    let gateway = before.account.gateway;
    let (settings, limits) = (change.settings, change.limits);
    settings::check(
        kassa,
        gateway,
        &settings,
        &secrets,
        &change.display_name,
        &limits,
    )?;
    let (credentials_sealed, fingerprints) = settings::seal(kassa, id, &secrets)?;
    let tx = kassa.store.begin().await?;
    let locked = tx.load_channel_account_for_update_in_tx(id).await?;
    if locked.get().account.version != change.version {
        return Err(Error::VersionConflict {
            resource: "channel_account",
            name: change.code.to_string(),
        });
    }
    let now = kassa.clock.now();
    let account = ChannelAccount {
        display_name: change.display_name,
        settings,
        fingerprints,
        limits: limits.account_limits(),
        fee: limits.fee,
        callback_cidrs: limits.callback_cidrs,
        updated_at: now,
        ..locked.get().account.clone()
    };
    let row = SealedAccount {
        account,
        credentials_sealed,
    };
    let stored = tx.update_channel_account_in_tx(locked, row).await?;
    let action = Action {
        actor,
        name: "channel_account.update",
        subject: format!("channel_accounts/{}", change.code),
        detail: json!({ "version": stored.account.version, "secrets_changed": changed }),
    };
    audit::record_in_tx(kassa, &tx, action).await?;
    tx.commit().await?;
    kassa.accounts.refresh().await?;
    Ok(stored.account)
}
