//! Reserving a refund: one conditional update, so that no number of concurrent refunds can promise
//! more than was paid.

use entities::payment_transaction::{Column, Entity};
use kassa_core::Money;
use kassa_core::id::TransactionId;
use kassa_core::payment::PaymentStatus;
use kassa_core::text::AppId;
use sea_orm::sea_query::{Expr, ExprTrait};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};

use crate::store::{StoreError, Tx};

impl Tx {
    /// Reserves `amount` of the app's paid transaction for a refund; says whether it was possible.
    /// The row is locked from then on.
    ///
    /// # Errors
    /// [`StoreError`]; that nothing matched is `false`, not an error.
    pub async fn reserve_refund_in_tx(
        &self,
        id: TransactionId,
        app: &AppId,
        amount: Money,
    ) -> Result<bool, StoreError> {
        let refundable = Expr::col(Column::AmountPaidMinor)
            .sub(Expr::col(Column::AmountRefundedMinor))
            .sub(Expr::col(Column::AmountRefundReservedMinor));
        let reserved =
            Expr::col(Column::AmountRefundReservedMinor).add(Expr::val(amount.amount_minor()));
        let result = Entity::update_many()
            .col_expr(Column::AmountRefundReservedMinor, reserved)
            .col_expr(
                Column::Version,
                Expr::col(Column::Version).add(Expr::val(1_i64)),
            )
            .filter(Column::Id.eq(id.to_string()))
            .filter(Column::AppId.eq(app.as_str()))
            .filter(Column::Currency.eq(amount.currency().code()))
            .filter(Column::Status.is_in([
                PaymentStatus::PaidSuccess.as_str(),
                PaymentStatus::RefundPartial.as_str(),
            ]))
            .filter(refundable.gte(Expr::val(amount.amount_minor())))
            .exec(self.db())
            .await
            .map_err(|error| StoreError::query("reserve a refund", error))?;
        Ok(result.rows_affected == 1)
    }
}
