//! Expire: points whose day has come leave their wallets.

use kassa_core::event::EventKind;
use kassa_core::wallet::WalletKey;

use super::book::lock_in_tx;
use super::operate::tell_changed_in_tx;
use crate::{Error, Kassa};

/// Expires what is due in up to `limit` wallets; how many were looked at. What is held stays until its
/// hold ends. Any number of workers may call it at the same time.
///
/// # Errors
/// [`Error::Store`] if nothing could be read. One wallet that cannot be dealt with keeps no other from
/// its turn, and is looked at again.
pub async fn expire_due(kassa: &Kassa, limit: u64) -> Result<usize, Error> {
    let now = kassa.clock.now();
    let due = kassa.store.list_wallets_with_due_points(now, limit).await?;
    for wallet in &due {
        if let Err(error) = expire_one(kassa, wallet).await {
            tracing::warn!(%error, "due points did not expire");
        }
    }
    Ok(due.len())
}

async fn expire_one(kassa: &Kassa, key: &WalletKey) -> Result<(), Error> {
    let now = kassa.clock.now();
    let tx = kassa.store.begin().await?;
    let locked = lock_in_tx(kassa, &tx, key).await?;
    if tx
        .expire_points_in_tx(key, &kassa.ids, now)
        .await?
        .is_none()
    {
        return Ok(());
    }
    tell_changed_in_tx(kassa, &tx, locked, EventKind::WalletPointsExpired).await?;
    tx.commit().await?;
    Ok(())
}
