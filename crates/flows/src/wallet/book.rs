//! What everything that moves wallets goes through.

use chrono::{DateTime, TimeDelta, Utc};
use kassa_core::id::TransactionId;
use kassa_core::ledger::{CauseKind, LedgerAccountKind, Transfer};
use kassa_core::text::AppId;
use kassa_core::wallet::{Wallet, WalletKey, WalletStatus};
use runtime::store::{Locked, Movement, Posted, Tx};

use crate::{Error, Kassa};

/// Locks the wallet that something is to be taken out of, before anything is held or booked.
///
/// # Errors
/// [`Error::WalletFrozen`].
pub(crate) async fn lock_for_spending_in_tx(
    kassa: &Kassa,
    tx: &Tx,
    key: &WalletKey,
) -> Result<Locked<Wallet>, Error> {
    let wallet = lock_in_tx(kassa, tx, key).await?;
    refuse_frozen(wallet.get())?;
    Ok(wallet)
}

/// Locks one wallet; it comes into being at its first use.
pub(super) async fn lock_in_tx(
    kassa: &Kassa,
    tx: &Tx,
    key: &WalletKey,
) -> Result<Locked<Wallet>, Error> {
    let keys = std::slice::from_ref(key);
    let wallets = tx.lock_wallets_in_tx(keys, &kassa.ids, kassa.clock.now());
    let wallet = wallets.await?.into_iter().next();
    wallet.ok_or_else(|| Error::internal("a wallet was not locked"))
}

/// Refuses to take anything out of a frozen wallet.
///
/// # Errors
/// [`Error::WalletFrozen`].
pub(crate) fn refuse_frozen(wallet: &Wallet) -> Result<(), Error> {
    match wallet.status {
        WalletStatus::Active => Ok(()),
        WalletStatus::Frozen => Err(Error::WalletFrozen {
            user_id: wallet.key.user_id.to_string(),
        }),
    }
}

/// Books everything that a database transaction moves, in one call ([`Tx::book_in_tx`]). Points that are
/// given or come back expire as their app's policy says.
///
/// # Errors
/// [`Error::InsufficientFunds`].
pub(crate) async fn book_in_tx(
    kassa: &Kassa,
    tx: &Tx,
    movements: &[Movement],
    transaction: Option<TransactionId>,
) -> Result<Vec<Posted>, Error> {
    let mut dated = Vec::with_capacity(movements.len());
    for movement in movements {
        let expires_at = match movement {
            Movement::Transfer(transfer) => expiry_in_tx(kassa, tx, transfer).await?,
            Movement::Hold(_)
            | Movement::PostHold { .. }
            | Movement::VoidHold(_)
            | Movement::Grant { .. } => None,
        };
        dated.push(match (movement, expires_at) {
            (Movement::Transfer(transfer), Some(expires_at)) => Movement::Grant {
                transfer: transfer.clone(),
                expires_at,
            },
            (movement, _) => movement.clone(),
        });
    }
    let now = kassa.clock.now();
    Ok(tx.book_in_tx(&dated, transaction, &kassa.ids, now).await?)
}

/// When the points that a transfer brings into a wallet expire, if it brings any and they do.
async fn expiry_in_tx(
    kassa: &Kassa,
    tx: &Tx,
    transfer: &Transfer,
) -> Result<Option<DateTime<Utc>>, Error> {
    let is_new = matches!(
        transfer.cause().kind,
        CauseKind::PointsGrant | CauseKind::PointsRefund
    );
    let accounts = transfer.entries().iter().map(|entry| &entry.account);
    let mut wallets = accounts.filter(|account| account.kind == LedgerAccountKind::PointsWallet);
    let Some((app, _user)) = wallets
        .next()
        .filter(|_| is_new)
        .and_then(|account| account.owner.split_once('/'))
    else {
        return Ok(None);
    };
    let app = AppId::try_new(app).map_err(Error::internal)?;
    let app = tx.find_app_in_tx(&app).await?;
    let days = app.and_then(|app| app.policies.payment_config.points.expiry_days);
    Ok(days
        .and_then(|days| TimeDelta::try_days(i64::from(days)))
        .and_then(|time| kassa.clock.now().checked_add_signed(time)))
}
