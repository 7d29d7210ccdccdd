//! What refunds give back of which leg: table `refund_legs`. The lock of their refund guards them.

use entities::refund_leg::{ActiveModel, Column, Entity, Model};
use entities::refund_transaction;
use kassa_core::money::Points;
use kassa_core::refund::{RefundLeg, RefundTransaction};
use sea_orm::ActiveValue::Set;
use sea_orm::sea_query::Order;
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder};

use crate::store::row::{RowReader, exactly_one, fetch_all, read_all};
use crate::store::{StoreError, Tx};

const TABLE: &str = "refund_legs";

impl Tx {
    pub(super) async fn insert_refund_legs(
        &self,
        refund: &RefundTransaction,
    ) -> Result<(), StoreError> {
        if refund.legs.is_empty() {
            return Ok(());
        }
        let rows = refund.legs.iter().map(|leg| ActiveModel {
            id: Set(leg.id.to_string()),
            refund_id: Set(refund.id.to_string()),
            leg_id: Set(leg.leg_id.to_string()),
            leg_no: Set(leg.leg_no),
            channel: Set(leg.channel.to_string()),
            amount_minor: Set(leg.amount.amount_minor()),
            currency: Set(leg.amount.currency().to_string()),
            points_minor: Set(leg.points.map(Points::minor)),
            destination: Set(leg.destination.to_string()),
        });
        Entity::insert_many(rows)
            .exec_without_returning(self.db())
            .await
            .map_err(|error| StoreError::query("insert the legs of a refund", error))?;
        Ok(())
    }

    pub(super) async fn update_refund_leg(&self, leg: &RefundLeg) -> Result<(), StoreError> {
        const OPERATION: &str = "update a leg of a refund";
        let row = ActiveModel {
            points_minor: Set(leg.points.map(Points::minor)),
            ..ActiveModel::default()
        };
        let result = Entity::update_many()
            .set(row)
            .filter(Column::Id.eq(leg.id.to_string()))
            .exec(self.db())
            .await
            .map_err(|error| StoreError::query(OPERATION, error))?;
        exactly_one(result.rows_affected, OPERATION)
    }
}

/// The refund of a row, with its legs.
pub(super) async fn read_one<C: ConnectionTrait>(
    db: &C,
    row: Option<refund_transaction::Model>,
) -> Result<Option<RefundTransaction>, StoreError> {
    let refunds = read_each(db, row.into_iter().collect()).await?;
    Ok(refunds.into_iter().next())
}

pub(super) async fn read_each<C: ConnectionTrait>(
    db: &C,
    rows: Vec<refund_transaction::Model>,
) -> Result<Vec<RefundTransaction>, StoreError> {
    let with_legs: Vec<String> = rows
        .iter()
        .filter(|row| row.has_legs)
        .map(|row| row.id.clone())
        .collect();
    let mut refunds = read_all(rows, super::read)?;
    if with_legs.is_empty() {
        return Ok(refunds);
    }
    let query = Entity::find()
        .filter(Column::RefundId.is_in(with_legs))
        .order_by(Column::RefundId, Order::Asc)
        .order_by(Column::LegNo, Order::Asc);
    for row in fetch_all(db, "list the legs of refunds", query).await? {
        let owner = refunds
            .iter_mut()
            .find(|it| it.id.to_string() == row.refund_id);
        if let Some(refund) = owner {
            refund.legs.push(read(&row)?);
        }
    }
    Ok(refunds)
}

fn read(row: &Model) -> Result<RefundLeg, StoreError> {
    let reader = RowReader::new(TABLE, &row.id);
    let currency = reader.parse("currency", &row.currency)?;
    let points = row.points_minor.map(Points::try_new).transpose();
    Ok(RefundLeg {
        id: reader.parse("id", &row.id)?,
        leg_id: reader.parse("leg_id", &row.leg_id)?,
        leg_no: row.leg_no,
        channel: reader.parse("channel", &row.channel)?,
        amount: reader.money("amount_minor", row.amount_minor, currency)?,
        points: points.map_err(|_negative| reader.unreadable("points_minor"))?,
        destination: reader.parse("destination", &row.destination)?,
    })
}
