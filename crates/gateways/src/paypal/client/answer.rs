//! What answers of the API say beyond events: whole orders, with the money that they brought and gave back.

use kassa_core::money::Money;
use kassa_core::notification::{RefundReport, ReportedPayment};

use super::super::config::Settings;
use super::super::translate::{capture_state, money, payee, refund_state, text, unit};
use super::super::wire::{Capture, Order, Payments, Refund};

/// What became of an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum OrderState {
    /// The payer agreed: the money can be collected.
    Approved,
    /// Anything else, in our words.
    Told(ReportedPayment),
}

fn payments(order: &Order) -> Option<&Payments> {
    unit(order)?.payments.as_ref()
}

fn captures(order: &Order) -> &[Capture] {
    payments(order).map_or(&[], |payments| payments.captures.as_slice())
}

/// The capture that brought the money.
pub(super) fn paid_capture(order: &Order) -> Option<&Capture> {
    captures(order).iter().find(|capture| {
        let status = capture.status.as_deref();
        matches!(
            status,
            Some("COMPLETED" | "PARTIALLY_REFUNDED" | "REFUNDED")
        )
    })
}

/// Whether money was collected, or may be yet.
pub(super) fn is_captured(order: &Order) -> bool {
    let is_alive = |capture: &Capture| {
        let status = capture.status.as_deref();
        !matches!(status, Some("DECLINED" | "FAILED"))
    };
    captures(order).iter().any(is_alive) || order.status.as_deref() == Some("COMPLETED")
}

/// An order may be completed and its capture not: the capture counts (sheet §8). The error names the field
/// that is missing or unreadable.
pub(super) fn state_of_order(order: &Order) -> Result<OrderState, &'static str> {
    if let Some(capture) = paid_capture(order) {
        return capture_state(capture).map(OrderState::Told);
    }
    let told = match order.status.as_deref().ok_or("status")? {
        "CREATED" | "SAVED" | "PAYER_ACTION_REQUIRED" => ReportedPayment::Unpaid,
        "APPROVED" => return Ok(OrderState::Approved),
        "VOIDED" => ReportedPayment::Closed,
        "COMPLETED" => {
            let captures = captures(order);
            let is_pending = |it: &&Capture| it.status.as_deref() == Some("PENDING");
            let capture = captures.iter().find(is_pending).or(captures.first());
            capture_state(capture.ok_or("captures")?)?
        }
        _ => return Err("status"),
    };
    Ok(OrderState::Told(told))
}

/// Whether an order pays us: PayPal names the payee of every order that it shows.
pub(super) fn is_of_us(settings: &Settings, order: &Order) -> bool {
    payee(order) == Some(settings.merchant_id.as_str())
}

/// What an order is for.
pub(super) fn order_amount(order: &Order) -> Result<Money, &'static str> {
    money(unit(order).and_then(|unit| unit.amount.as_ref()))
}

/// What a refund is called: by our number, or by PayPal's if it is none of ours. UNVERIFIED: a refund made at
/// the dashboard may carry the note of its order; that is no number of a refund.
fn number_of_refund<'a>(refund: &'a Refund, request_number: &str) -> &'a str {
    text(refund.custom_id.as_ref())
        .filter(|number| *number != request_number)
        .unwrap_or(&refund.id)
}

/// The refund of an order that is called so.
pub(super) fn find_refund<'a>(
    order: &'a Order,
    request_number: &str,
    refund_number: &str,
) -> Option<&'a Refund> {
    let mut refunds = payments(order)?.refunds.iter();
    refunds.find(|refund| number_of_refund(refund, request_number) == refund_number)
}

/// What PayPal says of a refund.
pub(super) fn refund_report(
    refund: &Refund,
    request_number: &str,
    refund_number: &str,
) -> Result<RefundReport, &'static str> {
    Ok(RefundReport {
        request_number: request_number.to_owned(),
        refund_number: refund_number.to_owned(),
        gateway_refund_id: Some(refund.id.clone()),
        state: refund_state(refund)?,
    })
}
