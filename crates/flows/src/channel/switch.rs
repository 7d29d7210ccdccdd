//! Switch a channel account on or off for new payments.

use kassa_core::channel::ChannelAccount;
use kassa_core::text::AccountCode;
use runtime::store::SealedAccount;
use serde_json::Value;

use super::find::find_sealed;
use crate::audit::{self, Action};
use crate::{Error, Kassa};

/// Enables or disables an account; doing it again changes nothing. `actor` is written into the
/// audit log.
///
/// # Errors
/// [`Error::NotFound`].
pub async fn switch(
    kassa: &Kassa,
    actor: &str,
    code: &AccountCode,
    is_active: bool,
) -> Result<ChannelAccount, Error> {
    let id = find_sealed(kassa, code).await?.account.id;
    let tx = kassa.store.begin().await?;
    let locked = tx.load_channel_account_for_update_in_tx(id).await?;
    if locked.get().account.is_active == is_active {
        return Ok(locked.into_inner().account);
    }
    let now = kassa.clock.now();
    let before = locked.get().clone();
    let account = ChannelAccount {
        is_active,
        updated_at: now,
        ..before.account
    };
    let row = SealedAccount {
        account,
        credentials_sealed: before.credentials_sealed,
    };
    let stored = tx.update_channel_account_in_tx(locked, row).await?;
    let name = if is_active {
        "channel_account.enable"
    } else {
        "channel_account.disable"
    };
    let subject = format!("channel_accounts/{code}");
    let action = Action {
        actor,
        name,
        subject,
        detail: Value::Null,
    };
    audit::record_in_tx(kassa, &tx, action).await?;
    tx.commit().await?;
    kassa.accounts.refresh().await?;
    Ok(stored.account)
}
