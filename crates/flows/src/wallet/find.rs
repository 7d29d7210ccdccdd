//! Read a wallet.

use kassa_core::text::{AppId, UserId};
use kassa_core::wallet::WalletKey;
use proto::v1;

use super::view;
use crate::{Error, Kassa};

/// The wallet of a user of `app`, empty before its first use.
///
/// # Errors
/// [`Error::Store`].
pub async fn find(kassa: &Kassa, app: &AppId, user_id: UserId) -> Result<v1::Wallet, Error> {
    let key = WalletKey {
        app_id: app.clone(),
        user_id,
    };
    let wallet = kassa.store.find_wallet(&key).await?;
    let balances = kassa.store.list_wallet_balances(&key).await?;
    view::wallet(&key, wallet.as_ref(), &balances)
}
