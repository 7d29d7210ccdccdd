//! The simulated gateway: [`Gateway`] without a wire, over the [`super::bank`]. It hands on what the
//! bank says, or does not, as fate decides.

use std::collections::BTreeMap;

use async_trait::async_trait;
use chrono::TimeDelta;
use gateways::registry;
use gateways::{
    Acknowledgement, CallError, Capabilities, Closed, Gateway, Outcome, PlaceOrder, PlaceRefund,
    Placed, PlacedOrder, RawCallback, ReturnClaim, TranslateError, Translated, Verified,
    VerifyError,
};
use kassa_core::channel::GatewayName;
use kassa_core::notification::{
    GatewayReason, Notification, PaymentReport, RefundReport, ReportedPayment, ReportedRefund,
};
use kassa_core::payment::PrepayInfo;

use super::bank::fate::{Call, Fate};
use super::bank::order::Order;
use super::bank::{Later, SharedBank};
use super::turns::{Pace, Turns};

/// For how long at least an attempt that was claimed has one owner: three calls (ADR 0005), less what
/// clocks differ by.
const ONE_OWNER: TimeDelta = TimeDelta::seconds(15);
/// How late a call arrives that got stuck on the way, in milliseconds.
const STRAGGLES_MS: (i64, i64) = (5_000, 240_000);

/// One account of a simulated gateway.
#[derive(Debug)]
pub struct SimulatedGateway {
    place: usize,
    gateway: GatewayName,
    bank: SharedBank,
    turns: Turns,
}

impl SimulatedGateway {
    /// The room of the account at this place of the bank.
    pub fn new(place: usize, bank: SharedBank, turns: Turns) -> Self {
        let gateway = bank.lock().accounts[place].gateway;
        Self {
            place,
            gateway,
            bank,
            turns,
        }
    }

    /// Decides and tells what becomes of a call, and lets it travel.
    async fn travel(&self, call: Call, number: &str, payment: Option<usize>) -> Fate {
        let now = self.turns.now();
        let fate = self.bank.lock().fate(self.place, call, payment, now);
        let chain = Turns::current().map_or(0, |chain| chain.id);
        let what = call.as_str();
        let number = short(number);
        self.turns.tell(
            payment,
            format!(
                "  c{chain} {what} {number} at account {}: {fate:?}",
                self.place
            ),
        );
        if fate != Fate::NotSent {
            self.turns.pass("on the way there", Pace::Wire).await;
        }
        fate
    }

    /// Lets the answer travel back, or not.
    async fn answer<T: std::fmt::Debug>(
        &self,
        payment: Option<usize>,
        fate: Fate,
        answer: Result<T, CallError>,
    ) -> Result<T, CallError> {
        self.turns.tell(payment, format!("    {answer:?}"));
        self.turns.pass("on the way back", Pace::Wire).await;
        match fate {
            Fate::AnswerLost => Err(CallError::Unknown("no answer in time".to_owned())),
            Fate::Fine
            | Fate::NotSent
            | Fate::Lost
            | Fate::Later
            | Fate::Refused
            | Fate::Straggles => answer,
        }
    }

    fn chain_of(&self, number: &str) -> Option<usize> {
        self.bank.lock().payment_of(number)
    }

    /// One worker owns the call that opens an order: two at a time are an offence, unless one of them stood
    /// still for so long that the other took over.
    fn begin_placing(&self, number: &str, payment: usize) {
        let Some(chain) = Turns::current() else {
            return;
        };
        let mut bank = self.bank.lock();
        let before = bank
            .placing
            .insert(number.to_owned(), (chain.id, chain.begun_at));
        if let Some((other, since)) = before
            && other != chain.id
            && self.turns.now() - since < ONE_OWNER
            && self.turns.now() - chain.begun_at < ONE_OWNER
        {
            let what = format!("order {} is placed by two at a time", short(number));
            bank.offences.push((Some(payment), what));
        }
    }

    fn end_placing(&self, number: &str) {
        self.bank.lock().placing.remove(number);
    }
}

/// The end of a number, for the story: what differs stands there.
pub fn short(number: &str) -> &str {
    number
        .get(number.len().saturating_sub(6)..)
        .unwrap_or(number)
}

/// Why nothing can be made of a fate.
fn failure(fate: Fate) -> Option<CallError> {
    let reason = |code: &str| GatewayReason {
        code: code.to_owned(),
        message: "simulated".to_owned(),
    };
    match fate {
        Fate::Fine | Fate::AnswerLost => None,
        Fate::NotSent => Some(CallError::NotSent("no connection".to_owned())),
        Fate::Lost | Fate::Straggles => Some(CallError::Unknown("no answer in time".to_owned())),
        Fate::Later => Some(CallError::Later(reason("RATE_LIMIT"))),
        Fate::Refused => Some(CallError::Refused(reason("REFUSED"))),
    }
}

/// The payment that a subject names.
fn payment_of(order: &PlaceOrder) -> usize {
    let number = order.subject.as_str().rsplit(' ').next();
    let number = number.and_then(|number| number.parse().ok());
    number.expect("subjects of the simulation end with the payment's number")
}

#[async_trait]
impl Gateway for SimulatedGateway {
    fn name(&self) -> GatewayName {
        self.gateway
    }

