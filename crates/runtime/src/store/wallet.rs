//! Wallets and what was asked of them: tables `wallets`, `wallet_operations`. What is in a wallet
//! stands in the books.

use chrono::{DateTime, Utc};
use entities::wallet::{ActiveModel, Column, Entity, Model};
use entities::wallet_operation;
use kassa_core::IdSource;
use kassa_core::id::{WalletId, WalletOperationId};
use kassa_core::ledger::{Amount, Unit};
use kassa_core::text::{AppId, RequestId, UserId};
use kassa_core::wallet::{Wallet, WalletKey, WalletOperationKind, WalletStatus};
use sea_orm::ActiveValue::Set;
use sea_orm::sea_query::{Expr, OnConflict, Order};
use sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, Select,
};

use super::row::{RowReader, exactly_one, fetch_all, fetch_one, to_micros};
use super::{Locked, Store, StoreError, Tx, lock_row};

const TABLE: &str = "wallets";
const OPERATIONS_TABLE: &str = "wallet_operations";

/// A credit, debit or transfer as it was asked for and done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WalletOperationRecord {
    /// Its id; the cause of its transfer.
    pub id: WalletOperationId,
    /// The wallet.
    pub wallet: WalletKey,
    /// The caller's idempotency key, unique per app.
    pub request_id: RequestId,
    /// SHA-256 of the request's content: the same key with another content is refused.
    pub request_fingerprint: String,
    /// What was done.
    pub kind: WalletOperationKind,
    /// Who got it; transfers only.
    pub counterpart: Option<UserId>,
    /// How much.
    pub amount: Amount,
    /// What was available in the wallet after it.
    pub available_after: Amount,
    /// Why.
    pub reason: String,
    /// Who asked.
    pub actor: String,
    /// When.
    pub created_at: DateTime<Utc>,
}

impl Store {
    /// The wallet of a user; none before its first use.
    pub async fn find_wallet(&self, key: &WalletKey) -> Result<Option<Wallet>, StoreError> {
        let row = fetch_one(self.db(), "find a wallet", by_key(key)).await?;
        row.as_ref().map(read).transpose()
    }

    /// What an app asked for with this key.
    pub async fn find_wallet_operation(
        &self,
        app: &AppId,
        request: &RequestId,
    ) -> Result<Option<WalletOperationRecord>, StoreError> {
        let query = operation_by_request(app, request);
        let row = fetch_one(self.db(), "find a wallet operation", query).await?;
        row.map(read_operation).transpose()
    }
}

impl Tx {
    /// What an app asked for with this key, as this transaction sees it.
    pub async fn find_wallet_operation_in_tx(
        &self,
        app: &AppId,
        request: &RequestId,
    ) -> Result<Option<WalletOperationRecord>, StoreError> {
        let query = operation_by_request(app, request);
        let row = fetch_one(self.db(), "find a wallet operation", query).await?;
        row.map(read_operation).transpose()
    }

    /// Locks wallets in the order of their keys and answers them in the order asked. Those that do not
    /// exist come into being.
    pub async fn lock_wallets_in_tx(
        &self,
        keys: &[WalletKey],
        ids: &IdSource,
        at: DateTime<Utc>,
    ) -> Result<Vec<Locked<Wallet>>, StoreError> {
        let mut found = self.lock_existing(keys).await?;
        let mut missing: Vec<_> = keys
            .iter()
            .filter(|key| !found.iter().any(|wallet| wallet.key == **key))
            .collect();
        missing.sort_unstable();
        missing.dedup();
        if !missing.is_empty() {
            self.insert_wallets(&missing, ids, at).await?;
            found = self.lock_existing(keys).await?;
        }
        keys.iter()
            .map(|key| {
                let wallet = found.iter().find(|wallet| wallet.key == *key);
                let wallet = wallet.ok_or_else(|| StoreError::not_found("wallet", key.owner()))?;
                Ok(Locked::new(wallet.clone()))
            })
            .collect()
    }

    async fn lock_existing(&self, keys: &[WalletKey]) -> Result<Vec<Wallet>, StoreError> {
        let any = keys
            .iter()
            .fold(Condition::any(), |any, key| any.add(is_wallet(key)));
        let query = Entity::find()
            .filter(any)
            .order_by(Column::AppId, Order::Asc)
            .order_by(Column::UserId, Order::Asc);
        let query = lock_row(query, self.db().get_database_backend());
        let rows = fetch_all(self.db(), "lock wallets", query).await?;
        rows.iter().map(read).collect()
    }

    async fn insert_wallets(
        &self,
        keys: &[&WalletKey],
        ids: &IdSource,
        at: DateTime<Utc>,
    ) -> Result<(), StoreError> {
        let rows = keys.iter().map(|key| ActiveModel {
            id: Set(WalletId::new(ids).to_string()),
            app_id: Set(key.app_id.to_string()),
            user_id: Set(key.user_id.to_string()),
            status: Set(WalletStatus::Active.to_string()),
            version: Set(1),
            event_sequence: Set(0),
            created_at: Set(to_micros(at)),
            updated_at: Set(to_micros(at)),
        });
        let once = OnConflict::columns([Column::AppId, Column::UserId])
            .do_nothing()
            .to_owned();
        Entity::insert_many(rows)
            .on_conflict(once)
            .exec_without_returning(self.db())
            .await
            .map_err(|error| StoreError::query("insert wallets", error))?;
        Ok(())
    }

