//! Points by when they came: table `points_lots`. What is left of an account's lots is always what its
//! balance says. They change under the account's lock only.
//!
//! What expires first is spent first; of what never expires, the oldest.

use chrono::{DateTime, Utc};
use entities::ledger_account;
use entities::points_lot::{ActiveModel, Column, Entity, Model};
use kassa_core::id::PointsLotId;
use kassa_core::ledger::{LedgerAccountKind, Transfer, Unit};
use kassa_core::text::{AppId, UserId};
use kassa_core::wallet::WalletKey;
use kassa_core::{IdSource, Points};
use sea_orm::ActiveValue::Set;
use sea_orm::sea_query::{Expr, ExprTrait, NullOrdering, Order};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect, QueryTrait, Select};

use super::accounts::{Accounts, sort_key};
use super::{Movement, Posted};
use crate::store::page::page_limit;
use crate::store::row::{RowReader, exactly_one, fetch_all, to_micros};
use crate::store::{Store, StoreError, Tx};

/// How many lots are read at once.
const LOTS_BATCH: u64 = 100;

/// A part of what was taken out of lots, and when it would have expired.
type Piece = (i64, Option<DateTime<Utc>>);

impl Store {
    /// Wallets that have points whose time has passed and that are not held, at most `limit`.
    pub async fn list_wallets_with_due_points(
        &self,
        now: DateTime<Utc>,
        limit: u64,
    ) -> Result<Vec<WalletKey>, StoreError> {
        const OPERATION: &str = "list wallets with due points";
        let available = Expr::col(ledger_account::Column::BalanceMinor)
            .add(Expr::col(ledger_account::Column::HeldMinor));
        let due = due(now).select_only().column(Column::AccountId);
        let query = ledger_account::Entity::find()
            .filter(ledger_account::Column::Id.in_subquery(due.into_query()))
            .filter(available.lt(Expr::val(0_i64)))
            .order_by(ledger_account::Column::Id, Order::Asc)
            .limit(page_limit(limit));
        let rows = fetch_all(self.db(), OPERATION, query).await?;
        rows.iter().map(read_wallet).collect()
    }
}

impl Tx {
    /// Expires what of a wallet's points is due and not held; none if there is nothing.
    pub async fn expire_points_in_tx(
        &self,
        wallet: &WalletKey,
        ids: &IdSource,
        at: DateTime<Utc>,
    ) -> Result<Option<Points>, StoreError> {
        const OPERATION: &str = "expire points";
        let out_of_range = || StoreError::OutOfRange {
            operation: OPERATION,
        };
        let key = wallet.account(Unit::Points);
        // Any transfer of points locks the same accounts, in the same order.
        let one = Points::try_new(1).map_err(|_negative| out_of_range())?;
        let shape = wallet.points_expiry(String::new(), one);
        let shape = shape.map_err(|_refused| out_of_range())?;
        let wanted = shape.entries().iter().map(|entry| &entry.account).collect();
        let accounts = self.lock_accounts(wanted, ids).await?;
        let account = accounts
            .get(&sort_key(&key))
            .ok_or_else(|| StoreError::not_found("ledger account", &key.owner))?;
        let query = oldest_first(due(at).filter(Column::AccountId.eq(account.id())));
        let lots = fetch_all(self.db(), OPERATION, query.limit(LOTS_BATCH)).await?;
        let due = lots
            .iter()
            .map(|lot| lot.remaining_minor)
            .try_fold(0_i64, i64::checked_add)
            .ok_or_else(out_of_range)?;
        let available = account.available_minor().ok_or_else(out_of_range)?;
        let minor = Ord::min(due, available);
        let Some(first) = lots.first().filter(|_| minor > 0) else {
            return Ok(None);
        };
        let points = Points::try_new(minor).map_err(|_negative| out_of_range())?;
        let cause = format!("{}:{}", first.id, first.version);
        let transfer = wallet
            .points_expiry(cause, points)
            .map_err(|_refused| out_of_range())?;
        let posted = self
            .book_in_tx(&[Movement::Transfer(transfer)], None, ids, at)
            .await?;
        Ok(posted.contains(&Posted::New).then_some(points))
    }

