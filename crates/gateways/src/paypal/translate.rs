//! PayPal's words into ours: events, orders, captures, refunds and disputes (sheet §8 and §10.4).
//!
//! Events only say what to ask about. Their signature covers a mere CRC of the body, and they name the payee seldom:
//! the answers of the API, which are about our own account, are applied in their place.

use chrono::{DateTime, Utc};
use kassa_core::money::Money;
use kassa_core::notification::{
    DisputeReport, GatewayReason, Notification, PaymentReport, RefundReport, ReportedDispute,
    ReportedPayment, ReportedRefund,
};
use serde::de::DeserializeOwned;
use serde_json::Value;
use url::Url;

use super::config::Settings;
use super::money::from_wire;
use super::wire::{Amount, Capture, Dispute, Event, Link, Order, PurchaseUnit, Refund};
use crate::callback::ForeignAccount;
use crate::{TranslateError, Translated};

/// The form of resources that is read here; old apps get another one.
const RESOURCE_VERSION: &str = "2.0";
/// UNVERIFIED: the outcomes of a dispute that leave the money with us. Whatever is not known to have ended so
/// is told to people.
const WON: [&str; 4] = [
    "RESOLVED_SELLER_FAVOUR",
    "RESOLVED_SELLER_FAVOR",
    "CANCELED_BY_BUYER",
    "DENIED",
];
/// UNVERIFIED: those that take it.
const LOST: [&str; 4] = [
    "RESOLVED_BUYER_FAVOUR",
    "RESOLVED_BUYER_FAVOR",
    "RESOLVED_WITH_PAYOUT",
    "ACCEPTED",
];
/// Why money is gone that PayPal took back.
const REVERSED: &str = "REVERSED";

/// What an event is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum EventKind {
    Order,
    /// An approval that was not used in time: the order is dead.
    ApprovalReversed,
    Capture,
    Refund,
    /// Money that PayPal took back.
    Reversal,
    Dispute,
    Unrecognised,
}

impl EventKind {
    /// UNVERIFIED: `PAYMENT.REFUND.*` and `CHECKOUT.ORDER.COMPLETED`, which only third-party code knows.
    fn parse(kind: &str) -> Self {
        match kind {
            "CHECKOUT.ORDER.APPROVED" | "CHECKOUT.ORDER.COMPLETED" => Self::Order,
            "CHECKOUT.PAYMENT-APPROVAL.REVERSED" => Self::ApprovalReversed,
            "PAYMENT.CAPTURE.COMPLETED"
            | "PAYMENT.CAPTURE.PENDING"
            | "PAYMENT.CAPTURE.DECLINED"
            | "PAYMENT.CAPTURE.DENIED" => Self::Capture,
            "PAYMENT.CAPTURE.REFUNDED" | "PAYMENT.REFUND.PENDING" | "PAYMENT.REFUND.FAILED" => {
                Self::Refund
            }
            "PAYMENT.CAPTURE.REVERSED" => Self::Reversal,
            "CUSTOMER.DISPUTE.CREATED"
            | "CUSTOMER.DISPUTE.UPDATED"
            | "CUSTOMER.DISPUTE.RESOLVED" => Self::Dispute,
            _ => Self::Unrecognised,
        }
    }
}

/// Reads a verified event.
pub(super) fn notification(
    settings: &Settings,
    notification: &Notification,
) -> Result<Translated, TranslateError> {
    let event: Event = serde_json::from_slice(&notification.body)
        .map_err(|_other_shape| TranslateError::Field("body"))?;
    let nothing = Translated {
        kind: event.kind.clone(),
        ..Translated::default()
    };
    let kind = EventKind::parse(&event.kind);
    if kind == EventKind::Unrecognised {
        return Ok(nothing);
    }
    let is_known_form = event.resource_version.as_deref() == Some(RESOURCE_VERSION);
    let resource = event.resource.ok_or(TranslateError::Field("resource"))?;
    // Disputes have versions of their own.
    if kind != EventKind::Dispute && !is_known_form {
        return Ok(Translated {
            payment: older(&resource),
            is_to_be_asked: true,
            ..nothing
        });
    }
    match kind {
        EventKind::Order => order(settings, &read(resource)?, ReportedPayment::Unpaid, nothing),
        EventKind::ApprovalReversed => {
            order(settings, &read(resource)?, ReportedPayment::Closed, nothing)
        }
        EventKind::Capture => capture(&read(resource)?, nothing),
        EventKind::Refund => refund(&read(resource)?, nothing),
        EventKind::Reversal => reversal(&read(resource)?, nothing),
        EventKind::Dispute => dispute(&read(resource)?, nothing),
        EventKind::Unrecognised => Ok(nothing),
    }
}

