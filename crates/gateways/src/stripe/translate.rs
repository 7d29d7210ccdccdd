//! Stripe's words into ours: events, sessions, intents, refunds and disputes (sheet §8 and §11).

use chrono::{DateTime, Utc};
use kassa_core::money::Money;
use kassa_core::notification::{
    DisputeReport, GatewayReason, Notification, PaymentReport, RefundReport, ReportedDispute,
    ReportedPayment, ReportedRefund,
};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::config::Settings;
use super::wire::money::from_wire;
use super::wire::{Dispute, Event, Intent, Metadata, Refund, Session};
use crate::callback::ForeignAccount;
use crate::{TranslateError, Translated};

/// The note that carries our request number: on the session, on its intent and on refunds.
const REQUEST_NUMBER: &str = "transaction_id";
/// The note that carries our refund number, on refunds.
const REFUND_NUMBER: &str = "refund_id";

/// What an event is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum EventKind {
    Session,
    /// A delayed method failed after all: the session's own words do not say so.
    SessionFailed,
    Intent,
    Refund,
    Dispute,
    Unrecognised,
}

impl EventKind {
    fn parse(kind: &str) -> Self {
        match kind {
            "checkout.session.completed"
            | "checkout.session.async_payment_succeeded"
            | "checkout.session.expired" => Self::Session,
            "checkout.session.async_payment_failed" => Self::SessionFailed,
            "payment_intent.succeeded"
            | "payment_intent.payment_failed"
            | "payment_intent.canceled"
            | "payment_intent.processing" => Self::Intent,
            // `charge.refunded` says the same again, without the refund's number.
            "refund.created" | "refund.updated" | "refund.failed" | "charge.refund.updated" => {
                Self::Refund
            }
            "charge.dispute.created" | "charge.dispute.closed" => Self::Dispute,
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
    // Events of the second generation have another form and tell nothing that we subscribe to.
    if kind == EventKind::Unrecognised || event.object.as_deref() != Some("event") {
        return Ok(nothing);
    }
    if let Some(foreign) = foreign(settings, &event)? {
        return Ok(Translated {
            foreign: Some(foreign),
            ..nothing
        });
    }
    let at = event.created.and_then(|at| DateTime::from_timestamp(at, 0));
    let object = event.data.ok_or(TranslateError::Field("data"))?.object;
    let told = match kind {
        EventKind::Session => Translated {
            payment: session_report(&read(object)?, at).map_err(TranslateError::Field)?,
            ..nothing
        },
        EventKind::SessionFailed => Translated {
            payment: failed_session(&read(object)?).map_err(TranslateError::Field)?,
            ..nothing
        },
        EventKind::Intent => Translated {
            payment: intent_report(&read(object)?, at).map_err(TranslateError::Field)?,
            ..nothing
        },
        EventKind::Refund => refund(&read(object)?, at, nothing)?,
        EventKind::Dispute => dispute(&read(object)?, nothing)?,
        EventKind::Unrecognised => nothing,
    };
    Ok(told)
}

fn read<T: DeserializeOwned>(object: Value) -> Result<T, TranslateError> {
    serde_json::from_value(object).map_err(|_other_shape| TranslateError::Field("data.object"))
}

/// Objects do not name the merchant: the endpoint's secret does. What is left to compare is the world
/// and the connected account.
fn foreign(settings: &Settings, event: &Event) -> Result<Option<ForeignAccount>, TranslateError> {
    let livemode = event.livemode.ok_or(TranslateError::Field("livemode"))?;
    if livemode != settings.mode.is_live() {
        return Ok(Some(ForeignAccount {
            field: "livemode",
            found: livemode.to_string(),
        }));
    }
    if event.account == settings.stripe_account {
        return Ok(None);
    }
    Ok(Some(ForeignAccount {
        field: "account",
        found: event.account.clone().unwrap_or_default(),
    }))
}

fn note<'a>(metadata: Option<&'a Metadata>, name: &str) -> Option<&'a str> {
    metadata?
        .get(name)
        .map(String::as_str)
        .filter(|text| !text.is_empty())
}

/// Our request number of a session; `None` if somebody else made it.
fn session_number(session: &Session) -> Result<Option<&str>, &'static str> {
    let Some(number) = note(session.metadata.as_ref(), REQUEST_NUMBER) else {
        return Ok(None);
    };
    if session.client_reference_id.as_deref() == Some(number) {
        Ok(Some(number))
    } else {
        Err("client_reference_id")
    }
}

/// What a session says of its order; `None` if it is not ours. The error names the field that is missing
/// or unreadable.
pub(super) fn session_report(
    session: &Session,
    at: Option<DateTime<Utc>>,
) -> Result<Option<PaymentReport>, &'static str> {
    let Some(number) = session_number(session)? else {
        return Ok(None);
    };
    let status = session.status.as_deref().ok_or("status")?;
    let paid = session.payment_status.as_deref().ok_or("payment_status")?;
    let state = match (status, paid) {
        // Nothing to pay is never what was asked for: the amount will not match.
        ("complete" | "open", "paid") | ("complete", "no_payment_required") => {
            ReportedPayment::Paid {
                amount: money(session.amount_total, session.currency.as_deref())?,
                paid_at: at,
            }
        }
        // A delayed method: a later event tells how it ends.
        ("complete", "unpaid") | ("open", "unpaid" | "no_payment_required") => {
            ReportedPayment::Unpaid
        }
        ("expired", "unpaid" | "no_payment_required") => ReportedPayment::Closed,
        (_, "paid" | "unpaid" | "no_payment_required") => return Err("status"),
        (_, _) => return Err("payment_status"),
    };
    Ok(Some(report(number, &session.id, state)))
}

