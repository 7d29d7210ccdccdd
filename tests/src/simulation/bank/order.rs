//! Orders and refunds as the gateways hold them. Every rule here is the gateway's own.

use std::collections::BTreeMap;

use chrono::TimeDelta;
use gateways::{CallError, Closed};
use kassa_core::Money;
use kassa_core::channel::GatewayName;
use kassa_core::money::Currency;
use kassa_core::notification::{GatewayReason, ReportedPayment, ReportedRefund};

use super::{Account, Bank, Later};
use crate::simulation::Time;

/// For how long a gateway's query may not show yet what just happened.
pub const LAG: TimeDelta = TimeDelta::seconds(3);

/// One order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    /// The account that it was placed with, by its place.
    pub account: usize,
    /// Our request number.
    pub number: String,
    /// The payment that it is for.
    pub payment: usize,
    /// How much, in minor units.
    pub amount: i64,
    /// From when on it cannot be paid.
    pub expires_at: Time,
    /// When it came to be.
    pub opened_at: Time,
    /// Since when it cannot be paid any more.
    pub closed_at: Option<Time>,
    /// When the money came.
    pub paid_at: Option<Time>,
    /// Times at which somebody was told that it is closed, each with the time at which the same chain
    /// had asked about it before.
    pub told_closed: Vec<(Time, Option<Time>)>,
    /// Its refunds by their numbers.
    pub refunds: BTreeMap<String, Refund>,
}

/// Where a refund stands at the gateway.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RefundState {
    /// Accepted.
    Processing,
    /// It hangs: the payer's account cannot take it.
    Abnormal,
    /// The money is back.
    Done,
    /// It will not happen.
    Closed,
}

/// One refund.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refund {
    /// How much, in minor units.
    pub amount: i64,
    /// Where it stands.
    pub state: RefundState,
    /// When it came to its end.
    pub done_at: Option<Time>,
    /// Whether somebody made it at the gateway's console.
    pub is_console: bool,
    /// Whether it ever hung.
    pub was_abnormal: bool,
}

impl Order {
    /// What was given back, and what is on the way back.
    pub fn given_back(&self) -> i64 {
        let counts = |refund: &&Refund| refund.state != RefundState::Closed;
        let refunds = self.refunds.values().filter(counts);
        refunds.map(|refund| refund.amount).sum()
    }

    /// What was given back.
    pub fn refunded(&self) -> i64 {
        let done = |refund: &&Refund| refund.state == RefundState::Done;
        let refunds = self.refunds.values().filter(done);
        refunds.map(|refund| refund.amount).sum()
    }

    /// What an account keeps of a paid order as its fee, half up to the minor unit.
    pub fn fee(&self, account: &Account) -> i64 {
        let back = if account.is_fee_returned {
            self.refunded()
        } else {
            0
        };
        let twice = (self.amount - back) * i64::from(account.fee_ppm) * 2;
        (twice + 1_000_000) / 2_000_000
    }

    fn is_open(&self, now: Time) -> bool {
        self.closed_at.is_none() && self.paid_at.is_none() && now < self.expires_at
    }

    fn expire(&mut self, now: Time) {
        if self.closed_at.is_none() && self.paid_at.is_none() && now >= self.expires_at {
            self.closed_at = Some(self.expires_at);
        }
    }
}

/// An amount in the only currency of the simulated gateways.
pub fn yuan(minor: i64) -> Money {
    Money::try_new(minor, Currency::CNY).expect("an amount")
}

fn reason(code: &str) -> GatewayReason {
    GatewayReason {
        code: code.to_owned(),
        message: String::new(),
    }
}

