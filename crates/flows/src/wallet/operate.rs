//! What credits, debits and transfers have in common: idempotency, one transaction, the record of what was
//! asked for, audit and events.

use kassa_core::event::EventKind;
use kassa_core::id::WalletOperationId;
use kassa_core::ledger::{Amount, LedgerError, Transfer};
use kassa_core::text::{AppId, RequestId, UserId, WalletReason};
use kassa_core::wallet::{Wallet, WalletKey, WalletOperationKind};
use proto::v1;
use runtime::store::{Locked, Movement, StoreError, Tx, WalletOperationRecord};
use serde_json::json;
use sha2::{Digest, Sha256};

use super::book::{book_in_tx, refuse_frozen};
use super::view;
use crate::audit::{self, Action};
use crate::event::record_wallet_event_in_tx;
use crate::{Error, Kassa, resource};

/// A request to credit, debit or transfer: every field well-formed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewOperation {
    /// The caller's idempotency key; credits, debits and transfers share theirs.
    pub request_id: RequestId,
    /// Whose wallet.
    pub user_id: UserId,
    /// How much.
    pub amount: Amount,
    /// Why.
    pub reason: WalletReason,
}

/// What is to be done, and to whom.
#[derive(Debug)]
pub(super) struct Operation {
    pub(super) kind: WalletOperationKind,
    pub(super) new: NewOperation,
    /// Who gets it; transfers only.
    pub(super) taker: Option<UserId>,
}

impl Operation {
    /// SHA-256 over everything but the idempotency key: tells a repeat from another request.
    fn fingerprint(&self) -> String {
        let content = json!([
            self.kind,
            self.new.user_id,
            self.taker,
            self.new.amount.minor(),
            self.new.amount.unit().code(),
            self.new.reason,
        ]);
        hex::encode(Sha256::digest(content.to_string().as_bytes()))
    }

    fn action(&self) -> &'static str {
        match self.kind {
            WalletOperationKind::Credit => "wallet.credit",
            WalletOperationKind::Debit => "wallet.debit",
            WalletOperationKind::Transfer => "wallet.transfer",
        }
    }

    fn transfer(&self, wallet: &WalletKey, id: String) -> Result<Transfer, LedgerError> {
        match (self.kind, &self.taker) {
            (WalletOperationKind::Credit, _) => wallet.credit(id, self.new.amount),
            (WalletOperationKind::Debit, _) => wallet.debit(id, self.new.amount),
            (WalletOperationKind::Transfer, Some(taker)) => {
                wallet.transfer(id, taker, self.new.amount)
            }
            (WalletOperationKind::Transfer, None) => Err(LedgerError::TooFewEntries),
        }
    }
}

/// Does it once: the same request again answers the same.
pub(super) async fn operate(
    kassa: &Kassa,
    app: &AppId,
    operation: Operation,
) -> Result<WalletOperationRecord, Error> {
    if operation.new.amount.is_zero() {
        return Err(Error::field("amount", "must be more than zero"));
    }
    let fingerprint = operation.fingerprint();
    let request = &operation.new.request_id;
    let existing = kassa.store.find_wallet_operation(app, request).await?;
    if let Some(existing) = existing {
        return same(existing, &fingerprint);
    }
    let tx = kassa.store.begin().await?;
    match Box::pin(operate_in_tx(kassa, &tx, app, &operation, &fingerprint)).await {
        Ok(done) => {
            tx.commit().await?;
            let kind = operation.kind.as_str();
            metrics::counter!("kassa_wallet_operations_total", "kind" => kind).increment(1);
            Ok(done)
        }
        // The same key at the same time, for another wallet.
        Err(Error::Store(StoreError::UniqueViolation { .. })) => {
            drop(tx);
            let existing = kassa.store.find_wallet_operation(app, request).await?;
            existing.map_or(Err(Error::RequestInFlight), |it| same(it, &fingerprint))
        }
        Err(error) => Err(error),
    }
}

fn same(
    existing: WalletOperationRecord,
    fingerprint: &str,
) -> Result<WalletOperationRecord, Error> {
    if existing.request_fingerprint == fingerprint {
        return Ok(existing);
    }
    Err(Error::IdempotencyMismatch {
        field: "request_id",
        key: existing.request_id.to_string(),
    })
}

