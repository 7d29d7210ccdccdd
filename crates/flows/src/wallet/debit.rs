//! Debit: take money or points out of a wallet.

use kassa_core::text::AppId;
use kassa_core::wallet::WalletOperationKind;
use runtime::store::WalletOperationRecord;

use super::operate::{NewOperation, Operation, operate};
use crate::{Error, Kassa};

/// Takes money or points out of a wallet of `app`. Repeating the same request answers the same.
///
/// # Errors
/// [`Error::InsufficientFunds`], [`Error::WalletFrozen`], [`Error::IdempotencyMismatch`].
pub async fn debit(
    kassa: &Kassa,
    app: &AppId,
    new: NewOperation,
) -> Result<WalletOperationRecord, Error> {
    let operation = Operation {
        kind: WalletOperationKind::Debit,
        new,
        taker: None,
    };
    operate(kassa, app, operation).await
}
