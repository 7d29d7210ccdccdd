//! Payment passwords: tables `payment_passwords` and `password_codes`. A user's row is made at its first
//! use and locked by whatever judges or changes it; the code's row is only touched under that lock.

use chrono::{DateTime, Utc};
use entities::{password_code, payment_password};
use kassa_core::id::PasswordId;
use kassa_core::password::{CodePurpose, CodeRequests, CodeState, Tries};
use kassa_core::text::{AppId, UserId};
use payment_password::{ActiveModel, Column, Entity, Model};
use sea_orm::ActiveValue::Set;
use sea_orm::sea_query::OnConflict;
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, Select};

use super::row::{RowReader, exactly_one, fetch_one, to_micros};
use super::{Locked, Store, StoreError, Tx, lock_row};

const TABLE: &str = "payment_passwords";
const CODES: &str = "password_codes";

/// A user's payment password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PaymentPassword {
    /// Its id; what is sealed in the row is bound to it.
    pub id: PasswordId,
    /// The app whose user it is.
    pub app_id: AppId,
    /// The user.
    pub user_id: UserId,
    /// The hash as the keyring sealed it; none while no password is set.
    pub hash_sealed: Option<Vec<u8>>,
    /// Tries in vain.
    pub tries: Tries,
    /// Codes that were asked for.
    pub code_requests: CodeRequests,
    /// How many events told of it.
    pub event_sequence: i64,
    /// Grows with every change.
    pub version: i64,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When it was last changed.
    pub updated_at: DateTime<Utc>,
}

/// The one-time code of a password for one purpose.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PasswordCode {
    /// The password that it sets.
    pub password_id: PasswordId,
    /// What it is good for.
    pub purpose: CodePurpose,
    /// A keyed digest of the code.
    pub mac: Vec<u8>,
    /// What became of it.
    pub state: CodeState,
    /// When it was made.
    pub created_at: DateTime<Utc>,
}

impl Store {
    /// The row of a user, if there is one.
    pub async fn find_payment_password(
        &self,
        app: &AppId,
        user: &UserId,
    ) -> Result<Option<PaymentPassword>, StoreError> {
        let row = fetch_one(self.db(), "find a payment password", of_user(app, user)).await?;
        row.map(read).transpose()
    }
}

impl Tx {
    /// Locks the row of a user; where there is none, one without a password is made under `id`.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn lock_payment_password_in_tx(
        &self,
        app: &AppId,
        user: &UserId,
        id: PasswordId,
        at: DateTime<Utc>,
    ) -> Result<Locked<PaymentPassword>, StoreError> {
        const OPERATION: &str = "lock a payment password";
        let once = OnConflict::columns([Column::AppId, Column::UserId])
            .do_nothing()
            .to_owned();
        let query = lock_row(of_user(app, user), self.db().get_database_backend());
        if let Some(row) = fetch_one(self.db(), OPERATION, query.clone()).await? {
            return read(row).map(Locked::new);
        }
        let new = PaymentPassword {
            id,
            app_id: app.clone(),
            user_id: user.clone(),
            hash_sealed: None,
            tries: Tries::default(),
            code_requests: CodeRequests::default(),
            event_sequence: 0,
            version: 1,
            created_at: at,
            updated_at: at,
        };
        Entity::insert(write(&new))
            .on_conflict(once)
            .exec_without_returning(self.db())
            .await
            .map_err(|error| StoreError::query("insert a payment password", error))?;
        let row = fetch_one(self.db(), OPERATION, query).await?;
        let row = row.ok_or(StoreError::Conflict {
            operation: OPERATION,
        })?;
        read(row).map(Locked::new)
    }

    /// Writes a locked row; its version grows by one whatever `password.version` says.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] if it was changed since it was locked.
    pub async fn update_payment_password_in_tx(
        &self,
        locked: &Locked<PaymentPassword>,
        password: &PaymentPassword,
    ) -> Result<(), StoreError> {
        const OPERATION: &str = "write a payment password";
        let before = locked.get();
        let changes = ActiveModel {
            version: Set(before.version.saturating_add(1)),
            ..write(password)
        };
        let result = Entity::update_many()
            .set(changes)
            .filter(Column::Id.eq(before.id.to_string()))
            .filter(Column::Version.eq(before.version))
            .exec(self.db())
            .await
            .map_err(|error| StoreError::query(OPERATION, error))?;
        exactly_one(result.rows_affected, OPERATION)
    }

    /// The code of a locked password for one purpose.
    pub async fn find_password_code_in_tx(
        &self,
        password: &Locked<PaymentPassword>,
        purpose: CodePurpose,
    ) -> Result<Option<PasswordCode>, StoreError> {
        let key = (password.get().id.to_string(), purpose.to_string());
        let query = password_code::Entity::find_by_id(key);
        let row = fetch_one(self.db(), "find a password code", query).await?;
        row.map(read_code).transpose()
    }

    /// Writes a code; the one before for the same purpose is no more.
    pub async fn put_password_code_in_tx(&self, code: &PasswordCode) -> Result<(), StoreError> {
        let row = password_code::ActiveModel {
            password_id: Set(code.password_id.to_string()),
            purpose: Set(code.purpose.to_string()),
            code_mac: Set(code.mac.clone()),
            tries: Set(i32::from(code.state.tries)),
            expires_at: Set(to_micros(code.state.expires_at)),
            used_at: Set(code.state.used_at.map(to_micros)),
            created_at: Set(to_micros(code.created_at)),
        };
        let replace = OnConflict::columns([
            password_code::Column::PasswordId,
            password_code::Column::Purpose,
        ])
        .update_columns([
            password_code::Column::CodeMac,
            password_code::Column::Tries,
            password_code::Column::ExpiresAt,
            password_code::Column::UsedAt,
            password_code::Column::CreatedAt,
        ])
        .to_owned();
        password_code::Entity::insert(row)
            .on_conflict(replace)
            .exec_without_returning(self.db())
            .await
            .map_err(|error| StoreError::query("write a password code", error))?;
        Ok(())
    }
}

