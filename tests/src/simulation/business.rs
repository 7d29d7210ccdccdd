//! Business systems: what they ask of Kassa, and what they are told. What they were told is held
//! against Kassa at once, and again at the end.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use flows::Kassa;
use flows::payment::{PaymentKey, PaymentView};
use kassa_core::ErrorKind;
use kassa_core::app::App;
use kassa_core::id::{EnvelopeId, NotificationId, RefundId, TransactionId, WalletOperationId};
use kassa_core::notification::{NOTIFICATION_KIND, NotificationMessage};
use kassa_core::payment::{PaymentStatus, PrepayInfo};
use kassa_core::refund::RefundTransaction;
use runtime::queue::{Envelope, QueueName};
use runtime::store::WalletOperationRecord;

use super::Time;
use super::bank::order::yuan;
use super::bank::{Account, notice::Notice};
use super::chance::Chance;
use super::purse::Purse;
use super::script::{Act, Payer, Script};
use super::town::{About, Event, Town, Work};
use super::turns::{Pace, Turns};
use super::{purse, wish};

/// How patient a caller is: more than any wait of the simulation.
const DEADLINE: Duration = Duration::from_secs(10);
/// How often a request whose answer did not come is sent again.
const TRIES_MAX: u32 = 8;

/// How a chain ended.
#[derive(Debug)]
pub enum End {
    /// An answer about a payment.
    Payment(Box<Result<PaymentView, flows::Error>>),
    /// An answer about a refund.
    Refund(Box<Result<RefundTransaction, flows::Error>>),
    /// An answer about a credit.
    Credit(Box<Result<WalletOperationRecord, flows::Error>>),
    /// A gateway was answered.
    Acknowledged(bool),
    /// A worker worked.
    Worked(Result<usize, worker::WorkerError>),
}

/// What a business system knows of one payment.
#[derive(Debug)]
pub struct Client {
    script: Script,
    /// The payment's id, once told.
    pub transaction: Option<TransactionId>,
    /// What it was told last: status, refunded, version; and the turn in which that was.
    pub told: Option<(PaymentStatus, i64, i64)>,
    told_in: u64,
    /// How to pay, once told.
    prepay: BTreeSet<String>,
    /// Refunds that it was told of: number, id, amount.
    pub refunds: BTreeMap<u64, (RefundId, i64)>,
    /// Credits that it was told of, by number.
    credits: BTreeMap<u64, WalletOperationId>,
    tries: BTreeMap<String, u32>,
    chance: Chance,
}

/// All business systems.
#[derive(Debug)]
pub struct Business {
    /// What they know of each payment.
    pub clients: Vec<Client>,
    /// How much workers did so far.
    pub worked: u64,
}

impl Client {
    /// The script of its payment.
    pub fn script(&self) -> &Script {
        &self.script
    }
}

impl Business {
    /// Business systems that will want so many payments.
    pub fn new(seed: u64, payments: usize) -> Self {
        let client = |number: usize| Client {
            script: Script::new(seed, number),
            transaction: None,
            told: None,
            told_in: 0,
            prepay: BTreeSet::new(),
            refunds: BTreeMap::new(),
            credits: BTreeMap::new(),
            tries: BTreeMap::new(),
            chance: Chance::stream(seed ^ 0xb051, u64::try_from(number).unwrap_or_default()),
        };
        Self {
            clients: (0..payments).map(client).collect(),
            worked: 0,
        }
    }

    /// The script of a payment.
    pub fn script(&self, payment: usize) -> &Script {
        &self.clients[payment].script
    }
}

