//! Accounts: found or made, and locked in one order.

use std::collections::BTreeMap;

use entities::ledger_account::{ActiveModel, Column, Entity, Model};
use kassa_core::IdSource;
use kassa_core::id::LedgerAccountId;
use kassa_core::ledger::LedgerAccountKey;
use sea_orm::ActiveValue::Set;
use sea_orm::sea_query::{Expr, ExprTrait, OnConflict, Order};
use sea_orm::{ColumnTrait, Condition, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder};

use crate::store::error::is_check_violation;
use crate::store::row::{exactly_one, fetch_all};
use crate::store::{StoreError, Tx, lock_row};

/// The order in which account rows are locked: kind, owner, unit, as text.
pub(super) type SortKey = (&'static str, String, &'static str);

/// Accounts that this transaction has locked, by their order.
pub(super) type Accounts = BTreeMap<SortKey, Account>;

/// A locked account and what a booking makes of it.
#[derive(Debug, Clone)]
pub(super) struct Account {
    pub(super) key: LedgerAccountKey,
    /// As it was when it was locked.
    before: Model,
    pub(super) balance_minor: i64,
    pub(super) held_minor: i64,
    pub(super) entry_count: i64,
}

impl Account {
    fn of(row: Model) -> Result<Self, StoreError> {
        Ok(Self {
            key: super::read_key(&row)?,
            balance_minor: row.balance_minor,
            held_minor: row.held_minor,
            entry_count: row.entry_count,
            before: row,
        })
    }

    pub(super) fn id(&self) -> &str {
        &self.before.id
    }

    /// What can be taken out of a wallet, in minor units.
    pub(super) fn available_minor(&self) -> Option<i64> {
        self.balance_minor
            .checked_add(self.held_minor)?
            .checked_neg()
    }

    fn is_changed(&self) -> bool {
        (self.balance_minor, self.held_minor, self.entry_count)
            != (
                self.before.balance_minor,
                self.before.held_minor,
                self.before.entry_count,
            )
    }
}

impl Tx {
    /// Locks accounts in their order; those that do not exist are made.
    pub(super) async fn lock_accounts(
        &self,
        keys: Vec<&LedgerAccountKey>,
        ids: &IdSource,
    ) -> Result<Accounts, StoreError> {
        let wanted: BTreeMap<SortKey, &LedgerAccountKey> =
            keys.into_iter().map(|key| (sort_key(key), key)).collect();
        if wanted.is_empty() {
            return Ok(Accounts::new());
        }
        let found = self.lock_existing_accounts(&wanted).await?;
        if found.len() == wanted.len() {
            return Ok(found);
        }
        let missing = wanted.iter().filter(|(sort, _)| !found.contains_key(*sort));
        let rows = missing.map(|(_, key)| ActiveModel {
            id: Set(LedgerAccountId::new(ids).to_string()),
            kind: Set(key.kind.to_string()),
            owner: Set(key.owner.clone()),
            unit: Set(key.unit.to_string()),
            balance_minor: Set(0),
            held_minor: Set(0),
            entry_count: Set(0),
            version: Set(0),
        });
        let once = OnConflict::columns([Column::Kind, Column::Owner, Column::Unit])
            .do_nothing()
            .to_owned();
        Entity::insert_many(rows)
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
        let query = Entity::find()
            .filter(any)
            .order_by(Column::Kind, Order::Asc)
            .order_by(Column::Owner, Order::Asc)
            .order_by(Column::Unit, Order::Asc);
        let query = lock_row(query, self.db().get_database_backend());
        let rows = fetch_all(self.db(), "lock ledger accounts", query).await?;
        rows.into_iter()
            .map(|row| Account::of(row).map(|account| (sort_key(&account.key), account)))
            .collect()
    }

    /// Writes what a booking made of its accounts.
    pub(super) async fn write_accounts(&self, accounts: &Accounts) -> Result<(), StoreError> {
        for account in accounts.values().filter(|account| account.is_changed()) {
            self.write_account(account).await?;
        }
        Ok(())
    }

    async fn write_account(&self, account: &Account) -> Result<(), StoreError> {
        const OPERATION: &str = "write a balance";
        let written = Entity::update_many()
            .col_expr(Column::BalanceMinor, Expr::val(account.balance_minor))
            .col_expr(Column::HeldMinor, Expr::val(account.held_minor))
            .col_expr(Column::EntryCount, Expr::val(account.entry_count))
            .col_expr(
                Column::Version,
                Expr::col(Column::Version).add(Expr::val(1_i64)),
            )
            .filter(Column::Id.eq(account.id()))
            .filter(Column::Version.eq(account.before.version))
            .exec(self.db())
            .await;
        match written {
            Ok(result) => exactly_one(result.rows_affected, OPERATION),
            // The database counts for itself: the code's own check comes first and says the same.
            Err(error) if is_check_violation(&error) => Err(StoreError::InsufficientFunds {
                account: Box::new(account.key.clone()),
                available_minor: Account::of(account.before.clone())?
                    .available_minor()
                    .unwrap_or_default(),
            }),
            Err(error) => Err(StoreError::query(OPERATION, error)),
        }
    }
}

pub(super) fn sort_key(key: &LedgerAccountKey) -> SortKey {
    (key.kind.as_str(), key.owner.clone(), key.unit.code())
}

pub(super) fn is_account(key: &LedgerAccountKey) -> Condition {
    Condition::all()
        .add(Column::Kind.eq(key.kind.as_str()))
        .add(Column::Owner.eq(key.owner.as_str()))
        .add(Column::Unit.eq(key.unit.code()))
}