pub(crate) fn of_user(app: &AppId, user: &UserId) -> Select<Entity> {
    Entity::find()
        .filter(Column::AppId.eq(app.as_str()))
        .filter(Column::UserId.eq(user.as_str()))
}

fn write(password: &PaymentPassword) -> ActiveModel {
    ActiveModel {
        id: Set(password.id.to_string()),
        app_id: Set(password.app_id.to_string()),
        user_id: Set(password.user_id.to_string()),
        hash_sealed: Set(password.hash_sealed.clone()),
        tries: Set(i32::from(password.tries.taken)),
        locked_until: Set(password.tries.locked_until.map(to_micros)),
        code_requests: Set(i32::from(password.code_requests.count)),
        code_requests_since: Set(password.code_requests.since.map(to_micros)),
        code_requested_at: Set(password.code_requests.last.map(to_micros)),
        event_sequence: Set(password.event_sequence),
        version: Set(password.version),
        created_at: Set(to_micros(password.created_at)),
        updated_at: Set(to_micros(password.updated_at)),
    }
}

fn read(row: Model) -> Result<PaymentPassword, StoreError> {
    let reader = RowReader::new(TABLE, &row.id);
    let count = |column, count: i32| {
        u16::try_from(count).map_err(|_out_of_range| reader.unreadable(column))
    };
    Ok(PaymentPassword {
        id: reader.parse("id", &row.id)?,
        app_id: reader.text("app_id", &row.app_id)?,
        user_id: reader.text("user_id", &row.user_id)?,
        tries: Tries {
            taken: count("tries", row.tries)?,
            locked_until: row.locked_until,
        },
        code_requests: CodeRequests {
            count: count("code_requests", row.code_requests)?,
            since: row.code_requests_since,
            last: row.code_requested_at,
        },
        hash_sealed: row.hash_sealed,
        event_sequence: row.event_sequence,
        version: row.version,
        created_at: row.created_at,
        updated_at: row.updated_at,
    })
}

fn read_code(row: password_code::Model) -> Result<PasswordCode, StoreError> {
    let reader = RowReader::new(CODES, &row.password_id);
    let tries = u16::try_from(row.tries).map_err(|_out_of_range| reader.unreadable("tries"))?;
    Ok(PasswordCode {
        password_id: reader.parse("password_id", &row.password_id)?,
        purpose: reader.parse("purpose", &row.purpose)?,
        state: CodeState {
            tries,
            expires_at: row.expires_at,
            used_at: row.used_at,
        },
        mac: row.code_mac,
        created_at: row.created_at,
    })
}