fn read<T: DeserializeOwned>(resource: Value) -> Result<T, TranslateError> {
    serde_json::from_value(resource).map_err(|_other_shape| TranslateError::Field("resource"))
}

/// A resource of an older form: as much as is needed to ask.
fn older(resource: &Value) -> Option<PaymentReport> {
    let number = resource.get("custom_id").and_then(Value::as_str);
    number.map(|number| report(number, None, ReportedPayment::Unpaid))
}

fn order(
    settings: &Settings,
    order: &Order,
    state: ReportedPayment,
    nothing: Translated,
) -> Result<Translated, TranslateError> {
    if let Some(found) = foreign_payee(settings, order) {
        return Ok(Translated {
            foreign: Some(ForeignAccount {
                field: "payee.merchant_id",
                found: found.to_owned(),
            }),
            ..nothing
        });
    }
    let id = order_id(order).ok_or(TranslateError::Field("id"))?;
    Ok(Translated {
        payment: order_number(order).map(|number| report(number, Some(id), state)),
        is_to_be_asked: true,
        ..nothing
    })
}

fn capture(capture: &Capture, nothing: Translated) -> Result<Translated, TranslateError> {
    let Some(number) = text(capture.custom_id.as_ref()) else {
        return Ok(nothing);
    };
    let related = capture.supplementary_data.as_ref();
    let related = related.and_then(|data| data.related_ids.as_ref());
    let id = related.and_then(|ids| ids.order_id.as_deref());
    let state = capture_state(capture).map_err(TranslateError::Field)?;
    Ok(Translated {
        payment: Some(report(number, id, state)),
        is_to_be_asked: true,
        ..nothing
    })
}

/// A refund names its capture only, and by PayPal's number: which refund of ours it is, if any, is asked.
fn refund(refund: &Refund, nothing: Translated) -> Result<Translated, TranslateError> {
    let capture = up(&refund.links).ok_or(TranslateError::Field("links"))?;
    let report = RefundReport {
        request_number: String::new(),
        refund_number: refund.id.clone(),
        gateway_refund_id: Some(refund.id.clone()),
        state: refund_state(refund).map_err(TranslateError::Field)?,
    };
    Ok(Translated {
        refund: Some(report),
        refund_is_hint: true,
        unnamed: Some(capture),
        ..nothing
    })
}

fn reversal(refund: &Refund, nothing: Translated) -> Result<Translated, TranslateError> {
    let capture = up(&refund.links).ok_or(TranslateError::Field("links"))?;
    let report = DisputeReport {
        request_number: String::new(),
        gateway_dispute_id: refund.id.clone(),
        amount: optional_money(refund.amount.as_ref())?,
        state: ReportedDispute::Lost,
        reason: REVERSED.to_owned(),
    };
    Ok(Translated {
        dispute: Some(report),
        unnamed: Some(capture),
        ..nothing
    })
}

fn dispute(dispute: &Dispute, nothing: Translated) -> Result<Translated, TranslateError> {
    let mut captures = dispute.transactions.iter();
    let capture = captures.find_map(|it| text(it.seller_transaction_id.as_ref()));
    let Some(capture) = capture else {
        return Ok(nothing);
    };
    let outcome = dispute.outcome.as_ref();
    let outcome = outcome.and_then(|outcome| outcome.outcome_code.as_deref());
    let state = match outcome {
        Some(code) if WON.contains(&code) => ReportedDispute::Won,
        Some(code) if LOST.contains(&code) => ReportedDispute::Lost,
        Some(_) | None => ReportedDispute::Open,
    };
    let word = dispute.reason.as_ref().or(dispute.status.as_ref());
    let report = DisputeReport {
        request_number: String::new(),
        gateway_dispute_id: dispute.id.clone(),
        amount: optional_money(dispute.amount.as_ref())?,
        state,
        reason: word.cloned().unwrap_or_default(),
    };
    Ok(Translated {
        dispute: Some(report),
        unnamed: Some(capture.to_owned()),
        ..nothing
    })
}