impl Town {
    /// Somebody does something about a payment.
    pub(super) fn act(&mut self, payment: usize, act: Act) {
        let now = self.turns.now();
        match act {
            Act::Console(share) => return self.refund_at_console(payment, share),
            Act::Credit(number, purse) => return self.credit(payment, number, purse),
            Act::Lie(lie) => {
                let number = self.some_order(payment);
                let told = number.is_some_and(|number| self.bank.lock().lie(&number, lie, now));
                if told {
                    self.turns
                        .tell(Some(payment), format!("a gateway lies: {lie:?}"));
                }
                return;
            }
            Act::Create | Act::Get | Act::Close | Act::Sync | Act::Retry(..) | Act::Refund(..) => {}
        }
        let Some(place) = self.some_process() else {
            return self.again(payment, act);
        };
        let kassa = self.process(place).kassa.clone();
        let client = &self.business.clients[payment];
        let app = self.installation.apps[client.script.app].clone();
        let about = About::Act(payment, act, self.counts.turns);
        let id = client.transaction;
        let create = || {
            let accounts = &self.bank.lock().accounts;
            wish::create(payment, &client.script, accounts)
        };
        match (act, id) {
            (Act::Create, _) => {
                let wish = create();
                let what = (place, "create", Some(payment));
                self.begin(what, about, async move {
                    let made = flows::payment::create(&kassa, &app, wish, DEADLINE);
                    End::Payment(Box::new(Box::pin(made).await))
                });
            }
            (Act::Retry(number, account), Some(id)) => {
                let account = self.bank.lock().accounts[account].clone();
                let wish = wish::retry(payment, number, id, &account);
                let what = (place, "retry", Some(payment));
                self.begin(what, about, async move {
                    let made = flows::payment::retry(&kassa, &app, wish, DEADLINE);
                    End::Payment(Box::new(Box::pin(made).await))
                });
            }
            (Act::Refund(number, share, way), Some(id)) => {
                let whose = (payment, &client.script);
                let wish = wish::refund(whose, (number, share, way), id);
                let what = (place, "refund", Some(payment));
                self.begin(what, about, async move {
                    let made = flows::refund::create(&kassa, &app.id, wish);
                    End::Refund(Box::new(made.await))
                });
            }
            (Act::Get | Act::Close | Act::Sync, Some(id)) => {
                let label = match act {
                    Act::Close => "close",
                    Act::Sync => "sync",
                    _ => "get",
                };
                let work = look(kassa, app, id, act);
                self.begin((place, label, Some(payment)), about, work);
            }
            _ => {}
        }
    }

    /// A business system puts something into the wallet of a payment's user.
    fn credit(&mut self, payment: usize, number: u64, purse: Purse) {
        let act = Act::Credit(number, purse);
        let Some(place) = self.some_process() else {
            return self.again(payment, act);
        };
        let kassa = self.process(place).kassa.clone();
        let script = self.business.script(payment);
        let app = self.installation.apps[script.app].id.clone();
        let wish = purse::credit(&format!("c{payment}-{number}"), script.user, purse);
        let about = About::Act(payment, act, self.counts.turns);
        self.begin((place, "credit", Some(payment)), about, async move {
            let made = flows::wallet::credit(&kassa, &app, wish);
            End::Credit(Box::new(Box::pin(made).await))
        });
    }

    /// An order of a payment that a gateway holds.
    fn some_order(&mut self, payment: usize) -> Option<String> {
        let bank = self.bank.lock();
        let orders = bank
            .orders
            .values()
            .filter(|order| order.payment == payment);
        let numbers: Vec<String> = orders.map(|order| order.number.clone()).collect();
        drop(bank);
        if numbers.is_empty() {
            return None;
        }
        let place = self.business.clients[payment].chance.index(numbers.len());
        numbers.get(place).cloned()
    }

    fn refund_at_console(&mut self, payment: usize, share: i64) {
        let now = self.turns.now();
        let Some(number) = self.some_order(payment) else {
            return;
        };
        let mut bank = self.bank.lock();
        let amount = (bank.orders[&number].amount * share / 1_000).max(1);
        let refund = format!("console-{payment}-{share}");
        let made = bank.submit_refund(&number, (&refund, amount, true), now);
        if made.is_ok() {
            bank.reasons.insert(("CONSOLE", Some(payment)));
        }
        drop(bank);
        let what = format!("somebody refunds {amount} at the console: {made:?}");
        self.turns.tell(Some(payment), what);
    }

    /// The same again a little later, unless it was tried often enough.
    fn again(&mut self, payment: usize, act: Act) {
        let client = &mut self.business.clients[payment];
        let tries = client.tries.entry(format!("{act:?}")).or_default();
        *tries += 1;
        let tries = *tries;
        let gives_up = !client.script.is_patient && client.chance.permille(300);
        // A credit that was begun is seen through: the model counts on it.
        let is_needed = matches!(act, Act::Credit(..));
        if (tries > TRIES_MAX || gives_up) && !is_needed {
            return;
        }
        let tries = tries.min(TRIES_MAX);
        let after = client.chance.millis(500, 8_000) * i32::try_from(tries).unwrap_or(1);
        self.at(self.turns.now() + after, Event::Act(payment, act));
    }

