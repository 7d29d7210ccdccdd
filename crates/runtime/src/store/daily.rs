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
use sea_orm::{ColumnTrait, Condition, EntityTrait, IntoActiveModel, QueryFilter, Select};

use super::row::{exactly_one, fetch_all, fetch_one, to_micros};
use super::{Store, StoreError, Tx};

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

/// A total: what a user spends by one method on one day of the app's time zone. Totals are locked in
/// the order of these keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct DailyTotal<'a> {
    /// The app.
    pub app: &'a str,
    /// The user.
    pub user: &'a str,
    /// `BALANCE`, `POINTS` or the channel.
    pub method: &'a str,
    /// What it is counted in: the unit's code.
    pub unit: &'a str,
    /// ISO 8601 date.
    pub day: &'a str,
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

impl Store {
    /// What a total is, in minor units, without what these legs count.
    pub async fn daily_used(
        &self,
        total: DailyTotal<'_>,
        without: &[LegId],
    ) -> Result<i64, StoreError> {
        const OPERATION: &str = "read a daily total";
        let query = daily_total::Entity::find().filter(is_total(total));
        let used = fetch_one(self.db(), OPERATION, query).await?;
        let mut used_minor = used.map_or(0, |total| total.used_minor);
        if !without.is_empty() {
            for spending in fetch_all(self.db(), OPERATION, counted(without)).await? {
                if total_of(&spending) == total {
                    used_minor = used_minor.saturating_sub(spending.amount_minor);
                }
            }
        }
        Ok(used_minor)
    }
}

impl Tx {
    /// Counts a leg towards the total of its user, method, unit and day, unless that would bring it
    /// above its limit.
    pub async fn count_spending_in_tx(
        &self,
        spending: &NewSpending<'_>,
    ) -> Result<Spent, StoreError> {
        let row = new_row(spending);
        if !self.insert_spending(row.clone()).await? {
            return Ok(Spent::Before);
        }
        let total = total_of(&row);
        let Daily {
            amount_minor,
            max_minor,
            ..
        } = spending.daily;
        if self.add_to_total(total, amount_minor, max_minor).await? {
            return Ok(Spent::New);
        }
        self.above(total).await
    }

    /// Counts a leg towards another total than before, or towards none, unless that would bring the
    /// total above `max_minor`. A leg that counts there already is left as it is.
    pub async fn recount_spending_in_tx(
        &self,
        leg: LegId,
        to: Option<&NewSpending<'_>>,
        max_minor: i64,
        at: DateTime<Utc>,
    ) -> Result<Spent, StoreError> {
        const OPERATION: &str = "recount a daily spending";
        let before = fetch_all(self.db(), OPERATION, counted(&[leg]))
            .await?
            .pop();
        let after = to.map(new_row);
        if before.as_ref().map(total_of) == after.as_ref().map(total_of) {
            return Ok(Spent::Before);
        }
        let take = before
            .as_ref()
            .map(|row| (total_of(row), false, row.amount_minor));
        let give = after
            .as_ref()
            .map(|row| (total_of(row), true, row.amount_minor));
        let mut steps: Vec<_> = take.into_iter().chain(give).collect();
        steps.sort_unstable();
        for (total, is_counted, amount_minor) in steps {
            if !is_counted {
                self.take_from_total(total, amount_minor).await?;
            } else if !self.add_to_total(total, amount_minor, max_minor).await? {
                return self.above(total).await;
            }
        }
        match after {
            Some(row) => self.put_spending(row).await?,
            None => {
                self.mark_released(leg.to_string(), at).await?;
            }
        }
        Ok(Spent::New)
    }

    /// Takes what these legs counted back out of their totals; those that count nothing are left alone.
    pub async fn release_spendings_in_tx(
        &self,
        legs: &[LegId],
        at: DateTime<Utc>,
    ) -> Result<(), StoreError> {
        let mut spendings = fetch_all(self.db(), "list daily spendings", counted(legs)).await?;
        // Totals are locked in the order of their keys, whatever order the legs have.
        spendings.sort_by(|left, right| total_of(left).cmp(&total_of(right)));
        for spending in spendings {
            if self.mark_released(spending.leg_id.clone(), at).await? {
                self.take_from_total(total_of(&spending), spending.amount_minor)
                    .await?;
            }
        }
        Ok(())
    }

    /// Whether the leg counted until now.
    async fn mark_released(&self, leg: String, at: DateTime<Utc>) -> Result<bool, StoreError> {
        let released = daily_spending::Entity::update_many()
            .col_expr(daily_spending::Column::ReleasedAt, Expr::val(to_micros(at)))
            .filter(daily_spending::Column::LegId.eq(leg))
            .filter(daily_spending::Column::ReleasedAt.is_null())
            .exec(self.db())
            .await
            .map_err(|error| StoreError::query("release a daily spending", error))?;
        Ok(released.rows_affected > 0)
    }