    /// Writes a changed wallet; its version grows by one.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] if the row is not as it was locked.
    pub async fn update_wallet_in_tx(
        &self,
        locked: Locked<Wallet>,
        wallet: Wallet,
    ) -> Result<Wallet, StoreError> {
        const OPERATION: &str = "update a wallet";
        let before = locked.into_inner();
        let version = before.version.saturating_add(1);
        let result = Entity::update_many()
            .col_expr(Column::Status, Expr::val(wallet.status.as_str()))
            .col_expr(Column::EventSequence, Expr::val(wallet.event_sequence))
            .col_expr(Column::UpdatedAt, Expr::value(to_micros(wallet.updated_at)))
            .col_expr(Column::Version, Expr::val(version))
            .filter(Column::Id.eq(before.id.to_string()))
            .filter(Column::Version.eq(before.version))
            .exec(self.db())
            .await
            .map_err(|error| StoreError::query(OPERATION, error))?;
        exactly_one(result.rows_affected, OPERATION)?;
        Ok(Wallet { version, ..wallet })
    }

    /// Writes down what was asked for.
    ///
    /// # Errors
    /// [`StoreError::UniqueViolation`] if the app used the key before.
    pub async fn insert_wallet_operation_in_tx(
        &self,
        operation: &WalletOperationRecord,
    ) -> Result<(), StoreError> {
        if operation.available_after.unit() != operation.amount.unit() {
            return Err(StoreError::Unwritable {
                table: OPERATIONS_TABLE,
                column: "available_after_minor",
            });
        }
        let row = wallet_operation::ActiveModel {
            id: Set(operation.id.to_string()),
            app_id: Set(operation.wallet.app_id.to_string()),
            request_id: Set(operation.request_id.to_string()),
            request_fingerprint: Set(operation.request_fingerprint.clone()),
            kind: Set(operation.kind.to_string()),
            user_id: Set(operation.wallet.user_id.to_string()),
            counterpart_user_id: Set(operation.counterpart.as_ref().map(ToString::to_string)),
            unit: Set(operation.amount.unit().to_string()),
            amount_minor: Set(operation.amount.minor()),
            available_after_minor: Set(operation.available_after.minor()),
            reason: Set(operation.reason.clone()),
            actor: Set(operation.actor.clone()),
            created_at: Set(to_micros(operation.created_at)),
        };
        wallet_operation::Entity::insert(row)
            .exec_without_returning(self.db())
            .await
            .map_err(|error| StoreError::query("insert a wallet operation", error))?;
        Ok(())
    }
}

pub(crate) fn operation_by_request(
    app: &AppId,
    request: &RequestId,
) -> Select<wallet_operation::Entity> {
    wallet_operation::Entity::find()
        .filter(wallet_operation::Column::AppId.eq(app.as_str()))
        .filter(wallet_operation::Column::RequestId.eq(request.as_str()))
}

pub(crate) fn by_key(key: &WalletKey) -> Select<Entity> {
    Entity::find().filter(is_wallet(key))
}

fn is_wallet(key: &WalletKey) -> Condition {
    Condition::all()
        .add(Column::AppId.eq(key.app_id.as_str()))
        .add(Column::UserId.eq(key.user_id.as_str()))
}

fn read(row: &Model) -> Result<Wallet, StoreError> {
    let reader = RowReader::new(TABLE, &row.id);
    Ok(Wallet {
        id: reader.parse("id", &row.id)?,
        key: WalletKey {
            app_id: reader.text("app_id", &row.app_id)?,
            user_id: reader.text("user_id", &row.user_id)?,
        },
        status: reader.parse("status", &row.status)?,
        version: row.version,
        event_sequence: row.event_sequence,
        created_at: row.created_at,
        updated_at: row.updated_at,
    })
}

fn read_operation(row: wallet_operation::Model) -> Result<WalletOperationRecord, StoreError> {
    let reader = RowReader::new(OPERATIONS_TABLE, &row.id);
    let unit: Unit = reader.parse("unit", &row.unit)?;
    Ok(WalletOperationRecord {
        id: reader.parse("id", &row.id)?,
        wallet: WalletKey {
            app_id: reader.text("app_id", &row.app_id)?,
            user_id: reader.text("user_id", &row.user_id)?,
        },
        request_id: reader.text("request_id", &row.request_id)?,
        kind: reader.parse("kind", &row.kind)?,
        counterpart: reader.text_some("counterpart_user_id", row.counterpart_user_id.as_deref())?,
        amount: Amount::of(unit, row.amount_minor)
            .map_err(|_negative| reader.unreadable("amount_minor"))?,
        available_after: Amount::of(unit, row.available_after_minor)
            .map_err(|_negative| reader.unreadable("available_after_minor"))?,
        created_at: row.created_at,
        request_fingerprint: row.request_fingerprint,
        reason: row.reason,
        actor: row.actor,
    })
}
