//! Channel accounts: table `channel_accounts`. Credentials are bytes here: only the keyring opens them.

use std::collections::BTreeMap;

use entities::channel_account::{ActiveModel, Column, Entity, Model};
use kassa_core::Money;
use kassa_core::channel::{AccountLimits, ChannelAccount};
use kassa_core::id::ChannelAccountId;
use kassa_core::text::AccountCode;
use sea_orm::ActiveValue::Set;
use sea_orm::sea_query::{Expr, ExprTrait, Order};
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};

use super::row::{RowReader, exactly_one, fetch_all, fetch_one, read_all, to_json, to_micros};
use super::{Locked, PAGE_LIMIT_MAX, Store, StoreError, Tx, lock_row};

const TABLE: &str = "channel_accounts";

/// A channel account with its credentials as the keyring sealed them.
#[derive(Clone, PartialEq)]
pub struct SealedAccount {
    /// Everything that is not secret.
    pub account: ChannelAccount,
    /// The sealed credentials, bound to this row.
    pub credentials_sealed: Vec<u8>,
}

impl std::fmt::Debug for SealedAccount {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SealedAccount")
            .field("account", &self.account)
            .finish_non_exhaustive()
    }
}

impl Store {
    /// The account with this id.
    pub async fn find_channel_account(
        &self,
        id: ChannelAccountId,
    ) -> Result<Option<SealedAccount>, StoreError> {
        let query = Entity::find_by_id(id.to_string());
        fetch_one(self.db(), "find a channel account", query)
            .await?
            .map(read)
            .transpose()
    }

    /// The account with this code.
    pub async fn find_channel_account_by_code(
        &self,
        code: &AccountCode,
    ) -> Result<Option<SealedAccount>, StoreError> {
        let query = Entity::find().filter(Column::Code.eq(code.as_str()));
        fetch_one(self.db(), "find a channel account", query)
            .await?
            .map(read)
            .transpose()
    }

    /// Every account by code, at most [`PAGE_LIMIT_MAX`].
    pub async fn list_channel_accounts(&self) -> Result<Vec<SealedAccount>, StoreError> {
        let query = Entity::find()
            .order_by(Column::Code, Order::Asc)
            .limit(PAGE_LIMIT_MAX);
        read_all(
            fetch_all(self.db(), "list channel accounts", query).await?,
            read,
        )
    }

    /// The codes of these accounts: what people call them.
    pub async fn channel_account_codes(
        &self,
        ids: &[ChannelAccountId],
    ) -> Result<BTreeMap<ChannelAccountId, AccountCode>, StoreError> {
        let rows: Vec<(String, String)> = Entity::find()
            .select_only()
            .columns([Column::Id, Column::Code])
            .filter(Column::Id.is_in(ids.iter().map(ToString::to_string)))
            .into_tuple()
            .all(self.db())
            .await
            .map_err(|error| StoreError::query("read codes of channel accounts", error))?;
        rows.iter()
            .map(|(id, code)| {
                let reader = RowReader::new(TABLE, id);
                Ok((reader.parse("id", id)?, reader.text("code", code)?))
            })
            .collect()
    }

    /// A number that grows whenever an account is made or changed: as long as it stays the same, what
    /// was read is current.
    pub async fn channel_accounts_generation(&self) -> Result<i64, StoreError> {
        const OPERATION: &str = "read the generation of channel accounts";
        let one_more = Expr::col(Column::Version).add(Expr::val(1_i64));
        let row: Option<Option<i64>> = Entity::find()
            .select_only()
            .expr_as(one_more.sum().cast_as("bigint"), "generation")
            .into_tuple()
            .one(self.db())
            .await
            .map_err(|error| StoreError::query(OPERATION, error))?;
        Ok(row.flatten().unwrap_or_default())
    }
}

impl Tx {
    /// Writes a new account.
    ///
    /// # Errors
    /// [`StoreError::UniqueViolation`] if the code is taken.
    pub async fn insert_channel_account_in_tx(
        &self,
        account: &SealedAccount,
    ) -> Result<(), StoreError> {
        Entity::insert(write(account)?)
            .exec_without_returning(self.db())
            .await
            .map_err(|error| StoreError::query("insert a channel account", error))?;
        Ok(())
    }