impl Bank {
    /// An order arrives. The same order again is the same order.
    pub fn place(&mut self, order: Order, now: Time) -> Result<(), CallError> {
        let payment = Some(order.payment);
        match self.orders.get_mut(&order.number) {
            None => {
                if now >= order.expires_at {
                    return Err(CallError::Refused(reason("TIME_EXPIRED")));
                }
                self.orders.insert(order.number.clone(), order);
                Ok(())
            }
            Some(known) => {
                known.expire(now);
                if (known.amount, known.account, known.payment)
                    != (order.amount, order.account, order.payment)
                {
                    let what = format!("order number {} was used twice", order.number);
                    self.offences.push((payment, what));
                    return Err(CallError::Refused(reason("OUT_TRADE_NO_USED")));
                }
                if known.paid_at.is_some() {
                    return Err(CallError::Unknown("the order is paid already".to_owned()));
                }
                if known.closed_at.is_some() {
                    return Err(CallError::Refused(reason("TRADE_HAS_CLOSE")));
                }
                Ok(())
            }
        }
    }

    /// Somebody asks about an order.
    pub fn query(&mut self, number: &str, now: Time) -> ReportedPayment {
        let payment = self.payment_of(number);
        let is_calm = self.is_calm();
        let lags = !is_calm && self.chance(payment).permille(150);
        let Some(order) = self.orders.get_mut(number) else {
            return ReportedPayment::NotFound;
        };
        order.expire(now);
        if lags && now - order.opened_at < LAG {
            return ReportedPayment::NotFound;
        }
        match order.paid_at {
            Some(at) if lags && now - at < LAG => match order.closed_at {
                Some(_) => ReportedPayment::Closed,
                None => ReportedPayment::Unpaid,
            },
            Some(at) => ReportedPayment::Paid {
                amount: yuan(order.amount),
                paid_at: Some(at),
            },
            None if order.closed_at.is_some() => ReportedPayment::Closed,
            None => ReportedPayment::Unpaid,
        }
    }

    /// Somebody closes an order; `asked_at` is when the same chain last asked about it. A paid order
    /// cannot be closed, but some gateways say so of an order whose money came just now.
    pub fn close(&mut self, number: &str, asked_at: Option<Time>, now: Time) -> Closed {
        let payment = self.payment_of(number);
        let is_calm = self.is_calm();
        let is_blind = !is_calm && self.chance(payment).permille(400);
        let Some(order) = self.orders.get_mut(number) else {
            return Closed::Closed;
        };
        order.expire(now);
        if order.paid_at.is_some() && !is_blind {
            return Closed::NotClosable;
        }
        if order.paid_at.is_none() && order.closed_at.is_none() {
            order.closed_at = Some(now);
        }
        order.told_closed.push((now, asked_at));
        Closed::Closed
    }

    /// A payer pays. `is_late`: the payment was under way when the order was closed, and the money
    /// comes all the same.
    pub fn pay(&mut self, number: &str, is_late: bool, now: Time) -> bool {
        let Some(order) = self.orders.get_mut(number) else {
            return false;
        };
        order.expire(now);
        if order.paid_at.is_some() || !(order.is_open(now) || is_late) {
            return false;
        }
        order.paid_at = Some(now);
        self.notify_paid(number, now);
        true
    }

