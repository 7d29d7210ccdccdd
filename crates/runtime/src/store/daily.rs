//! Daily totals: tables `daily_totals` and `daily_spendings`. A total grows by one conditional update,
//! so that no number of payments at once can bring it above its limit; each leg counts once and is
//! released once.

use chrono::{DateTime, NaiveDate, Utc};
use entities::{daily_spending, daily_total};
use kassa_core::id::LegId;
use kassa_core::limits::Daily;
use kassa_core::text::{AppId, UserId};
use sea_orm::ActiveValue::Set;
use sea_orm::sea_query::{Expr, ExprTrait, OnConflict};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};

use super::row::{exactly_one, fetch_all, fetch_one, to_micros};
use super::{StoreError, Tx};

/// What a leg counts towards a total.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NewSpending<'a> {
    /// The leg.
    pub leg: LegId,
    /// The app.
    pub app: &'a AppId,
    /// The user who pays.
    pub user: &'a UserId,
    /// The day, in the app's time zone.
    pub day: NaiveDate,
    /// What is counted, and the limit.
    pub daily: Daily,
    /// When it is counted.
    pub at: DateTime<Utc>,
}

/// What came of counting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Spent {
    /// It counts now.
    New,
    /// The leg was counted before.
    Before,
    /// It would be above the limit; the transaction is to be dropped.
    Above {
        /// What the total is, in minor units.
        used_minor: i64,
    },
}

impl Tx {
    /// Counts a leg towards the total of its user, method, unit and day, unless that would bring it
    /// above its limit.
    pub async fn count_spending_in_tx(
        &self,
        spending: &NewSpending<'_>,
    ) -> Result<Spent, StoreError> {
        if !self.insert_spending(spending).await? {
            return Ok(Spent::Before);
        }
        self.insert_total(spending).await?;
        let Daily {
            amount_minor,
            max_minor,
            ..
        } = spending.daily;
        // The difference does not overflow where the sum would.
        let room = max_minor.saturating_sub(amount_minor);
        let result = daily_total::Entity::update_many()
            .col_expr(
                daily_total::Column::UsedMinor,
                Expr::col(daily_total::Column::UsedMinor).add(Expr::val(amount_minor)),
            )
            .filter(daily_total::Column::UsedMinor.lte(room))
            .filter(total_of(spending))
            .exec(self.db())
            .await
            .map_err(|error| StoreError::query("count a daily spending", error))?;
        if result.rows_affected == 1 {
            return Ok(Spent::New);
        }
        let query = daily_total::Entity::find().filter(total_of(spending));
        let total = fetch_one(self.db(), "read a daily total", query).await?;
        Ok(Spent::Above {
            used_minor: total.map_or(0, |total| total.used_minor),
        })
    }

    /// Takes what these legs counted back out of their totals; those that count nothing are left alone.
    pub async fn release_spendings_in_tx(
        &self,
        legs: &[LegId],
        at: DateTime<Utc>,
    ) -> Result<(), StoreError> {
        const OPERATION: &str = "release a daily spending";
        let query = daily_spending::Entity::find()
            .filter(daily_spending::Column::LegId.is_in(legs.iter().map(ToString::to_string)))
            .filter(daily_spending::Column::ReleasedAt.is_null());
        let mut spendings = fetch_all(self.db(), "list daily spendings", query).await?;
        // Totals are locked in the order of their keys, whatever order the legs have.
        spendings.sort_by(|left, right| key_of(left).cmp(&key_of(right)));
        for spending in spendings {
            let released = daily_spending::Entity::update_many()
                .col_expr(daily_spending::Column::ReleasedAt, Expr::val(to_micros(at)))
                .filter(daily_spending::Column::LegId.eq(spending.leg_id.as_str()))
                .filter(daily_spending::Column::ReleasedAt.is_null())
                .exec(self.db())
                .await
                .map_err(|error| StoreError::query(OPERATION, error))?;
            if released.rows_affected == 0 {
                continue;
            }
            let amount = Expr::val(spending.amount_minor);
            let rest = Expr::col(daily_total::Column::UsedMinor).sub(amount);
            let result = daily_total::Entity::update_many()
                .col_expr(daily_total::Column::UsedMinor, rest)
                .filter(daily_total::Column::AppId.eq(spending.app_id))
                .filter(daily_total::Column::UserId.eq(spending.user_id))
                .filter(daily_total::Column::Method.eq(spending.method))
                .filter(daily_total::Column::Unit.eq(spending.unit))
                .filter(daily_total::Column::Day.eq(spending.day))
                .exec(self.db())
                .await
                .map_err(|error| StoreError::query(OPERATION, error))?;
            exactly_one(result.rows_affected, OPERATION)?;
        }
        Ok(())
    }

    /// Whether the leg was not counted before.
    async fn insert_spending(&self, spending: &NewSpending<'_>) -> Result<bool, StoreError> {
        let row = daily_spending::ActiveModel {
            leg_id: Set(spending.leg.to_string()),
            app_id: Set(spending.app.to_string()),
            user_id: Set(spending.user.to_string()),
            method: Set(spending.daily.method.to_owned()),
            unit: Set(spending.daily.unit.to_string()),
            day: Set(spending.day.to_string()),
            amount_minor: Set(spending.daily.amount_minor),
            created_at: Set(to_micros(spending.at)),
            released_at: Set(None),
        };
        let once = OnConflict::column(daily_spending::Column::LegId)
            .do_nothing()
            .to_owned();
        let rows = daily_spending::Entity::insert(row)
            .on_conflict(once)
            .exec_without_returning(self.db())
            .await
            .map_err(|error| StoreError::query("insert a daily spending", error))?;
        Ok(rows > 0)
    }

    async fn insert_total(&self, spending: &NewSpending<'_>) -> Result<(), StoreError> {
        let row = daily_total::ActiveModel {
            app_id: Set(spending.app.to_string()),
            user_id: Set(spending.user.to_string()),
            method: Set(spending.daily.method.to_owned()),
            unit: Set(spending.daily.unit.to_string()),
            day: Set(spending.day.to_string()),
            used_minor: Set(0),
        };
        let once = OnConflict::columns([
            daily_total::Column::AppId,
            daily_total::Column::UserId,
            daily_total::Column::Method,
            daily_total::Column::Unit,
            daily_total::Column::Day,
        ])
        .do_nothing()
        .to_owned();
        daily_total::Entity::insert(row)
            .on_conflict(once)
            .exec_without_returning(self.db())
            .await
            .map_err(|error| StoreError::query("insert a daily total", error))?;
        Ok(())
    }
}

fn total_of(spending: &NewSpending<'_>) -> sea_orm::Condition {
    sea_orm::Condition::all()
        .add(daily_total::Column::AppId.eq(spending.app.as_str()))
        .add(daily_total::Column::UserId.eq(spending.user.as_str()))
        .add(daily_total::Column::Method.eq(spending.daily.method))
        .add(daily_total::Column::Unit.eq(spending.daily.unit.code()))
        .add(daily_total::Column::Day.eq(spending.day.to_string()))
}

fn key_of(row: &daily_spending::Model) -> [&str; 5] {
    [&row.app_id, &row.user_id, &row.method, &row.unit, &row.day]
}
