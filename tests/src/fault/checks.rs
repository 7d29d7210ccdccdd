//! What must hold when everything has come to rest and all processes have ended: what was promised
//! to callers, what the gateways hold, what is in the books and what was told are the same.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use kassa::node::seed::code;
use kassa_core::Currency;
use kassa_core::anomaly::{Anomaly, AnomalyKind, AnomalyStatus, ResolutionAction};
use kassa_core::ledger::{LedgerAccountKey, LedgerAccountKind};
use kassa_core::payment::{PaymentStatus, PaymentTransaction};
use kassa_core::refund::{RefundStatus, RefundTransaction};
use kassa_core::text::{AccountCode, AppId};
use runtime::queue::QueueName;
use runtime::store::{
    AnomalyFilter, EventRow, NotificationFilter, PAGE_LIMIT_MAX, Page, PaymentFilter, RefundFilter,
    Store,
};
use sandbox::{Gateway, Order, OrderState, RecordedCallback, Refund};
use serde_json::Value;

use super::shop::Deal;
use super::site::{APP, Site};

/// Parked messages that one look lists.
const PARKED_MAX: usize = 100;
/// Audit records that one round seals.
const AUDIT_BATCH: u64 = 500;
/// Findings of one kind that are shown.
const SHOWN_MAX: usize = 10;

/// The gateway's own key of a callback, by which the inbox knows it.
pub fn notification_key(callback: &RecordedCallback) -> String {
    match callback.gateway {
        Gateway::Alipay => form_urlencoded::parse(callback.body.as_bytes())
            .find(|(name, _)| name == "notify_id")
            .map(|(_, id)| id.into_owned())
            .unwrap_or_default(),
        Gateway::Unionpay => {
            let fields: BTreeMap<_, _> = form_urlencoded::parse(callback.body.as_bytes()).collect();
            ["txnType", "orderId", "txnTime", "respCode"]
                .map(|name| fields.get(name).map_or("", |value| value))
                .join(".")
        }
        Gateway::WechatV3 | Gateway::Stripe | Gateway::Paypal => {
            let body: Value = serde_json::from_str(&callback.body).unwrap_or_default();
            let id = body.get("id").and_then(Value::as_str);
            id.unwrap_or_default().to_owned()
        }
        // Nothing of the fault suite is paid there: a key that no inbox has.
        Gateway::WechatV2 | Gateway::Baidu => String::new(),
    }
}

/// Whether every payment and refund has come to its end.
///
/// # Errors
/// What has not.
pub(super) async fn nothing_is_open(site: &Site) -> Result<(), String> {
    let (store, app, page) = (&site.kassa.store, app(), Page::first(PAGE_LIMIT_MAX));
    let failed = |error| format!("the store: {error}");
    for status in [PaymentStatus::PendingCreate, PaymentStatus::PendingPayment] {
        let filter = PaymentFilter {
            status: Some(status),
            ..PaymentFilter::default()
        };
        let open = store.list_payments(&app, &filter, &page).await;
        let open = open.map_err(failed)?;
        if let Some(one) = open.first() {
            return Err(format!(
                "{} payments {status}, such as {}",
                open.len(),
                one.id
            ));
        }
    }
    for status in [RefundStatus::Pending, RefundStatus::Processing] {
        let filter = RefundFilter {
            status: Some(status),
            ..RefundFilter::default()
        };
        let open = store.list_refunds(&app, &filter, &page).await;
        let open = open.map_err(failed)?;
        if let Some(one) = open.first() {
            return Err(format!(
                "{} refunds {status}, such as {}",
                open.len(),
                one.id
            ));
        }
    }
    let filter = AnomalyFilter {
        status: Some(AnomalyStatus::Open),
        ..AnomalyFilter::default()
    };
    let open = store.list_anomalies(&filter, &page).await;
    let open = open.map_err(failed)?;
    if let Some(one) = open.first() {
        return Err(format!("{} anomalies, such as {one:?}", open.len()));
    }
    Ok(())
}

