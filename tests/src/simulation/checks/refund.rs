//! Refunds: those in the books are those at the gateways, and never more than was paid.

use kassa_core::payment::{PaymentStatus, PaymentTransaction};
use kassa_core::refund::{RefundSource, RefundStatus};

use super::{Books, Findings};
use crate::simulation::bank::order::RefundState;
use crate::simulation::town::Town;

/// The refunds of one payment.
pub(super) fn check(
    town: &Town,
    books: &Books,
    (number, row): (usize, &PaymentTransaction),
    found: &mut Findings,
) {
    let mut say = |what: String| found.push((Some(number), what));
    let bank = town.bank.lock();
    let refunds = books.refunds.get(&row.id).map_or(&[][..], Vec::as_slice);
    let (mut given_back, mut of_payment) = (0, 0);
    for refund in refunds {
        let order = refund.route.map(|route| route.attempt_id.to_string());
        let made = order
            .and_then(|order| bank.refund(&order, &refund.refund_number))
            .map(|(_, made)| made);
        let is_done = made.is_some_and(|made| made.state == RefundState::Done);
        let amount = refund.amount_requested.amount_minor();
        let by_gateway = refund.route.map_or(0, |route| route.amount.amount_minor());
        match refund.status {
            RefundStatus::Pending | RefundStatus::Processing => {
                say(format!("refund {} is left {}", refund.id, refund.status));
            }
            RefundStatus::Success | RefundStatus::Failed => {
                // What only wallets take part in is checked with them.
                if refund.route.is_some() && is_done != (refund.status == RefundStatus::Success) {
                    say(format!(
                        "refund {} is {}, at the gateway: {made:?}",
                        refund.id, refund.status
                    ));
                }
            }
        }
        if made.is_some_and(|made| made.amount != by_gateway) {
            say(format!(
                "refund {} has another amount at the gateway",
                refund.id
            ));
        }
        if refund.status == RefundStatus::Success {
            given_back += by_gateway;
            of_payment += match refund.source {
                RefundSource::Payment => amount,
                RefundSource::Duplicate => 0,
            };
        }
    }
    let orders = bank.orders.values().filter(|order| order.payment == number);
    let mut really = 0;
    for order in orders {
        really += order.refunded();
        for refund_number in order.refunds.keys() {
            let is_known = refunds.iter().any(|refund| {
                refund.refund_number == *refund_number
                    && refund.route.map(|route| route.attempt_id.to_string())
                        == Some(order.number.clone())
            });
            let made = &order.refunds[refund_number];
            let is_no_matter = made.is_console && made.state == RefundState::Closed;
            if !is_known && !is_no_matter {
                say(format!(
                    "refund {refund_number} at the gateway is not in the books"
                ));
            }
        }
    }
    if given_back != really {
        say(format!(
            "{given_back} given back by the books, {really} by the gateways"
        ));
    }
    check_sums(books, row, of_payment, &mut say);
}

fn check_sums(
    books: &Books,
    row: &PaymentTransaction,
    given_back: i64,
    say: &mut impl FnMut(String),
) {
    let paid = row.amount_paid.amount_minor();
    let refunded = row.amount_refunded.amount_minor();
    let reserved = row.amount_refund_reserved.amount_minor();
    if refunded + reserved > paid {
        say(format!(
            "{refunded} refunded and {reserved} reserved of {paid}"
        ));
    }
    if reserved != 0 {
        say(format!("{reserved} is left reserved"));
    }
    let beyond = ["REFUND_BEYOND_PAID", "REFUND_WITHOUT_PAYMENT"];
    let is_plain = beyond
        .iter()
        .all(|kind| books.anomalies_of(row.id, kind) == 0);
    if is_plain && refunded != given_back {
        say(format!(
            "the payment shows {refunded} refunded, its refunds {given_back}"
        ));
    }
    let expected = match row.status {
        PaymentStatus::RefundPartial => refunded > 0 && refunded < paid,
        PaymentStatus::RefundFull => refunded == paid,
        PaymentStatus::PaidSuccess
        | PaymentStatus::PendingCreate
        | PaymentStatus::PendingPayment
        | PaymentStatus::PaidFailed
        | PaymentStatus::Closed => refunded == 0,
    };
    if !expected {
        say(format!(
            "it is {} with {refunded} of {paid} refunded",
            row.status
        ));
    }
}
