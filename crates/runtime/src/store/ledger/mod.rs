//! The books: tables `ledger_accounts`, `ledger_transfers`, `ledger_entries`, `holds`, `points_lots`.
//!
//! A cause is booked once (unique in `ledger_transfers`) and holds once (unique in `holds`). Accounts
//! come into being when first booked on. Balances change under row locks taken in one order, so
//! bookings never deadlock. The database itself refuses to change or delete transfers and entries, and
//! to overdraw a wallet.

mod accounts;
mod book;
mod hold;
mod lot;
mod statement;
mod verify;

use chrono::{DateTime, Utc};
use entities::{ledger_account, ledger_entry, ledger_transfer};
use kassa_core::id::{TransactionId, TransferId};
use kassa_core::ledger::{Entry, LedgerAccountKey, LedgerAccountKind, TransferCause, Unit};
use kassa_core::wallet::WalletKey;
use sea_orm::sea_query::Order;
use sea_orm::{
    ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect, Select,
};

use super::row::{RowReader, fetch_all, fetch_one};
use super::{PAGE_LIMIT_MAX, Store, StoreError, Tx};
use accounts::is_account;

pub use book::{Movement, NewHold, Posted};
pub use statement::StatementEntry;

pub use verify::{BooksReport, DIFFERENCES_MAX, Difference};
#[cfg(test)]
pub(crate) use {
    hold::due as due_holds, lot::due as due_lots, lot::spendable as spendable_lots,
    statement::page as statement_page,
};

/// A transfer in the books.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TransferRecord {
    /// Its id.
    pub id: TransferId,
    /// What made it.
    pub cause: TransferCause,
    /// The payment that it belongs to.
    pub transaction_id: Option<TransactionId>,
    /// When it was booked.
    pub created_at: DateTime<Utc>,
    /// Its entries in order.
    pub entries: Vec<Entry>,
}

/// What stands on an account, in minor units of its unit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Balances {
    /// The sum of its entries: a wallet's is zero or less, as it is owed.
    pub balance_minor: i64,
    /// What of a wallet is reserved.
    pub held_minor: i64,
}

impl Balances {
    /// What can be taken out of a wallet.
    pub fn available_minor(self) -> i64 {
        self.balance_minor
            .saturating_neg()
            .saturating_sub(self.held_minor)
    }
}

impl Store {
    /// The balance of an account; 0 if nothing was ever booked on it.
    pub async fn balance(&self, key: &LedgerAccountKey) -> Result<i64, StoreError> {
        Ok(self.balances(key).await?.balance_minor)
    }

    /// What stands on an account; nothing if nothing was ever booked on it.
    pub async fn balances(&self, key: &LedgerAccountKey) -> Result<Balances, StoreError> {
        read_balances(self.db(), key).await
    }

    /// What is in a wallet, by unit.
    pub async fn list_wallet_balances(
        &self,
        wallet: &WalletKey,
    ) -> Result<Vec<(Unit, Balances)>, StoreError> {
        list_wallet_balances(self.db(), wallet).await
    }

    /// The transfers of a payment, oldest first, with their entries.
    pub async fn list_transfers_of(
        &self,
        transaction: TransactionId,
    ) -> Result<Vec<TransferRecord>, StoreError> {
        let transfers = fetch_all(self.db(), "list transfers", transfers_of(transaction)).await?;
        let ids = transfers.iter().map(|transfer| transfer.id.clone());
        let entries: Vec<(ledger_entry::Model, Option<ledger_account::Model>)> =
            entries_with_accounts(self, ids.collect()).await?;
        transfers
            .into_iter()
            .map(|transfer| read_transfer(&transfer, &entries))
            .collect()
    }
}

impl Tx {
    /// What stands on an account as this transaction sees it.
    pub async fn balances_in_tx(&self, key: &LedgerAccountKey) -> Result<Balances, StoreError> {
        read_balances(self.db(), key).await
    }

    /// What is in a wallet as this transaction sees it, by unit.
    pub async fn list_wallet_balances_in_tx(
        &self,
        wallet: &WalletKey,
    ) -> Result<Vec<(Unit, Balances)>, StoreError> {
        list_wallet_balances(self.db(), wallet).await
    }
}