/// Everything. Returns what does not hold.
pub(super) async fn all(site: &Site, logs: &[PathBuf]) -> Vec<String> {
    let store = &site.kassa.store;
    let seen = Seen {
        payments: payments(store).await,
        refunds: refunds(store).await,
        events: events(store).await,
        anomalies: anomalies(store).await,
        inbox: inbox(store).await,
        orders: site.control().orders(),
        gateway_refunds: site.control().refunds(),
    };
    let mut found = Findings::default();
    seen.inbox_holds(&site.harvest(), &mut found);
    seen.deals_hold(&site.shop.deals(), &mut found);
    seen.orders_are_ours(site, &mut found).await;
    seen.refunds_agree(&mut found);
    seen.anomalies_are_settled(&mut found);
    let told = site.subscription.take().await;
    for _ in &told {
        site.tally.events.one();
    }
    seen.events_were_told(&told, &mut found);
    queues_are_empty(site, &mut found).await;
    books_agree(site, &mut found).await;
    audit_is_whole(store, &mut found).await;
    logs_are_clean(site, logs, &mut found);
    found.into_list()
}

/// Everything that is to be compared.
struct Seen {
    payments: Vec<PaymentTransaction>,
    refunds: Vec<RefundTransaction>,
    events: Vec<EventRow>,
    anomalies: Vec<Anomaly>,
    /// Keys of notifications that were worked on to their end.
    inbox: BTreeSet<String>,
    orders: Vec<Order>,
    gateway_refunds: Vec<Refund>,
}

impl Seen {
    /// P1: an acknowledged callback is never lost.
    fn inbox_holds(&self, acknowledged: &BTreeMap<String, String>, found: &mut Findings) {
        for (key, what) in acknowledged {
            if !self.inbox.contains(key) {
                let story = format!("{what} ({key})");
                found.add("acknowledged and not applied", story);
            }
        }
    }

    /// P4, P6, P10: each promise was kept, once.
    fn deals_hold(&self, deals: &[Deal], found: &mut Findings) {
        let payments: BTreeMap<String, &PaymentTransaction> = self
            .payments
            .iter()
            .map(|it| (it.id.to_string(), it))
            .collect();
        let requests: BTreeSet<&str> = self
            .payments
            .iter()
            .map(|it| it.request_id.as_str())
            .collect();
        if requests.len() != self.payments.len() {
            found.add("requests with two payments", String::new());
        }
        let promised: BTreeSet<&str> = deals.iter().map(|deal| deal.id.as_str()).collect();
        if promised.len() != deals.len() {
            found.add("payments that were promised twice", String::new());
        }
        let refunds: BTreeMap<String, &RefundTransaction> = self
            .refunds
            .iter()
            .map(|it| (it.id.to_string(), it))
            .collect();
        for deal in deals {
            match payments.get(&deal.id) {
                Some(payment) => self.deal_holds(deal, payment, &refunds, found),
                None => found.add("payments that are gone", format!("{deal:?}")),
            }
        }
    }

    fn deal_holds(
        &self,
        deal: &Deal,
        payment: &PaymentTransaction,
        refunds: &BTreeMap<String, &RefundTransaction>,
        found: &mut Findings,
    ) {
        let paid = payment.amount_paid.amount_minor();
        let is_paid = deal.paid_times > 0;
        let expected = if is_paid { deal.amount } else { 0 };
        if payment.status.is_paid() != is_paid || paid != expected {
            let story = format!("{deal:?}, but {} with {paid}", payment.status);
            found.add("payments that are otherwise than at the gateway", story);
        }
        // Money that came late goes back as a whole, without anybody asking.
        let promised = deal.refunds.iter().map(|(_, amount)| amount).sum();
        let late = self.anomalies_of(payment, AnomalyKind::LatePayment);
        let back = if late > 0 { deal.amount } else { promised };
        if payment.amount_refunded.amount_minor() != back {
            let story = format!("{deal:?}, but {}", payment.amount_refunded);
            found.add("payments with other refunds than promised", story);
        }
        if payment.amount_refund_reserved.amount_minor() != 0 {
            found.add("reservations that stay", payment.id.to_string());
        }
        for (id, amount) in &deal.refunds {
            let refund = refunds.get(id);
            let is_kept = refund.is_some_and(|refund| {
                refund.status == RefundStatus::Success
                    && refund.amount_refunded.amount_minor() == *amount
            });
            if !is_kept {
                let story = format!("{id} of {amount}: {refund:?}");
                found.add("refunds that were not given", story);
            }
        }
    }

