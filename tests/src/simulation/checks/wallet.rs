//! Wallets: what is in them is what was put in, less what paid, and what came back; nothing is held for
//! a payment that has ended; legs are what was asked for and stand where their payment stands.

use std::collections::BTreeMap;

use chrono::TimeDelta;
use kassa_core::channel::Channel;
use kassa_core::id::RefundId;
use kassa_core::ledger::{LedgerAccountKey, LedgerAccountKind, Unit};
use kassa_core::money::Currency;
use kassa_core::payment::{LegStatus, PaymentTransaction};
use kassa_core::payment_config::RefundPart;
use kassa_core::refund::{RefundDestination, RefundSource, RefundStatus, RefundTransaction};

use super::{Books, Findings, PAGE};
use crate::simulation::purse::{self, Purse, USERS};
use crate::simulation::script::{Act, Script, Way};
use crate::simulation::town::Town;
use crate::simulation::wish;

/// What happened to one user's wallet.
#[derive(Debug, Clone, Copy, Default)]
struct Moved {
    credited: Purse,
    paid: Purse,
    back: Purse,
    /// What the points that paid, and did not come back, were worth.
    expense: i64,
}

/// All wallets.
pub(super) async fn check(town: &Town, books: &Books, found: &mut Findings) {
    let store = &town.installation.database.store;
    // Later than the end of any hold.
    let later = town.turns.now() + TimeDelta::days(10_000);
    for hold in store.list_due_holds(later, PAGE).await.expect("the store") {
        let number = hold.transaction_id.and_then(|id| books.number_of(id));
        let what = format!("{} is left held in {}", hold.amount, hold.account.owner);
        found.push((number, what));
    }
    for app in 0..town.installation.apps.len() {
        let (mut expense, mut points) = (0, 0);
        for user in 0..USERS {
            let moved = moved(town, books, (app, user));
            expense += moved.expense;
            points += check_purse(town, (app, user), moved, found).await;
        }
        let id = &town.installation.apps[app].id;
        let cny = Unit::Currency(Currency::CNY);
        for (kind, unit, expected) in [
            (LedgerAccountKind::PointsExpense, cny, expense),
            (LedgerAccountKind::PointsPool, Unit::Points, points),
        ] {
            let owner = id.to_string();
            let key = LedgerAccountKey { kind, owner, unit };
            let booked = store.balance(&key).await.expect("the store");
            if booked != expected {
                let what = format!("{kind} of {id} is {booked}, must be {expected}");
                found.push((None, what));
            }
        }
    }
}

/// Compares one wallet; answers its points.
async fn check_purse(
    town: &Town,
    (app, user): (usize, usize),
    moved: Moved,
    found: &mut Findings,
) -> i64 {
    let wallet = purse::wallet(&town.installation.apps[app], user);
    let expected = |credited, paid, back| credited - paid + back;
    let Moved {
        credited,
        paid,
        back,
        ..
    } = moved;
    let balance = expected(credited.balance, paid.balance, back.balance);
    let points = expected(credited.points, paid.points, back.points);
    let store = &town.installation.database.store;
    for (unit, expected) in [
        (Unit::Currency(Currency::CNY), balance),
        (Unit::Points, points),
    ] {
        let booked = store.balances(&wallet.account(unit)).await;
        let booked = booked.expect("the store");
        if booked.balance_minor != -expected || booked.held_minor != 0 || expected < 0 {
            let what = format!("{unit} of {wallet}: {booked:?}; must be {expected}: {moved:?}");
            found.push((None, what));
        }
    }
    points
}

