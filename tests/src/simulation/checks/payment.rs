//! Payments: paid exactly where the gateways hold money, closed only where they do not.

use std::collections::BTreeMap;

use kassa_core::payment::{Attempt, AttemptStatus, PaymentStatus, PaymentTransaction};
use kassa_core::refund::RefundStatus;

use super::{Books, Findings};
use crate::simulation::bank::order::{LAG, Order, yuan};
use crate::simulation::purse::Parts;
use crate::simulation::town::Town;

/// One payment against the orders that the gateways hold for it.
pub(super) async fn check(
    town: &Town,
    books: &Books,
    (number, row): (usize, &PaymentTransaction),
    found: &mut Findings,
) {
    let mut say = |what: String| found.push((Some(number), what));
    let store = &town.installation.database.store;
    let attempts = store.list_attempts(row.id).await.expect("the store");
    let parts = town.business.script(number).parts;
    let bank = town.bank.lock();
    let orders: BTreeMap<&String, &Order> = bank
        .orders
        .iter()
        .filter(|(_, order)| order.payment == number)
        .collect();
    check_orders(&orders, &attempts, parts, &mut say);
    let mut paid_attempts = 0;
    for attempt in &attempts {
        let order = orders.get(&attempt.request_number()).copied();
        let is_paid = order.is_some_and(|order| order.paid_at.is_some());
        paid_attempts += usize::from(is_paid);
        if is_paid != (attempt.status == AttemptStatus::Paid) {
            say(format!(
                "attempt {} is {}, paid at the gateway: {is_paid}",
                attempt.attempt_no, attempt.status
            ));
        }
        if !attempt.status.is_ended() {
            say(format!(
                "attempt {} is left {}",
                attempt.attempt_no, attempt.status
            ));
        }
    }
    if row.status.is_pending() {
        say(format!("it is left {}", row.status));
    }
    let may_be_late = orders.values().any(|order| came_late(order));
    let late = books.anomalies_of(row.id, "LATE_PAYMENT");
    if late > 0 && !may_be_late {
        say("money counts as late that was there when the gateway was asked".to_owned());
    }
    if row.status == PaymentStatus::Closed && row.closed_at.is_none() {
        say("it is closed since never".to_owned());
    }
    if row.amount_requested != yuan(town.business.script(number).amount) {
        say("its amount is not the one asked for".to_owned());
    }
    check_paid(books, row, (parts, paid_attempts), &mut say);
}

fn check_orders(
    orders: &BTreeMap<&String, &Order>,
    attempts: &[Attempt],
    parts: Parts,
    say: &mut impl FnMut(String),
) {
    for (number, order) in orders {
        if order.amount != parts.gateway {
            let (found, part) = (order.amount, parts.gateway);
            say(format!(
                "order {number} is for {found}, the gateway's part is {part}"
            ));
        }
        if !attempts
            .iter()
            .any(|attempt| attempt.request_number() == **number)
        {
            say(format!(
                "the gateway holds order {number}, the books have no attempt for it"
            ));
        }
    }
    if parts.gateway == 0 && !attempts.is_empty() {
        say("no gateway pays a part, and it has attempts".to_owned());
    }
}

/// Paid where the gateways hold money for it, and where only wallets pay.
fn check_paid(
    books: &Books,
    row: &PaymentTransaction,
    (parts, paid_attempts): (Parts, usize),
    say: &mut impl FnMut(String),
) {
    let late = books.anomalies_of(row.id, "LATE_PAYMENT");
    // What comes after a mixed payment has ended pays nothing: its wallets' parts are free again.
    let came_too_late = parts.is_mixed() && late > 0 && late == paid_attempts;
    let is_paid = match parts.gateway {
        0 => true,
        _ => paid_attempts > 0 && !came_too_late,
    };
    let expected = if is_paid {
        row.amount_requested
    } else {
        yuan(0)
    };
    if row.status.is_paid() != is_paid || row.amount_paid != expected {
        say(format!(
            "it is {} with {} paid; orders paid at the gateways: {paid_attempts}",
            row.status, row.amount_paid
        ));
    }
    let duplicates = books.anomalies_of(row.id, "DUPLICATE_PAYMENT");
    if duplicates != paid_attempts.saturating_sub(1) && !(came_too_late && duplicates == 0) {
        say(format!(
            "{duplicates} duplicate payments were told of, {paid_attempts} orders were paid"
        ));
    }
    if parts.is_mixed() && is_paid && late > 0 {
        say("a mixed payment was paid by money that came too late".to_owned());
    }
}

