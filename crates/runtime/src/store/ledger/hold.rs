//! Holds: table `holds`.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use entities::hold::{ActiveModel, Column, Entity, Model};
use entities::ledger_account;
use kassa_core::id::{HoldId, TransactionId};
use kassa_core::ledger::{Amount, Hold, HoldStatus, TransferCause};
use sea_orm::ActiveValue::Set;
use sea_orm::sea_query::{Expr, ExprTrait, OnConflict, Order};
use sea_orm::{
    ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect, Select,
};

use super::NewHold;
use crate::store::page::page_limit;
use crate::store::row::{RowReader, exactly_one, fetch_all, to_micros};
use crate::store::{Store, StoreError, Tx, lock_row};

const TABLE: &str = "holds";

impl Store {
    /// Active holds whose time has passed, the longest first.
    pub async fn list_due_holds(
        &self,
        now: DateTime<Utc>,
        limit: u64,
    ) -> Result<Vec<Hold>, StoreError> {
        let rows = fetch_all(self.db(), "list due holds", due(now, limit)).await?;
        with_accounts(self.db(), rows).await
    }
}

impl Tx {
    /// The hold with this id as this transaction sees it.
    pub async fn find_hold_in_tx(&self, id: HoldId) -> Result<Option<Hold>, StoreError> {
        let query = Entity::find_by_id(id.to_string());
        let rows = fetch_all(self.db(), "find a hold", query).await?;
        Ok(with_accounts(self.db(), rows).await?.into_iter().next())
    }

    /// The hold that was made for a cause.
    pub async fn find_hold_of_cause_in_tx(
        &self,
        cause: &TransferCause,
    ) -> Result<Option<Hold>, StoreError> {
        let query = Entity::find()
            .filter(Column::CauseKind.eq(cause.kind.as_str()))
            .filter(Column::CauseId.eq(cause.id.as_str()));
        let rows = fetch_all(self.db(), "find a hold", query).await?;
        Ok(with_accounts(self.db(), rows).await?.into_iter().next())
    }

    /// Lets an active hold last longer. `false` if it has ended.
    pub async fn extend_hold_in_tx(
        &self,
        id: HoldId,
        expires_at: DateTime<Utc>,
    ) -> Result<bool, StoreError> {
        let result = Entity::update_many()
            .col_expr(Column::ExpiresAt, Expr::value(to_micros(expires_at)))
            .col_expr(Column::Version, next_version())
            .filter(Column::Id.eq(id.to_string()))
            .filter(Column::Status.eq(HoldStatus::Active.as_str()))
            .exec(self.db())
            .await
            .map_err(|error| StoreError::query("extend a hold", error))?;
        Ok(result.rows_affected == 1)
    }

    /// Locks holds in the order of their ids.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] if one does not exist.
    pub(super) async fn lock_holds(
        &self,
        ids: impl Iterator<Item = HoldId>,
    ) -> Result<BTreeMap<HoldId, Hold>, StoreError> {
        let ids: Vec<HoldId> = ids.collect();
        if ids.is_empty() {
            return Ok(BTreeMap::new());
        }
        let query = Entity::find()
            .filter(Column::Id.is_in(ids.iter().map(ToString::to_string)))
            .order_by(Column::Id, Order::Asc);
        let query = lock_row(query, self.db().get_database_backend());
        let rows = fetch_all(self.db(), "lock holds", query).await?;
        let holds = with_accounts(self.db(), rows).await?;
        let holds: BTreeMap<HoldId, Hold> = holds.into_iter().map(|hold| (hold.id, hold)).collect();
        match ids.iter().find(|id| !holds.contains_key(*id)) {
            Some(id) => Err(StoreError::not_found("hold", id.to_string())),
            None => Ok(holds),
        }
    }