    /// Locks an account.
    ///
    /// # Errors
    /// [`StoreError::NotFound`].
    pub async fn load_channel_account_for_update_in_tx(
        &self,
        id: ChannelAccountId,
    ) -> Result<Locked<SealedAccount>, StoreError> {
        let query = lock_row(
            Entity::find_by_id(id.to_string()),
            self.db().get_database_backend(),
        );
        let row = fetch_one(self.db(), "lock a channel account", query)
            .await?
            .ok_or_else(|| StoreError::not_found("channel account", id))?;
        read(row).map(Locked::new)
    }

    /// Writes a changed account; returns it with its new version. Its code, gateway and `created_at`
    /// never change.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] if the row has another version than the locked one.
    pub async fn update_channel_account_in_tx(
        &self,
        locked: Locked<SealedAccount>,
        new: SealedAccount,
    ) -> Result<SealedAccount, StoreError> {
        const OPERATION: &str = "update a channel account";
        let old = locked.into_inner().account;
        let mut updated = new;
        updated.account.version = old.version.saturating_add(1);
        let result = Entity::update_many()
            .set(changes(&updated)?)
            .filter(Column::Id.eq(updated.account.id.to_string()))
            .filter(Column::Id.eq(old.id.to_string()))
            .filter(Column::Version.eq(old.version))
            .exec(self.db())
            .await
            .map_err(|error| StoreError::query(OPERATION, error))?;
        exactly_one(result.rows_affected, OPERATION)?;
        Ok(updated)
    }
}

fn read(row: Model) -> Result<SealedAccount, StoreError> {
    let reader = RowReader::new(TABLE, &row.id);
    let currency = reader.parse_some("limit_currency", row.limit_currency.as_deref())?;
    let limit = |column, minor: Option<i64>| match (minor, currency) {
        (None, _) => Ok(None),
        (Some(minor), Some(currency)) => reader.money(column, minor, currency).map(Some),
        (Some(_), None) => Err(reader.unreadable("limit_currency")),
    };
    let account = ChannelAccount {
        id: reader.parse("id", &row.id)?,
        code: reader.text("code", &row.code)?,
        gateway: reader.parse("gateway", &row.gateway)?,
        settings: reader.json("settings", &row.settings)?,
        fingerprints: reader.json("fingerprints", &row.fingerprints)?,
        limits: AccountLimits {
            amount_min: limit("amount_min_minor", row.amount_min_minor)?,
            amount_max: limit("amount_max_minor", row.amount_max_minor)?,
        },
        fee: reader.fee(row.fee_rate_ppm, row.is_fee_returned)?,
        callback_cidrs: reader.json("callback_cidrs", &row.callback_cidrs)?,
        is_active: row.is_active,
        version: row.version,
        created_at: row.created_at,
        updated_at: row.updated_at,
        display_name: row.display_name,
    };
    Ok(SealedAccount {
        account,
        credentials_sealed: row.credentials_sealed,
    })
}

/// A whole new row.
fn write(sealed: &SealedAccount) -> Result<ActiveModel, StoreError> {
    let account = &sealed.account;
    Ok(ActiveModel {
        id: Set(account.id.to_string()),
        code: Set(account.code.to_string()),
        gateway: Set(account.gateway.to_string()),
        created_at: Set(to_micros(account.created_at)),
        ..changes(sealed)?
    })
}

/// The columns that may change after the first write.
fn changes(sealed: &SealedAccount) -> Result<ActiveModel, StoreError> {
    let account = &sealed.account;
    let AccountLimits {
        amount_min,
        amount_max,
    } = account.limits;
    let currency = amount_min.or(amount_max).map(Money::currency);
    if amount_max.is_some_and(|limit| Some(limit.currency()) != currency) {
        return Err(StoreError::Unwritable {
            table: TABLE,
            column: "limit_currency",
        });
    }
    Ok(ActiveModel {
        display_name: Set(account.display_name.clone()),
        settings: Set(to_json(TABLE, "settings", &account.settings)?),
        credentials_sealed: Set(sealed.credentials_sealed.clone()),
        fingerprints: Set(to_json(TABLE, "fingerprints", &account.fingerprints)?),
        amount_min_minor: Set(amount_min.map(Money::amount_minor)),
        amount_max_minor: Set(amount_max.map(Money::amount_minor)),
        limit_currency: Set(currency.map(|currency| currency.to_string())),
        fee_rate_ppm: Set(account.fee.rate.ppm().into()),
        is_fee_returned: Set(account.fee.is_returned),
        callback_cidrs: Set(to_json(TABLE, "callback_cidrs", &account.callback_cidrs)?),
        is_active: Set(account.is_active),
        version: Set(account.version),
        updated_at: Set(to_micros(account.updated_at)),
        ..ActiveModel::default()
    })
}
