//! A business system under load: its customers order, pay, change their minds and want their money
//! back, and it repeats whatever was not answered. It remembers what it was promised.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use proto::v1;
use proto::v1::create_payment_request::Payer;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use sandbox::{CallFault, CallbackFault, Control, FaultRule, Operation};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tonic::{Code, Status};
use tonic_types::StatusExt;

use super::tally::Tally;
use crate::business::refund_request;
use crate::caller::Caller;
use crate::wish::{Created, Wish};

/// How long the shop repeats a request before it says that it was never answered.
const ANSWER_PATIENCE: Duration = Duration::from_secs(90);
/// How long a payment that was paid may take to be known as paid, troubles included.
const PAID_PATIENCE: Duration = Duration::from_mins(2);
/// The pause before a request is repeated.
const REPEAT_PAUSE: Duration = Duration::from_millis(150);
/// The pause between two looks at a payment.
const LOOK_PAUSE: Duration = Duration::from_millis(250);
/// How often an order that was refused is placed again.
const ORDERS_MAX: u32 = 5;
/// The largest amount, in minor units.
const AMOUNT_MAX: i64 = 20_000;

/// What became of one customer's order.
#[derive(Debug, Clone)]
pub struct Deal {
    /// The payment.
    pub id: String,
    /// The request that made it.
    pub request_id: String,
    /// In minor units.
    pub amount: i64,
    /// How often a gateway took the payer's money.
    pub paid_times: u32,
    /// Refunds that were promised: id and amount.
    pub refunds: Vec<(String, i64)>,
}

impl Deal {
    fn count(&mut self, is_paid: bool) {
        self.paid_times = self.paid_times.saturating_add(u32::from(is_paid));
    }
}

/// What a customer does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Buys,
    Returns,
    /// Wants to pay otherwise.
    ChangesMind,
    /// Pays by both ways, where the first one could not be taken back.
    PaysTwice,
    Leaves,
    PaysWhileItIsClosed,
    /// Pays when it was closed, where the gateway lets him.
    PaysLate,
}

/// Whether the gateway's callbacks about a payment arrive in the end. An order that was closed here is
/// asked for twice more, after a quarter of an hour and after a day: no run waits for that.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Callbacks {
    Arrive,
    MayBeLost,
}

/// What a gateway said to an order.
#[derive(Debug, Clone, PartialEq)]
enum Answer<T> {
    Given(T),
    Refused,
}

/// A business system with its customers. Cheap to clone; clones are the same one.
#[derive(Debug, Clone)]
pub struct Shop {
    /// One per process of the API.
    callers: Vec<Caller>,
    control: Control,
    tally: Arc<Tally>,
    /// Stands before all ids of orders.
    name: String,
    /// Faults of the gateways are chosen now and then.
    seed: u64,
    customers: Arc<AtomicU64>,
    is_open: Arc<AtomicBool>,
    deals: Arc<Mutex<Vec<Deal>>>,
    complaints: Arc<Mutex<Vec<String>>>,
}

impl Shop {
    pub(super) fn new(
        callers: Vec<Caller>,
        control: Control,
        tally: Arc<Tally>,
        name: &str,
        seed: u64,
    ) -> Self {
        Self {
            callers,
            control,
            tally,
            name: name.to_owned(),
            seed,
            customers: Arc::default(),
            is_open: Arc::new(AtomicBool::new(true)),
            deals: Arc::default(),
            complaints: Arc::default(),
        }
    }

    /// Serves customers, so many at a time, until [`Shop::close_door`]. Returns when the last one has
    /// gone.
    pub async fn serve(&self, at_a_time: usize) {
        let mut desks = JoinSet::new();
        for _ in 0..at_a_time {
            let shop = self.clone();
            desks.spawn(async move {
                while shop.is_open.load(Ordering::Relaxed) {
                    let number = shop.customers.fetch_add(1, Ordering::Relaxed);
                    Box::pin(shop.customer(number)).await;
                }
            });
        }
        while let Some(ended) = desks.join_next().await {
            if let Err(error) = ended {
                self.complain(format!("a customer broke off: {error}"));
            }
        }
    }

