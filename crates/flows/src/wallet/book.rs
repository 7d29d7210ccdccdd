//! What everything that moves wallets goes through.

use kassa_core::id::TransactionId;
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
    let keys = std::slice::from_ref(key);
    let wallets = tx.lock_wallets_in_tx(keys, &kassa.ids, kassa.clock.now());
    let wallet = wallets.await?.into_iter().next();
    let wallet = wallet.ok_or_else(|| Error::internal("a wallet was not locked"))?;
    refuse_frozen(wallet.get())?;
    Ok(wallet)
}

pub(super) fn refuse_frozen(wallet: &Wallet) -> Result<(), Error> {
    match wallet.status {
        WalletStatus::Active => Ok(()),
        WalletStatus::Frozen => Err(Error::WalletFrozen {
            user_id: wallet.key.user_id.to_string(),
        }),
    }
}

/// Books everything that a database transaction moves, in one call ([`Tx::book_in_tx`]).
///
/// # Errors
/// [`Error::InsufficientFunds`].
pub(crate) async fn book_in_tx(
    kassa: &Kassa,
    tx: &Tx,
    movements: &[Movement],
    transaction: Option<TransactionId>,
) -> Result<Vec<Posted>, Error> {
    let now = kassa.clock.now();
    Ok(tx
        .book_in_tx(movements, transaction, &kassa.ids, now)
        .await?)
}
