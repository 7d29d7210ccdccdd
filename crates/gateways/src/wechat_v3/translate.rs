//! WeChat Pay's words into ours: notifications, queries and refunds (sheet §6, §7 and §10).

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use kassa_core::Secret;
#[cfg(feature = "client")]
use kassa_core::channel::Method;
use kassa_core::money::{Currency, Money};
use kassa_core::notification::{
    GatewayReason, Notification, PaymentReport, RefundReport, ReportedPayment, ReportedRefund,
};
use serde::de::DeserializeOwned;

use super::config::Settings;
use super::wire::{Amount, Envelope, Refund, Sealed, Transaction};
use crate::callback::ForeignAccount;
use crate::china_time::parse_rfc3339;
use crate::crypto::{OpenFailed, open_aes_256_gcm};
use crate::{TranslateError, Translated};

const ALGORITHM: &str = "AEAD_AES_256_GCM";

/// What kind of thing a notification is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum EventKind {
    Transaction,
    Refund,
    Unrecognised,
}

impl EventKind {
    fn parse(event_type: &str) -> Self {
        match event_type.split('.').next() {
            Some("TRANSACTION") => Self::Transaction,
            Some("REFUND") => Self::Refund,
            Some(_) | None => Self::Unrecognised,
        }
    }
}

/// Reads a verified notification.
pub(super) fn notification(
    settings: &Settings,
    notification: &Notification,
) -> Result<Translated, TranslateError> {
    let envelope: Envelope = serde_json::from_slice(&notification.body)
        .map_err(|_other_shape| TranslateError::Field("body"))?;
    let mut translated = Translated {
        kind: envelope.event_type.clone(),
        ..Translated::default()
    };
    match EventKind::parse(&envelope.event_type) {
        EventKind::Transaction => {
            let transaction: Transaction = opened(settings, &envelope.resource)?;
            translated.foreign = foreign(
                settings,
                transaction.mchid.as_deref(),
                transaction.appid.as_deref(),
            )?;
            translated.payment = Some(payment_report(&transaction).map_err(TranslateError::Field)?);
        }
        EventKind::Refund => {
            let refund: Refund = opened(settings, &envelope.resource)?;
            translated.foreign = foreign(settings, refund.mchid.as_deref(), None)?;
            translated.refund = Some(refund_report(&refund).map_err(TranslateError::Field)?);
        }
        EventKind::Unrecognised => {}
    }
    Ok(translated)
}

/// A notification of another merchant or application, although a key of ours verified it.
fn foreign(
    settings: &Settings,
    mchid: Option<&str>,
    appid: Option<&str>,
) -> Result<Option<ForeignAccount>, TranslateError> {
    let mchid = mchid.ok_or(TranslateError::Field("mchid"))?;
    if mchid != settings.mchid {
        return Ok(Some(ForeignAccount {
            field: "mchid",
            found: mchid.to_owned(),
        }));
    }
    Ok(appid
        .filter(|appid| *appid != settings.appid)
        .map(|appid| ForeignAccount {
            field: "appid",
            found: appid.to_owned(),
        }))
}

fn opened<T: DeserializeOwned>(settings: &Settings, sealed: &Sealed) -> Result<T, TranslateError> {
    let plain = open(settings, sealed).map_err(|_sealed_otherwise| TranslateError::Decrypt)?;
    serde_json::from_slice(&plain).map_err(|_other_shape| TranslateError::Field("resource"))
}

/// Opens what was sealed with the `APIv3` key of the account, or with the one before it.
pub(super) fn open(settings: &Settings, sealed: &Sealed) -> Result<Vec<u8>, OpenFailed> {
    if sealed.algorithm != ALGORITHM {
        return Err(OpenFailed);
    }
    let ciphertext = STANDARD
        .decode(&sealed.ciphertext)
        .map_err(|_not_base64| OpenFailed)?;
    let (nonce, data) = (sealed.nonce.as_bytes(), sealed.associated_data.as_bytes());
    let open_with = |key: &Secret| {
        open_aes_256_gcm(key.expose().as_bytes(), nonce, data, ciphertext.clone()).ok()
    };
    settings
        .apiv3_keys
        .iter()
        .find_map(open_with)
        .ok_or(OpenFailed)
}

