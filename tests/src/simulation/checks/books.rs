//! The books as a whole: they balance, agree with the gateways to the cent, and nothing was dropped.

use std::collections::BTreeMap;

use kassa_core::app::App;
use kassa_core::ledger::{LedgerAccountKey, LedgerAccountKind};
use kassa_core::money::Currency;
use kassa_core::notification::NotificationStatus;
use runtime::queue::QueueName;
use runtime::store::{NotificationFilter, Page};

use super::{Books, Findings, PAGE};
use crate::simulation::business::Client;
use crate::simulation::purse;
use crate::simulation::script::Script;
use crate::simulation::town::Town;

/// Ledger, inbox, queues, audit.
pub(super) async fn check(town: &Town, books: &Books, found: &mut Findings) {
    ledger(town, books, found).await;
    inbox(town, found).await;
    let store = &town.installation.database.store;
    let Some(place) = town.some_process() else {
        found.push((None, "no process is left".to_owned()));
        return;
    };
    let kassa = &town.process(place).kassa;
    for queue in QueueName::ALL {
        let parked = kassa.queue.list_parked(*queue, 100).await;
        for parked in parked.expect("the queue") {
            let what = format!("parked: {} ({})", parked.envelope.payload, parked.reason);
            found.push((None, what));
        }
        let depth = kassa.queue.depth(*queue).await.expect("the queue");
        if depth > 0 {
            found.push((
                None,
                format!("{depth} messages are left on {}", queue.as_str()),
            ));
        }
    }
    let backlog = store.outbox_backlog().await.expect("the store").count;
    if backlog > 0 {
        found.push((None, format!("{backlog} rows are left in the outbox")));
    }
    while store.seal_audit_batch(500).await.expect("the store") > 0 {}
    let audit = store.verify_audit().await.expect("the store");
    if !audit.is_whole() {
        found.push((None, format!("the audit chain is broken: {audit:?}")));
    }
}

async fn ledger(town: &Town, books: &Books, found: &mut Findings) {
    let store = &town.installation.database.store;
    let report = store.verify_books().await.expect("the store");
    for difference in &report.differences {
        found.push((None, format!("the books: {difference:?}")));
    }
    let accounts = town.bank.lock().accounts.clone();
    let balance = |kind, owner: String| LedgerAccountKey {
        kind,
        owner,
        unit: Currency::CNY.into(),
    };
    let mut total = 0;
    for (place, account) in accounts.iter().enumerate() {
        let (held, fees): (i64, i64) = {
            let bank = town.bank.lock();
            let orders = bank.orders.values().filter(|order| order.account == place);
            let paid = orders.filter(|order| order.paid_at.is_some());
            let kept = paid.map(|order| (order.amount - order.refunded(), order.fee(account)));
            kept.fold((0, 0), |sum, one| (sum.0 + one.0 - one.1, sum.1 + one.1))
        };
        let key = balance(LedgerAccountKind::GatewayReceivable, account.id.to_string());
        let booked = store.balance(&key).await.expect("the store");
        if booked != held {
            let what = format!("account {place} holds {held}, the books say {booked}");
            found.push((None, what));
        }
        let key = balance(LedgerAccountKind::FeeExpense, account.id.to_string());
        let expensed = store.balance(&key).await.expect("the store");
        if expensed != fees {
            let what = format!("account {place} kept fees of {fees}, the books say {expensed}");
            found.push((None, what));
        }
        total += expensed;
        let key = balance(LedgerAccountKind::Suspense, account.id.to_string());
        total += booked + store.balance(&key).await.expect("the store");
    }
    for app in &town.installation.apps {
        let owed: i64 = books
            .payments
            .values()
            .filter(|row| row.app_id == app.id)
            .map(|row| row.amount_paid.amount_minor() - row.amount_refunded.amount_minor())
            .sum();
        // What was put into wallets is owed to their users instead.
        let in_wallets: i64 = credited(town, app);
        let owed = owed - in_wallets;
        let key = balance(LedgerAccountKind::AppPayable, app.id.to_string());
        let booked = store.balance(&key).await.expect("the store");
        if booked != -owed {
            let what = format!("{} is owed {owed}, the books say {}", app.id, -booked);
            found.push((None, what));
        }
        total += booked;
        let key = balance(LedgerAccountKind::PointsExpense, app.id.to_string());
        total += store.balance(&key).await.expect("the store");
        for user in 0..purse::USERS {
            let key = purse::wallet(app, user).account(Currency::CNY.into());
            total += store.balance(&key).await.expect("the store");
        }
    }
    if total != 0 {
        found.push((None, format!("the books do not balance: {total}")));
    }
}

/// The money that came into wallets without a payment.
fn credited(town: &Town, app: &App) -> i64 {
    let apps = &town.installation.apps;
    let place = apps.iter().position(|other| other.id == app.id);
    let place = place.expect("an app of the town");
    let filled = (0..purse::USERS).map(|user| purse::filled(town.run.seed, place, user));
    let scripts = town.business.clients.iter().map(Client::script);
    let credits = scripts.filter(|script| script.app == place);
    let credits = credits.flat_map(Script::credits);
    filled.chain(credits).map(|purse| purse.balance).sum()
}

async fn inbox(town: &Town, found: &mut Findings) {
    let store = &town.installation.database.store;
    let mut seen: BTreeMap<(String, String), u32> = BTreeMap::new();
    let mut page = Page::first(PAGE);
    loop {
        let rows = store
            .list_notifications(&NotificationFilter::default(), &page)
            .await;
        let rows = rows.expect("the store");
        let Some(last) = rows.last() else { break };
        page = Page::after(
            last.notification.received_at,
            last.notification.id.to_string(),
            PAGE,
        );
        for row in &rows {
            let notification = &row.notification;
            let account = notification.channel_account_id.to_string();
            *seen.entry((account, notification.key.clone())).or_default() += 1;
            if row.status == NotificationStatus::Received {
                found.push((
                    None,
                    format!("notification {} was not applied", notification.key),
                ));
            }
        }
    }
    let bank = town.bank.lock();
    for notice in &bank.notices {
        let account = bank.accounts[notice.account].id.to_string();
        let times = seen
            .get(&(account, notice.key.clone()))
            .copied()
            .unwrap_or(0);
        if times > 1 || (notice.is_acknowledged && times == 0) {
            let what = format!("notification {} is in the inbox {times} times", notice.key);
            found.push((notice.payment, what));
        }
    }
}
