//! The API's resources out of the domain: used for answers and, as the API's own JSON, for events.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use kassa_core::anomaly::{Anomaly, AnomalyKind, AnomalyStatus, ResolutionAction};
use kassa_core::channel::{Channel, GatewayName, Method};
use kassa_core::money::MoneyError;
use kassa_core::password::CodePurpose;
use kassa_core::payment::{
    BaiduOrder, Failure, Leg, LegStatus, PaymentStatus, PaymentTransaction, PrepayInfo,
};
use kassa_core::refund::{
    RefundDestination, RefundLeg, RefundSource, RefundStatus, RefundTransaction,
};
use kassa_core::{Money, Points};
use proto::v1;
use serde_json::Value;

use crate::password::PasswordStatus;

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
        legs: legs(payment)?,
    })
}

fn legs(payment: &PaymentTransaction) -> Result<Vec<v1::PaymentLeg>, MoneyError> {
    if payment.legs.is_empty() {
        // The only leg is the whole of it.
        return Ok(vec![v1::PaymentLeg {
            leg_no: 1,
            payment_channel: channel(payment.channel).into(),
            payment_method: method(payment.method).into(),
            amount: Some(money(payment.amount_requested)),
            points: None,
            status: leg_status(LegStatus::of(payment.status)).into(),
            amount_refunded: Some(money(payment.amount_refunded)),
            amount_refundable: Some(money(payment.amount_refundable()?)),
        }]);
    }
    payment.legs.iter().map(leg).collect()
}

fn leg(leg: &Leg) -> Result<v1::PaymentLeg, MoneyError> {
    let refundable = match leg.status {
        LegStatus::Paid => leg.amount_refundable()?,
        LegStatus::Pending | LegStatus::Ended => Money::zero(leg.amount.currency()),
    };
    Ok(v1::PaymentLeg {
        leg_no: leg.leg_no,
        payment_channel: channel(leg.channel).into(),
        payment_method: method(leg.method).into(),
        amount: Some(money(leg.amount)),
        points: leg.points.map(|paid| points(paid.points)),
        status: leg_status(leg.status).into(),
        amount_refunded: Some(money(leg.amount_refunded)),
        amount_refundable: Some(money(refundable)),
    })
}

/// Where a leg stands.
pub fn leg_status(status: LegStatus) -> v1::PaymentLegStatus {
    match status {
        LegStatus::Pending => v1::PaymentLegStatus::Pending,
        LegStatus::Paid => v1::PaymentLegStatus::Paid,
        LegStatus::Ended => v1::PaymentLegStatus::Ended,
    }
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
        source: refund_source(refund.source).into(),
        anomaly_id: text(refund.anomaly_id.as_ref()),
        legs: refund.legs.iter().map(refund_leg).collect(),
    }
}

fn refund_leg(leg: &RefundLeg) -> v1::RefundLeg {
    v1::RefundLeg {
        leg_no: leg.leg_no,
        payment_channel: channel(leg.channel).into(),
        amount: Some(money(leg.amount)),
        points: leg.points.map(points),
        destination: refund_destination(leg.destination).into(),
    }
}

/// Where a part of a refund goes.
pub fn refund_destination(destination: RefundDestination) -> v1::RefundDestination {
    match destination {
        RefundDestination::Original => v1::RefundDestination::Original,
        RefundDestination::Balance => v1::RefundDestination::Balance,
    }
}

/// What may be known of a payment password, as the API shows it.
pub fn payment_password(status: &PasswordStatus) -> v1::PaymentPasswordStatus {
    v1::PaymentPasswordStatus {
        user_id: status.user_id.to_string(),
        is_set: status.is_set,
        tries_left: i32::from(status.tries_left),
        unlock_time: status.unlock_time.map(time),
    }
}

/// What a one-time code is good for.
pub fn code_purpose(purpose: CodePurpose) -> v1::PasswordCodePurpose {
    match purpose {
        CodePurpose::Set => v1::PasswordCodePurpose::Set,
        CodePurpose::Reset => v1::PasswordCodePurpose::Reset,
    }
}

/// An anomaly as the API shows it.
pub fn anomaly(anomaly: &Anomaly) -> v1::Anomaly {
    let resolution = anomaly.resolution.as_ref();
    let requested = anomaly.requested.as_ref();
    let by = resolution.map_or_else(
        || requested.map(|request| request.by.clone()),
        |resolution| Some(resolution.by.clone()),
    );
    let reason = resolution.map_or_else(
        || requested.map(|request| request.reason.clone()),
        |resolution| Some(resolution.reason.clone()),
    );
    let action = resolution.map(|resolution| resolution_action(resolution.action));
    v1::Anomaly {
        anomaly_id: anomaly.id.to_string(),
        kind: anomaly_kind(anomaly.kind).into(),
        status: anomaly_status(anomaly.status()).into(),
        transaction_id: text(anomaly.transaction_id.as_ref()),
        refund_id: text(anomaly.refund_id.as_ref()),
        channel_account_id: anomaly.channel_account_id.to_string(),
        evidence: evidence(&anomaly.evidence),
        create_time: Some(time(anomaly.created_at)),
        refund_due_time: anomaly.refund_due_at.map(time),
        resolution: action.unwrap_or_default().into(),
        resolved_by: by.unwrap_or_default(),
        resolution_reason: reason.unwrap_or_default(),
        resolve_time: resolution.map(|resolution| time(resolution.at)),
    }
}

