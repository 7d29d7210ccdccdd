//! Alipay's words into ours: notifications and the answers of queries (sheet §7, §8 and §10).

use kassa_core::money::{Currency, Money};
use kassa_core::notification::{
    Notification, PaymentReport, RefundReport, ReportedPayment, ReportedRefund,
};

use super::config::Settings;
use super::verify;
use super::wire::{TRADE_STATUS_SYNC, field};
use crate::callback::ForeignAccount;
use crate::china_time;
use crate::form::Form;
use crate::{TranslateError, Translated};

/// Alipay's states of an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum TradeStatus {
    WaitBuyerPay,
    Success,
    Finished,
    Closed,
    Unrecognised,
}

impl TradeStatus {
    pub(super) fn parse(word: &str) -> Self {
        match word {
            "WAIT_BUYER_PAY" => Self::WaitBuyerPay,
            "TRADE_SUCCESS" => Self::Success,
            "TRADE_FINISHED" => Self::Finished,
            "TRADE_CLOSED" => Self::Closed,
            _ => Self::Unrecognised,
        }
    }
}

/// Reads a verified notification.
pub(super) fn notification(
    settings: &Settings,
    notification: &Notification,
) -> Result<Translated, TranslateError> {
    let form =
        Form::parse(&notification.body).map_err(|_malformed| TranslateError::Field("form"))?;
    let kind = verify::kind(&form);
    let is_trade = form.get(field::NOTIFY_TYPE) == Some(TRADE_STATUS_SYNC);
    let status = form
        .get(field::TRADE_STATUS)
        .map(TradeStatus::parse)
        .filter(|_| is_trade);
    let Some(status) = status else {
        return Ok(Translated {
            kind,
            ..Translated::default()
        });
    };
    Ok(Translated {
        kind,
        foreign: foreign(settings, &form)?,
        payment: payment(&form, &status)?,
        refund: refund(&form)?,
        ..Translated::default()
    })
}

/// A notification of another app or seller, although signed by a key that verifies ours.
fn foreign(settings: &Settings, form: &Form) -> Result<Option<ForeignAccount>, TranslateError> {
    for (name, ours) in [
        (field::APP_ID, &settings.app_id),
        (field::SELLER_ID, &settings.seller_id),
    ] {
        let found = required(form, name)?;
        if found != ours {
            return Ok(Some(ForeignAccount {
                field: name,
                found: found.to_owned(),
            }));
        }
    }
    Ok(None)
}

/// A closed order was paid before if the notice tells of a payment or of a refund; else it was not.
fn payment(form: &Form, status: &TradeStatus) -> Result<Option<PaymentReport>, TranslateError> {
    let was_paid = form.get(field::GMT_PAYMENT).is_some() || refunded_total(form)?.is_some();
    let state = match status {
        TradeStatus::Success | TradeStatus::Finished => paid(form)?,
        TradeStatus::Closed if was_paid => paid(form)?,
        TradeStatus::Closed => ReportedPayment::Closed,
        TradeStatus::WaitBuyerPay => ReportedPayment::Unpaid,
        TradeStatus::Unrecognised => return Ok(None),
    };
    Ok(Some(PaymentReport {
        request_number: required(form, field::OUT_TRADE_NO)?.to_owned(),
        gateway_transaction_id: form.get(field::TRADE_NO).map(str::to_owned),
        state,
    }))
}

fn paid(form: &Form) -> Result<ReportedPayment, TranslateError> {
    let amount = yuan(required(form, field::TOTAL_AMOUNT)?)
        .ok_or(TranslateError::Field(field::TOTAL_AMOUNT))?;
    Ok(ReportedPayment::Paid {
        amount,
        paid_at: time(form, field::GMT_PAYMENT)?,
    })
}

/// Refunds are told in notices about the order: `refund_fee` is what it has given back so far, and
/// `out_biz_no` names the refund that this notice is about.
fn refund(form: &Form) -> Result<Option<RefundReport>, TranslateError> {
    let Some(refunded_total) = refunded_total(form)? else {
        return Ok(None);
    };
    let request_number = required(form, field::OUT_TRADE_NO)?.to_owned();
    let refund_number = form
        .get(field::OUT_BIZ_NO)
        .or(form.get(field::OUT_REQUEST_NO))
        .map_or_else(|| request_number.clone(), str::to_owned);
    Ok(Some(RefundReport {
        request_number,
        refund_number,
        gateway_refund_id: None,
        state: ReportedRefund::Succeeded {
            amount: None,
            refunded_total: Some(refunded_total),
            refunded_at: time(form, field::GMT_REFUND)?,
        },
    }))
}

fn refunded_total(form: &Form) -> Result<Option<Money>, TranslateError> {
    match form.get(field::REFUND_FEE) {
        Some(text) => {
            let total = yuan(text).ok_or(TranslateError::Field(field::REFUND_FEE))?;
            Ok(Some(total).filter(|total| !total.is_zero()))
        }
        None if form.get(field::GMT_REFUND).is_some() => {
            Err(TranslateError::Field(field::REFUND_FEE))
        }
        None => Ok(None),
    }
}

fn required<'a>(form: &'a Form, name: &'static str) -> Result<&'a str, TranslateError> {
    form.get(name).ok_or(TranslateError::Field(name))
}

fn time(
    form: &Form,
    name: &'static str,
) -> Result<Option<chrono::DateTime<chrono::Utc>>, TranslateError> {
    form.get(name)
        .map(|text| china_time::parse_plain(text).ok_or(TranslateError::Field(name)))
        .transpose()
}