    fn anomalies_of(&self, payment: &PaymentTransaction, kind: AnomalyKind) -> usize {
        let own = self.anomalies.iter();
        own.filter(|it| it.transaction_id == Some(payment.id) && it.kind == kind)
            .count()
    }

    /// P10: one order at the gateway per attempt of ours. What a payer paid beside the payment is a
    /// duplicate, each told once and given back.
    async fn orders_are_ours(&self, site: &Site, found: &mut Findings) {
        let mut orders: BTreeMap<&str, &Order> = BTreeMap::new();
        for order in &self.orders {
            if orders.insert(order.out_trade_no.as_str(), order).is_some() {
                found.add("order numbers used twice", order.out_trade_no.clone());
            }
        }
        for payment in &self.payments {
            let attempts = site.kassa.store.list_attempts(payment.id).await;
            let attempts = attempts.expect("the store answers");
            let numbers = attempts.iter().map(|it| it.id.to_string());
            let own: Vec<&Order> = numbers
                .filter_map(|it| orders.remove(it.as_str()))
                .collect();
            let paid = own.iter().filter(|it| it.state == OrderState::Paid).count();
            let duplicates = self.anomalies_of(payment, AnomalyKind::DuplicatePayment);
            let story = || {
                let id = payment.id;
                format!(
                    "{id} is {}, {paid} orders paid, {duplicates} duplicates",
                    payment.status
                )
            };
            if (paid > 0) != payment.status.is_paid() {
                found.add("payments that the gateway sees otherwise", story());
            }
            if paid.saturating_sub(1) != duplicates {
                found.add("duplicates that were not told", story());
            }
            // A code that nobody has scanned is not an order yet: there is nothing to close.
            let is_payable = |it: &Order| it.state == OrderState::Open && it.is_opened;
            if own.iter().any(|it| is_payable(it)) {
                found.add("orders that could still be paid", story());
            }
        }
        for order in orders.into_keys() {
            found.add("orders that we do not know", order.to_owned());
        }
    }

    /// Late and duplicate money is told and goes back by itself; nothing else came otherwise than
    /// agreed.
    fn anomalies_are_settled(&self, found: &mut Findings) {
        for anomaly in &self.anomalies {
            let is_settled = anomaly
                .resolution
                .as_ref()
                .is_some_and(|it| it.action == ResolutionAction::Refund);
            if !anomaly.kind.is_refundable() || !is_settled {
                found.add("anomalies that stay", format!("{anomaly:?}"));
            }
        }
    }

    /// P4: what the gateways gave back is what we asked for, each once.
    fn refunds_agree(&self, found: &mut Findings) {
        let mut theirs: BTreeMap<&str, &Refund> = BTreeMap::new();
        for refund in &self.gateway_refunds {
            theirs.insert(refund.out_refund_no.as_str(), refund);
        }
        if theirs.len() != self.gateway_refunds.len() {
            found.add("refund numbers used twice", String::new());
        }
        for refund in &self.refunds {
            let there = theirs.remove(refund.refund_number.as_str());
            let given = there.map_or(0, |it| it.amount_minor);
            if given != refund.amount_refunded.amount_minor() {
                let story = format!("{}: {}, there {given}", refund.id, refund.amount_refunded);
                found.add("refunds that the gateway sees otherwise", story);
            }
        }
        for number in theirs.into_keys() {
            found.add("refunds that we did not ask for", number.to_owned());
        }
    }