    /// Lets no further customer in.
    pub fn close_door(&self) {
        self.is_open.store(false, Ordering::Relaxed);
    }

    /// What was promised so far.
    pub fn deals(&self) -> Vec<Deal> {
        lock(&self.deals).clone()
    }

    /// What did not go as promised.
    pub fn complaints(&self) -> Vec<String> {
        lock(&self.complaints).clone()
    }

    fn complain(&self, complaint: String) {
        tracing::error!(complaint, "a complaint");
        lock(&self.complaints).push(complaint);
    }

    async fn customer(&self, number: u64) {
        let mut rng = StdRng::seed_from_u64(self.seed ^ number.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let amount = rng.random_range(1..=AMOUNT_MAX);
        let order = format!("{}-{number}", self.name);
        let mut wish = if rng.random_bool(0.5) {
            Wish::alipay_qr(&order, &decimal(amount))
        } else {
            Wish::wechat_jsapi(&order, &decimal(amount))
        };
        let fate = match rng.random_range(0..100) {
            0..45 => Fate::Buys,
            45..52 => Fate::ChangesMind,
            52..60 => Fate::PaysTwice,
            60..82 => Fate::Returns,
            82..88 => Fate::Leaves,
            88..94 => Fate::PaysWhileItIsClosed,
            _ => Fate::PaysLate,
        };
        let Some(created) = self.create(&mut wish, &mut rng).await else {
            return;
        };
        self.tally.payments.one();
        let mut deal = Deal {
            id: created.id.clone(),
            request_id: wish.0.request_id.clone(),
            amount,
            paid_times: 0,
            refunds: Vec::new(),
        };
        Box::pin(self.meet(fate, &mut deal, &created, &wish, &mut rng)).await;
        lock(&self.deals).push(deal);
    }

    async fn meet(
        &self,
        fate: Fate,
        deal: &mut Deal,
        created: &Created,
        wish: &Wish,
        rng: &mut StdRng,
    ) {
        match fate {
            Fate::Buys => deal.count(self.pays(created, rng)),
            Fate::Returns => {
                deal.count(self.pays(created, rng));
                if deal.paid_times > 0 {
                    deal.refunds = Box::pin(self.give_back(deal, rng)).await;
                }
            }
            Fate::ChangesMind | Fate::PaysTwice => {
                if let Some(changed) = Box::pin(self.retry(created, wish, rng)).await {
                    deal.count(self.pays(&changed, rng));
                    if fate == Fate::PaysTwice {
                        deal.count(self.pay(created, Callbacks::Arrive, rng));
                    }
                }
            }
            Fate::Leaves => self.close(&created.id).await,
            Fate::PaysLate => {
                self.close(&created.id).await;
                deal.count(self.pay(created, Callbacks::Arrive, rng));
            }
            Fate::PaysWhileItIsClosed => {
                let closing = self.clone();
                let id = created.id.clone();
                let closed = tokio::spawn(async move { Box::pin(closing.close(&id)).await });
                deal.count(self.pay(created, Callbacks::Arrive, rng));
                if closed.await.is_err() {
                    self.complain(format!("closing {} broke off", created.id));
                }
            }
        }
    }

    /// Places the order, and again under another request where the gateway refused: a code whose only
    /// answer was lost is not given out a second time.
    async fn create(&self, wish: &mut Wish, rng: &mut StdRng) -> Option<Created> {
        for again in 1..=ORDERS_MAX {
            if let Answer::Given(created) = self.create_once(wish, rng).await? {
                return Some(created);
            }
            let order = wish.0.business_order_id.clone();
            wish.0.request_id = format!("{order}-again-{again}");
        }
        self.complain(format!("{} was always refused", wish.0.business_order_id));
        None
    }

    /// Now and then by two processes at the same time, which must answer the same.
    async fn create_once(&self, wish: &Wish, rng: &mut StdRng) -> Option<Answer<Created>> {
        let what = format!("the order {}", wish.0.request_id);
        let ask = |caller: Caller| async move {
            match caller.payments().create_payment(wish.0.clone()).await {
                Ok(answer) => Ok(Answer::Given(Created::from(answer.into_inner()))),
                Err(status) if reason(&status).as_deref() == Some("GATEWAY_REFUSED") => {
                    Ok(Answer::Refused)
                }
                Err(status) => Err(status),
            }
        };
        let first = rng.random_range(0..self.callers.len().max(1));
        if rng.random_bool(0.2) {
            let (one, other) = tokio::join!(
                self.insist(&what, first, ask),
                self.insist(&what, first.wrapping_add(1), ask)
            );
            let (one, other) = (one?, other?);
            if one != other {
                self.complain(format!("{what} has two answers: {one:?} and {other:?}"));
            }
            return Some(one);
        }
        self.insist(&what, first, ask).await
    }

    /// Places another order for the payment, over the other channel. `None` if the gateway refused it,
    /// which ends the payment.
    async fn retry(&self, created: &Created, wish: &Wish, rng: &mut StdRng) -> Option<Created> {
        let id = &created.id;
        let what = format!("the retry of {id}");
        let other = if wish.0.payment_channel() == v1::PaymentChannel::Alipay {
            Wish::wechat_jsapi(id, "0.01").0
        } else {
            Wish::alipay_qr(id, "0.01").0
        };
        let request = &v1::RetryPaymentRequest {
            transaction_id: id.clone(),
            request_id: "another-way".to_owned(),
            payment_channel: other.payment_channel,
            payment_method: other.payment_method,
            payer: other.payer.map(|payer| match payer {
                Payer::Openid(openid) => v1::retry_payment_request::Payer::Openid(openid),
                Payer::BuyerId(buyer) => v1::retry_payment_request::Payer::BuyerId(buyer),
                Payer::AuthCode(code) => v1::retry_payment_request::Payer::AuthCode(code),
            }),
            ..Default::default()
        };
        let first = rng.random_range(0..self.callers.len().max(1));
        let answer = self.insist(&what, first, |caller| async move {
            match caller.payments().retry_payment(request.clone()).await {
                Ok(answer) => Ok(Answer::Given(answer.into_inner())),
                Err(status) if reason(&status).as_deref() == Some("GATEWAY_REFUSED") => {
                    Ok(Answer::Refused)
                }
                Err(status) => Err(status),
            }
        });
        match answer.await? {
            Answer::Given(answer) => Some(Created {
                id: id.clone(),
                transaction: answer.transaction.unwrap_or_default(),
                prepay: answer.prepay_info.and_then(|prepay| prepay.info),
            }),
            Answer::Refused => None,
        }
    }

    /// The payer pays; nobody closes the order.
    fn pays(&self, created: &Created, rng: &mut StdRng) -> bool {
        let is_paid = self.pay(created, Callbacks::MayBeLost, rng);
        if !is_paid {
            self.complain(format!("{} cannot be paid: {created:?}", created.id));
        }
        is_paid
    }

    /// The payer pays. `false` if the gateway does not let him: the order was closed before.
    fn pay(&self, created: &Created, callbacks: Callbacks, rng: &mut StdRng) -> bool {
        let Some(name) = created.prepay.as_ref().and_then(order_name) else {
            // Closed before it could be shown; only whoever closed it may see this.
            return false;
        };
        let Ok(order) = self.control.order(&name) else {
            self.complain(format!("the gateway knows no order {name}"));
            return false;
        };
        self.make_trouble(&order.out_trade_no, callbacks, rng);
        let is_paid = self.control.pay(&name).is_ok();
        if is_paid {
            self.tally.paid.one();
        }
        is_paid
    }

    /// What gateways do now and then by themselves.
    fn make_trouble(&self, number: &str, callbacks: Callbacks, rng: &mut StdRng) {
        let rule = match rng.random_range(0..100) {
            0..10 => FaultRule::callback_once(number, CallbackFault::Duplicate { copies: 3 }),
            10..15 => FaultRule::callback_once(number, CallbackFault::Reorder),
            15..20 => FaultRule::callback_once(number, CallbackFault::Delay { ms: 1_500 }),
            20..25 => FaultRule::callback_once(number, CallbackFault::CorruptSignature),
            25..30 => {
                let cut = CallFault::Cut { accepted: true };
                FaultRule::call_once(number, Operation::Refund, cut)
            }
            30..38 if callbacks == Callbacks::MayBeLost => {
                FaultRule::callback_once(number, CallbackFault::Drop)
            }
            38..41 => {
                let cut = CallFault::Cut { accepted: false };
                FaultRule::call_once(number, Operation::RefundQuery, cut)
            }
            _ => return,
        };
        if let Err(error) = self.control.add_fault(rule) {
            tracing::warn!(%error, "the gateway has faults enough");
        }
    }

    /// Wants a part of the money back, once or twice, and more than there is.
    async fn give_back(&self, deal: &Deal, rng: &mut StdRng) -> Vec<(String, i64)> {
        let mut promised = Vec::new();
        if !self.becomes_paid(&deal.id).await {
            return promised;
        }
        let mut left = deal.amount;
        for part in 0..rng.random_range(1..=2) {
            if left < 1 {
                break;
            }
            let amount = rng.random_range(1..=left);
            let request = refund_request(
                &deal.id,
                &format!("{}-back-{part}", deal.request_id),
                &decimal(amount),
            );
            if let Some(id) = self.refund(request, rng).await {
                self.tally.refunds.one();
                promised.push((id, amount));
                left = left.saturating_sub(amount);
            }
        }
        let too_much = refund_request(
            &deal.id,
            &format!("{}-back-too-much", deal.request_id),
            &decimal(left.saturating_add(1)),
        );
        self.is_refused(too_much).await;
        promised
    }

    async fn refund(&self, request: v1::CreateRefundRequest, rng: &mut StdRng) -> Option<String> {
        let what = format!("the refund {}", request.business_refund_id);
        let first = rng.random_range(0..self.callers.len().max(1));
        let request = &request;
        self.insist(&what, first, |caller| async move {
            let answer = caller.refunds().create_refund(request.clone()).await?;
            Ok(answer.into_inner().refund.unwrap_or_default().refund_id)
        })
        .await
    }

    /// A refund beyond what was paid must be refused, whatever else happens.
    async fn is_refused(&self, request: v1::CreateRefundRequest) {
        let what = format!("the refund {}", request.business_refund_id);
        let request = &request;
        let refused = self
            .insist(&what, 0, |caller| async move {
                match caller.refunds().create_refund(request.clone()).await {
                    Ok(_) => Ok(false),
                    Err(status) if status.code() == Code::FailedPrecondition => Ok(true),
                    Err(status) => Err(status),
                }
            })
            .await;
        if refused == Some(false) {
            self.complain(format!("{what} was taken, but is more than was left"));
        }
    }

    async fn becomes_paid(&self, id: &str) -> bool {
        let until = Instant::now() + PAID_PATIENCE;
        loop {
            let payment = self.payment(id).await;
            match payment.map(|payment| payment.status()) {
                None => return false,
                Some(
                    v1::PaymentStatus::PendingPayment
                    | v1::PaymentStatus::PendingCreate
                    | v1::PaymentStatus::Unspecified,
                ) => {}
                Some(_) => return true,
            }
            if Instant::now() >= until {
                self.complain(format!(
                    "{id} was paid at the gateway and is still not paid"
                ));
                return false;
            }
            tokio::time::sleep(LOOK_PAUSE).await;
        }
    }

    async fn payment(&self, id: &str) -> Option<v1::PaymentTransaction> {
        self.insist("a look at a payment", 0, |caller| async move {
            let key = Some(v1::get_payment_request::Key::TransactionId(id.to_owned()));
            let request = v1::GetPaymentRequest { key };
            let answer = caller.payments().get_payment(request).await?;
            Ok(answer.into_inner().transaction.unwrap_or_default())
        })
        .await
    }

    /// Closes a payment; that it is paid is an answer too.
    async fn close(&self, id: &str) {
        let what = format!("the close of {id}");
        let ended = self
            .insist(&what, 1, |caller| async move {
                let request = v1::ClosePaymentRequest {
                    transaction_id: id.to_owned(),
                };
                match caller.payments().close_payment(request).await {
                    Ok(_) => Ok(()),
                    Err(status) if status.code() == Code::FailedPrecondition => Ok(()),
                    Err(status) => Err(status),
                }
            })
            .await;
        if ended.is_none() {
            self.complain(format!("{what} was never answered"));
        }
    }

    /// Asks until there is an answer, one process after the other.
    async fn insist<T, F>(&self, what: &str, first: usize, ask: impl Fn(Caller) -> F) -> Option<T>
    where
        F: Future<Output = Result<T, Status>>,
    {
        let until = Instant::now() + ANSWER_PATIENCE;
        let mut callers = self.callers.iter().cycle().skip(first);
        loop {
            let caller = callers.next()?.clone();
            let status = match Box::pin(ask(caller)).await {
                Ok(answer) => return Some(answer),
                Err(status) => status,
            };
            if !may_repeat(&status) {
                self.complain(format!("{what} was refused: {status:?}"));
                return None;
            }
            if Instant::now() >= until {
                self.complain(format!("{what} was never answered; in the end: {status:?}"));
                return None;
            }
            self.tally.repeats.one();
            tokio::time::sleep(REPEAT_PAUSE).await;
        }
    }
}

/// Whether a status says nothing about what was done. An internal error of Kassa's own is none of
/// those; the broken connection of a killed process is.
fn may_repeat(status: &Status) -> bool {
    match status.code() {
        Code::Unavailable
        | Code::DeadlineExceeded
        | Code::Aborted
        | Code::Unknown
        | Code::Cancelled
        | Code::ResourceExhausted => true,
        Code::Internal => status.get_details_error_info().is_none(),
        Code::Ok
        | Code::InvalidArgument
        | Code::NotFound
        | Code::AlreadyExists
        | Code::PermissionDenied
        | Code::FailedPrecondition
        | Code::OutOfRange
        | Code::Unimplemented
        | Code::DataLoss
        | Code::Unauthenticated => false,
    }
}

/// The machine-readable reason of a refusal, if it is Kassa's.
fn reason(status: &Status) -> Option<String> {
    Some(status.get_details_error_info()?.reason)
}

/// What the gateway calls the order, from what the payer's phone is shown.
fn order_name(prepay: &v1::prepay_info::Info) -> Option<String> {
    use v1::prepay_info::Info;
    match prepay {
        Info::QrCode(code) => code.content.rsplit('/').next().map(str::to_owned),
        Info::JsapiParameters(jsapi) => {
            let id = jsapi.package.strip_prefix("prepay_id=")?;
            Some(id.to_owned())
        }
        Info::AlipayTrade(trade) => Some(trade.trade_no.clone()),
        Info::Redirect(_)
        | Info::Form(_)
        | Info::AppParameters(_)
        | Info::WechatAppParameters(_)
        | Info::BaiduOrder(_)
        | Info::ClientSecret(_) => None,
    }
}

fn decimal(minor: i64) -> String {
    format!("{}.{:02}", minor / 100, minor % 100)
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
