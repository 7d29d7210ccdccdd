//! The books: tables `ledger_accounts`, `ledger_transfers`, `ledger_entries`.
//!
//! A cause is booked once (unique in `ledger_transfers`). Accounts come into being when first booked
//! on. Balances change under row locks taken in one order, so transfers never deadlock. The database
//! itself refuses to change or delete transfers and entries.

mod post;
mod verify;

use chrono::{DateTime, Utc};
use entities::{ledger_account, ledger_entry, ledger_transfer};
use kassa_core::id::{TransactionId, TransferId};
use kassa_core::ledger::{Entry, LedgerAccountKey, TransferCause};
use sea_orm::sea_query::Order;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect, Select};

use super::row::{RowReader, fetch_all, fetch_one};
use super::{PAGE_LIMIT_MAX, Store, StoreError};

pub use post::Posted;
pub use verify::{BooksReport, DIFFERENCES_MAX, Difference};

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

impl Store {
    /// The balance of an account; 0 if nothing was ever booked on it.
    pub async fn balance(&self, key: &LedgerAccountKey) -> Result<i64, StoreError> {
        let query = ledger_account::Entity::find()
            .filter(ledger_account::Column::Kind.eq(key.kind.as_str()))
            .filter(ledger_account::Column::Owner.eq(key.owner.as_str()))
            .filter(ledger_account::Column::Currency.eq(key.currency.code()));
        let row = fetch_one(self.db(), "read a balance", query).await?;
        Ok(row.map_or(0, |account| account.balance_minor))
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
        currency: reader.parse("currency", &account.currency)?,
    })
}