    /// P3: every event was told, in order per payment, at least once; nothing else was.
    fn events_were_told(&self, told: &[Value], found: &mut Findings) {
        let mut expected: BTreeMap<String, i64> = BTreeMap::new();
        let mut ids: BTreeSet<String> = BTreeSet::new();
        for event in &self.events {
            ids.insert(event.id.to_string());
            let last = expected.entry(event.aggregate.to_string()).or_default();
            if event.sequence != last.saturating_add(1) {
                let story = format!("{} after {last} of {}", event.sequence, event.aggregate);
                found.add("gaps in the log of events", story);
            }
            *last = event.sequence;
        }
        for payment in &self.payments {
            let last = expected.get(&payment.id.to_string()).copied();
            if last != Some(payment.event_sequence) {
                let story = format!("{}: {last:?} of {}", payment.id, payment.event_sequence);
                found.add("events that are missing in the log", story);
            }
        }
        let mut seen: BTreeMap<String, i64> = BTreeMap::new();
        for event in told {
            let text = |name: &str| event.get(name).and_then(Value::as_str).unwrap_or_default();
            if !ids.contains(text("id")) {
                found.add("events received that nobody wrote", event.to_string());
            }
            let payment = text("subject").rsplit('/').next().unwrap_or_default();
            let sequence: i64 = text("sequence").parse().unwrap_or_default();
            let last = seen.entry(payment.to_owned()).or_default();
            if sequence > last.saturating_add(1) {
                let story = format!("{sequence} after {last} of {payment}");
                found.add("events received out of order", story);
            }
            *last = sequence.max(*last);
        }
        if seen != expected {
            let missing: Vec<_> = expected
                .iter()
                .filter(|(payment, last)| seen.get(*payment) != Some(*last))
                .take(SHOWN_MAX)
                .collect();
            found.add("events that were not received", format!("{missing:?}"));
        }
    }
}

/// No message is unaccounted for.
async fn queues_are_empty(site: &Site, found: &mut Findings) {
    for queue in QueueName::ALL {
        let parked = site.kassa.queue.list_parked(*queue, PARKED_MAX).await;
        for parked in parked.expect("the broker answers") {
            let story = format!("{}: {}", parked.envelope.kind, parked.reason);
            found.add("parked messages", story);
        }
    }
}

/// P5, and the gateways' books are ours.
async fn books_agree(site: &Site, found: &mut Findings) {
    let store = &site.kassa.store;
    let report = store.verify_books().await.expect("the store answers");
    if !report.is_clean() {
        found.add("books that do not prove themselves", format!("{report:?}"));
    }
    let credentials = site.credentials();
    let accounts = [
        (code::ALIPAY, &credentials.alipay.app_id),
        (
            code::ALIPAY_CERTIFICATE,
            &credentials.alipay_certificate_mode.app_id,
        ),
        (code::WECHAT, &credentials.wechat.mchid),
        (
            code::WECHAT_PUBLIC_KEY,
            &credentials.wechat_public_key_mode.mchid,
        ),
    ];
    let books = site.control().books();
    for (code, account) in accounts {
        let book = books.iter().find(|book| book.account == *account);
        let theirs = book.map_or(0, |book| {
            book.paid_minor.saturating_sub(book.refunded_minor)
        });
        let code = AccountCode::try_new(code.to_owned()).expect("a code");
        let own = store.find_channel_account_by_code(&code).await;
        let own = own.expect("the store answers").expect("a planted account");
        let key = LedgerAccountKey {
            kind: LedgerAccountKind::GatewayReceivable,
            owner: own.account.id.to_string(),
            unit: Currency::CNY.into(),
        };
        let ours = store.balance(&key).await.expect("the store answers");
        if ours != theirs {
            let what = format!("{code}: {ours} here, {theirs} there ({book:?})");
            found.add("books that differ from the gateways'", what);
        }
    }
}

async fn audit_is_whole(store: &Store, found: &mut Findings) {
    while store
        .seal_audit_batch(AUDIT_BATCH)
        .await
        .expect("the store answers")
        > 0
    {}
    let report = store.verify_audit().await.expect("the store answers");
    if !report.is_whole() || report.unsealed != 0 {
        found.add("an audit log that is not whole", format!("{report:?}"));
    }
}

/// P8, and nothing panicked.
fn logs_are_clean(site: &Site, logs: &[PathBuf], found: &mut Findings) {
    for path in logs {
        let log = std::fs::read_to_string(path).unwrap_or_default();
        let lines = || log.lines().filter(|line| !is_end_of_amqp_thread(line));
        for line in lines().filter(|line| line.contains("panicked")) {
            found.add("panics", format!("{}: {line}", path.display()));
        }
        for line in lines().filter(|line| is_error_of_ours(line)) {
            found.add("errors in a log", format!("{}: {line}", path.display()));
        }
        if site
            .secrets
            .iter()
            .any(|secret| log.contains(secret.as_str()))
        {
            found.add("secrets in a log", path.display().to_string());
        }
    }
}

