//! Legs: table `payment_legs`. The lock of their transaction guards them.

use entities::payment_leg::{ActiveModel, Column, Entity, Model};
use kassa_core::Money;
use kassa_core::channel::{Channel, Method};
use kassa_core::id::{LegId, TransactionId};
use kassa_core::money::Points;
use kassa_core::payment::{Leg, LegPoints, LegStatus};
use kassa_core::points::Rate;
use sea_orm::ActiveValue::Set;
use sea_orm::sea_query::{Expr, ExprTrait, Order};
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder};

use super::row::{RowReader, exactly_one, fetch_all, minor_in, read_all};
use super::{Store, StoreError, Tx};

const TABLE: &str = "payment_legs";

impl Store {
    /// The legs of a transaction, in order.
    pub async fn list_legs(&self, transaction: TransactionId) -> Result<Vec<Leg>, StoreError> {
        list(self.db(), &[transaction.to_string()]).await
    }
}

impl Tx {
    /// Writes a new leg.
    pub async fn insert_leg_in_tx(&self, leg: &Leg) -> Result<(), StoreError> {
        let points = leg.points;
        let row = ActiveModel {
            id: Set(leg.id.to_string()),
            transaction_id: Set(leg.transaction_id.to_string()),
            leg_no: Set(leg.leg_no),
            amount_minor: Set(leg.amount.amount_minor()),
            currency: Set(leg.amount.currency().to_string()),
            points_minor: Set(points.map(|it| it.points.minor())),
            rate_points_minor: Set(points.map(|it| it.rate.points_minor())),
            rate_money_minor: Set(points.map(|it| it.rate.money_minor())),
            hold_id: Set(leg.hold_id.map(|id| id.to_string())),
            ..changes(leg)?
        };
        Entity::insert(row)
            .exec_without_returning(self.db())
            .await
            .map_err(|error| StoreError::query("insert a leg", error))?;
        Ok(())
    }

    /// Sets where a leg stands.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] if there is no such leg.
    pub async fn update_leg_status_in_tx(
        &self,
        id: LegId,
        status: LegStatus,
    ) -> Result<(), StoreError> {
        let row = ActiveModel {
            status: Set(status.to_string()),
            ..ActiveModel::default()
        };
        update(self, id, row).await
    }

    /// Sets how a leg is paid, when another attempt takes over.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] if there is no such leg.
    pub async fn update_leg_method_in_tx(
        &self,
        id: LegId,
        channel: Channel,
        method: Method,
    ) -> Result<(), StoreError> {
        let row = ActiveModel {
            channel: Set(channel.to_string()),
            method: Set(method.to_string()),
            ..ActiveModel::default()
        };
        update(self, id, row).await
    }

    /// Writes what may change of a leg.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] if there is no such leg.
    pub async fn update_leg_in_tx(&self, leg: &Leg) -> Result<(), StoreError> {
        update(self, leg.id, changes(leg)?).await
    }

    /// Reserves `amount` of a leg for a refund, in one conditional update; says whether it was possible.
    pub async fn reserve_leg_refund_in_tx(
        &self,
        id: LegId,
        amount: Money,
    ) -> Result<bool, StoreError> {
        let refundable = Expr::col(Column::AmountMinor)
            .sub(Expr::col(Column::AmountRefundedMinor))
            .sub(Expr::col(Column::AmountRefundReservedMinor));
        let reserved =
            Expr::col(Column::AmountRefundReservedMinor).add(Expr::val(amount.amount_minor()));
        let result = Entity::update_many()
            .col_expr(Column::AmountRefundReservedMinor, reserved)
            .filter(Column::Id.eq(id.to_string()))
            .filter(Column::Currency.eq(amount.currency().code()))
            .filter(refundable.gte(Expr::val(amount.amount_minor())))
            .exec(self.db())
            .await
            .map_err(|error| StoreError::query("reserve a refund of a leg", error))?;
        Ok(result.rows_affected == 1)
    }
}

async fn update(tx: &Tx, id: LegId, row: ActiveModel) -> Result<(), StoreError> {
    const OPERATION: &str = "update a leg";
    let result = Entity::update_many()
        .set(row)
        .filter(Column::Id.eq(id.to_string()))
        .exec(tx.db())
        .await
        .map_err(|error| StoreError::query(OPERATION, error))?;
    exactly_one(result.rows_affected, OPERATION)
}

/// The legs of these transactions, in order.
pub(super) async fn list<C: ConnectionTrait>(
    db: &C,
    transactions: &[String],
) -> Result<Vec<Leg>, StoreError> {
    let query = Entity::find()
        .filter(Column::TransactionId.is_in(transactions.iter().map(String::as_str)))
        .order_by(Column::TransactionId, Order::Asc)
        .order_by(Column::LegNo, Order::Asc);
    read_all(fetch_all(db, "list legs", query).await?, |row| read(&row))
}

fn read(row: &Model) -> Result<Leg, StoreError> {
    let reader = RowReader::new(TABLE, &row.id);
    let currency = reader.parse("currency", &row.currency)?;
    let money = |column, minor| reader.money(column, minor, currency);
    Ok(Leg {
        id: reader.parse("id", &row.id)?,
        transaction_id: reader.parse("transaction_id", &row.transaction_id)?,
        leg_no: row.leg_no,
        channel: reader.parse("channel", &row.channel)?,
        method: reader.parse("method", &row.method)?,
        amount: money("amount_minor", row.amount_minor)?,
        points: read_points(&reader, row, currency)?,
        hold_id: reader.parse_some("hold_id", row.hold_id.as_deref())?,
        status: reader.parse("status", &row.status)?,
        amount_refunded: money("amount_refunded_minor", row.amount_refunded_minor)?,
        amount_refund_reserved: money(
            "amount_refund_reserved_minor",
            row.amount_refund_reserved_minor,
        )?,
    })
}

fn read_points(
    reader: &RowReader<'_>,
    row: &Model,
    currency: kassa_core::Currency,
) -> Result<Option<LegPoints>, StoreError> {
    let Some(minor) = row.points_minor else {
        return Ok(None);
    };
    let points = Points::try_new(minor).map_err(|_bad| reader.unreadable("points_minor"))?;
    let of = row.rate_points_minor.unwrap_or_default();
    let worth = row.rate_money_minor.unwrap_or_default();
    let rate = Rate::try_new(of, worth, currency);
    let rate = rate.ok_or_else(|| reader.unreadable("rate_points_minor"))?;
    Ok(Some(LegPoints { points, rate }))
}

/// The columns that may change after the first write.
fn changes(leg: &Leg) -> Result<ActiveModel, StoreError> {
    let currency = leg.amount.currency();
    let minor = |column, amount| minor_in(currency, TABLE, column, amount);
    Ok(ActiveModel {
        channel: Set(leg.channel.to_string()),
        method: Set(leg.method.to_string()),
        status: Set(leg.status.to_string()),
        amount_refunded_minor: Set(minor("amount_refunded_minor", leg.amount_refunded)?),
        amount_refund_reserved_minor: Set(minor(
            "amount_refund_reserved_minor",
            leg.amount_refund_reserved,
        )?),
        ..ActiveModel::default()
    })
}