fn optional_money(amount: Option<&Amount>) -> Result<Option<Money>, TranslateError> {
    let amount = amount.map(from_wire).transpose();
    amount.map_err(|_not_written| TranslateError::Field("amount"))
}

/// The capture that a refund or reversal is of. The host in a link may be any of PayPal's: its path counts.
fn up(links: &[Link]) -> Option<String> {
    let link = links.iter().find(|link| link.rel == "up")?;
    let url = Url::parse(&link.href).ok()?;
    let mut parts = url.path_segments()?;
    let is_capture = [Some("v2"), Some("payments"), Some("captures")]
        .into_iter()
        .all(|expected| parts.next() == expected);
    let id = parts.next().filter(|id| !id.is_empty() && is_capture)?;
    (parts.next().is_none()).then(|| id.to_owned())
}

fn report(number: &str, id: Option<&str>, state: ReportedPayment) -> PaymentReport {
    PaymentReport {
        request_number: number.to_owned(),
        gateway_transaction_id: id.map(str::to_owned),
        state,
    }
}

pub(super) fn text(text: Option<&String>) -> Option<&str> {
    text.map(String::as_str).filter(|text| !text.is_empty())
}

fn order_id(order: &Order) -> Option<&str> {
    text(order.id.as_ref()).or_else(|| text(order.other_id.as_ref()))
}

/// The one part that we place orders of.
pub(super) fn unit(order: &Order) -> Option<&PurchaseUnit> {
    order.purchase_units.first()
}

/// Our request number of an order; `None` if somebody else made it.
pub(super) fn order_number(order: &Order) -> Option<&str> {
    text(unit(order)?.custom_id.as_ref())
}

/// Who is paid by an order.
pub(super) fn payee(order: &Order) -> Option<&str> {
    text(unit(order)?.payee.as_ref()?.merchant_id.as_ref())
}

/// Another merchant that an order pays.
pub(super) fn foreign_payee<'a>(settings: &Settings, order: &'a Order) -> Option<&'a str> {
    payee(order).filter(|payee| *payee != settings.merchant_id)
}

/// What became of the money of an order. The error names the field that is missing or unreadable.
pub(super) fn capture_state(capture: &Capture) -> Result<ReportedPayment, &'static str> {
    let status = capture.status.as_deref().ok_or("status")?;
    Ok(match status {
        // What was given back afterwards had been paid.
        "COMPLETED" | "PARTIALLY_REFUNDED" | "REFUNDED" => ReportedPayment::Paid {
            amount: money(capture.amount.as_ref())?,
            paid_at: time(capture.create_time.as_deref()),
        },
        "PENDING" => ReportedPayment::Unpaid,
        "DECLINED" | "FAILED" => {
            let details = capture.status_details.as_ref();
            let reason = details.and_then(|details| details.reason.clone());
            ReportedPayment::Failed(GatewayReason {
                code: reason.unwrap_or_else(|| status.to_owned()),
                message: "paypal could not collect the money".to_owned(),
            })
        }
        _ => return Err("status"),
    })
}

pub(super) fn refund_state(refund: &Refund) -> Result<ReportedRefund, &'static str> {
    let status = refund.status.as_deref().ok_or("status")?;
    Ok(match status {
        "PENDING" => ReportedRefund::Processing,
        "COMPLETED" => ReportedRefund::Succeeded {
            amount: Some(money(refund.amount.as_ref())?),
            refunded_total: None,
            refunded_at: time(refund.create_time.as_deref()),
        },
        "FAILED" | "CANCELLED" => {
            let details = refund.status_details.as_ref();
            let reason = details.and_then(|details| details.reason.clone());
            ReportedRefund::Failed(GatewayReason {
                code: reason.unwrap_or_else(|| status.to_owned()),
                message: "paypal could not give the money back".to_owned(),
            })
        }
        _ => return Err("status"),
    })
}

pub(super) fn money(amount: Option<&Amount>) -> Result<Money, &'static str> {
    from_wire(amount.ok_or("amount")?).map_err(|_not_written| "amount")
}

fn time(text: Option<&str>) -> Option<DateTime<Utc>> {
    let at = DateTime::parse_from_rfc3339(text?).ok()?;
    Some(at.with_timezone(&Utc))
}