    /// Nobody hears from this chain any more.
    pub(super) fn lose(&mut self, about: About) {
        match about {
            About::Act(payment, act, _) => self.again(payment, act),
            About::Delivery(notice) => {
                let now = self.turns.now();
                self.bank.lock().delivered(notice, false, now);
            }
            About::Work(_) => {}
        }
    }

    /// A chain ended.
    pub(super) fn take_end(&mut self, about: About, end: End) {
        let now = self.turns.now();
        if matches!(about, About::Act(..)) {
            self.wake(Work::Relay);
            self.wake(Work::Synchronise);
        }
        match (about, end) {
            (About::Act(payment, act, began), End::Payment(answer)) => {
                self.hear_payment(payment, act, began, *answer);
            }
            (About::Act(payment, act, _), End::Refund(answer)) => {
                self.hear_refund(payment, act, *answer);
            }
            (About::Act(payment, act, _), End::Credit(answer)) => {
                self.hear_credit(payment, act, *answer);
            }
            (About::Delivery(notice), End::Acknowledged(is_acknowledged)) => {
                self.bank.lock().delivered(notice, is_acknowledged, now);
                self.wake(Work::Notifications);
            }
            (About::Work(work), End::Worked(Ok(done))) => {
                self.note(work, done);
                if done > 0 {
                    self.turns.tell(None, format!("{work:?} did {done}"));
                }
            }
            (About::Work(work), End::Worked(Err(error))) => {
                self.complain(None, format!("{work:?} failed: {error:?}"));
            }
            (about, end) => self.complain(None, format!("{about:?} ended as {end:?}")),
        }
    }

    fn hear_payment(
        &mut self,
        payment: usize,
        act: Act,
        began: u64,
        answer: Result<PaymentView, flows::Error>,
    ) {
        let number = Some(payment);
        match answer {
            Ok(view) => {
                let paid = &view.transaction;
                let what = format!("{act:?} is answered: {} v{}", paid.status, paid.version);
                self.turns.tell(number, what);
                self.believe(payment, began, &view);
            }
            Err(error) => {
                self.turns
                    .tell(number, format!("{act:?} is refused: {error}"));
                if matches!(error, flows::Error::InsufficientFunds { .. }) {
                    self.hear_shortage(payment, began);
                }
                match error.kind() {
                    ErrorKind::Unavailable | ErrorKind::Conflict | ErrorKind::Timeout => {
                        self.again(payment, act);
                    }
                    ErrorKind::FailedPrecondition => {}
                    kind => self.complain(number, format!("{act:?} failed as {kind:?}: {error:?}")),
                }
            }
        }
    }

    /// Only who pays out of a wallet can have too little in it, and not once it was paid.
    fn hear_shortage(&mut self, payment: usize, began: u64) {
        self.counts.short += 1;
        let client = &self.business.clients[payment];
        let is_made = client.transaction.is_some() && began > client.told_in;
        if is_made || !client.script.parts.has_wallet() {
            let what = "a payment is refused that needs nothing of a wallet".to_owned();
            self.complain(Some(payment), what);
        }
    }

    fn hear_credit(
        &mut self,
        payment: usize,
        act: Act,
        answer: Result<WalletOperationRecord, flows::Error>,
    ) {
        let number = Some(payment);
        match answer {
            Ok(done) => {
                self.turns.tell(number, format!("{act:?} is done"));
                let Act::Credit(which, _) = act else { return };
                let credits = &mut self.business.clients[payment].credits;
                let known = credits.insert(which, done.id);
                if known.is_some_and(|known| known != done.id) {
                    self.complain(number, "one credit was made twice".to_owned());
                }
            }
            Err(error) => {
                self.turns
                    .tell(number, format!("{act:?} is refused: {error}"));
                match error.kind() {
                    ErrorKind::Unavailable | ErrorKind::Conflict | ErrorKind::Timeout => {
                        self.again(payment, act);
                    }
                    kind => self.complain(number, format!("{act:?} failed as {kind:?}: {error:?}")),
                }
            }
        }
    }