/// What WeChat says about an order; the error names the field that is missing or unreadable.
pub(super) fn payment_report(transaction: &Transaction) -> Result<PaymentReport, &'static str> {
    let word = transaction.trade_state.as_deref().ok_or("trade_state")?;
    let state = match word {
        // REFUND means that a refund was begun, also a partial one: the order was paid.
        "SUCCESS" | "REFUND" => ReportedPayment::Paid {
            amount: total(transaction)?,
            paid_at: time(transaction.success_time.as_deref(), "success_time")?,
        },
        "NOTPAY" | "USERPAYING" => ReportedPayment::Unpaid,
        // Reversed. Only what was paid has a number of WeChat's: that money was given back (sheet §5, §6).
        "REVOKED" if has_number(transaction) => ReportedPayment::Reversed {
            amount: total(transaction)?,
            paid_at: time(transaction.success_time.as_deref(), "success_time")?,
        },
        "CLOSED" | "REVOKED" => ReportedPayment::Closed,
        "PAYERROR" => ReportedPayment::Failed(GatewayReason {
            code: word.to_owned(),
            message: transaction.trade_state_desc.clone().unwrap_or_default(),
        }),
        _ => return Err("trade_state"),
    };
    Ok(PaymentReport {
        request_number: transaction.out_trade_no.clone().ok_or("out_trade_no")?,
        gateway_transaction_id: transaction
            .transaction_id
            .clone()
            .filter(|id| !id.is_empty()),
        state,
    })
}

/// What WeChat says about an order when it is asked. At a counter a payment that failed is to be reversed like
/// one that nobody confirms (sheet §5): until then it may be paid yet.
#[cfg(feature = "client")]
pub(super) fn queried(
    transaction: &Transaction,
    method: Method,
) -> Result<PaymentReport, &'static str> {
    let mut report = payment_report(transaction)?;
    if method == Method::BarCode && matches!(report.state, ReportedPayment::Failed(_)) {
        report.state = ReportedPayment::Unpaid;
    }
    Ok(report)
}

fn has_number(transaction: &Transaction) -> bool {
    let id = transaction.transaction_id.as_deref();
    id.is_some_and(|id| !id.is_empty())
}

/// What the order is for.
fn total(transaction: &Transaction) -> Result<Money, &'static str> {
    let amount = transaction.amount.as_ref();
    money(amount, |amount| amount.total, "amount.total")
}

/// What WeChat says about a refund; the error names the field that is missing or unreadable.
pub(super) fn refund_report(refund: &Refund) -> Result<RefundReport, &'static str> {
    let word = refund
        .refund_status
        .as_deref()
        .or(refund.status.as_deref())
        .ok_or("status")?;
    let state = match word {
        "PROCESSING" => ReportedRefund::Processing,
        "SUCCESS" => ReportedRefund::Succeeded {
            amount: Some(money(
                refund.amount.as_ref(),
                |amount| amount.refund,
                "amount.refund",
            )?),
            refunded_total: None,
            refunded_at: time(refund.success_time.as_deref(), "success_time")?,
        },
        "CLOSED" => ReportedRefund::Failed(GatewayReason {
            code: word.to_owned(),
            message: "the refund was closed; a new one needs a new number".to_owned(),
        }),
        "ABNORMAL" => ReportedRefund::Abnormal(GatewayReason {
            code: word.to_owned(),
            message: "the payer's account cannot take it; see the merchant console".to_owned(),
        }),
        _ => return Err("status"),
    };
    Ok(RefundReport {
        request_number: refund.out_trade_no.clone().ok_or("out_trade_no")?,
        refund_number: refund.out_refund_no.clone().ok_or("out_refund_no")?,
        gateway_refund_id: refund.refund_id.clone(),
        state,
    })
}

fn money(
    amount: Option<&Amount>,
    pick: impl FnOnce(&Amount) -> Option<i64>,
    name: &'static str,
) -> Result<Money, &'static str> {
    let amount = amount.ok_or("amount")?;
    let currency = match amount.currency.as_deref() {
        None => Currency::CNY,
        Some(code) => code.parse().map_err(|_unknown| "amount.currency")?,
    };
    Money::try_new(pick(amount).ok_or(name)?, currency).map_err(|_negative| name)
}

fn time(
    text: Option<&str>,
    name: &'static str,
) -> Result<Option<chrono::DateTime<chrono::Utc>>, &'static str> {
    text.filter(|text| !text.is_empty())
        .map(|text| parse_rfc3339(text).ok_or(name))
        .transpose()
}
