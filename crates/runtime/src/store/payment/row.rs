//! Between rows of `payment_transactions` and [`PaymentTransaction`].

use entities::payment_transaction::{ActiveModel, Model};
use kassa_core::payment::{PaymentStatus, PaymentTransaction};
use sea_orm::ActiveValue::Set;

use crate::store::StoreError;
use crate::store::row::{RowReader, failure_columns, minor_in, to_json, to_micros};

const TABLE: &str = "payment_transactions";

/// Whether a transaction in this status keeps others from its business order.
fn occupies(status: PaymentStatus) -> bool {
    match status {
        PaymentStatus::Closed | PaymentStatus::PaidFailed => false,
        PaymentStatus::PendingCreate
        | PaymentStatus::PendingPayment
        | PaymentStatus::PaidSuccess
        | PaymentStatus::RefundPartial
        | PaymentStatus::RefundFull => true,
    }
}

/// A row without its legs.
pub(super) fn read(row: Model) -> Result<PaymentTransaction, StoreError> {
    let reader = RowReader::new(TABLE, &row.id);
    let currency = reader.parse("currency", &row.currency)?;
    let money = |column, minor| reader.money(column, minor, currency);
    Ok(PaymentTransaction {
        id: reader.parse("id", &row.id)?,
        app_id: reader.text("app_id", &row.app_id)?,
        request_id: reader.text("request_id", &row.request_id)?,
        request_fingerprint: row.request_fingerprint,
        business_order_id: reader.text("business_order_id", &row.business_order_id)?,
        business_order_type: reader
            .text_some("business_order_type", row.business_order_type.as_deref())?,
        user_id: reader.text_some("user_id", row.user_id.as_deref())?,
        channel: reader.parse("channel", &row.channel)?,
        method: reader.parse("method", &row.method)?,
        legs: Vec::new(),
        amount_requested: money("amount_requested_minor", row.amount_requested_minor)?,
        amount_paid: money("amount_paid_minor", row.amount_paid_minor)?,
        amount_refunded: money("amount_refunded_minor", row.amount_refunded_minor)?,
        amount_refund_reserved: money(
            "amount_refund_reserved_minor",
            row.amount_refund_reserved_minor,
        )?,
        status: reader.parse("status", &row.status)?,
        current_attempt_id: reader
            .parse_some("current_attempt_id", row.current_attempt_id.as_deref())?,
        gateway_transaction_id: row.gateway_transaction_id,
        failure: reader.failure(row.error_code, row.error_message)?,
        subject: reader.text("subject", &row.subject)?,
        client_ip: reader.parse_some("client_ip", row.client_ip.as_deref())?,
        return_url: row.return_url,
        metadata: reader.json("metadata", &row.metadata)?,
        expires_at: row.expires_at,
        created_at: row.created_at,
        updated_at: row.updated_at,
        paid_at: row.paid_at,
        closed_at: row.closed_at,
        version: row.version,
        event_sequence: row.event_sequence,
    })
}

/// A whole new row.
pub(super) fn write(payment: &PaymentTransaction) -> Result<ActiveModel, StoreError> {
    let order_type = payment.business_order_type.as_ref();
    Ok(ActiveModel {
        id: Set(payment.id.to_string()),
        app_id: Set(payment.app_id.to_string()),
        request_id: Set(payment.request_id.to_string()),
        request_fingerprint: Set(payment.request_fingerprint.clone()),
        business_order_id: Set(payment.business_order_id.to_string()),
        business_order_type: Set(order_type.map(ToString::to_string)),
        user_id: Set(payment.user_id.as_ref().map(ToString::to_string)),
        currency: Set(payment.amount_requested.currency().to_string()),
        amount_requested_minor: Set(payment.amount_requested.amount_minor()),
        occupies_order: Set(occupies(payment.status)),
        subject: Set(payment.subject.to_string()),
        return_url: Set(payment.return_url.clone()),
        metadata: Set(to_json(TABLE, "metadata", &payment.metadata)?),
        created_at: Set(to_micros(payment.created_at)),
        has_internal_legs: Set(!payment.legs.is_empty()),
        ..changes(payment)?
    })
}

/// The columns that may change after the first write.
pub(super) fn changes(payment: &PaymentTransaction) -> Result<ActiveModel, StoreError> {
    let currency = payment.amount_requested.currency();
    let minor = |column, amount| minor_in(currency, TABLE, column, amount);
    let (error_code, error_message) = failure_columns(payment.failure.as_ref());
    let mut row = ActiveModel {
        channel: Set(payment.channel.to_string()),
        method: Set(payment.method.to_string()),
        client_ip: Set(payment.client_ip.map(|address| address.to_string())),
        amount_paid_minor: Set(minor("amount_paid_minor", payment.amount_paid)?),
        amount_refunded_minor: Set(minor("amount_refunded_minor", payment.amount_refunded)?),
        amount_refund_reserved_minor: Set(minor(
            "amount_refund_reserved_minor",
            payment.amount_refund_reserved,
        )?),
        status: Set(payment.status.to_string()),
        current_attempt_id: Set(payment.current_attempt_id.map(|id| id.to_string())),
        gateway_transaction_id: Set(payment.gateway_transaction_id.clone()),
        error_code: Set(error_code),
        error_message: Set(error_message),
        expires_at: Set(to_micros(payment.expires_at)),
        updated_at: Set(to_micros(payment.updated_at)),
        paid_at: Set(payment.paid_at.map(to_micros)),
        closed_at: Set(payment.closed_at.map(to_micros)),
        version: Set(payment.version),
        event_sequence: Set(payment.event_sequence),
        ..ActiveModel::default()
    };
    if !occupies(payment.status) || payment.closed_at.is_some() {
        row.occupies_order = Set(false);
    }
    Ok(row)
}