    /// Whether the leg was not counted before.
    async fn insert_spending(&self, row: daily_spending::Model) -> Result<bool, StoreError> {
        let once = OnConflict::column(daily_spending::Column::LegId)
            .do_nothing()
            .to_owned();
        let rows = daily_spending::Entity::insert(row.into_active_model())
            .on_conflict(once)
            .exec_without_returning(self.db())
            .await
            .map_err(|error| StoreError::query("insert a daily spending", error))?;
        Ok(rows > 0)
    }

    /// Writes what a leg counts, whatever it counted before.
    async fn put_spending(&self, row: daily_spending::Model) -> Result<(), StoreError> {
        let replace = OnConflict::column(daily_spending::Column::LegId)
            .update_columns([
                daily_spending::Column::Method,
                daily_spending::Column::Unit,
                daily_spending::Column::Day,
                daily_spending::Column::AmountMinor,
                daily_spending::Column::ReleasedAt,
            ])
            .to_owned();
        daily_spending::Entity::insert(row.into_active_model())
            .on_conflict(replace)
            .exec_without_returning(self.db())
            .await
            .map_err(|error| StoreError::query("write a daily spending", error))?;
        Ok(())
    }

    /// Adds to a total, which is made if it is not there, unless that would bring it above its limit;
    /// says whether it did.
    async fn add_to_total(
        &self,
        total: DailyTotal<'_>,
        amount_minor: i64,
        max_minor: i64,
    ) -> Result<bool, StoreError> {
        self.insert_total(total).await?;
        // The difference does not overflow where the sum would.
        let room = max_minor.saturating_sub(amount_minor);
        let more = Expr::col(daily_total::Column::UsedMinor).add(Expr::val(amount_minor));
        let result = daily_total::Entity::update_many()
            .col_expr(daily_total::Column::UsedMinor, more)
            .filter(daily_total::Column::UsedMinor.lte(room))
            .filter(is_total(total))
            .exec(self.db())
            .await
            .map_err(|error| StoreError::query("count a daily spending", error))?;
        Ok(result.rows_affected == 1)
    }

    async fn take_from_total(
        &self,
        total: DailyTotal<'_>,
        amount_minor: i64,
    ) -> Result<(), StoreError> {
        const OPERATION: &str = "take from a daily total";
        let rest = Expr::col(daily_total::Column::UsedMinor).sub(Expr::val(amount_minor));
        let result = daily_total::Entity::update_many()
            .col_expr(daily_total::Column::UsedMinor, rest)
            .filter(is_total(total))
            .exec(self.db())
            .await
            .map_err(|error| StoreError::query(OPERATION, error))?;
        exactly_one(result.rows_affected, OPERATION)
    }

    async fn above(&self, total: DailyTotal<'_>) -> Result<Spent, StoreError> {
        let query = daily_total::Entity::find().filter(is_total(total));
        let total = fetch_one(self.db(), "read a daily total", query).await?;
        Ok(Spent::Above {
            used_minor: total.map_or(0, |total| total.used_minor),
        })
    }

    async fn insert_total(&self, total: DailyTotal<'_>) -> Result<(), StoreError> {
        let row = daily_total::ActiveModel {
            app_id: Set(total.app.to_owned()),
            user_id: Set(total.user.to_owned()),
            method: Set(total.method.to_owned()),
            unit: Set(total.unit.to_owned()),
            day: Set(total.day.to_owned()),
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

/// What of these legs counts.
fn counted(legs: &[LegId]) -> Select<daily_spending::Entity> {
    daily_spending::Entity::find()
        .filter(daily_spending::Column::LegId.is_in(legs.iter().map(ToString::to_string)))
        .filter(daily_spending::Column::ReleasedAt.is_null())
}

fn new_row(spending: &NewSpending<'_>) -> daily_spending::Model {
    daily_spending::Model {
        leg_id: spending.leg.to_string(),
        app_id: spending.app.to_string(),
        user_id: spending.user.to_string(),
        method: spending.daily.method.to_owned(),
        unit: spending.daily.unit.to_string(),
        day: spending.day.to_string(),
        amount_minor: spending.daily.amount_minor,
        created_at: to_micros(spending.at),
        released_at: None,
    }
}

fn is_total(total: DailyTotal<'_>) -> Condition {
    Condition::all()
        .add(daily_total::Column::AppId.eq(total.app))
        .add(daily_total::Column::UserId.eq(total.user))
        .add(daily_total::Column::Method.eq(total.method))
        .add(daily_total::Column::Unit.eq(total.unit))
        .add(daily_total::Column::Day.eq(total.day))
}

fn total_of(row: &daily_spending::Model) -> DailyTotal<'_> {
    DailyTotal {
        app: &row.app_id,
        user: &row.user_id,
        method: &row.method,
        unit: &row.unit,
        day: &row.day,
    }
}
