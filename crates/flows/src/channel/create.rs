//! Create a channel account.

use std::collections::BTreeMap;

use kassa_core::Secret;
use kassa_core::channel::{ChannelAccount, GatewayName};
use kassa_core::id::ChannelAccountId;
use kassa_core::text::AccountCode;
use runtime::store::{SealedAccount, StoreError};
use serde_json::{Value, json};

use super::settings::{self, Limits};
use crate::audit::{self, Action};
use crate::{Error, Kassa};

/// A new channel account.
#[derive(Debug, Clone)]
pub struct NewChannelAccount {
    /// The short name in callback URLs.
    pub code: AccountCode,
    /// For people.
    pub display_name: String,
    /// The gateway.
    pub gateway: GatewayName,
    /// Its settings without secrets.
    pub settings: Value,
    /// Its secrets by field name.
    pub secrets: BTreeMap<String, Secret>,
    /// What it takes, for which fee, and from where.
    pub limits: Limits,
}

/// Makes a channel account. `actor` is written into the audit log.
///
/// # Errors
/// [`Error::InvalidInput`] with every bad field, [`Error::AlreadyExists`].
pub async fn create(
    kassa: &Kassa,
    actor: &str,
    new: NewChannelAccount,
) -> Result<ChannelAccount, Error> {
    let NewChannelAccount {
        code,
        display_name,
        gateway,
        settings,
        secrets,
        limits,
    } = new;
    settings::check(kassa, gateway, &settings, &secrets, &display_name, &limits)?;
    let id = ChannelAccountId::new(&kassa.ids);
    let (credentials_sealed, fingerprints) = settings::seal(kassa, id, &secrets)?;
    let now = kassa.clock.now();
    let account = ChannelAccount {
        id,
        code,
        display_name,
        gateway,
        settings,
        fingerprints,
        limits: limits.account_limits(),
        fee: limits.fee,
        callback_cidrs: limits.callback_cidrs,
        is_active: true,
        version: 1,
        created_at: now,
        updated_at: now,
    };
    let action = Action {
        actor,
        name: "channel_account.create",
        subject: format!("channel_accounts/{}", account.code),
        detail: json!({ "gateway": gateway, "secrets": account.fingerprints }),
    };
    let tx = kassa.store.begin().await?;
    let row = SealedAccount {
        account: account.clone(),
        credentials_sealed,
    };
    match tx.insert_channel_account_in_tx(&row).await {
        Ok(()) => {}
        Err(StoreError::UniqueViolation { .. }) => {
            return Err(Error::AlreadyExists {
                resource: "channel_account",
                name: account.code.to_string(),
            });
        }
        Err(error) => return Err(error.into()),
    }
    audit::record_in_tx(kassa, &tx, action).await?;
    tx.commit().await?;
    kassa.accounts.refresh().await?;
    Ok(account)
}
