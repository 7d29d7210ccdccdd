//! Notifications that the simulated gateways send: true ones, and lies. They enter as the callback
//! ingress would hand them on: verified and enqueued.

use chrono::TimeDelta;
use gateways::callback::ForeignAccount;
use gateways::{TranslateError, Translated};
use kassa_core::Money;
use kassa_core::channel::GatewayName;
use kassa_core::money::Currency;
use kassa_core::notification::{
    CallbackRoute, GatewayReason, PaymentReport, RefundReport, ReportedPayment, ReportedRefund,
};
use serde::{Deserialize, Serialize};

use super::order::RefundState;
use super::{Bank, Later};
use crate::simulation::Time;

/// How long a gateway waits before it repeats a notification that was not acknowledged.
const REPEATS: [TimeDelta; 6] = [
    TimeDelta::seconds(15),
    TimeDelta::seconds(30),
    TimeDelta::minutes(3),
    TimeDelta::minutes(10),
    TimeDelta::minutes(30),
    TimeDelta::hours(2),
];

/// For how long after its end an order is certainly looked at once more: the first late look comes after
/// 15 minutes, less a fifth.
const LOOKED_AT_LATE: TimeDelta = TimeDelta::minutes(11);

/// One notification.
#[derive(Debug, Clone)]
pub struct Notice {
    /// The account whose keys sign it, by its place.
    pub account: usize,
    /// The gateway's own identity of it.
    pub key: String,
    /// The route that it is posted to.
    pub route: CallbackRoute,
    /// What it says.
    pub body: Body,
    /// The payment that it is about.
    pub payment: Option<usize>,
    /// Whether somebody acknowledged it.
    pub is_acknowledged: bool,
    /// Whether it is repeated until it is acknowledged.
    pub is_only_word: bool,
    /// How often it was sent.
    pub tries: usize,
}

/// What a notification says; the simulated gateways' wire format.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Body {
    /// The gateway's word for it.
    pub kind: String,
    /// Another merchant that it names.
    pub foreign: Option<String>,
    /// Our request number.
    pub number: String,
    /// Paid: how much, in which currency, when.
    pub paid: Option<(i64, String, Time)>,
    /// A refund.
    pub refund: Option<RefundBody>,
}

/// What a notification says about a refund.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefundBody {
    number: String,
    state: String,
    amount: Option<i64>,
    total: Option<i64>,
    at: Option<Time>,
}

impl Body {
    /// In our words.
    ///
    /// # Errors
    /// [`TranslateError`] for a word that no gateway uses.
    pub fn translate(self) -> Result<Translated, TranslateError> {
        let payment = match self.paid {
            Some((amount, currency, at)) => Some(PaymentReport {
                request_number: self.number.clone(),
                gateway_transaction_id: Some(format!("gw-{}", self.number)),
                state: ReportedPayment::Paid {
                    amount: money(amount, &currency)?,
                    paid_at: Some(at),
                },
            }),
            None => None,
        };
        let refund = match self.refund {
            Some(refund) => Some(refund.translate(&self.number)?),
            None => None,
        };
        Ok(Translated {
            kind: self.kind,
            foreign: self.foreign.map(|found| ForeignAccount {
                field: "merchant",
                found,
            }),
            payment,
            refund,
            ..Translated::default()
        })
    }
}

impl RefundBody {
    fn translate(self, number: &str) -> Result<RefundReport, TranslateError> {
        let cny = |minor: Option<i64>| minor.map(|minor| money(minor, "CNY")).transpose();
        let reason = |code: &str| GatewayReason {
            code: code.to_owned(),
            message: String::new(),
        };
        let state = match self.state.as_str() {
            "DONE" => ReportedRefund::Succeeded {
                amount: cny(self.amount)?,
                refunded_total: cny(self.total)?,
                refunded_at: self.at,
            },
            "CLOSED" => ReportedRefund::Failed(reason("CLOSED")),
            "ABNORMAL" => ReportedRefund::Abnormal(reason("ABNORMAL")),
            _ => return Err(TranslateError::Field("state")),
        };
        Ok(RefundReport {
            request_number: number.to_owned(),
            refund_number: self.number,
            gateway_refund_id: None,
            state,
        })
    }
}

fn money(minor: i64, currency: &str) -> Result<Money, TranslateError> {
    let currency: Currency = currency
        .parse()
        .map_err(|_unknown| TranslateError::Field("currency"))?;
    Money::try_new(minor, currency).map_err(|_negative| TranslateError::Field("amount"))
}

/// In which way a notification lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lie {
    /// Another amount.
    Amount,
    /// Another currency.
    Currency,
    /// It names another merchant.
    Merchant,
    /// Signed by an account that the order is not of.
    Account,
    /// An order that nobody placed.
    Order,
}