    /// Takes the points that a transfer moves out of the lots of one wallet and into lots of another.
    pub(super) async fn move_lots(
        &self,
        transfer: &Transfer,
        accounts: &Accounts,
        expires_at: Option<DateTime<Utc>>,
        (ids, at): (&IdSource, DateTime<Utc>),
    ) -> Result<(), StoreError> {
        let of_points = || {
            let entries = transfer.entries().iter();
            entries.filter_map(|entry| {
                let is_points = entry.account.kind == LedgerAccountKind::PointsWallet;
                let account = accounts.get(&sort_key(&entry.account))?;
                is_points.then_some((account.id(), entry.amount_minor))
            })
        };
        let mut pieces: Vec<Piece> = Vec::new();
        for (account, minor) in of_points().filter(|(_, minor)| *minor > 0) {
            pieces.extend(self.take_from_lots(account, minor).await?);
        }
        for (account, minor) in of_points().filter(|(_, minor)| *minor < 0) {
            if pieces.is_empty() {
                pieces.push((minor.saturating_neg(), expires_at));
            }
            self.give_lots(account, &pieces, (ids, at)).await?;
        }
        Ok(())
    }

    async fn take_from_lots(&self, account: &str, minor: i64) -> Result<Vec<Piece>, StoreError> {
        const OPERATION: &str = "take from lots of points";
        let mut rest = minor;
        let mut pieces = Vec::new();
        while rest > 0 {
            let lots = fetch_all(self.db(), OPERATION, spendable(account)).await?;
            if lots.is_empty() {
                return Err(StoreError::not_found("lot of points of account", account));
            }
            for lot in lots {
                let taken = Ord::min(rest, lot.remaining_minor);
                if taken == 0 {
                    break;
                }
                self.write_lot(&lot, lot.remaining_minor.saturating_sub(taken))
                    .await?;
                rest = rest.saturating_sub(taken);
                pieces.push((taken, lot.expires_at));
            }
        }
        Ok(pieces)
    }

    async fn write_lot(&self, lot: &Model, remaining_minor: i64) -> Result<(), StoreError> {
        const OPERATION: &str = "write a lot of points";
        let result = Entity::update_many()
            .col_expr(Column::RemainingMinor, Expr::val(remaining_minor))
            .col_expr(
                Column::Version,
                Expr::col(Column::Version).add(Expr::val(1_i64)),
            )
            .filter(Column::Id.eq(lot.id.as_str()))
            .filter(Column::Version.eq(lot.version))
            .exec(self.db())
            .await
            .map_err(|error| StoreError::query(OPERATION, error))?;
        exactly_one(result.rows_affected, OPERATION)
    }

    async fn give_lots(
        &self,
        account: &str,
        pieces: &[Piece],
        (ids, at): (&IdSource, DateTime<Utc>),
    ) -> Result<(), StoreError> {
        let rows = pieces.iter().map(|(minor, expires_at)| ActiveModel {
            id: Set(PointsLotId::new(ids).to_string()),
            account_id: Set(account.to_owned()),
            amount_minor: Set(*minor),
            remaining_minor: Set(*minor),
            expires_at: Set(expires_at.map(to_micros)),
            created_at: Set(at),
            version: Set(1),
        });
        Entity::insert_many(rows)
            .exec_without_returning(self.db())
            .await
            .map_err(|error| StoreError::query("insert lots of points", error))?;
        Ok(())
    }
}

/// The next lots of an account to be spent.
pub(crate) fn spendable(account: &str) -> Select<Entity> {
    oldest_first(remaining().filter(Column::AccountId.eq(account))).limit(LOTS_BATCH)
}

/// Written out, so that the database sees at once that the partial indexes cover it.
fn remaining() -> Select<Entity> {
    Entity::find().filter(Expr::cust("remaining_minor > 0"))
}

pub(crate) fn due(now: DateTime<Utc>) -> Select<Entity> {
    remaining().filter(Column::ExpiresAt.lte(to_micros(now)))
}

fn oldest_first(query: Select<Entity>) -> Select<Entity> {
    query
        .order_by_with_nulls(Column::ExpiresAt, Order::Asc, NullOrdering::Last)
        .order_by(Column::CreatedAt, Order::Asc)
        .order_by(Column::Id, Order::Asc)
}

fn read_wallet(account: &ledger_account::Model) -> Result<WalletKey, StoreError> {
    let reader = RowReader::new("ledger_accounts", &account.id);
    let (app, user) = account
        .owner
        .split_once('/')
        .ok_or_else(|| reader.unreadable("owner"))?;
    Ok(WalletKey {
        app_id: reader.text::<AppId>("owner", app)?,
        user_id: reader.text::<UserId>("owner", user)?,
    })
}