/// Evidence is kept as an object of texts.
fn evidence(evidence: &Value) -> HashMap<String, String> {
    let shown = |(name, value): (&String, &Value)| {
        let text = value.as_str().map(ToOwned::to_owned);
        (name.clone(), text.unwrap_or_else(|| value.to_string()))
    };
    let fields = evidence.as_object().into_iter().flatten();
    fields.map(shown).collect()
}

/// An amount.
pub fn money(amount: Money) -> v1::Money {
    v1::Money {
        amount: amount.to_decimal_string(),
        currency_code: amount.currency().code().to_owned(),
    }
}

/// A number of points.
pub fn points(points: Points) -> v1::Points {
    v1::Points {
        amount: points.to_decimal_string(),
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
        Channel::Baidu => v1::PaymentChannel::Baidu,
        Channel::Unionpay => v1::PaymentChannel::Unionpay,
        Channel::Stripe => v1::PaymentChannel::Stripe,
        Channel::Paypal => v1::PaymentChannel::Paypal,
        Channel::Balance => v1::PaymentChannel::Balance,
        Channel::Points => v1::PaymentChannel::Points,
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
        Method::BarCode => v1::PaymentMethod::BarCode,
        Method::MiniProgram => v1::PaymentMethod::MiniProgram,
        Method::Card => v1::PaymentMethod::Card,
        Method::Wallet => v1::PaymentMethod::Wallet,
    }
}

/// A gateway.
pub fn gateway(gateway: GatewayName) -> v1::Gateway {
    match gateway {
        GatewayName::Alipay => v1::Gateway::Alipay,
        GatewayName::WechatV3 => v1::Gateway::WechatV3,
        GatewayName::WechatV2 => v1::Gateway::WechatV2,
        GatewayName::Baidu => v1::Gateway::Baidu,
        GatewayName::Unionpay => v1::Gateway::Unionpay,
        GatewayName::Stripe => v1::Gateway::Stripe,
        GatewayName::Paypal => v1::Gateway::Paypal,
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

/// Which money a refund gives back.
pub fn refund_source(source: RefundSource) -> v1::RefundSource {
    match source {
        RefundSource::Payment => v1::RefundSource::Payment,
        RefundSource::Duplicate => v1::RefundSource::Duplicate,
    }
}

/// An anomaly's kind.
pub fn anomaly_kind(kind: AnomalyKind) -> v1::AnomalyKind {
    match kind {
        AnomalyKind::LatePayment => v1::AnomalyKind::LatePayment,
        AnomalyKind::DuplicatePayment => v1::AnomalyKind::DuplicatePayment,
        AnomalyKind::AmountMismatch => v1::AnomalyKind::AmountMismatch,
        AnomalyKind::CurrencyMismatch => v1::AnomalyKind::CurrencyMismatch,
        AnomalyKind::AccountMismatch => v1::AnomalyKind::AccountMismatch,
        AnomalyKind::UnknownOrder => v1::AnomalyKind::UnknownOrder,
        AnomalyKind::ReversedByGateway => v1::AnomalyKind::ReversedByGateway,
        AnomalyKind::ExternalRefund => v1::AnomalyKind::ExternalRefund,
        AnomalyKind::RefundBeyondPaid => v1::AnomalyKind::RefundBeyondPaid,
        AnomalyKind::RefundWithoutPayment => v1::AnomalyKind::RefundWithoutPayment,
        AnomalyKind::RefundAmountMismatch => v1::AnomalyKind::RefundAmountMismatch,
        AnomalyKind::RefundAbnormal => v1::AnomalyKind::RefundAbnormal,
        AnomalyKind::RefundAfterFailure => v1::AnomalyKind::RefundAfterFailure,
        AnomalyKind::RefundReversed => v1::AnomalyKind::RefundReversed,
        AnomalyKind::Dispute => v1::AnomalyKind::Dispute,
        AnomalyKind::RefundAsked => v1::AnomalyKind::RefundAsked,
    }
}

/// An anomaly's status.
pub fn anomaly_status(status: AnomalyStatus) -> v1::AnomalyStatus {
    match status {
        AnomalyStatus::Open => v1::AnomalyStatus::Open,
        AnomalyStatus::Resolved => v1::AnomalyStatus::Resolved,
    }
}

/// What was done about an anomaly.
pub fn resolution_action(action: ResolutionAction) -> v1::ResolutionAction {
    match action {
        ResolutionAction::Accept => v1::ResolutionAction::Accept,
        ResolutionAction::Refund => v1::ResolutionAction::Refund,
        ResolutionAction::RefundToMerchant => v1::ResolutionAction::RefundToMerchant,
        ResolutionAction::Settled => v1::ResolutionAction::Settled,
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
        PrepayInfo::AlipayTrade { trade_no } => Info::AlipayTrade(v1::AlipayTrade { trade_no }),
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
        PrepayInfo::BaiduOrder(order) => Info::BaiduOrder(baidu_order(order)),
        PrepayInfo::ClientSecret {
            client_secret,
            publishable_key,
        } => Info::ClientSecret(v1::ClientSecret {
            // Flows open it before they answer.
            client_secret: client_secret.expose().unwrap_or_default().to_owned(),
            publishable_key,
        }),
    };
    v1::PrepayInfo { info: Some(info) }
}

fn baidu_order(order: BaiduOrder) -> v1::BaiduOrder {
    v1::BaiduOrder {
        deal_id: order.deal_id,
        app_key: order.app_key,
        total_amount: order.total_amount,
        tp_order_id: order.tp_order_id,
        deal_title: order.deal_title,
        sign_fields_range: order.sign_fields_range,
        rsa_sign: order.rsa_sign,
        biz_info: order.biz_info,
        notify_url: order.notify_url,
    }
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