/// What happened to a wallet, by the scripts, by what was paid and by what was given back.
fn moved(town: &Town, books: &Books, (app, user): (usize, usize)) -> Moved {
    let mut moved = Moved {
        credited: purse::filled(town.run.seed, app, user),
        ..Moved::default()
    };
    for (number, client) in town.business.clients.iter().enumerate() {
        let script = client.script();
        if (script.app, script.user) != (app, user) {
            continue;
        }
        for credit in script.credits() {
            moved.credited.balance += credit.balance;
            moved.credited.points += credit.points;
        }
        let parts = script.parts;
        let row = books.payments.get(&number);
        let Some(row) = row.filter(|row| row.status.is_paid()) else {
            continue;
        };
        let back = given_back(books, row);
        let of = |part: Channel| back.by_leg.get(&part).copied().unwrap_or(0);
        moved.paid.balance += parts.balance;
        moved.back.balance += of(Channel::Balance) + back.to_balance;
        if parts.points > 0 {
            let refunded = of(Channel::Points);
            moved.paid.points += purse::price(parts.points);
            moved.back.points += purse::points_back(parts.points, refunded);
            moved.expense += parts.points - refunded;
        }
    }
    moved
}

/// What refunds gave back of a payment.
#[derive(Debug, Default)]
struct Back {
    /// By the channel that had paid it.
    by_leg: BTreeMap<Channel, i64>,
    /// What a gateway had collected and went into the wallet.
    to_balance: i64,
}

/// The refunds that took something from the payment: they succeeded, and it bore them.
fn taken<'a>(
    books: &'a Books,
    row: &PaymentTransaction,
) -> impl Iterator<Item = &'a RefundTransaction> {
    let refunds = books.refunds.get(&row.id).map_or(&[][..], Vec::as_slice);
    refunds.iter().filter(|refund| {
        refund.status == RefundStatus::Success
            && refund.source == RefundSource::Payment
            && !is_beyond(books, refund.id)
    })
}

fn is_beyond(books: &Books, refund: RefundId) -> bool {
    let mut anomalies = books.anomalies.iter();
    anomalies.any(|anomaly| {
        anomaly.refund_id == Some(refund) && anomaly.kind.as_str() == "REFUND_BEYOND_PAID"
    })
}

fn given_back(books: &Books, row: &PaymentTransaction) -> Back {
    let mut back = Back::default();
    for share in taken(books, row).flat_map(|refund| &refund.legs) {
        let amount = share.amount.amount_minor();
        *back.by_leg.entry(share.channel).or_default() += amount;
        if share.destination == RefundDestination::Balance {
            back.to_balance += amount;
        }
    }
    back
}

/// The legs of one payment, and what its refunds gave back of which.
pub(super) fn check_legs(
    town: &Town,
    books: &Books,
    (number, row): (usize, &PaymentTransaction),
    found: &mut Findings,
) {
    let script = town.business.script(number);
    let mut say = |what: String| found.push((Some(number), what));
    if script.parts.has_wallet() {
        check_parts(books, script, row, &mut say);
    } else if !row.legs.is_empty() {
        say(format!("no wallet pays it, and it has {:?}", row.legs));
    }
    let refunds = books.refunds.get(&row.id).map_or(&[][..], Vec::as_slice);
    for refund in refunds {
        check_ways(script, number, refund, &mut say);
    }
    if let [only] = refunds
        && asked_way(script, number, only) == Some(Way::Policy)
        && script.parts.has_wallet()
    {
        let amount = only.amount_requested.amount_minor();
        let expected = script.parts.given_back(script.app, amount);
        if shares(only) != expected {
            let shares = shares(only);
            say(format!("a refund gives back {shares:?}, not {expected:?}"));
        }
    }
}

