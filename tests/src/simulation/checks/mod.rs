//! What the books must be, worked out from the bank's truth and from what callers were told, and never
//! by Kassa's own rules.

mod books;
mod events;
mod payment;
mod refund;
mod wallet;

use std::collections::BTreeMap;

use kassa_core::anomaly::Anomaly;
use kassa_core::id::TransactionId;
use kassa_core::payment::{PaymentStatus, PaymentTransaction};
use kassa_core::refund::{RefundStatus, RefundTransaction};
use runtime::queue::QueueName;
use runtime::store::{AnomalyFilter, Page, PaymentFilter, RefundFilter, Store};

use super::town::Town;

/// Rows that one look reads.
const PAGE: u64 = 1_000;

/// Whether nothing is under way any more; cheap, for the calm's loop.
pub(super) async fn is_settled(town: &Town) -> bool {
    let store = &town.installation.database.store;
    let waits = store.outbox_backlog().await.expect("the store").count;
    if waits > 0 {
        return false;
    }
    let kassa = match town.some_process() {
        Some(place) => &town.process(place).kassa,
        None => return false,
    };
    for queue in QueueName::ALL {
        if kassa.queue.depth(*queue).await.expect("the queue") > 0 {
            return false;
        }
    }
    for app in &town.installation.apps {
        for status in [PaymentStatus::PendingCreate, PaymentStatus::PendingPayment] {
            let filter = PaymentFilter {
                status: Some(status),
                ..PaymentFilter::default()
            };
            let found = store.list_payments(&app.id, &filter, &Page::first(1)).await;
            if !found.expect("the store").is_empty() {
                return false;
            }
        }
        for status in [RefundStatus::Pending, RefundStatus::Processing] {
            let filter = RefundFilter {
                status: Some(status),
                ..RefundFilter::default()
            };
            let found = store.list_refunds(&app.id, &filter, &Page::first(1)).await;
            if !found.expect("the store").is_empty() {
                return false;
            }
        }
    }
    let open = anomalies(store).await;
    open.iter().all(|anomaly| anomaly.refund_due_at.is_none())
}

/// Everything that Kassa wrote down, read once.
#[derive(Debug)]
pub(super) struct Books {
    /// The payments by the script's number.
    pub(super) payments: BTreeMap<usize, PaymentTransaction>,
    /// All refunds, by payment.
    pub(super) refunds: BTreeMap<TransactionId, Vec<RefundTransaction>>,
    /// All anomalies.
    pub(super) anomalies: Vec<Anomaly>,
}

impl Books {
    async fn read(town: &Town) -> Self {
        let store = &town.installation.database.store;
        let mut books = Self {
            payments: BTreeMap::new(),
            refunds: BTreeMap::new(),
            anomalies: anomalies(store).await,
        };
        for app in &town.installation.apps {
            let mut page = Page::first(PAGE);
            loop {
                let rows = store
                    .list_payments(&app.id, &PaymentFilter::default(), &page)
                    .await
                    .expect("the store");
                let Some(last) = rows.last() else { break };
                page = Page::after(last.created_at, last.id.to_string(), PAGE);
                for row in rows {
                    books.payments.insert(number_of(&row), row);
                }
            }
            let mut page = Page::first(PAGE);
            loop {
                let rows = store
                    .list_refunds(&app.id, &RefundFilter::default(), &page)
                    .await
                    .expect("the store");
                let Some(last) = rows.last() else { break };
                page = Page::after(last.created_at, last.id.to_string(), PAGE);
                for row in rows {
                    let of = books.refunds.entry(row.original_transaction_id);
                    of.or_default().push(row);
                }
            }
        }
        books
    }

    /// The anomalies of a payment of this kind.
    pub(super) fn anomalies_of(&self, id: TransactionId, kind: &str) -> usize {
        let found = self
            .anomalies
            .iter()
            .filter(|anomaly| anomaly.transaction_id == Some(id) && anomaly.kind.as_str() == kind);
        found.count()
    }

    /// The number of a payment with this id.
    pub(super) fn number_of(&self, id: TransactionId) -> Option<usize> {
        let mut found = self.payments.iter().filter(|(_, row)| row.id == id);
        found.next().map(|(number, _)| *number)
    }
}

async fn anomalies(store: &Store) -> Vec<Anomaly> {
    let (mut found, mut page) = (Vec::new(), Page::first(PAGE));
    loop {
        let rows = store
            .list_anomalies(&AnomalyFilter::default(), &page)
            .await
            .expect("the store");
        let Some(last) = rows.last() else {
            return found;
        };
        page = Page::after(last.created_at, last.id.to_string(), PAGE);
        found.extend(rows);
    }
}

/// The script's number of a payment: its request says it.
fn number_of(row: &PaymentTransaction) -> usize {
    let number = row.request_id.as_str().trim_start_matches('p');
    number.parse().expect("requests are numbered")
}

/// Compares the books with the truth.
pub(super) async fn check(town: &mut Town) {
    let books = Books::read(town).await;
    town.counts.anomalies = u64::try_from(books.anomalies.len()).unwrap_or(u64::MAX);
    {
        let bank = town.bank.lock();
        town.counts.failed_calls = bank.failed_calls;
        let paid = bank.orders.values().filter(|order| order.paid_at.is_some());
        town.counts.orders_paid = u64::try_from(paid.count()).unwrap_or(u64::MAX);
        let refunds: usize = bank.orders.values().map(|order| order.refunds.len()).sum();
        town.counts.refunds = u64::try_from(refunds).unwrap_or(u64::MAX);
    }
    let (mut by_wallet, mut mixed) = (0, 0);
    for (number, _) in books
        .payments
        .iter()
        .filter(|(_, row)| row.status.is_paid())
    {
        let parts = town.business.script(*number).parts;
        by_wallet += u64::from(parts.gateway == 0);
        mixed += u64::from(parts.is_mixed());
    }
    (town.counts.by_wallet, town.counts.mixed) = (by_wallet, mixed);
    let mut found = Vec::new();
    for (number, row) in &books.payments {
        payment::check(town, &books, (*number, row), &mut found).await;
        refund::check(town, &books, (*number, row), &mut found);
        wallet::check_legs(town, &books, (*number, row), &mut found);
    }
    payment::check_told(town, &books, &mut found);
    payment::check_anomalies(town, &books, &mut found);
    events::check(town, &books, &mut found).await;
    wallet::check(town, &books, &mut found).await;
    books::check(town, &books, &mut found).await;
    for (payment, what) in found {
        town.complain(payment, what);
    }
}

/// What is wrong, and with which payment.
pub(super) type Findings = Vec<(Option<usize>, String)>;