async fn operate_in_tx(
    kassa: &Kassa,
    tx: &Tx,
    app: &AppId,
    operation: &Operation,
    fingerprint: &str,
) -> Result<WalletOperationRecord, Error> {
    let now = kassa.clock.now();
    let new = &operation.new;
    let of_user = |user_id: &UserId| WalletKey {
        app_id: app.clone(),
        user_id: user_id.clone(),
    };
    let wallet = of_user(&new.user_id);
    let mut keys = vec![wallet.clone()];
    keys.extend(operation.taker.as_ref().map(of_user));
    let locked = tx.lock_wallets_in_tx(&keys, &kassa.ids, now).await?;
    // The same request may have been done while this one waited for the lock.
    if let Some(existing) = tx.find_wallet_operation_in_tx(app, &new.request_id).await? {
        return same(existing, fingerprint);
    }
    if let (WalletOperationKind::Debit | WalletOperationKind::Transfer, Some(giver)) =
        (operation.kind, locked.first())
    {
        refuse_frozen(giver.get())?;
    }
    let id = WalletOperationId::new(&kassa.ids);
    let transfer = operation.transfer(&wallet, id.to_string());
    let transfer = transfer.map_err(Error::internal)?;
    let _new = book_in_tx(kassa, tx, &[Movement::Transfer(transfer)], None).await?;
    let unit = new.amount.unit();
    let balances = tx.balances_in_tx(&wallet.account(unit)).await?;
    let done = WalletOperationRecord {
        id,
        request_id: new.request_id.clone(),
        request_fingerprint: fingerprint.to_owned(),
        kind: operation.kind,
        counterpart: operation.taker.clone(),
        amount: new.amount,
        available_after: view::available(unit, balances)?,
        reason: new.reason.to_string(),
        actor: app.to_string(),
        created_at: now,
        wallet,
    };
    tx.insert_wallet_operation_in_tx(&done).await?;
    for wallet in locked {
        tell_in_tx(kassa, tx, wallet, &done).await?;
    }
    record_in_tx(kassa, tx, operation.action(), &done).await?;
    Ok(done)
}

/// The event of one wallet that took part.
async fn tell_in_tx(
    kassa: &Kassa,
    tx: &Tx,
    locked: Locked<Wallet>,
    done: &WalletOperationRecord,
) -> Result<(), Error> {
    let is_taker = done.counterpart.as_ref() == Some(&locked.get().key.user_id);
    let kind = match done.kind {
        WalletOperationKind::Transfer if is_taker => EventKind::WalletCredited,
        WalletOperationKind::Credit => EventKind::WalletCredited,
        WalletOperationKind::Debit | WalletOperationKind::Transfer => EventKind::WalletDebited,
    };
    tell_changed_in_tx(kassa, tx, locked, kind).await
}

/// The event of a wallet in which something changed: it shows what is in it now.
pub(super) async fn tell_changed_in_tx(
    kassa: &Kassa,
    tx: &Tx,
    locked: Locked<Wallet>,
    kind: EventKind,
) -> Result<(), Error> {
    let mut wallet = locked.get().clone();
    wallet.updated_at = kassa.clock.now();
    let shown = view::wallet_in_tx(tx, &wallet).await?;
    record_wallet_event_in_tx(kassa, tx, &mut wallet, &shown, kind).await?;
    tx.update_wallet_in_tx(locked, wallet).await?;
    Ok(())
}

async fn record_in_tx(
    kassa: &Kassa,
    tx: &Tx,
    name: &'static str,
    done: &WalletOperationRecord,
) -> Result<(), Error> {
    let action = Action {
        actor: &done.actor,
        name,
        subject: format!("wallets/{}", done.wallet.user_id),
        detail: json!({
            "operation_id": done.id.to_string(),
            "counterpart_user_id": done.counterpart,
            "amount": done.amount.to_string(),
            "reason": done.reason,
        }),
    };
    audit::record_in_tx(kassa, tx, action).await
}

/// An operation as the API shows it.
pub fn operation(done: &WalletOperationRecord) -> v1::WalletOperation {
    let (money, points) = view::fields(done.amount);
    let (money_available, points_available) = view::fields(done.available_after);
    let kind = match done.kind {
        WalletOperationKind::Credit => v1::WalletOperationKind::Credit,
        WalletOperationKind::Debit => v1::WalletOperationKind::Debit,
        WalletOperationKind::Transfer => v1::WalletOperationKind::Transfer,
    };
    let counterpart = done.counterpart.as_ref();
    v1::WalletOperation {
        operation_id: done.id.to_string(),
        request_id: done.request_id.to_string(),
        kind: kind.into(),
        user_id: done.wallet.user_id.to_string(),
        counterpart_user_id: counterpart.map(ToString::to_string).unwrap_or_default(),
        money,
        points,
        money_available,
        points_available,
        reason: done.reason.clone(),
        create_time: Some(resource::time(done.created_at)),
    }
}
