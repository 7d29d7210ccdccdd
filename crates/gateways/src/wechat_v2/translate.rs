//! WeChat Pay's words into ours: notices, queries and refunds (sheet §5, §7 and §8).

use chrono::{DateTime, Utc};
#[cfg(feature = "client")]
use kassa_core::channel::Method;
use kassa_core::money::{Currency, Money};
use kassa_core::notification::{
    GatewayReason, Notification, PaymentReport, RefundReport, ReportedPayment, ReportedRefund,
};

use super::config::Settings;
use super::verify;
use super::wire::{Message, field};
use crate::callback::ForeignAccount;
use crate::china_time;
use crate::{TranslateError, Translated};

/// A query by refund number tells of one refund; by order it would be at most so many (sheet §5).
#[cfg(feature = "client")]
const REFUNDS_MAX: usize = 50;

/// Reads a verified notice.
pub(super) fn notification(
    settings: &Settings,
    notification: &Notification,
) -> Result<Translated, TranslateError> {
    let message =
        Message::parse(&notification.body).map_err(|_malformed| TranslateError::Field("body"))?;
    let foreign = foreign(settings, &message)?;
    if let Some(sealed) = message.get(field::REQ_INFO) {
        let opened =
            verify::open(settings, sealed).map_err(|_sealed_otherwise| TranslateError::Decrypt)?;
        return Ok(Translated {
            kind: verify::refund_kind(&opened),
            foreign,
            refund: Some(refund_notice(&opened).map_err(TranslateError::Field)?),
            // Encrypted without a signature: whoever alters it goes unnoticed (sheet §8).
            refund_is_hint: true,
            ..Translated::default()
        });
    }
    // Signed, and yet no payment: the order stays as it is.
    let payment = if message.is_success(field::RESULT_CODE) {
        let state = paid(&message).map_err(TranslateError::Field)?;
        Some(payment_report(&message, state).map_err(TranslateError::Field)?)
    } else {
        None
    };
    Ok(Translated {
        kind: verify::payment_kind(&message),
        foreign,
        payment,
        ..Translated::default()
    })
}

/// A notice of another merchant or application, although a key of ours verified it.
fn foreign(
    settings: &Settings,
    message: &Message,
) -> Result<Option<ForeignAccount>, TranslateError> {
    for (name, ours) in [
        (field::MCH_ID, &settings.mch_id),
        (field::APPID, &settings.appid),
    ] {
        let found = message.get(name).ok_or(TranslateError::Field(name))?;
        if found != ours {
            return Ok(Some(ForeignAccount {
                field: name,
                found: found.to_owned(),
            }));
        }
    }
    Ok(None)
}

fn payment_report(
    message: &Message,
    state: ReportedPayment,
) -> Result<PaymentReport, &'static str> {
    Ok(PaymentReport {
        request_number: required(message, field::OUT_TRADE_NO)?,
        gateway_transaction_id: message.get(field::TRANSACTION_ID).map(str::to_owned),
        state,
    })
}

fn paid(message: &Message) -> Result<ReportedPayment, &'static str> {
    let (amount, paid_at) = payment(message)?;
    Ok(ReportedPayment::Paid { amount, paid_at })
}

/// What the order is for (`cash_fee` may be less by WeChat's coupons), and when it was paid.
fn payment(message: &Message) -> Result<(Money, Option<DateTime<Utc>>), &'static str> {
    Ok((
        money(message, field::TOTAL_FEE)?,
        time(message, field::TIME_END, china_time::parse_compact)?,
    ))
}

/// What the answer to a payer's code says, if it is a success.
#[cfg(feature = "client")]
pub(super) fn paid_at_once(message: &Message) -> Result<PaymentReport, &'static str> {
    let (amount, paid_at) = payment(message)?;
    payment_report(message, ReportedPayment::Paid { amount, paid_at })
}

/// Whether a query says that refunds were begun: of how much it does not say.
#[cfg(feature = "client")]
pub(super) fn has_refunds(message: &Message) -> bool {
    message.get(field::TRADE_STATE) == Some("REFUND")
}

/// What a query says of an order that is paid, and whose refunds give all of it back.
#[cfg(feature = "client")]
pub(super) fn reversed(message: &Message) -> Result<PaymentReport, &'static str> {
    let (amount, paid_at) = payment(message)?;
    payment_report(message, ReportedPayment::Reversed { amount, paid_at })
}

/// What an order's refunds come to, by a query that names the order.
#[cfg(feature = "client")]
pub(super) fn refunded_total(message: &Message) -> Result<Money, &'static str> {
    let mut total = Money::zero(Currency::CNY);
    for n in 0..REFUNDS_MAX {
        let Some(status) = message.get(&format!("{}_{n}", field::REFUND_STATUS)) else {
            break;
        };
        let fee = fen(
            message.get(&format!("{}_{n}", field::REFUND_FEE)),
            Currency::CNY,
        );
        let fee = fee.ok_or(field::REFUND_FEE)?;
        if status != "REFUNDCLOSE" {
            total = total
                .checked_add(fee)
                .map_err(|_too_much| field::REFUND_FEE)?;
        }
    }
    Ok(total)
}

