//! Transfer: move money or points from one wallet of an app to another.

use kassa_core::text::{AppId, UserId};
use kassa_core::wallet::WalletOperationKind;
use runtime::store::WalletOperationRecord;

use super::operate::{NewOperation, Operation, operate};
use crate::{Error, Kassa};

/// Moves money or points to another user of `app`, also to one whose wallet is frozen. Repeating the
/// same request answers the same.
///
/// # Errors
/// [`Error::InvalidInput`] for a transfer to oneself, [`Error::InsufficientFunds`],
/// [`Error::WalletFrozen`], [`Error::IdempotencyMismatch`].
pub async fn transfer(
    kassa: &Kassa,
    app: &AppId,
    new: NewOperation,
    taker: UserId,
) -> Result<WalletOperationRecord, Error> {
    if taker == new.user_id {
        return Err(Error::field("to_user_id", "must be another user"));
    }
    let operation = Operation {
        kind: WalletOperationKind::Transfer,
        new,
        taker: Some(taker),
    };
    operate(kassa, app, operation).await
}