/// An amount in yuan; `88.8` and `88.80` are the same.
pub(super) fn yuan(text: &str) -> Option<Money> {
    Money::parse(text, Currency::CNY).ok()
}

#[cfg(feature = "client")]
pub(super) use answers::{payment_report, refund_answer, refund_report};

#[cfg(feature = "client")]
mod answers {
    use chrono::{DateTime, Utc};
    use kassa_core::channel::Method;
    use kassa_core::money::Money;
    use kassa_core::notification::{
        GatewayReason, PaymentReport, RefundReport, ReportedPayment, ReportedRefund,
    };

    use super::super::wire::Answer;
    use super::{TradeStatus, yuan};
    use crate::order::{PlaceRefund, PlacedOrder};
    use crate::{CallError, china_time};

    /// What a query's answer says about an order.
    pub(in super::super) fn payment_report(
        order: &PlacedOrder,
        answer: &Answer,
    ) -> Result<PaymentReport, CallError> {
        is_about(answer.out_trade_no.as_deref(), &order.request_number)?;
        let word = answer.trade_status.as_deref().unwrap_or_default();
        let state = match TradeStatus::parse(word) {
            TradeStatus::WaitBuyerPay => ReportedPayment::Unpaid,
            TradeStatus::Success | TradeStatus::Finished => {
                let (amount, paid_at) = paid(answer)?;
                ReportedPayment::Paid { amount, paid_at }
            }
            // Closed after a payment means given back in full; only a paid order has this time. At a counter
            // cancelling does that.
            TradeStatus::Closed if answer.send_pay_date.is_some() => {
                let (amount, paid_at) = paid(answer)?;
                if order.method == Method::BarCode {
                    ReportedPayment::Reversed { amount, paid_at }
                } else {
                    ReportedPayment::Paid { amount, paid_at }
                }
            }
            TradeStatus::Closed => ReportedPayment::Closed,
            TradeStatus::Unrecognised => {
                return Err(CallError::Unknown(format!(
                    "unrecognised trade status {word:?}"
                )));
            }
        };
        Ok(PaymentReport {
            request_number: order.request_number.clone(),
            gateway_transaction_id: answer.trade_no.clone(),
            state,
        })
    }

    /// How much was paid, and when.
    fn paid(answer: &Answer) -> Result<(Money, Option<DateTime<Utc>>), CallError> {
        let amount = answer.total_amount.as_deref().and_then(yuan);
        let amount = amount.ok_or_else(|| lacks("total_amount"))?;
        let paid_at = answer
            .send_pay_date
            .as_deref()
            .and_then(china_time::parse_plain);
        Ok((amount, paid_at))
    }

    /// What a refund's own answer says. Only `fund_change` `Y` is a success: a repeat of a refund
    /// that was made before says `N`, and then the refund query tells.
    pub(in super::super) fn refund_answer(
        refund: &PlaceRefund,
        answer: &Answer,
    ) -> Result<RefundReport, CallError> {
        is_about(answer.out_trade_no.as_deref(), &refund.request_number)?;
        let state = if answer.fund_change.as_deref() == Some("Y") {
            let refunded_total = answer.refund_fee.as_deref().and_then(yuan);
            let refunded_total = Some(refunded_total.ok_or_else(|| lacks("refund_fee"))?);
            ReportedRefund::Succeeded {
                amount: None,
                refunded_total,
                refunded_at: None,
            }
        } else {
            ReportedRefund::Processing
        };
        Ok(report(refund, state))
    }

    /// What the refund query says. No status at all means that the refund never arrived or failed:
    /// the same number may be sent again.
    pub(in super::super) fn refund_report(
        refund: &PlaceRefund,
        answer: &Answer,
    ) -> Result<RefundReport, CallError> {
        let state = match answer.refund_status.as_deref() {
            None | Some("") => ReportedRefund::NotFound,
            Some("REFUND_SUCCESS") => {
                if answer.out_trade_no.is_some() {
                    is_about(answer.out_trade_no.as_deref(), &refund.request_number)?;
                }
                is_about(answer.out_request_no.as_deref(), &refund.refund_number)?;
                let amount = answer.refund_amount.as_deref().and_then(yuan);
                ReportedRefund::Succeeded {
                    amount: Some(amount.ok_or_else(|| lacks("refund_amount"))?),
                    refunded_total: None,
                    refunded_at: answer
                        .gmt_refund_pay
                        .as_deref()
                        .and_then(china_time::parse_plain),
                }
            }
            Some("REFUND_PROCESSING") => ReportedRefund::Processing,
            Some(word @ "REFUND_FAIL") => ReportedRefund::Failed(GatewayReason {
                code: word.to_owned(),
                message: answer.sub_msg.clone().unwrap_or_default(),
            }),
            Some(word) => {
                return Err(CallError::Unknown(format!(
                    "unrecognised refund status {word:?}"
                )));
            }
        };
        Ok(report(refund, state))
    }

    fn report(refund: &PlaceRefund, state: ReportedRefund) -> RefundReport {
        RefundReport {
            request_number: refund.request_number.clone(),
            refund_number: refund.refund_number.clone(),
            gateway_refund_id: None,
            state,
        }
    }

    fn is_about(found: Option<&str>, ours: &str) -> Result<(), CallError> {
        if found == Some(ours) {
            Ok(())
        } else {
            Err(CallError::Unknown(
                "the answer is about another order".to_owned(),
            ))
        }
    }

    fn lacks(name: &str) -> CallError {
        CallError::Unknown(format!("the answer lacks a readable {name}"))
    }
}
