//! Apps: table `apps`.

use entities::app::{ActiveModel, Column, Entity, Model};
use kassa_core::app::App;
use kassa_core::text::AppId;
use sea_orm::ActiveValue::Set;
use sea_orm::sea_query::{Expr, ExprTrait, OnConflict, Order};
use sea_orm::{EntityTrait, QueryOrder, QuerySelect};

use super::row::{RowReader, fetch_all, fetch_one, read_all, to_json, to_micros};
use super::{PAGE_LIMIT_MAX, Store, StoreError, Tx};

const TABLE: &str = "apps";

impl Store {
    /// The app with this name.
    pub async fn find_app(&self, id: &AppId) -> Result<Option<App>, StoreError> {
        let row = fetch_one(self.db(), "find an app", Entity::find_by_id(id.as_str())).await?;
        row.map(read).transpose()
    }

    /// Every app by name, at most [`PAGE_LIMIT_MAX`].
    pub async fn list_apps(&self) -> Result<Vec<App>, StoreError> {
        let query = Entity::find()
            .order_by(Column::AppId, Order::Asc)
            .limit(PAGE_LIMIT_MAX);
        read_all(fetch_all(self.db(), "list apps", query).await?, read)
    }
}

impl Tx {
    /// The app with this name as this transaction sees it.
    pub async fn find_app_in_tx(&self, id: &AppId) -> Result<Option<App>, StoreError> {
        let row = fetch_one(self.db(), "find an app", Entity::find_by_id(id.as_str())).await?;
        row.map(read).transpose()
    }

    /// Writes an app, new or changed. A changed one keeps its `created_at`, and its version grows by
    /// one whatever `app.version` says.
    pub async fn upsert_app_in_tx(&self, app: &App) -> Result<(), StoreError> {
        let row = ActiveModel {
            app_id: Set(app.id.to_string()),
            display_name: Set(app.display_name.clone()),
            scopes: Set(to_json(TABLE, "scopes", &app.scopes)?),
            keys: Set(to_json(TABLE, "keys", &app.keys)?),
            channel_accounts: Set(to_json(TABLE, "channel_accounts", &app.channel_accounts)?),
            is_active: Set(app.is_active),
            policies: Set(to_json(TABLE, "policies", &app.policies)?),
            version: Set(app.version),
            created_at: Set(to_micros(app.created_at)),
            updated_at: Set(to_micros(app.updated_at)),
        };
        let replace = OnConflict::column(Column::AppId)
            .update_columns([
                Column::DisplayName,
                Column::Scopes,
                Column::Keys,
                Column::ChannelAccounts,
                Column::IsActive,
                Column::Policies,
                Column::UpdatedAt,
            ])
            .value(
                Column::Version,
                Expr::col((Entity, Column::Version)).add(Expr::val(1_i64)),
            )
            .to_owned();
        Entity::insert(row)
            .on_conflict(replace)
            .exec_without_returning(self.db())
            .await
            .map_err(|error| StoreError::query("write an app", error))?;
        Ok(())
    }
}

fn read(row: Model) -> Result<App, StoreError> {
    let reader = RowReader::new(TABLE, &row.app_id);
    Ok(App {
        id: reader.text("app_id", &row.app_id)?,
        scopes: reader.json("scopes", &row.scopes)?,
        keys: reader.json("keys", &row.keys)?,
        channel_accounts: reader.json("channel_accounts", &row.channel_accounts)?,
        is_active: row.is_active,
        policies: reader.json("policies", &row.policies)?,
        version: row.version,
        created_at: row.created_at,
        updated_at: row.updated_at,
        display_name: row.display_name,
    })
}