/// Whether somebody was rightly told that an order is closed before its money came: by the gateway
/// itself, having asked just before.
fn came_late(order: &Order) -> bool {
    let Some(paid_at) = order.paid_at else {
        return false;
    };
    let closed_before = order.closed_at.is_some_and(|at| at <= paid_at);
    let told_before = order
        .told_closed
        .iter()
        .any(|(_, asked_at)| asked_at.is_some_and(|at| at <= paid_at + LAG));
    closed_before || told_before
}

/// What business systems were told holds.
pub(super) fn check_told(town: &Town, books: &Books, found: &mut Findings) {
    for (number, client) in town.business.clients.iter().enumerate() {
        let mut say = |what: String| found.push((Some(number), what));
        let row = books.payments.get(&number);
        let Some(id) = client.transaction else {
            continue;
        };
        let Some(row) = row.filter(|row| row.id == id) else {
            say("a payment that was told of is not in the books".to_owned());
            continue;
        };
        if let Some((status, refunded, version)) = client.told {
            let went_back = (status.is_paid() && !row.status.is_paid())
                || row.amount_refunded.amount_minor() < refunded
                || row.version < version;
            if went_back {
                say(format!("told {status}, in the books {}", row.status));
            }
        }
        let refunds = books.refunds.get(&id).map_or(&[][..], Vec::as_slice);
        for (which, (refund, amount)) in &client.refunds {
            let is_there = refunds
                .iter()
                .any(|row| row.id == *refund && row.amount_requested.amount_minor() == *amount);
            if !is_there {
                say(format!(
                    "refund {which} that was told of is not in the books"
                ));
            }
        }
    }
}

/// Every anomaly has a reason in what really happened, and every lie was noticed.
pub(super) fn check_anomalies(town: &Town, books: &Books, found: &mut Findings) {
    let bank = town.bank.lock();
    for anomaly in &books.anomalies {
        let number = anomaly.transaction_id.and_then(|id| books.number_of(id));
        let kind = anomaly.kind.as_str();
        let orders = || {
            bank.orders
                .values()
                .filter(|order| Some(order.payment) == number)
        };
        let has_reason = match kind {
            // Checked with their payments.
            "LATE_PAYMENT" | "DUPLICATE_PAYMENT" => true,
            "EXTERNAL_REFUND" | "REFUND_BEYOND_PAID" | "REFUND_WITHOUT_PAYMENT" => {
                bank.reasons.contains(&("CONSOLE", number))
            }
            "REFUND_ABNORMAL" => orders().any(|order| {
                let mut refunds = order.refunds.values();
                refunds.any(|refund| refund.was_abnormal)
            }),
            _ => bank.reasons.contains(&(kind, number)),
        };
        if !has_reason {
            let what = format!("anomaly {kind} without a reason: {}", anomaly.evidence);
            found.push((number, what));
        }
    }
    for anomaly in &books.anomalies {
        if !anomaly.kind.is_refundable() || anomaly.resolution.is_some() {
            continue;
        }
        let id = anomaly.transaction_id;
        let refunds = id.and_then(|id| books.refunds.get(&id));
        let has_failed = refunds.into_iter().flatten().any(|refund| {
            refund.anomaly_id == Some(anomaly.id) && refund.status == RefundStatus::Failed
        });
        if !has_failed {
            let number = id.and_then(|id| books.number_of(id));
            found.push((
                number,
                format!("the money of {} was not given back", anomaly.kind),
            ));
        }
    }
    for notice in &bank.notices {
        if notice.body.kind != "LIE" || !notice.is_acknowledged {
            continue;
        }
        let told = books.anomalies.iter().any(|anomaly| {
            let lies = [
                "AMOUNT_MISMATCH",
                "CURRENCY_MISMATCH",
                "ACCOUNT_MISMATCH",
                "UNKNOWN_ORDER",
            ];
            lies.contains(&anomaly.kind.as_str())
                && bank.accounts[notice.account].id == anomaly.channel_account_id
        });
        if !told {
            found.push((
                notice.payment,
                format!("nobody was told of the lie {}", notice.key),
            ));
        }
    }
}