async fn list_wallet_balances<C: ConnectionTrait>(
    db: &C,
    wallet: &WalletKey,
) -> Result<Vec<(Unit, Balances)>, StoreError> {
    let kinds = [LedgerAccountKind::Wallet, LedgerAccountKind::PointsWallet];
    let query = ledger_account::Entity::find()
        .filter(ledger_account::Column::Kind.is_in(kinds.map(LedgerAccountKind::as_str)))
        .filter(ledger_account::Column::Owner.eq(wallet.owner()))
        .order_by(ledger_account::Column::Unit, Order::Asc)
        .limit(PAGE_LIMIT_MAX);
    let rows = fetch_all(db, "list the balances of a wallet", query).await?;
    rows.iter()
        .map(|row| Ok((read_key(row)?.unit, balances_of(row))))
        .collect()
}

async fn read_balances<C: ConnectionTrait>(
    db: &C,
    key: &LedgerAccountKey,
) -> Result<Balances, StoreError> {
    let query = ledger_account::Entity::find().filter(is_account(key));
    let row = fetch_one(db, "read a balance", query).await?;
    Ok(row.as_ref().map(balances_of).unwrap_or_default())
}

fn balances_of(account: &ledger_account::Model) -> Balances {
    Balances {
        balance_minor: account.balance_minor,
        held_minor: account.held_minor,
    }
}

pub(crate) fn transfers_of(transaction: TransactionId) -> Select<ledger_transfer::Entity> {
    ledger_transfer::Entity::find()
        .filter(ledger_transfer::Column::TransactionId.eq(transaction.to_string()))
        .order_by(ledger_transfer::Column::CreatedAt, Order::Asc)
        .order_by(ledger_transfer::Column::Id, Order::Asc)
        .limit(PAGE_LIMIT_MAX)
}

async fn entries_with_accounts(
    store: &Store,
    transfers: Vec<String>,
) -> Result<Vec<(ledger_entry::Model, Option<ledger_account::Model>)>, StoreError> {
    const OPERATION: &str = "list ledger entries";
    let entries = ledger_entry::Entity::find()
        .filter(ledger_entry::Column::TransferId.is_in(transfers))
        .order_by(ledger_entry::Column::TransferId, Order::Asc)
        .order_by(ledger_entry::Column::EntryNo, Order::Asc);
    let entries = fetch_all(store.db(), OPERATION, entries).await?;
    let mut ids: Vec<String> = entries
        .iter()
        .map(|entry| entry.account_id.clone())
        .collect();
    ids.sort_unstable();
    ids.dedup();
    let accounts = ledger_account::Entity::find().filter(ledger_account::Column::Id.is_in(ids));
    let accounts = fetch_all(store.db(), OPERATION, accounts).await?;
    let account_of = |entry: &ledger_entry::Model| {
        accounts
            .iter()
            .find(|account| account.id == entry.account_id)
            .cloned()
    };
    Ok(entries
        .into_iter()
        .map(|entry| {
            let account = account_of(&entry);
            (entry, account)
        })
        .collect())
}

fn read_transfer(
    row: &ledger_transfer::Model,
    entries: &[(ledger_entry::Model, Option<ledger_account::Model>)],
) -> Result<TransferRecord, StoreError> {
    let reader = RowReader::new("ledger_transfers", &row.id);
    let own = entries
        .iter()
        .filter(|(entry, _)| entry.transfer_id == row.id);
    Ok(TransferRecord {
        id: reader.parse("id", &row.id)?,
        cause: TransferCause {
            kind: reader.parse("cause_kind", &row.cause_kind)?,
            id: row.cause_id.clone(),
        },
        transaction_id: reader.parse_some("transaction_id", row.transaction_id.as_deref())?,
        created_at: row.created_at,
        entries: own
            .map(|(entry, account)| read_entry(entry, account.as_ref()))
            .collect::<Result<_, _>>()?,
    })
}

fn read_entry(
    entry: &ledger_entry::Model,
    account: Option<&ledger_account::Model>,
) -> Result<Entry, StoreError> {
    let account = account
        .ok_or_else(|| RowReader::new("ledger_entries", &entry.id).unreadable("account_id"))?;
    Ok(Entry {
        account: read_key(account)?,
        amount_minor: entry.amount_minor,
    })
}

fn read_key(account: &ledger_account::Model) -> Result<LedgerAccountKey, StoreError> {
    let reader = RowReader::new("ledger_accounts", &account.id);
    Ok(LedgerAccountKey {
        kind: reader.parse("kind", &account.kind)?,
        owner: account.owner.clone(),
        unit: reader.parse("unit", &account.unit)?,
    })
}