    /// What is told once must hold: the same payment, the same way to pay, never back from paid.
    fn believe(&mut self, payment: usize, began: u64, view: &PaymentView) {
        let told = &view.transaction;
        let client = &mut self.business.clients[payment];
        let mut complaints = Vec::new();
        if client.transaction.is_some_and(|known| known != told.id) {
            complaints.push("one request made two payments".to_owned());
        }
        client.transaction = Some(told.id);
        if told.amount_requested != yuan(client.script.amount) {
            complaints.push("the payment has another amount than asked for".to_owned());
        }
        let now = (
            told.status,
            told.amount_refunded.amount_minor(),
            told.version,
        );
        if let Some((status, refunded, version)) = client.told
            && began > client.told_in
        {
            let went_back =
                now.2 < version || now.1 < refunded || (status.is_paid() && !now.0.is_paid());
            if went_back {
                complaints.push(format!("told {:?} after {:?}", now, client.told));
            }
        }
        client.told = Some(now);
        client.told_in = self.counts.turns;
        if let Some(PrepayInfo::QrCode { content }) = &view.prepay
            && client.prepay.insert(content.clone())
        {
            let payer = Payer::new(&mut client.chance);
            let expires_at = told.expires_at;
            self.plan_payer(
                payment,
                content.trim_start_matches("pay:"),
                payer,
                expires_at,
            );
        }
        for complaint in complaints {
            self.complain(Some(payment), complaint);
        }
    }

    fn plan_payer(&mut self, payment: usize, number: &str, payer: Payer, expires_at: Time) {
        let now = self.turns.now();
        let (at, is_late) = match payer {
            Payer::Never => return,
            Payer::After(after) => (now + after, false),
            Payer::AtExpiry(after, is_late) => (expires_at + after, is_late),
        };
        let number = number.to_owned();
        self.turns
            .tell(Some(payment), format!("the payer: {payer:?}"));
        self.at(at.max(now), Event::Pay { number, is_late });
    }

    fn hear_refund(
        &mut self,
        payment: usize,
        act: Act,
        answer: Result<RefundTransaction, flows::Error>,
    ) {
        let number = Some(payment);
        match answer {
            Ok(refund) => {
                self.turns
                    .tell(number, format!("{act:?} is taken: {}", refund.status));
                let Act::Refund(which, ..) = act else { return };
                let told = (refund.id, refund.amount_requested.amount_minor());
                let known = self.business.clients[payment].refunds.insert(which, told);
                if known.is_some_and(|known| known != told) {
                    self.complain(number, "one refund request made two refunds".to_owned());
                }
            }
            Err(error) => {
                self.turns
                    .tell(number, format!("{act:?} is refused: {error}"));
                match (error.kind(), &error) {
                    (ErrorKind::Unavailable | ErrorKind::Conflict | ErrorKind::Timeout, _) => {
                        self.again(payment, act);
                    }
                    (_, flows::Error::PaymentState { status, .. }) if status.is_pending() => {
                        self.again(payment, act);
                    }
                    (ErrorKind::FailedPrecondition, _) => {}
                    (kind, _) => {
                        self.complain(number, format!("{act:?} failed as {kind:?}: {error:?}"));
                    }
                }
            }
        }
    }
}

async fn look(kassa: Kassa, app: App, id: TransactionId, act: Act) -> End {
    let key = PaymentKey::Transaction(id);
    let view = match act {
        Act::Close => Box::pin(flows::payment::close(&kassa, &app.id, id)).await,
        Act::Sync => Box::pin(flows::payment::sync(&kassa, &app.id, id)).await,
        Act::Create
        | Act::Get
        | Act::Retry(..)
        | Act::Refund(..)
        | Act::Credit(..)
        | Act::Console(_)
        | Act::Lie(_) => flows::payment::find(&kassa, &app.id, &key).await,
    };
    End::Payment(Box::new(view))
}

/// What the callback ingress does with a verified callback: it enqueues it, and only then
/// acknowledges.
pub(super) async fn callback(kassa: Kassa, turns: Turns, account: Account, notice: Notice) -> End {
    turns.pass("a callback is verified", Pace::Step).await;
    let body = serde_json::to_vec(&notice.body).expect("a body as JSON");
    let message = NotificationMessage {
        id: NotificationId::new(&kassa.ids),
        channel_account_id: account.id,
        gateway: account.gateway,
        route: notice.route,
        key: notice.key,
        headers: BTreeMap::new(),
        body: BASE64.encode(body),
        received_at: kassa.clock.now(),
    };
    let envelope = Envelope {
        id: EnvelopeId::new(&kassa.ids),
        kind: NOTIFICATION_KIND.to_owned(),
        created_at: message.received_at,
        trace: runtime::queue::TraceContext::default(),
        payload: serde_json::to_value(&message).expect("a message as JSON"),
    };
    let published = kassa
        .queue
        .publish(QueueName::Notifications, &envelope)
        .await;
    turns.pass("a callback is enqueued", Pace::Step).await;
    End::Acknowledged(published.is_ok())
}