impl Bank {
    /// The gateway tells that an order was paid.
    pub(super) fn notify_paid(&mut self, number: &str, now: Time) {
        let order = &self.orders[number];
        let (account, payment, amount) = (order.account, order.payment, order.amount);
        let at = order.paid_at.unwrap_or(now);
        let body = Body {
            kind: "PAID".to_owned(),
            foreign: None,
            number: number.to_owned(),
            paid: Some((amount, "CNY".to_owned(), at)),
            refund: None,
        };
        // Kassa looks at closed orders by itself, but not for ever.
        let is_only_word = order
            .closed_at
            .is_some_and(|closed| at - closed > LOOKED_AT_LATE);
        let route = CallbackRoute::Payment;
        self.send((account, route), Some(payment), body, is_only_word, now);
    }

    /// The gateway tells how a refund stands, each in its own way.
    pub(super) fn notify_refund(&mut self, number: &str, refund: &str, now: Time) {
        let order = &self.orders[number];
        let made = &order.refunds[refund];
        let (account, payment) = (order.account, order.payment);
        let gateway = self.accounts[account].gateway;
        let state = match made.state {
            RefundState::Processing => return,
            RefundState::Abnormal => "ABNORMAL",
            RefundState::Done => "DONE",
            RefundState::Closed => "CLOSED",
        };
        let (route, paid, amount, total) = match gateway {
            GatewayName::Alipay => {
                let paid = order.paid_at.map(|at| (order.amount, "CNY".to_owned(), at));
                (CallbackRoute::Payment, paid, None, Some(order.refunded()))
            }
            GatewayName::WechatV3
            | GatewayName::WechatV2
            | GatewayName::Baidu
            | GatewayName::Unionpay
            | GatewayName::Stripe
            | GatewayName::Paypal => (CallbackRoute::Refund, None, Some(made.amount), None),
        };
        let body = Body {
            kind: "REFUND".to_owned(),
            foreign: None,
            number: number.to_owned(),
            paid,
            refund: Some(RefundBody {
                number: refund.to_owned(),
                state: state.to_owned(),
                amount,
                total,
                at: made.done_at,
            }),
        };
        // Nobody asks about a refund that Kassa did not make.
        let is_only_word = made.is_console;
        self.send((account, route), Some(payment), body, is_only_word, now);
    }

    /// A verified notification that is not true. `other` is an account that the order is not of.
    pub fn lie(&mut self, number: &str, lie: Lie, now: Time) -> bool {
        let Some(order) = self.orders.get(number) else {
            return false;
        };
        let (mut account, payment, amount) = (order.account, order.payment, order.amount);
        let mut body = Body {
            kind: "LIE".to_owned(),
            foreign: None,
            number: number.to_owned(),
            paid: Some((amount, "CNY".to_owned(), now)),
            refund: None,
        };
        let (reason, whose) = match lie {
            Lie::Amount => {
                body.paid = Some((amount + 1, "CNY".to_owned(), now));
                ("AMOUNT_MISMATCH", Some(payment))
            }
            Lie::Currency => {
                body.paid = Some((amount, "USD".to_owned(), now));
                ("CURRENCY_MISMATCH", Some(payment))
            }
            Lie::Merchant => {
                body.foreign = Some("somebody-else".to_owned());
                ("ACCOUNT_MISMATCH", None)
            }
            Lie::Account => {
                account = (account + 1) % self.accounts.len();
                ("ACCOUNT_MISMATCH", Some(payment))
            }
            Lie::Order => {
                body.number = format!("{:0>32}", self.fresh("").replace('-', "f"));
                ("UNKNOWN_ORDER", None)
            }
        };
        self.reasons.insert((reason, whose));
        let route = CallbackRoute::Payment;
        self.send((account, route), Some(payment), body, true, now);
        true
    }

    /// Sends a notification: not at all, once, or several times, each after a delay of its own. The only
    /// word that there will be of something is not lost.
    fn send(
        &mut self,
        (account, route): (usize, CallbackRoute),
        payment: Option<usize>,
        body: Body,
        is_only_word: bool,
        now: Time,
    ) {
        let key = self.fresh("n");
        let is_calm = self.is_calm();
        let place = self.notices.len();
        self.notices.push(Notice {
            account,
            key,
            route,
            body,
            payment,
            is_acknowledged: false,
            is_only_word,
            tries: 0,
        });
        let chance = self.chance(payment);
        let copies = match chance.weighted(&[(120, 0), (600, 1), (180, 2), (100, 4)]) {
            0 if is_calm || is_only_word => 1,
            copies => copies,
        };
        for _copy in 0..copies {
            let chance = self.chance(payment);
            let after = match chance.below(10) {
                0..6 => chance.millis(10, 2_000),
                6..9 => chance.millis(2_000, 60_000),
                _ => chance.millis(60_000, 7_200_000),
            };
            self.soon(now, after, Later::Deliver { notice: place });
        }
    }

    /// What became of a delivery. One that was not acknowledged is repeated, for a while.
    pub fn delivered(&mut self, notice: usize, is_acknowledged: bool, now: Time) {
        let sent = &mut self.notices[notice];
        sent.is_acknowledged |= is_acknowledged;
        sent.tries += 1;
        let last = REPEATS.last().filter(|_| sent.is_only_word);
        let repeat = REPEATS.get(sent.tries - 1).or(last).copied();
        if let Some(after) = repeat.filter(|_| !sent.is_acknowledged) {
            self.soon(now, after, Later::Deliver { notice });
        }
    }
}