fn check_parts(
    books: &Books,
    script: &Script,
    row: &PaymentTransaction,
    say: &mut impl FnMut(String),
) {
    let status = if row.status.is_paid() {
        LegStatus::Paid
    } else {
        LegStatus::Ended
    };
    let back = given_back(books, row);
    let mut legs = row.legs.iter();
    for (leg_no, (part, amount)) in (1..).zip(script.parts.legs()) {
        let Some(leg) = legs.next() else {
            say(format!("leg {leg_no} is missing"));
            continue;
        };
        let points = leg.points.map(|paid| paid.points.minor());
        let price = (part == RefundPart::Points).then(|| purse::price(amount));
        let is_as_asked = leg.leg_no == leg_no
            && part_of(leg.channel) == part
            && leg.amount.amount_minor() == amount
            && points == price
            && leg.status == status;
        let refunded = back.by_leg.get(&leg.channel).copied().unwrap_or(0);
        let is_given_back = leg.amount_refunded.amount_minor() == refunded
            && leg.amount_refund_reserved.is_zero()
            && refunded <= amount;
        if !is_as_asked || !is_given_back {
            say(format!(
                "leg {leg_no} must be {part} {amount}, {status}, with {refunded} given back: {leg:?}"
            ));
        }
    }
    if let Some(more) = legs.next() {
        say(format!("nobody asked for {more:?}"));
    }
}

/// A refund goes the ways that were asked for, and its parts make the whole.
fn check_ways(
    script: &Script,
    number: usize,
    refund: &RefundTransaction,
    say: &mut impl FnMut(String),
) {
    let (shares, amount) = (shares(refund), refund.amount_requested.amount_minor());
    let by_gateway: i64 = if refund.legs.is_empty() {
        amount
    } else {
        let legs = refund.legs.iter();
        let outside = legs.filter(|share| {
            !share.channel.is_internal() && share.destination == RefundDestination::Original
        });
        outside.map(|share| share.amount.amount_minor()).sum()
    };
    let routed = refund.route.map_or(0, |route| route.amount.amount_minor());
    let sum: i64 = shares.iter().map(|(_, amount)| amount).sum();
    if routed != by_gateway || (sum != amount && !refund.legs.is_empty()) {
        say(format!("a refund does not add up: {refund:?}"));
    }
    let has_wallet = script.parts.has_wallet();
    let legs = script.parts.legs();
    let is_as_asked = match asked_way(script, number, refund) {
        Some(Way::Leg(leg_no)) if has_wallet => {
            let part = usize::try_from(leg_no - 1).map(|place| legs[place].0);
            part.is_ok_and(|part| shares == [(part, amount)])
        }
        // None: of the console, or of an anomaly.
        Some(Way::Leg(_)) | None => routed == amount,
        Some(Way::Policy) => has_wallet || routed == amount,
        Some(Way::ToBalance) => routed == 0,
    };
    if !is_as_asked {
        say(format!("a refund goes another way than asked: {refund:?}"));
    }
    let by_wallets_alone = refund.route.is_none();
    if by_wallets_alone && refund.status != RefundStatus::Success {
        say(format!("a refund of wallets is {}", refund.status));
    }
    let to_balance = legs_to_balance(refund);
    if to_balance > 0 && !purse::may_go_to_balance(script.app) {
        say(format!("{to_balance} went to the balance unallowed"));
    }
}

fn legs_to_balance(refund: &RefundTransaction) -> usize {
    let legs = refund.legs.iter();
    legs.filter(|share| share.destination == RefundDestination::Balance)
        .count()
}

/// The way that the business system asked for.
fn asked_way(script: &Script, number: usize, refund: &RefundTransaction) -> Option<Way> {
    let asked = refund.business_refund_id.as_ref()?;
    script.acts.iter().find_map(|(_, act)| match act {
        Act::Refund(which, _, way) if wish::refund_id(number, *which) == *asked => Some(*way),
        _ => None,
    })
}

fn shares(refund: &RefundTransaction) -> Vec<(RefundPart, i64)> {
    let legs = refund.legs.iter();
    legs.map(|share| (part_of(share.channel), share.amount.amount_minor()))
        .collect()
}

fn part_of(channel: Channel) -> RefundPart {
    match channel {
        Channel::Balance => RefundPart::Balance,
        Channel::Points => RefundPart::Points,
        _ => RefundPart::External,
    }
}