/// A process that cannot start ends without waiting for the AMQP library's own thread, which finds its task
/// cancelled by the end of the runtime and panics in the library that joins it.
fn is_end_of_amqp_thread(line: &str) -> bool {
    line.contains("lapin-io-loop") && line.contains("/async-rs-")
}

/// An error is what people must look at. A broker that is away is one for the ingress, which then keeps
/// nothing, and for the AMQP library; money that comes late or twice is one too. Here they are expected.
fn is_error_of_ours(line: &str) -> bool {
    let line: Value = serde_json::from_str(line).unwrap_or_default();
    let text = |name: &str| line.get(name).and_then(Value::as_str).unwrap_or_default();
    let is_expected = [
        "lapin",
        "callback_ingress::callback",
        "flows::anomaly::open",
    ]
    .iter()
    .any(|target| text("target").starts_with(target));
    text("level") == "ERROR" && !is_expected
}

/// What does not hold, by kind; of each kind only the first ones are kept.
#[derive(Debug, Default)]
struct Findings(BTreeMap<&'static str, (usize, Vec<String>)>);

impl Findings {
    fn add(&mut self, kind: &'static str, story: String) {
        let (count, stories) = self.0.entry(kind).or_default();
        *count = count.saturating_add(1);
        if stories.len() < SHOWN_MAX {
            stories.push(story);
        }
    }

    fn into_list(self) -> Vec<String> {
        let kinds = self.0.into_iter();
        kinds
            .map(|(kind, (count, stories))| {
                format!("{kind} ({count}):\n    {}", stories.join("\n    "))
            })
            .collect()
    }
}

fn app() -> AppId {
    AppId::try_new(APP.to_owned()).expect("an app id")
}

async fn payments(store: &Store) -> Vec<PaymentTransaction> {
    let (app, filter) = (app(), PaymentFilter::default());
    let mut all: Vec<PaymentTransaction> = Vec::new();
    loop {
        let page = all.last().map_or_else(Page::default, |last| {
            Page::after(last.created_at, last.id.to_string(), PAGE_LIMIT_MAX)
        });
        let more = store.list_payments(&app, &filter, &page).await;
        let more = more.expect("the store answers");
        if more.is_empty() {
            return all;
        }
        all.extend(more);
    }
}

async fn refunds(store: &Store) -> Vec<RefundTransaction> {
    let (app, filter) = (app(), RefundFilter::default());
    let mut all: Vec<RefundTransaction> = Vec::new();
    loop {
        let page = all.last().map_or_else(Page::default, |last| {
            Page::after(last.created_at, last.id.to_string(), PAGE_LIMIT_MAX)
        });
        let more = store.list_refunds(&app, &filter, &page).await;
        let more = more.expect("the store answers");
        if more.is_empty() {
            return all;
        }
        all.extend(more);
    }
}

async fn events(store: &Store) -> Vec<EventRow> {
    let app = app();
    let mut all: Vec<EventRow> = Vec::new();
    loop {
        let after = all.last().map_or(0, |event| event.position);
        let more = store.list_events(&app, after, &[], PAGE_LIMIT_MAX).await;
        let more = more.expect("the store answers");
        if more.is_empty() {
            return all;
        }
        all.extend(more);
    }
}

async fn anomalies(store: &Store) -> Vec<Anomaly> {
    let filter = AnomalyFilter::default();
    let mut all: Vec<Anomaly> = Vec::new();
    loop {
        let page = all.last().map_or_else(Page::default, |last| {
            Page::after(last.created_at, last.id.to_string(), PAGE_LIMIT_MAX)
        });
        let more = store.list_anomalies(&filter, &page).await;
        let more = more.expect("the store answers");
        if more.is_empty() {
            return all;
        }
        all.extend(more);
    }
}

async fn inbox(store: &Store) -> BTreeSet<String> {
    let filter = NotificationFilter::default();
    let mut keys = BTreeSet::new();
    let mut page = Page::default();
    loop {
        let more = store.list_notifications(&filter, &page).await;
        let more = more.expect("the store answers");
        let Some(last) = more.last() else {
            return keys;
        };
        let last = &last.notification;
        page = Page::after(last.received_at, last.id.to_string(), PAGE_LIMIT_MAX);
        let ended = more.into_iter().filter(|row| row.processed_at.is_some());
        keys.extend(ended.map(|row| row.notification.key));
    }
}