    fn capabilities(&self) -> &'static Capabilities {
        registry::capabilities(self.gateway)
    }

    fn verify(&self, _callback: &RawCallback<'_>) -> Result<Verified, VerifyError> {
        Err(VerifyError::NotSigned)
    }

    fn acknowledge(&self, _outcome: Outcome) -> Acknowledgement {
        unreachable!("notifications of the simulation come in behind the ingress")
    }

    fn verify_return(&self, _query: &str) -> Result<ReturnClaim, VerifyError> {
        Err(VerifyError::NotSigned)
    }

    fn translate(&self, notification: &Notification) -> Result<Translated, TranslateError> {
        let body: super::bank::notice::Body = serde_json::from_slice(&notification.body)
            .map_err(|_unreadable| TranslateError::Field("body"))?;
        body.translate()
    }

    async fn place(&self, order: &PlaceOrder) -> Result<Placed, CallError> {
        let payment = payment_of(order);
        let number = &order.request_number;
        self.bank.lock().whose.insert(number.clone(), payment);
        self.begin_placing(number, payment);
        let fate = self.travel(Call::Place, number, Some(payment)).await;
        let now = self.turns.now();
        let wish = Order {
            account: self.place,
            number: number.clone(),
            payment,
            amount: order.amount.amount_minor(),
            expires_at: order.expires_at,
            opened_at: now,
            closed_at: None,
            paid_at: None,
            told_closed: Vec::new(),
            refunds: BTreeMap::new(),
        };
        if fate == Fate::Straggles {
            self.bank.lock().straggle(
                Some(payment),
                now,
                STRAGGLES_MS,
                Later::Place(Box::new(wish)),
            );
        } else if failure(fate).is_none() {
            let placed = self.bank.lock().place(wish, now).map(|()| {
                let content = format!("pay:{number}");
                Placed::open(PrepayInfo::QrCode { content }, None)
            });
            let answer = self.answer(Some(payment), fate, placed).await;
            self.end_placing(number);
            return answer;
        }
        self.turns.pass("no answer", Pace::Wire).await;
        self.end_placing(number);
        Err(failure(fate).expect("a fate that fails"))
    }

    async fn query(&self, order: &PlacedOrder) -> Result<PaymentReport, CallError> {
        let number = order.request_number.as_str();
        let payment = self.chain_of(number);
        let fate = self.travel(Call::Query, number, payment).await;
        if let Some(error) = failure(fate) {
            self.turns.pass("no answer", Pace::Wire).await;
            return Err(error);
        }
        let now = self.turns.now();
        if let Some(chain) = Turns::current() {
            let asked = &mut self.bank.lock().asked;
            asked.insert((number.to_owned(), chain.id), now);
        }
        let state = self.bank.lock().query(number, now);
        let is_known = !matches!(state, ReportedPayment::NotFound);
        let report = PaymentReport {
            request_number: number.to_owned(),
            gateway_transaction_id: is_known.then(|| format!("gw-{number}")),
            state,
        };
        self.answer(payment, fate, Ok(report)).await
    }

    async fn close(&self, order: &PlacedOrder) -> Result<Closed, CallError> {
        let number = order.request_number.as_str();
        let payment = self.chain_of(number);
        let fate = self.travel(Call::Close, number, payment).await;
        if let Some(error) = failure(fate) {
            self.turns.pass("no answer", Pace::Wire).await;
            return Err(error);
        }
        let now = self.turns.now();
        let chain = Turns::current().map(|chain| (number.to_owned(), chain.id));
        let closed = {
            let mut bank = self.bank.lock();
            let asked_at = chain.and_then(|chain| bank.asked.get(&chain).copied());
            bank.close(number, asked_at, now)
        };
        self.answer(payment, fate, Ok(closed)).await
    }

    async fn refund(&self, refund: &PlaceRefund) -> Result<RefundReport, CallError> {
        let number = &refund.request_number;
        let payment = self.chain_of(number);
        let amount = refund.amount.amount_minor();
        let fate = self.travel(Call::Refund, number, payment).await;
        let now = self.turns.now();
        if fate == Fate::Straggles {
            let later = Later::Refund {
                number: number.clone(),
                refund: refund.refund_number.clone(),
                amount,
            };
            self.bank.lock().straggle(payment, now, STRAGGLES_MS, later);
        }
        if let Some(error) = failure(fate) {
            self.turns.pass("no answer", Pace::Wire).await;
            return Err(error);
        }
        let wish = (refund.refund_number.as_str(), amount, false);
        let made = self.bank.lock().submit_refund(number, wish, now);
        let report = made.map(|state| report(refund, state));
        self.answer(payment, fate, report).await
    }

    async fn query_refund(&self, refund: &PlaceRefund) -> Result<RefundReport, CallError> {
        let number = &refund.request_number;
        let payment = self.chain_of(number);
        let fate = self.travel(Call::QueryRefund, number, payment).await;
        if let Some(error) = failure(fate) {
            self.turns.pass("no answer", Pace::Wire).await;
            return Err(error);
        }
        let state = self.bank.lock().query_refund(number, &refund.refund_number);
        let report = report(refund, state);
        self.answer(payment, fate, Ok(report)).await
    }

    async fn refund_to_merchant(
        &self,
        refund: &PlaceRefund,
        _gateway_refund_id: &str,
    ) -> Result<RefundReport, CallError> {
        let number = &refund.request_number;
        let payment = self.chain_of(number);
        let fate = self.travel(Call::Refund, number, payment).await;
        if let Some(error) = failure(fate) {
            self.turns.pass("no answer", Pace::Wire).await;
            return Err(error);
        }
        let now = self.turns.now();
        let state = self
            .bank
            .lock()
            .refund_to_merchant(number, &refund.refund_number, now);
        let told = state.map(|state| report(refund, state));
        self.answer(payment, fate, told).await
    }
}

fn report(refund: &PlaceRefund, state: ReportedRefund) -> RefundReport {
    RefundReport {
        request_number: refund.request_number.clone(),
        refund_number: refund.refund_number.clone(),
        gateway_refund_id: Some(format!("gwr-{}", refund.refund_number)),
        state,
    }
}