    /// Writes a hold unless its cause holds already; says whether it was new.
    pub(super) async fn insert_hold(
        &self,
        hold: &NewHold,
        account_id: &str,
        transaction: Option<TransactionId>,
        at: DateTime<Utc>,
    ) -> Result<bool, StoreError> {
        if hold.amount.unit() != hold.account.unit || !hold.account.kind.is_wallet() {
            return Err(StoreError::Unwritable {
                table: TABLE,
                column: "account_id",
            });
        }
        let row = ActiveModel {
            id: Set(hold.id.to_string()),
            account_id: Set(account_id.to_owned()),
            amount_minor: Set(hold.amount.minor()),
            posted_minor: Set(0),
            status: Set(HoldStatus::Active.to_string()),
            cause_kind: Set(hold.cause.kind.to_string()),
            cause_id: Set(hold.cause.id.clone()),
            transaction_id: Set(transaction.map(|id| id.to_string())),
            expires_at: Set(to_micros(hold.expires_at)),
            created_at: Set(at),
            ended_at: Set(None),
            version: Set(1),
        };
        let once = OnConflict::columns([Column::CauseKind, Column::CauseId])
            .do_nothing()
            .to_owned();
        let rows = Entity::insert(row)
            .on_conflict(once)
            .exec_without_returning(self.db())
            .await
            .map_err(|error| StoreError::query("insert a hold", error))?;
        Ok(rows > 0)
    }

    /// Writes how a hold ended.
    pub(super) async fn write_hold(&self, hold: &Hold) -> Result<(), StoreError> {
        const OPERATION: &str = "end a hold";
        let result = Entity::update_many()
            .col_expr(Column::Status, Expr::val(hold.status.as_str()))
            .col_expr(Column::PostedMinor, Expr::val(hold.posted_minor))
            .col_expr(Column::EndedAt, Expr::value(hold.ended_at))
            .col_expr(Column::Version, next_version())
            .filter(Column::Id.eq(hold.id.to_string()))
            .filter(Column::Version.eq(hold.version))
            .exec(self.db())
            .await
            .map_err(|error| StoreError::query(OPERATION, error))?;
        exactly_one(result.rows_affected, OPERATION)
    }
}

pub(crate) fn due(now: DateTime<Utc>, limit: u64) -> Select<Entity> {
    // Written out, so that the database sees at once that the partial index covers it.
    let is_active = Expr::cust(format!("status = '{}'", HoldStatus::Active));
    Entity::find()
        .filter(is_active)
        .filter(Column::ExpiresAt.lte(to_micros(now)))
        .order_by(Column::ExpiresAt, Order::Asc)
        .order_by(Column::Id, Order::Asc)
        .limit(page_limit(limit))
}

fn next_version() -> Expr {
    Expr::col(Column::Version).add(Expr::val(1_i64))
}

/// Holds with the accounts that they are of.
async fn with_accounts<C: ConnectionTrait>(
    db: &C,
    rows: Vec<Model>,
) -> Result<Vec<Hold>, StoreError> {
    if rows.is_empty() {
        return Ok(Vec::new());
    }
    let ids = rows.iter().map(|row| row.account_id.clone());
    let query = ledger_account::Entity::find().filter(ledger_account::Column::Id.is_in(ids));
    let accounts = fetch_all(db, "read the accounts of holds", query).await?;
    rows.into_iter()
        .map(|row| {
            let account = accounts.iter().find(|account| account.id == row.account_id);
            read(&row, account)
        })
        .collect()
}

fn read(row: &Model, account: Option<&ledger_account::Model>) -> Result<Hold, StoreError> {
    let reader = RowReader::new(TABLE, &row.id);
    let account = account.ok_or_else(|| reader.unreadable("account_id"))?;
    let account = super::read_key(account)?;
    Ok(Hold {
        id: reader.parse("id", &row.id)?,
        amount: Amount::of(account.unit, row.amount_minor)
            .map_err(|_negative| reader.unreadable("amount_minor"))?,
        account,
        posted_minor: row.posted_minor,
        status: reader.parse("status", &row.status)?,
        cause: TransferCause {
            kind: reader.parse("cause_kind", &row.cause_kind)?,
            id: row.cause_id.clone(),
        },
        transaction_id: reader.parse_some("transaction_id", row.transaction_id.as_deref())?,
        expires_at: row.expires_at,
        created_at: row.created_at,
        ended_at: row.ended_at,
        version: row.version,
    })
}
