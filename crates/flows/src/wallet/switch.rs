//! Freeze and unfreeze a wallet.

use kassa_core::event::EventKind;
use kassa_core::text::{AppId, UserId, WalletReason};
use kassa_core::wallet::{Wallet, WalletKey, WalletStatus};
use proto::v1;
use serde_json::json;

use super::book::lock_in_tx;
use super::view;
use crate::audit::{self, Action};
use crate::event::record_wallet_event_in_tx;
use crate::{Error, Kassa};

/// Lets nothing out of a wallet of `app` any more; doing it again changes nothing.
///
/// # Errors
/// [`Error::Store`].
pub async fn freeze(
    kassa: &Kassa,
    app: &AppId,
    user: UserId,
    reason: &WalletReason,
) -> Result<v1::Wallet, Error> {
    let change = (
        WalletStatus::Frozen,
        EventKind::WalletFrozen,
        "wallet.freeze",
    );
    switch(kassa, app, user, reason, change).await
}

/// Ends a freeze; doing it again changes nothing.
///
/// # Errors
/// [`Error::Store`].
pub async fn unfreeze(
    kassa: &Kassa,
    app: &AppId,
    user: UserId,
    reason: &WalletReason,
) -> Result<v1::Wallet, Error> {
    let change = (
        WalletStatus::Active,
        EventKind::WalletUnfrozen,
        "wallet.unfreeze",
    );
    switch(kassa, app, user, reason, change).await
}

async fn switch(
    kassa: &Kassa,
    app: &AppId,
    user_id: UserId,
    reason: &WalletReason,
    (status, event, name): (WalletStatus, EventKind, &'static str),
) -> Result<v1::Wallet, Error> {
    let key = WalletKey {
        app_id: app.clone(),
        user_id,
    };
    let now = kassa.clock.now();
    let tx = kassa.store.begin().await?;
    let locked = lock_in_tx(kassa, &tx, &key).await?;
    if locked.get().status == status {
        let shown = view::wallet_in_tx(&tx, locked.get()).await?;
        tx.commit().await?;
        return Ok(shown);
    }
    let mut wallet = Wallet {
        status,
        updated_at: now,
        ..locked.get().clone()
    };
    let shown = view::wallet_in_tx(&tx, &wallet).await?;
    record_wallet_event_in_tx(kassa, &tx, &mut wallet, &shown, event).await?;
    tx.update_wallet_in_tx(locked, wallet).await?;
    let action = Action {
        actor: app.as_str(),
        name,
        subject: format!("wallets/{}", key.user_id),
        detail: json!({ "reason": reason }),
    };
    audit::record_in_tx(kassa, &tx, action).await?;
    tx.commit().await?;
    Ok(shown)
}
