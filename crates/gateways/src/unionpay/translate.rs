//! UnionPay's words into ours: notifications and the answers of queries (sheet §6, §8, §9 and §11).

use chrono::{DateTime, Utc};
use kassa_core::money::{Currency, Money};
use kassa_core::notification::{
    GatewayReason, Notification, PaymentReport, RefundReport, ReportedPayment, ReportedRefund,
};

use super::config::Settings;
use super::verify;
use super::wire::{CURRENCY_CNY, TYPE_PAYMENT, TYPE_REFUND, field};
use crate::callback::ForeignAccount;
use crate::china_time;
use crate::form::Form;
use crate::{TranslateError, Translated};

/// What a result code says about a transaction (sheet §10).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TxnResult {
    /// It succeeded.
    Success,
    /// It was paid after its `payTimeout`.
    Late,
    /// Not known yet, or not taken now: ask again.
    Pending,
    /// It failed; before its `payTimeout` the payer may try again.
    Failed,
    /// A code that the sheet does not list.
    Unrecognised,
}

impl TxnResult {
    /// Reads `origRespCode`, or `respCode` of a notification.
    pub(super) fn parse(code: &str) -> Self {
        match code {
            "00" | "A6" => Self::Success,
            "42" => Self::Late,
            "02" | "03" | "04" | "05" | "06" | "39" => Self::Pending,
            "01" | "10" | "11" | "13" | "14" | "30" | "31" | "32" | "33" | "35" | "36" | "38"
            | "40" | "41" | "43" | "44" | "45" | "46" | "60" | "61" | "62" | "63" | "64" | "65"
            | "66" | "67" | "68" | "69" | "70" | "71" | "72" | "73" | "74" | "75" | "76" | "77"
            | "78" | "79" | "80" | "82" => Self::Failed,
            // 12 (a repeat), 34 and 37 (about the question), 98 (files) and 99 (unspecific) decide
            // nothing either.
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
    let merchant = required(&form, field::MER_ID)?;
    let foreign = (merchant != settings.mer_id).then(|| ForeignAccount {
        field: field::MER_ID,
        found: merchant.to_owned(),
    });
    let result = TxnResult::parse(required(&form, field::RESP_CODE)?);
    let (payment, refund) = match form.get(field::TXN_TYPE) {
        Some(TYPE_PAYMENT) => (payment(&form, result)?, None),
        Some(TYPE_REFUND) => (None, refund(&form, result)?),
        _ => (None, None),
    };
    Ok(Translated {
        kind: verify::kind(&form),
        foreign,
        // Where money came in, UnionPay advises to ask once more and to act on the answer (sheet §11).
        is_to_be_asked: payment.is_some(),
        payment,
        refund,
        ..Translated::default()
    })
}

/// Only successes of payments are told (sheet §11); whatever else comes decides nothing, since the payer
/// may try again.
fn payment(form: &Form, result: TxnResult) -> Result<Option<PaymentReport>, TranslateError> {
    match result {
        TxnResult::Success | TxnResult::Late => {}
        TxnResult::Pending | TxnResult::Failed | TxnResult::Unrecognised => return Ok(None),
    }
    Ok(Some(PaymentReport {
        request_number: required(form, field::ORDER_ID)?.to_owned(),
        gateway_transaction_id: Some(required(form, field::QUERY_ID)?.to_owned()),
        state: ReportedPayment::Paid {
            amount: amount(form)?,
            paid_at: trace_time(form),
        },
    }))
}

/// The refund's own numbers; the paid order's is what we let UnionPay carry along in `reqReserved`. Only a
/// payment can be late: a refund that is told so is not understood.
fn refund(form: &Form, result: TxnResult) -> Result<Option<RefundReport>, TranslateError> {
    let state = match result {
        TxnResult::Success => ReportedRefund::Succeeded {
            amount: Some(amount(form)?),
            refunded_total: None,
            refunded_at: trace_time(form),
        },
        TxnResult::Failed => {
            ReportedRefund::Failed(failed(form, field::RESP_CODE, field::RESP_MSG))
        }
        TxnResult::Pending => ReportedRefund::Processing,
        TxnResult::Late | TxnResult::Unrecognised => return Ok(None),
    };
    Ok(Some(RefundReport {
        request_number: required(form, field::REQ_RESERVED)?.to_owned(),
        refund_number: required(form, field::ORDER_ID)?.to_owned(),
        gateway_refund_id: form.get(field::QUERY_ID).map(str::to_owned),
        state,
    }))
}

fn failed(form: &Form, code: &str, message: &str) -> GatewayReason {
    GatewayReason {
        code: form.get(code).unwrap_or_default().to_owned(),
        message: form.get(message).unwrap_or_default().to_owned(),
    }
}

fn required<'a>(form: &'a Form, name: &'static str) -> Result<&'a str, TranslateError> {
    form.get(name).ok_or(TranslateError::Field(name))
}

/// `txnAmt` in fen.
pub(super) fn amount(form: &Form) -> Result<Money, TranslateError> {
    if required(form, field::CURRENCY_CODE)? != CURRENCY_CNY {
        return Err(TranslateError::Field(field::CURRENCY_CODE));
    }
    let text = required(form, field::TXN_AMT)?;
    let is_plain = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse()
        .ok()
        .filter(|_| is_plain)
        .and_then(|fen| Money::try_new(fen, Currency::CNY).ok())
        .ok_or(TranslateError::Field(field::TXN_AMT))
}

/// When UnionPay handled it: `traceTime` has no year, so it is the first such time that is not before
/// the order's `txnTime` by more than a day.
pub(super) fn trace_time(form: &Form) -> Option<DateTime<Utc>> {
    let placed = china_time::parse_compact(form.get(field::TXN_TIME)?)?;
    let trace = form.get(field::TRACE_TIME)?;
    let year = china_time::year(placed);
    let earliest = placed.checked_sub_signed(chrono::TimeDelta::days(1))?;
    [year, year.checked_add(1)?]
        .into_iter()
        .filter_map(|year| china_time::parse_compact(&format!("{year:04}{trace}")))
        .find(|time| *time >= earliest)
}

#[cfg(feature = "client")]
pub(super) use answers::{is_final, payment_report, refund_report};

#[cfg(feature = "client")]
mod answers {
    use chrono::{DateTime, TimeDelta, Utc};
    use kassa_core::notification::{PaymentReport, RefundReport, ReportedPayment, ReportedRefund};

    use super::super::wire::field;
    use super::{TxnResult, amount, failed, trace_time};
    use crate::form::Form;
    use crate::order::{PlaceRefund, PlacedOrder};
    use crate::{CallError, TranslateError};

    /// How long after its `payTimeout` an order may still turn out paid (sheet §6).
    const FINAL_MARGIN: TimeDelta = TimeDelta::minutes(10);

    /// Whether nobody can pay the order any more.
    pub(in super::super) fn is_final(order: &PlacedOrder, now: DateTime<Utc>) -> bool {
        order
            .expires_at
            .checked_add_signed(FINAL_MARGIN)
            .is_some_and(|end| end <= now)
    }

    /// What a query's answer says about an order. A failure is not final while the payer may try again.
    pub(in super::super) fn payment_report(
        order: &PlacedOrder,
        answer: &Form,
        now: DateTime<Utc>,
    ) -> Result<PaymentReport, CallError> {
        let code = answer.get(field::ORIG_RESP_CODE).unwrap_or_default();
        let query_id = answer.get(field::QUERY_ID).map(str::to_owned);
        let state = match TxnResult::parse(code) {
            TxnResult::Success | TxnResult::Late => {
                if query_id.is_none() {
                    return Err(lacks(&TranslateError::Field(field::QUERY_ID)));
                }
                ReportedPayment::Paid {
                    amount: amount(answer).map_err(|error| lacks(&error))?,
                    paid_at: trace_time(answer),
                }
            }
            TxnResult::Failed if is_final(order, now) => {
                ReportedPayment::Failed(failed(answer, field::ORIG_RESP_CODE, field::ORIG_RESP_MSG))
            }
            TxnResult::Pending | TxnResult::Failed => ReportedPayment::Unpaid,
            TxnResult::Unrecognised => return Err(unrecognised(code)),
        };
        Ok(PaymentReport {
            request_number: order.request_number.clone(),
            gateway_transaction_id: query_id,
            state,
        })
    }

    /// What a query's answer says about a refund.
    pub(in super::super) fn refund_report(
        refund: &PlaceRefund,
        answer: &Form,
    ) -> Result<RefundReport, CallError> {
        let code = answer.get(field::ORIG_RESP_CODE).unwrap_or_default();
        let state = match TxnResult::parse(code) {
            TxnResult::Success => ReportedRefund::Succeeded {
                amount: Some(amount(answer).map_err(|error| lacks(&error))?),
                refunded_total: None,
                refunded_at: trace_time(answer),
            },
            TxnResult::Pending => ReportedRefund::Processing,
            TxnResult::Failed => {
                ReportedRefund::Failed(failed(answer, field::ORIG_RESP_CODE, field::ORIG_RESP_MSG))
            }
            TxnResult::Late | TxnResult::Unrecognised => return Err(unrecognised(code)),
        };
        Ok(RefundReport {
            request_number: refund.request_number.clone(),
            refund_number: refund.refund_number.clone(),
            gateway_refund_id: answer.get(field::QUERY_ID).map(str::to_owned),
            state,
        })
    }

    fn unrecognised(code: &str) -> CallError {
        let code: String = code.chars().take(8).collect();
        CallError::Unknown(format!("unrecognised origRespCode {code:?}"))
    }

    fn lacks(error: &TranslateError) -> CallError {
        CallError::Unknown(error.to_string())
    }
}