fn failed_session(session: &Session) -> Result<Option<PaymentReport>, &'static str> {
    let number = session_number(session)?;
    let reason = GatewayReason {
        code: "async_payment_failed".to_owned(),
        message: "the payer's bank did not pay in the end".to_owned(),
    };
    Ok(number.map(|number| report(number, &session.id, ReportedPayment::Failed(reason))))
}

/// What an intent says of its order; `None` if it is not ours. A declined try is no failure: the payer may
/// try again (sheet §8).
pub(super) fn intent_report(
    intent: &Intent,
    at: Option<DateTime<Utc>>,
) -> Result<Option<PaymentReport>, &'static str> {
    let Some(number) = note(intent.metadata.as_ref(), REQUEST_NUMBER) else {
        return Ok(None);
    };
    let state = match intent.status.as_deref().ok_or("status")? {
        "succeeded" => ReportedPayment::Paid {
            amount: money(intent.amount_received, intent.currency.as_deref())?,
            paid_at: at,
        },
        "requires_payment_method"
        | "requires_confirmation"
        | "requires_action"
        | "processing"
        | "requires_capture" => ReportedPayment::Unpaid,
        "canceled" => ReportedPayment::Closed,
        _ => return Err("status"),
    };
    Ok(Some(report(number, &intent.id, state)))
}

fn report(number: &str, id: &str, state: ReportedPayment) -> PaymentReport {
    PaymentReport {
        request_number: number.to_owned(),
        gateway_transaction_id: Some(id.to_owned()),
        state,
    }
}

/// A refund, ours or one made at Stripe's dashboard, which names the intent only.
fn refund(
    refund: &Refund,
    at: Option<DateTime<Utc>>,
    nothing: Translated,
) -> Result<Translated, TranslateError> {
    let number = note(refund.metadata.as_ref(), REQUEST_NUMBER);
    // A refund of a charge without an intent is of no order that we placed.
    if number.is_none() && refund.payment_intent.is_none() {
        return Ok(nothing);
    }
    let report = refund_report(refund, number.unwrap_or_default(), at);
    Ok(Translated {
        refund: Some(report.map_err(TranslateError::Field)?),
        unnamed: refund
            .payment_intent
            .clone()
            .filter(|_intent| number.is_none()),
        ..nothing
    })
}

/// What Stripe says of a refund. One made at the dashboard has Stripe's number for its own.
pub(super) fn refund_report(
    refund: &Refund,
    request_number: &str,
    at: Option<DateTime<Utc>>,
) -> Result<RefundReport, &'static str> {
    let failed = |word: &str| {
        ReportedRefund::Failed(GatewayReason {
            code: word.to_owned(),
            message: "stripe could not give the money back".to_owned(),
        })
    };
    let state = match refund.status.as_deref().ok_or("status")? {
        "pending" | "requires_action" => ReportedRefund::Processing,
        "succeeded" => ReportedRefund::Succeeded {
            amount: Some(money(refund.amount, refund.currency.as_deref())?),
            refunded_total: None,
            refunded_at: at,
        },
        "failed" => failed(refund.failure_reason.as_deref().unwrap_or("failed")),
        "canceled" => failed("canceled"),
        _ => return Err("status"),
    };
    let number = note(refund.metadata.as_ref(), REFUND_NUMBER).unwrap_or(&refund.id);
    Ok(RefundReport {
        request_number: request_number.to_owned(),
        refund_number: number.to_owned(),
        gateway_refund_id: Some(refund.id.clone()),
        state,
    })
}

/// UNVERIFIED: the words of a dispute's status are not in the sheet. Whatever is not known to have ended
/// in our favour is told to people.
fn dispute(dispute: &Dispute, nothing: Translated) -> Result<Translated, TranslateError> {
    let Some(intent) = dispute.payment_intent.clone() else {
        return Ok(nothing);
    };
    let amount = match dispute.amount {
        Some(_) => {
            let amount = money(dispute.amount, dispute.currency.as_deref());
            Some(amount.map_err(TranslateError::Field)?)
        }
        None => None,
    };
    let state = match dispute.status.as_deref() {
        Some("lost") => ReportedDispute::Lost,
        Some("won" | "warning_closed") => ReportedDispute::Won,
        Some(_) | None => ReportedDispute::Open,
    };
    let report = DisputeReport {
        request_number: String::new(),
        gateway_dispute_id: dispute.id.clone(),
        amount,
        state,
        reason: dispute.reason.clone().unwrap_or_default(),
    };
    Ok(Translated {
        dispute: Some(report),
        unnamed: Some(intent),
        ..nothing
    })
}

fn money(amount: Option<i64>, currency: Option<&str>) -> Result<Money, &'static str> {
    from_wire(amount.ok_or("amount")?, currency.ok_or("currency")?).map_err(|_not_counted| "amount")
}

/// Our request number of an intent; `None` if somebody else made it.
#[cfg(feature = "client")]
pub(super) fn intent_number(intent: &Intent) -> Option<String> {
    note(intent.metadata.as_ref(), REQUEST_NUMBER).map(str::to_owned)
}

/// Whether a refund is the one that is called so, by us or by Stripe.
#[cfg(feature = "client")]
pub(super) fn is_refund(refund: &Refund, refund_number: &str) -> bool {
    note(refund.metadata.as_ref(), REFUND_NUMBER).unwrap_or(&refund.id) == refund_number
}
