//! The API's resources out of the domain: used for answers and, as the API's own JSON, for events.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use kassa_core::Money;
use kassa_core::channel::{Channel, GatewayName, Method};
use kassa_core::money::MoneyError;
use kassa_core::payment::{Failure, PaymentStatus, PaymentTransaction, PrepayInfo};
use kassa_core::refund::{RefundStatus, RefundTransaction};
use proto::v1;

/// A payment as the API shows it.
///
/// # Errors
/// [`MoneyError`] if the row breaks its own invariant.
pub fn payment(payment: &PaymentTransaction) -> Result<v1::PaymentTransaction, MoneyError> {
    Ok(v1::PaymentTransaction {
        transaction_id: payment.id.to_string(),
        app_id: payment.app_id.to_string(),
        business_order_id: payment.business_order_id.to_string(),
        business_order_type: text(payment.business_order_type.as_ref()),
        user_id: text(payment.user_id.as_ref()),
        payment_channel: channel(payment.channel).into(),
        payment_method: method(payment.method).into(),
        amount_requested: Some(money(payment.amount_requested)),
        amount_paid: Some(money(payment.amount_paid)),
        amount_refunded: Some(money(payment.amount_refunded)),
        amount_refundable: Some(money(payment.amount_refundable()?)),
        status: payment_status(payment.status).into(),
        gateway_transaction_id: payment.gateway_transaction_id.clone().unwrap_or_default(),
        failure: payment.failure.as_ref().map(failure),
        subject: payment.subject.to_string(),
        metadata: payment
            .metadata
            .clone()
            .into_iter()
            .collect::<HashMap<_, _>>(),
        expire_time: Some(time(payment.expires_at)),
        create_time: Some(time(payment.created_at)),
        update_time: Some(time(payment.updated_at)),
        paid_time: payment.paid_at.map(time),
        close_time: payment.closed_at.map(time),
        version: payment.version,
    })
}

/// A refund as the API shows it.
pub fn refund(refund: &RefundTransaction) -> v1::RefundTransaction {
    v1::RefundTransaction {
        refund_id: refund.id.to_string(),
        original_transaction_id: refund.original_transaction_id.to_string(),
        app_id: refund.app_id.to_string(),
        business_refund_id: text(refund.business_refund_id.as_ref()),
        amount_requested: Some(money(refund.amount_requested)),
        amount_refunded: Some(money(refund.amount_refunded)),
        status: refund_status(refund.status).into(),
        reason: text(refund.reason.as_ref()),
        gateway_refund_id: refund.gateway_refund_id.clone().unwrap_or_default(),
        failure: refund.failure.as_ref().map(failure),
        create_time: Some(time(refund.created_at)),
        update_time: Some(time(refund.updated_at)),
        refund_time: refund.refunded_at.map(time),
        version: refund.version,
    }
}

/// An amount.
pub fn money(amount: Money) -> v1::Money {
    v1::Money {
        amount: amount.to_decimal_string(),
        currency_code: amount.currency().code().to_owned(),
    }
}

/// A time.
pub fn time(at: DateTime<Utc>) -> pbjson_types::Timestamp {
    at.into()
}

/// A channel.
pub fn channel(channel: Channel) -> v1::PaymentChannel {
    match channel {
        Channel::Alipay => v1::PaymentChannel::Alipay,
        Channel::WechatPay => v1::PaymentChannel::WechatPay,
    }
}

/// A method.
pub fn method(method: Method) -> v1::PaymentMethod {
    match method {
        Method::Qr => v1::PaymentMethod::Qr,
        Method::Page => v1::PaymentMethod::Page,
        Method::Wap => v1::PaymentMethod::Wap,
        Method::App => v1::PaymentMethod::App,
        Method::Jsapi => v1::PaymentMethod::Jsapi,
    }
}

/// A gateway.
pub fn gateway(gateway: GatewayName) -> v1::Gateway {
    match gateway {
        GatewayName::Alipay => v1::Gateway::Alipay,
        GatewayName::WechatV3 => v1::Gateway::WechatV3,
    }
}

/// A payment's status.
pub fn payment_status(status: PaymentStatus) -> v1::PaymentStatus {
    match status {
        PaymentStatus::PendingCreate => v1::PaymentStatus::PendingCreate,
        PaymentStatus::PendingPayment => v1::PaymentStatus::PendingPayment,
        PaymentStatus::PaidSuccess => v1::PaymentStatus::PaidSuccess,
        PaymentStatus::PaidFailed => v1::PaymentStatus::PaidFailed,
        PaymentStatus::Closed => v1::PaymentStatus::Closed,
        PaymentStatus::RefundPartial => v1::PaymentStatus::RefundPartial,
        PaymentStatus::RefundFull => v1::PaymentStatus::RefundFull,
    }
}

/// A refund's status.
pub fn refund_status(status: RefundStatus) -> v1::RefundStatus {
    match status {
        RefundStatus::Pending => v1::RefundStatus::Pending,
        RefundStatus::Processing => v1::RefundStatus::Processing,
        RefundStatus::Success => v1::RefundStatus::Success,
        RefundStatus::Failed => v1::RefundStatus::Failed,
    }
}

/// How to pay.
pub fn prepay(prepay: &PrepayInfo) -> v1::PrepayInfo {
    use v1::prepay_info::Info;
    let info = match prepay.clone() {
        PrepayInfo::QrCode { content } => Info::QrCode(v1::QrCode { content }),
        PrepayInfo::Redirect { url } => Info::Redirect(v1::Redirect { url }),
        PrepayInfo::Form {
            action,
            fields,
            html,
        } => Info::Form(v1::Form {
            action,
            fields: fields
                .into_iter()
                .map(|(name, value)| v1::FormField { name, value })
                .collect(),
            html,
        }),
        PrepayInfo::AppOrder { order_string } => {
            Info::AppParameters(v1::AppParameters { order_string })
        }
        PrepayInfo::Jsapi {
            app_id,
            time_stamp,
            nonce_str,
            package,
            sign_type,
            pay_sign,
        } => Info::JsapiParameters(v1::JsapiParameters {
            app_id,
            time_stamp,
            nonce_str,
            package,
            sign_type,
            pay_sign,
        }),
        PrepayInfo::WechatApp {
            app_id,
            partner_id,
            prepay_id,
            package,
            nonce_str,
            time_stamp,
            sign,
        } => Info::WechatAppParameters(v1::WechatAppParameters {
            app_id,
            partner_id,
            prepay_id,
            package,
            nonce_str,
            time_stamp,
            sign,
        }),
    };
    v1::PrepayInfo { info: Some(info) }
}

fn failure(failure: &Failure) -> v1::Failure {
    v1::Failure {
        error_code: failure.code.clone(),
        error_message: failure.message.clone(),
    }
}

fn text<T: ToString>(value: Option<&T>) -> String {
    value.map(ToString::to_string).unwrap_or_default()
}