/// What a query says of an order; the error names the field that is missing or unreadable.
#[cfg(feature = "client")]
pub(super) fn queried(message: &Message, method: Method) -> Result<PaymentReport, &'static str> {
    const TRADE_STATE: &str = field::TRADE_STATE;
    let is_at_counter = method == Method::BarCode;
    let word = message.get(TRADE_STATE).ok_or(TRADE_STATE)?;
    let state = match word {
        // What was paid and reversed tells how it was paid.
        "REVOKED" if is_at_counter && message.get(field::TOTAL_FEE).is_some() => {
            return reversed(message);
        }
        // It has to be reversed, like one that waits too long (sheet §5).
        "PAYERROR" if is_at_counter => ReportedPayment::Unpaid,
        // REFUND means that a refund was begun, also a partial one: the order was paid.
        "SUCCESS" | "REFUND" => paid(message)?,
        // ACCEPT: the payer agreed, and the money has not moved.
        "NOTPAY" | "USERPAYING" | "ACCEPT" => ReportedPayment::Unpaid,
        "CLOSED" | "REVOKED" => ReportedPayment::Closed,
        "PAYERROR" => ReportedPayment::Failed(GatewayReason {
            code: word.to_owned(),
            message: message
                .get("trade_state_desc")
                .unwrap_or_default()
                .to_owned(),
        }),
        _ => return Err(TRADE_STATE),
    };
    payment_report(message, state)
}

/// What a notice says of a refund.
fn refund_notice(opened: &Message) -> Result<RefundReport, &'static str> {
    let fields = RefundFields {
        number: field::OUT_REFUND_NO,
        id: field::REFUND_ID,
        status: field::REFUND_STATUS,
        fee: field::REFUND_FEE,
        time: "success_time",
    };
    refund_report(opened, &fields)
}

/// What a query says of the refund with this number, if it says anything.
#[cfg(feature = "client")]
pub(super) fn queried_refund(
    message: &Message,
    refund_number: &str,
) -> Option<Result<RefundReport, &'static str>> {
    let position = (0..REFUNDS_MAX)
        .find(|n| message.get(&format!("out_refund_no_{n}")) == Some(refund_number))?;
    let name = |name: &str| format!("{name}_{position}");
    let fields = RefundFields {
        number: &name(field::OUT_REFUND_NO),
        id: &name(field::REFUND_ID),
        status: &name(field::REFUND_STATUS),
        fee: &name(field::REFUND_FEE),
        time: &name("refund_success_time"),
    };
    Some(refund_report(message, &fields))
}

/// What the fields of one refund are called.
struct RefundFields<'a> {
    number: &'a str,
    id: &'a str,
    status: &'a str,
    fee: &'a str,
    time: &'a str,
}

fn refund_report(
    message: &Message,
    fields: &RefundFields<'_>,
) -> Result<RefundReport, &'static str> {
    let word = message.get(fields.status).ok_or(field::REFUND_STATUS)?;
    let reason = |text: &str| GatewayReason {
        code: word.to_owned(),
        message: text.to_owned(),
    };
    let state = match word {
        "PROCESSING" => ReportedRefund::Processing,
        "SUCCESS" => ReportedRefund::Succeeded {
            amount: Some(fen(message.get(fields.fee), Currency::CNY).ok_or(field::REFUND_FEE)?),
            refunded_total: None,
            refunded_at: time(message, fields.time, china_time::parse_plain)?,
        },
        "REFUNDCLOSE" => ReportedRefund::Failed(reason(
            "the refund was closed; a new one needs a new number",
        )),
        "CHANGE" => ReportedRefund::Abnormal(reason(
            "the payer's account cannot take it; see the merchant console",
        )),
        _ => return Err(field::REFUND_STATUS),
    };
    Ok(RefundReport {
        request_number: required(message, field::OUT_TRADE_NO)?,
        refund_number: message
            .get(fields.number)
            .ok_or(field::OUT_REFUND_NO)?
            .to_owned(),
        gateway_refund_id: message.get(fields.id).map(str::to_owned),
        state,
    })
}

fn required(message: &Message, name: &'static str) -> Result<String, &'static str> {
    message.get(name).map(str::to_owned).ok_or(name)
}

fn money(message: &Message, name: &'static str) -> Result<Money, &'static str> {
    let currency = match message.get(field::FEE_TYPE) {
        None => Currency::CNY,
        Some(code) => code.parse().map_err(|_unknown| field::FEE_TYPE)?,
    };
    fen(message.get(name), currency).ok_or(name)
}

/// Digits and nothing else: `parse` alone would take a sign.
fn fen(text: Option<&str>, currency: Currency) -> Option<Money> {
    let text = text.filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()))?;
    Money::try_new(text.parse().ok()?, currency).ok()
}

fn time(
    message: &Message,
    name: &str,
    parse: fn(&str) -> Option<DateTime<Utc>>,
) -> Result<Option<DateTime<Utc>>, &'static str> {
    message
        .get(name)
        .map(|text| parse(text).ok_or(field::TIME_END))
        .transpose()
}
