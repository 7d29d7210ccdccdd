//! Events: every change was told, in order, without a gap, and the last word is what the books say.

use std::collections::BTreeMap;

use kassa_core::event::EventKind;
use kassa_core::id::TransactionId;
use kassa_core::payment::PaymentStatus;
use runtime::store::EventRow;

use super::{Books, Findings, PAGE};
use crate::simulation::business::Client;
use crate::simulation::purse;
use crate::simulation::script::Script;
use crate::simulation::town::Town;

/// All events of all apps.
pub(super) async fn check(town: &Town, books: &Books, found: &mut Findings) {
    let store = &town.installation.database.store;
    let mut told: BTreeMap<TransactionId, Vec<EventRow>> = BTreeMap::new();
    for app in &town.installation.apps {
        let mut after = 0;
        loop {
            let rows = store.list_events(&app.id, after, &[], PAGE).await;
            let rows = rows.expect("the store");
            let Some(last) = rows.last() else { break };
            after = last.position;
            for row in rows {
                told.entry(row.aggregate).or_default().push(row);
            }
        }
    }
    for (number, row) in &books.payments {
        let mut say = |what: String| found.push((Some(*number), what));
        let events = told.remove(&row.id).unwrap_or_default();
        let sequences: Vec<i64> = events.iter().map(|event| event.sequence).collect();
        let expected: Vec<i64> = (1..=row.event_sequence).collect();
        if sequences != expected {
            say(format!(
                "events {sequences:?} were told, {expected:?} were to be"
            ));
        }
        check_payment(&events, row, &mut say);
        for refund in books.refunds.get(&row.id).map_or(&[][..], Vec::as_slice) {
            let words: Vec<EventKind> = events
                .iter()
                .filter(|event| {
                    event.payload["data"]["refund"]["refundId"] == refund.id.to_string()
                        || event.payload["data"]["refund"]["refund_id"] == refund.id.to_string()
                })
                .map(|event| event.kind)
                .collect();
            let last = match refund.status {
                kassa_core::refund::RefundStatus::Success => EventKind::RefundSucceeded,
                kassa_core::refund::RefundStatus::Failed => EventKind::RefundFailed,
                kassa_core::refund::RefundStatus::Pending
                | kassa_core::refund::RefundStatus::Processing => continue,
            };
            let first = refund
                .business_refund_id
                .as_ref()
                .map(|_| EventKind::RefundCreated);
            if words.last() != Some(&last)
                || first.is_some_and(|first| words.first() != Some(&first))
            {
                say(format!(
                    "refund {} is {}, told: {words:?}",
                    refund.id, refund.status
                ));
            }
        }
    }
    check_wallets(town, &mut told, found).await;
    for aggregate in told.keys() {
        found.push((
            None,
            format!("events of {aggregate}, which is not in the books"),
        ));
    }
}

/// Each credit was told of once, in order.
async fn check_wallets(
    town: &Town,
    told: &mut BTreeMap<TransactionId, Vec<EventRow>>,
    found: &mut Findings,
) {
    let store = &town.installation.database.store;
    for (place, app) in town.installation.apps.iter().enumerate() {
        for user in 0..purse::USERS {
            let scripts = town.business.clients.iter().map(Client::script);
            let of_user = scripts.filter(|script| (script.app, script.user) == (place, user));
            let filled = purse::filled(town.run.seed, place, user);
            let first = i64::from(filled.balance > 0) + i64::from(filled.points > 0);
            let more = i64::try_from(of_user.flat_map(Script::credits).count());
            let credits = first + more.expect("a count");
            let key = purse::wallet(app, user);
            let wallet = store.find_wallet(&key).await.expect("the store");
            let id = wallet.map(|wallet| TransactionId::from_uuid(wallet.id.as_uuid()));
            let events = id.and_then(|id| told.remove(&id)).unwrap_or_default();
            let sequences: Vec<i64> = events.iter().map(|event| event.sequence).collect();
            let all_credits = events
                .iter()
                .all(|event| event.kind == EventKind::WalletCredited);
            if sequences != (1..=credits).collect::<Vec<_>>() || !all_credits {
                let what = format!("{credits} credits of {key}, told: {sequences:?}");
                found.push((None, what));
            }
        }
    }
}

fn check_payment(
    events: &[EventRow],
    row: &kassa_core::payment::PaymentTransaction,
    say: &mut impl FnMut(String),
) {
    let count = |kind: EventKind| events.iter().filter(|event| event.kind == kind).count();
    let succeeded = count(EventKind::PaymentSucceeded);
    if succeeded != usize::from(row.status.is_paid()) {
        say(format!(
            "it is {}; told {succeeded} times that it was paid",
            row.status
        ));
    }
    let last = events
        .iter()
        .rev()
        .find(|event| event.payload["data"].get("transaction").is_some());
    let told = last.map(|event| {
        let told = &event.payload["data"]["transaction"]["status"];
        told.as_str().unwrap_or_default().to_owned()
    });
    let is_told = match row.status {
        PaymentStatus::PendingCreate => told.is_none(),
        other => told
            .as_deref()
            .is_some_and(|told| told.ends_with(other.as_str())),
    };
    if !is_told {
        say(format!("it is {}, last told: {told:?}", row.status));
    }
}
