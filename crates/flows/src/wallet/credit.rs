//! Credit: put money or points into a wallet.

use kassa_core::text::AppId;
use kassa_core::wallet::WalletOperationKind;
use runtime::store::WalletOperationRecord;

use super::operate::{NewOperation, Operation, operate};
use crate::{Error, Kassa};

/// Puts money or points of `app` into a wallet, also into a frozen one. Repeating the same request
/// answers the same.
///
/// # Errors
/// [`Error::IdempotencyMismatch`].
pub async fn credit(
    kassa: &Kassa,
    app: &AppId,
    new: NewOperation,
) -> Result<WalletOperationRecord, Error> {
    let operation = Operation {
        kind: WalletOperationKind::Credit,
        new,
        taker: None,
    };
    operate(kassa, app, operation).await
}
