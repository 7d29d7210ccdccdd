//! Baidu's words into ours: callbacks, queries and refunds (sheet §4 to §8).

use chrono::DateTime;
use kassa_core::money::{Currency, Money};
use kassa_core::notification::{
    GatewayReason, Notification, PaymentReport, RefundQuestion, RefundReport, ReportedPayment,
    ReportedRefund,
};

use super::config::Settings;
use super::verify::{self, Decision, Kind, fen};
use super::wire::field;
use crate::callback::ForeignAccount;
use crate::form::Form;
use crate::{TranslateError, Translated};

/// `status` of an order (sheet §4 and §8).
const UNPAID: &str = "1";
const PAID: &str = "2";
const CANCELLED: &str = "-1";
/// `refundStatus` of a callback; a query counts otherwise (sheet §6 and §8).
const RESULT_SUCCESS: &str = "1";
const RESULT_FAILED: &str = "2";

/// Reads a verified callback.
pub(super) fn notification(
    settings: &Settings,
    notification: &Notification,
) -> Result<Translated, TranslateError> {
    let form =
        Form::parse(&notification.body).map_err(|_malformed| TranslateError::Field("form"))?;
    let kind = Kind::of(&form).ok_or(TranslateError::Field(field::STATUS))?;
    let mut translated = Translated {
        kind: verify::word(kind, &form),
        ..Translated::default()
    };
    match kind {
        Kind::Payment => {
            translated.foreign = foreign(settings, &form)?;
            translated.payment = payment(&form)?;
        }
        // Answered at the door. What was approved there is told when it has happened.
        Kind::RefundAudit => translated.question = question(settings, &form)?,
        Kind::RefundResult => {
            translated.refund = Some(refund(&form)?);
            // It names the refund by Baidu's number alone, and no amount (sheet §6).
            translated.refund_is_hint = true;
        }
    }
    Ok(translated)
}

/// A callback of another settlement agreement, although a key of ours verified it.
fn foreign(settings: &Settings, form: &Form) -> Result<Option<ForeignAccount>, TranslateError> {
    let found = required(form, field::DEAL_ID)?;
    Ok((found != settings.deal_id).then(|| ForeignAccount {
        field: field::DEAL_ID,
        found: found.to_owned(),
    }))
}

fn payment(form: &Form) -> Result<Option<PaymentReport>, TranslateError> {
    let word = required(form, field::STATUS)?;
    // What the order is for; payMoney may be less by Baidu's promotions.
    let total = || {
        form.get(field::TOTAL_MONEY)
            .and_then(cny)
            .ok_or(TranslateError::Field(field::TOTAL_MONEY))
    };
    let state = match word {
        PAID => ReportedPayment::Paid {
            amount: total()?,
            paid_at: form.get(field::PAY_TIME).map(unix).transpose()?,
        },
        UNPAID => ReportedPayment::Unpaid,
        CANCELLED => ReportedPayment::Closed,
        // Kept, and means nothing.
        _ => return Ok(None),
    };
    Ok(Some(PaymentReport {
        request_number: required(form, field::TP_ORDER_ID)?.to_owned(),
        gateway_transaction_id: form.get(field::ORDER_ID).map(str::to_owned),
        state,
    }))
}

/// What Baidu was told that nobody has decided: people have to.
fn question(settings: &Settings, form: &Form) -> Result<Option<RefundQuestion>, TranslateError> {
    let asked = match verify::decision(settings, form) {
        Decision::Approved(_) => return Ok(None),
        Decision::Undecided(asked) => asked,
    };
    Ok(Some(RefundQuestion {
        request_number: required(form, field::TP_ORDER_ID)?.to_owned(),
        gateway_refund_id: required(form, field::REFUND_BATCH_ID)?.to_owned(),
        amount: asked.and_then(|fen| Money::try_new(fen, Currency::CNY).ok()),
    }))
}

/// The callback knows neither our number of the refund nor its amount: Baidu's stands for it until the
/// query tells more.
fn refund(form: &Form) -> Result<RefundReport, TranslateError> {
    let batch = required(form, field::REFUND_BATCH_ID)?;
    let state = match required(form, field::REFUND_STATUS)? {
        RESULT_SUCCESS => ReportedRefund::Succeeded {
            amount: None,
            refunded_total: None,
            refunded_at: None,
        },
        RESULT_FAILED => ReportedRefund::Failed(failed()),
        _ => return Err(TranslateError::Field(field::REFUND_STATUS)),
    };
    Ok(RefundReport {
        request_number: required(form, field::TP_ORDER_ID)?.to_owned(),
        refund_number: batch.to_owned(),
        gateway_refund_id: Some(batch.to_owned()),
        state,
    })
}

fn failed() -> GatewayReason {
    GatewayReason {
        code: "REFUND_FAILED".to_owned(),
        message: "baidu could not give the money back; a new refund needs a new number".to_owned(),
    }
}

fn required<'a>(form: &'a Form, name: &'static str) -> Result<&'a str, TranslateError> {
    form.get(name).ok_or(TranslateError::Field(name))
}

fn cny(text: &str) -> Option<Money> {
    Money::try_new(fen(text)?, Currency::CNY).ok()
}

fn unix(text: &str) -> Result<DateTime<chrono::Utc>, TranslateError> {
    fen(text)
        .and_then(|seconds| DateTime::from_timestamp(seconds, 0))
        .ok_or(TranslateError::Field(field::PAY_TIME))
}

#[cfg(feature = "client")]
pub(super) use queried::{order, refund_of};

#[cfg(feature = "client")]
mod queried {
    use kassa_core::notification::{PaymentReport, ReportedPayment, ReportedRefund};

    use super::super::wire::{FoundOrder, FoundRefund};
    use super::{CANCELLED, PAID, UNPAID, cny, failed};

    /// What a query says of an order; the error names the field that is missing or unreadable.
    pub(in super::super) fn order(
        request_number: &str,
        found: &FoundOrder,
    ) -> Result<PaymentReport, &'static str> {
        let status = found.status.ok_or("status")?.to_string();
        let total = found.total_money.as_ref();
        let state = match status.as_str() {
            PAID => ReportedPayment::Paid {
                amount: total.and_then(|total| cny(&total.0)).ok_or("totalMoney")?,
                paid_at: None,
            },
            UNPAID => ReportedPayment::Unpaid,
            CANCELLED => ReportedPayment::Closed,
            _ => return Err("status"),
        };
        let id = found.order_id.as_ref().map(|id| id.0.clone());
        Ok(PaymentReport {
            request_number: request_number.to_owned(),
            gateway_transaction_id: id.filter(|id| !id.is_empty()),
            state,
        })
    }

    /// What a query says of a refund. It tells no amount.
    pub(in super::super) fn refund_of(found: &FoundRefund) -> Result<ReportedRefund, &'static str> {
        match found.status {
            Some(1) => Ok(ReportedRefund::Processing),
            Some(2) => Ok(ReportedRefund::Succeeded {
                amount: None,
                refunded_total: None,
                refunded_at: None,
            }),
            Some(3) => Ok(ReportedRefund::Failed(failed())),
            Some(_) | None => Err("refundStatus"),
        }
    }
}