    /// A refund arrives. The same refund again is the same refund.
    pub fn submit_refund(
        &mut self,
        number: &str,
        (refund, amount, is_console): (&str, i64, bool),
        now: Time,
    ) -> Result<ReportedRefund, CallError> {
        let payment = self.payment_of(number);
        let is_calm = self.is_calm();
        let Some(order) = self.orders.get_mut(number) else {
            return Err(CallError::Refused(reason("TRADE_NOT_EXIST")));
        };
        let gateway = self.accounts[order.account].gateway;
        if let Some(known) = order.refunds.get(refund) {
            if known.amount != amount {
                let what = format!("refund number {refund} was used for two amounts");
                self.offences.push((payment, what));
                return Err(CallError::Refused(reason("DISCORDANT_REPEAT_REQUEST")));
            }
            return Ok(match gateway {
                GatewayName::Alipay => ReportedRefund::Processing,
                GatewayName::WechatV3
                | GatewayName::WechatV2
                | GatewayName::Baidu
                | GatewayName::Unionpay
                | GatewayName::Stripe
                | GatewayName::Paypal => Self::told(known),
            });
        }
        if order.paid_at.is_none() {
            return Err(CallError::Refused(reason("TRADE_STATUS_ERROR")));
        }
        if order.given_back() + amount > order.amount {
            return Err(CallError::Refused(reason("REFUND_AMT_NOT_EQUAL_TOTAL")));
        }
        let is_instant = gateway == GatewayName::Alipay;
        let made = Refund {
            amount,
            state: if is_instant {
                RefundState::Done
            } else {
                RefundState::Processing
            },
            done_at: is_instant.then_some(now),
            is_console,
            was_abnormal: false,
        };
        order.refunds.insert(refund.to_owned(), made);
        let total = order.refunded();
        if is_instant {
            self.notify_refund(number, refund, now);
            return Ok(ReportedRefund::Succeeded {
                amount: None,
                refunded_total: Some(yuan(total)),
                refunded_at: None,
            });
        }
        let chance = self.chance(payment);
        let after = if is_calm || chance.permille(850) {
            chance.millis(500, 600_000)
        } else {
            TimeDelta::hours(chance.between(1, 96))
        };
        let later = Later::Settle {
            number: number.to_owned(),
            refund: refund.to_owned(),
        };
        self.soon(now, after, later);
        Ok(ReportedRefund::Processing)
    }

    /// Somebody asks about a refund.
    pub fn query_refund(&mut self, number: &str, refund: &str) -> ReportedRefund {
        self.refund(number, refund)
            .map_or(ReportedRefund::NotFound, |(_, refund)| Self::told(refund))
    }

    fn told(refund: &Refund) -> ReportedRefund {
        match refund.state {
            RefundState::Processing => ReportedRefund::Processing,
            RefundState::Abnormal => ReportedRefund::Abnormal(reason("ABNORMAL")),
            RefundState::Closed => ReportedRefund::Failed(reason("CLOSED")),
            RefundState::Done => ReportedRefund::Succeeded {
                amount: Some(yuan(refund.amount)),
                refunded_total: None,
                refunded_at: refund.done_at,
            },
        }
    }

    /// A refund that hangs goes to the merchant's account instead; nothing else can.
    pub fn refund_to_merchant(
        &mut self,
        number: &str,
        refund: &str,
        now: Time,
    ) -> Result<ReportedRefund, CallError> {
        let order = self.orders.get_mut(number);
        let made = order.and_then(|order| order.refunds.get_mut(refund));
        let Some(made) = made.filter(|made| made.state == RefundState::Abnormal) else {
            return Err(CallError::Refused(reason("NOT_ABNORMAL")));
        };
        made.state = RefundState::Processing;
        let later = Later::Settle {
            number: number.to_owned(),
            refund: refund.to_owned(),
        };
        self.soon(now, TimeDelta::minutes(1), later);
        Ok(ReportedRefund::Processing)
    }

    /// A refund under way goes one step further: done, mostly; it may hang for days first.
    pub fn settle_refund(&mut self, number: &str, refund: &str, now: Time) {
        let payment = self.payment_of(number);
        let is_calm = self.is_calm();
        let lot = self.chance(payment).below(1_000);
        let days = self.chance(payment).between(1, 48);
        let Some(order) = self.orders.get_mut(number) else {
            return;
        };
        let Some(made) = order.refunds.get_mut(refund) else {
            return;
        };
        made.state = match made.state {
            RefundState::Processing if is_calm || lot < 900 => RefundState::Done,
            RefundState::Processing if lot < 940 => RefundState::Closed,
            RefundState::Processing => {
                made.was_abnormal = true;
                let later = Later::Settle {
                    number: number.to_owned(),
                    refund: refund.to_owned(),
                };
                self.later.push((now + TimeDelta::hours(days), later));
                RefundState::Abnormal
            }
            RefundState::Abnormal if lot < 600 => RefundState::Done,
            RefundState::Abnormal => RefundState::Closed,
            RefundState::Done | RefundState::Closed => return,
        };
        made.done_at = (made.state == RefundState::Done).then_some(now);
        self.notify_refund(number, refund, now);
    }
}
