//! Statements: the entries of one account in the order in which they were booked.

use chrono::{DateTime, Utc};
use entities::{ledger_account, ledger_entry, ledger_transfer, wallet_operation};
use kassa_core::id::{TransactionId, TransferId, WalletOperationId};
use kassa_core::ledger::{CauseKind, LedgerAccountKey, TransferCause};
use sea_orm::sea_query::Order;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect, Select};

use super::accounts::is_account;
use crate::store::page::page_limit;
use crate::store::row::{RowReader, fetch_all, fetch_one};
use crate::store::{Store, StoreError};

/// A line of a statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatementEntry {
    /// Its number in the statement, from 1 without gaps.
    pub sequence: i64,
    /// The transfer.
    pub transfer_id: TransferId,
    /// What made it.
    pub cause: TransferCause,
    /// The payment that it belongs to.
    pub transaction_id: Option<TransactionId>,
    /// Minor units of the account's unit; positive is a debit.
    pub amount_minor: i64,
    /// The balance after it.
    pub balance_after_minor: i64,
    /// Why, if it was asked for.
    pub reason: Option<String>,
    /// When it was booked.
    pub created_at: DateTime<Utc>,
}

impl Store {
    /// A page of an account's statement, newest first, before the line with the number `before`.
    pub async fn list_statement(
        &self,
        key: &LedgerAccountKey,
        before: Option<i64>,
        limit: u64,
    ) -> Result<Vec<StatementEntry>, StoreError> {
        const OPERATION: &str = "read a statement";
        let account = ledger_account::Entity::find().filter(is_account(key));
        let Some(account) = fetch_one(self.db(), OPERATION, account).await? else {
            return Ok(Vec::new());
        };
        let entries = fetch_all(self.db(), OPERATION, page(&account.id, before, limit)).await?;
        if entries.is_empty() {
            return Ok(Vec::new());
        }
        let ids = entries.iter().map(|entry| entry.transfer_id.clone());
        let query = ledger_transfer::Entity::find().filter(ledger_transfer::Column::Id.is_in(ids));
        let transfers = fetch_all(self.db(), OPERATION, query).await?;
        let asked = transfers
            .iter()
            .filter(|transfer| is_asked_for(transfer))
            .map(|transfer| transfer.cause_id.clone());
        let query =
            wallet_operation::Entity::find().filter(wallet_operation::Column::Id.is_in(asked));
        let operations = fetch_all(self.db(), OPERATION, query).await?;
        entries
            .iter()
            .map(|entry| read(entry, &transfers, &operations))
            .collect()
    }
}

pub(crate) fn page(account: &str, before: Option<i64>, limit: u64) -> Select<ledger_entry::Entity> {
    let query = ledger_entry::Entity::find()
        .filter(ledger_entry::Column::AccountId.eq(account))
        .filter(ledger_entry::Column::Sequence.gt(0_i64))
        .order_by(ledger_entry::Column::Sequence, Order::Desc)
        .limit(page_limit(limit));
    match before {
        Some(before) => query.filter(ledger_entry::Column::Sequence.lt(before)),
        None => query,
    }
}

/// Whether the cause of a transfer is a wallet operation.
fn is_asked_for(transfer: &ledger_transfer::Model) -> bool {
    let Ok(kind) = transfer.cause_kind.parse::<CauseKind>() else {
        return false;
    };
    kind.is_operation() && transfer.cause_id.parse::<WalletOperationId>().is_ok()
}

fn read(
    entry: &ledger_entry::Model,
    transfers: &[ledger_transfer::Model],
    operations: &[wallet_operation::Model],
) -> Result<StatementEntry, StoreError> {
    let reader = RowReader::new("ledger_entries", &entry.id);
    let transfer = transfers
        .iter()
        .find(|transfer| transfer.id == entry.transfer_id)
        .ok_or_else(|| reader.unreadable("transfer_id"))?;
    let of_transfer = RowReader::new("ledger_transfers", &transfer.id);
    let operation = operations
        .iter()
        .find(|operation| is_asked_for(transfer) && operation.id == transfer.cause_id);
    Ok(StatementEntry {
        sequence: entry.sequence,
        transfer_id: of_transfer.parse("id", &transfer.id)?,
        cause: TransferCause {
            kind: of_transfer.parse("cause_kind", &transfer.cause_kind)?,
            id: transfer.cause_id.clone(),
        },
        transaction_id: of_transfer
            .parse_some("transaction_id", transfer.transaction_id.as_deref())?,
        amount_minor: entry.amount_minor,
        balance_after_minor: entry.balance_after_minor,
        reason: operation.map(|operation| operation.reason.clone()),
        created_at: transfer.created_at,
    })
}
