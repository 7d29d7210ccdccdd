//! Booking a transfer.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use entities::{ledger_account, ledger_entry, ledger_transfer};
use kassa_core::IdSource;
use kassa_core::id::{LedgerAccountId, TransactionId, TransferId};
use kassa_core::ledger::{LedgerAccountKey, Transfer};
use sea_orm::ActiveValue::Set;
use sea_orm::sea_query::{Expr, ExprTrait, OnConflict, Order};
use sea_orm::{ColumnTrait, Condition, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder};

use crate::store::row::{exactly_one, fetch_all, to_micros};
use crate::store::{StoreError, Tx, lock_row};

/// Whether a transfer was booked now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Posted {
    /// It was booked.
    New,
    /// Its cause was booked before; nothing changed.
    AlreadyPosted,
}

/// The order in which account rows are locked: kind, owner, currency, as text.
type SortKey = (&'static str, String, &'static str);
type Accounts = BTreeMap<SortKey, ledger_account::Model>;

impl Tx {
    /// Books a transfer, once per cause. Accounts are made on demand and locked in one order.
    ///
    /// # Errors
    /// [`StoreError::OutOfRange`] if a balance would leave the range of 64 bits.
    pub async fn post_transfer_in_tx(
        &self,
        transfer: &Transfer,
        transaction: Option<TransactionId>,
        ids: &IdSource,
        at: DateTime<Utc>,
    ) -> Result<Posted, StoreError> {
        let transfer_id = TransferId::new(ids).to_string();
        if !self
            .insert_transfer(&transfer_id, transfer, transaction, at)
            .await?
        {
            return Ok(Posted::AlreadyPosted);
        }
        let mut accounts = self.lock_accounts(transfer, ids).await?;
        let mut entries = Vec::with_capacity(transfer.entries().len());
        for (entry_no, entry) in (1_i32..).zip(transfer.entries()) {
            let account = accounts
                .get_mut(&sort_key(&entry.account))
                .ok_or_else(|| StoreError::not_found("ledger account", &entry.account.owner))?;
            account.balance_minor = account
                .balance_minor
                .checked_add(entry.amount_minor)
                .ok_or(StoreError::OutOfRange {
                    operation: "post a transfer",
                })?;
            entries.push(ledger_entry::ActiveModel {
                id: Set(ids.next().simple().to_string()),
                transfer_id: Set(transfer_id.clone()),
                account_id: Set(account.id.clone()),
                entry_no: Set(entry_no),
                amount_minor: Set(entry.amount_minor),
                balance_after_minor: Set(account.balance_minor),
            });
        }
        ledger_entry::Entity::insert_many(entries)
            .exec_without_returning(self.db())
            .await
            .map_err(|error| StoreError::query("insert ledger entries", error))?;
        for account in accounts.values() {
            self.write_balance(account).await?;
        }
        Ok(Posted::New)
    }

    async fn insert_transfer(
        &self,
        id: &str,
        transfer: &Transfer,
        transaction: Option<TransactionId>,
        at: DateTime<Utc>,
    ) -> Result<bool, StoreError> {
        let row = ledger_transfer::ActiveModel {
            id: Set(id.to_owned()),
            cause_kind: Set(transfer.cause().kind.to_string()),
            cause_id: Set(transfer.cause().id.clone()),
            transaction_id: Set(transaction.map(|id| id.to_string())),
            created_at: Set(to_micros(at)),
        };
        let once = OnConflict::columns([
            ledger_transfer::Column::CauseKind,
            ledger_transfer::Column::CauseId,
        ])
        .do_nothing()
        .to_owned();
        let rows = ledger_transfer::Entity::insert(row)
            .on_conflict(once)
            .exec_without_returning(self.db())
            .await
            .map_err(|error| StoreError::query("insert a transfer", error))?;
        Ok(rows > 0)
    }

    async fn lock_accounts(
        &self,
        transfer: &Transfer,
        ids: &IdSource,
    ) -> Result<Accounts, StoreError> {
        let wanted: BTreeMap<SortKey, &LedgerAccountKey> = transfer
            .entries()
            .iter()
            .map(|entry| (sort_key(&entry.account), &entry.account))
            .collect();
        let found = self.lock_existing_accounts(&wanted).await?;
        if found.len() == wanted.len() {
            return Ok(found);
        }
        let missing = wanted.iter().filter(|(sort, _)| !found.contains_key(*sort));
        let rows = missing.map(|(_, key)| ledger_account::ActiveModel {
            id: Set(LedgerAccountId::new(ids).to_string()),
            kind: Set(key.kind.to_string()),
            owner: Set(key.owner.clone()),
            currency: Set(key.currency.to_string()),
            balance_minor: Set(0),
            version: Set(0),
        });
        let once = OnConflict::columns([
            ledger_account::Column::Kind,
            ledger_account::Column::Owner,
            ledger_account::Column::Currency,
        ])
        .do_nothing()
        .to_owned();
        ledger_account::Entity::insert_many(rows)
            .on_conflict(once)
            .exec_without_returning(self.db())
            .await
            .map_err(|error| StoreError::query("insert ledger accounts", error))?;
        self.lock_existing_accounts(&wanted).await
    }

    async fn lock_existing_accounts(
        &self,
        wanted: &BTreeMap<SortKey, &LedgerAccountKey>,
    ) -> Result<Accounts, StoreError> {
        let any = wanted
            .values()
            .fold(Condition::any(), |any, key| any.add(is_account(key)));
        let query = ledger_account::Entity::find()
            .filter(any)
            .order_by(ledger_account::Column::Kind, Order::Asc)
            .order_by(ledger_account::Column::Owner, Order::Asc)
            .order_by(ledger_account::Column::Currency, Order::Asc);
        let query = lock_row(query, self.db().get_database_backend());
        let rows = fetch_all(self.db(), "lock ledger accounts", query).await?;
        rows.into_iter()
            .map(|row| super::read_key(&row).map(|key| (sort_key(&key), row)))
            .collect()
    }

    async fn write_balance(&self, account: &ledger_account::Model) -> Result<(), StoreError> {
        const OPERATION: &str = "write a balance";
        let result = ledger_account::Entity::update_many()
            .col_expr(
                ledger_account::Column::BalanceMinor,
                Expr::val(account.balance_minor),
            )
            .col_expr(
                ledger_account::Column::Version,
                Expr::col(ledger_account::Column::Version).add(Expr::val(1_i64)),
            )
            .filter(ledger_account::Column::Id.eq(account.id.as_str()))
            .filter(ledger_account::Column::Version.eq(account.version))
            .exec(self.db())
            .await
            .map_err(|error| StoreError::query(OPERATION, error))?;
        exactly_one(result.rows_affected, OPERATION)
    }
}

fn sort_key(key: &LedgerAccountKey) -> SortKey {
    (key.kind.as_str(), key.owner.clone(), key.currency.code())
}

fn is_account(key: &LedgerAccountKey) -> Condition {
    Condition::all()
        .add(ledger_account::Column::Kind.eq(key.kind.as_str()))
        .add(ledger_account::Column::Owner.eq(key.owner.as_str()))
        .add(ledger_account::Column::Currency.eq(key.currency.code()))
}
