//! Everything that the gateways remember, in memory and bounded. No rules of a gateway are here:
//! those are in its own room and in [`operations`](crate::operations).

mod order;

use std::collections::{BTreeMap, HashMap, VecDeque};

use chrono::{DateTime, Utc};
use serde_json::Value;

pub(crate) use order::OrderKey;
pub use order::{
    AccountBook, CallRecord, Gateway, Order, OrderState, Product, Refund, RefundOutcome,
    RefundStatus,
};

use crate::{
    baidu::audit::Question,
    counter::Codes,
    delivery::{Pending, RecordedCallback},
    fault::FaultRules,
    wechat_v3::mode::Modes,
};

/// Orders that the sandbox holds at once; then creates are refused as too frequent.
pub(crate) const ORDERS_MAX: usize = 500_000;
/// Calls kept in the log; the oldest go first.
pub(crate) const CALLS_MAX: usize = 100_000;
/// Posted callbacks kept for replays; the oldest go first.
pub(crate) const CALLBACKS_MAX: usize = 20_000;
/// Callbacks waiting to be posted; further ones are lost, as a gateway's may be.
pub(crate) const PENDING_MAX: usize = 100_000;

/// Where a refund number is unique: per trade at Alipay, per merchant at WeChat Pay.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct RefundKey {
    pub(crate) gateway: Gateway,
    pub(crate) account: String,
    /// The order number at Alipay, empty at WeChat Pay.
    pub(crate) within: String,
    pub(crate) out_refund_no: String,
}

impl RefundKey {
    pub(crate) fn new(order: &OrderKey, out_refund_no: &str) -> Self {
        let within = match order.gateway {
            // Stripe's and PayPal's own numbers are unique; the merchant's are notes.
            Gateway::Alipay | Gateway::Baidu | Gateway::Stripe | Gateway::Paypal => {
                order.out_trade_no.clone()
            }
            Gateway::WechatV3 | Gateway::WechatV2 | Gateway::Unionpay => String::new(),
        };
        Self {
            gateway: order.gateway,
            account: order.account.clone(),
            within,
            out_refund_no: out_refund_no.to_owned(),
        }
    }
}

/// The gateways' memory.
#[derive(Default)]
pub(crate) struct State {
    orders: BTreeMap<OrderKey, Order>,
    /// Prepay ids, code tokens and the gateways' own numbers.
    names: HashMap<String, OrderKey>,
    /// Order keys by order number: the same number may be used by several merchants.
    numbers: HashMap<String, Vec<OrderKey>>,
    refunds: BTreeMap<RefundKey, Refund>,
    refunds_of: HashMap<OrderKey, Vec<RefundKey>>,
    calls: VecDeque<CallRecord>,
    callbacks: VecDeque<RecordedCallback>,
    next_callback: u64,
    pub(crate) pending: Vec<Pending>,
    pub(crate) faults: FaultRules,
    pub(crate) codes: Codes,
    pub(crate) wechat_modes: Modes,
    /// Where Stripe's and PayPal's events go, and Baidu's questions about refunds, by account: merchants
    /// register an address.
    pub(crate) endpoints: BTreeMap<String, String>,
    /// What came of a call under an idempotency key of an account, and what the call was.
    pub(crate) idempotent: HashMap<(String, String), (Value, Value)>,
    /// Refunds that Baidu asks merchants about, by Baidu's number.
    pub(crate) baidu_questions: BTreeMap<String, Question>,
    /// PayPal's access tokens: of which account each is, and until when.
    pub(crate) paypal_tokens: HashMap<String, (String, DateTime<Utc>)>,
}

impl State {
    pub(crate) fn order(&self, key: &OrderKey) -> Option<&Order> {
        self.orders.get(key)
    }

    pub(crate) fn order_mut(&mut self, key: &OrderKey) -> Option<&mut Order> {
        self.orders.get_mut(key)
    }

    pub(crate) fn orders(&self) -> impl Iterator<Item = &Order> {
        self.orders.values()
    }

    pub(crate) fn is_full(&self) -> bool {
        self.orders.len() >= ORDERS_MAX
    }

    /// Whether any merchant has used this number.
    pub(crate) fn is_number_known(&self, out_trade_no: &str) -> bool {
        self.numbers.contains_key(out_trade_no)
    }

    /// The first order with this number, of any merchant.
    pub(crate) fn find_by_number(&self, out_trade_no: &str) -> Option<OrderKey> {
        self.numbers
            .get(out_trade_no)
            .and_then(|keys| keys.first())
            .cloned()
    }

    /// The order that a prepay id, code token or gateway number belongs to.
    pub(crate) fn find_by_name(&self, name: &str) -> Option<OrderKey> {
        self.names.get(name).cloned()
    }

    pub(crate) fn insert_order(&mut self, order: Order) {
        let key = order.key();
        for name in order.tokens.iter().chain([&order.gateway_trade_no]) {
            self.names.insert(name.clone(), key.clone());
        }
        self.numbers
            .entry(order.out_trade_no.clone())
            .or_default()
            .push(key.clone());
        self.orders.insert(key, order);
    }

    /// Gives an order one more payer page name.
    pub(crate) fn add_token(&mut self, key: &OrderKey, token: String) {
        if let Some(order) = self.orders.get_mut(key) {
            order.tokens.push(token.clone());
            self.names.insert(token, key.clone());
        }
    }

    pub(crate) fn refund(&self, key: &RefundKey) -> Option<&Refund> {
        self.refunds.get(key)
    }

    pub(crate) fn refund_mut(&mut self, key: &RefundKey) -> Option<&mut Refund> {
        self.refunds.get_mut(key)
    }

    pub(crate) fn refunds(&self) -> impl Iterator<Item = &Refund> {
        self.refunds.values()
    }

    /// The WeChat Pay refund of this merchant with this number.
    pub(crate) fn find_refund(&self, account: &str, out_refund_no: &str) -> Option<RefundKey> {
        let key = RefundKey {
            gateway: Gateway::WechatV3,
            account: account.to_owned(),
            within: String::new(),
            out_refund_no: out_refund_no.to_owned(),
        };
        self.refunds.contains_key(&key).then_some(key)
    }

    /// The first refund with this number, of any merchant.
    pub(crate) fn find_refund_by_number(&self, out_refund_no: &str) -> Option<RefundKey> {
        self.refunds
            .keys()
            .find(|key| key.out_refund_no == out_refund_no)
            .cloned()
    }

    pub(crate) fn refunds_of(&self, order: &OrderKey) -> impl Iterator<Item = &Refund> {
        let keys = self
            .refunds_of
            .get(order)
            .map(Vec::as_slice)
            .unwrap_or_default();
        keys.iter().filter_map(|key| self.refunds.get(key))
    }

    /// Sum of the refunds of an order that succeeded or may still succeed, in fen.
    pub(crate) fn refunded_minor(&self, order: &OrderKey) -> i64 {
        self.refunds_of(order)
            .filter(|refund| refund.is_counted())
            .fold(0, |sum, refund| sum.saturating_add(refund.amount_minor))
    }

    pub(crate) fn insert_refund(&mut self, order: &OrderKey, refund: Refund) {
        let key = RefundKey::new(order, &refund.out_refund_no);
        self.refunds_of
            .entry(order.clone())
            .or_default()
            .push(key.clone());
        self.refunds.insert(key, refund);
    }

    pub(crate) fn books(&self) -> Vec<AccountBook> {
        order::books(self.orders.values(), self.refunds.values())
    }

    pub(crate) fn record_call(&mut self, call: CallRecord) {
        if self.calls.len() >= CALLS_MAX {
            self.calls.pop_front();
        }
        self.calls.push_back(call);
    }

    pub(crate) fn calls(&self) -> Vec<CallRecord> {
        self.calls.iter().cloned().collect()
    }

    /// Keeps a posted callback and returns its index.
    pub(crate) fn record_callback(&mut self, mut callback: RecordedCallback) -> u64 {
        let index = self.next_callback;
        self.next_callback = index.saturating_add(1);
        callback.index = index;
        callback.acknowledged = false;
        if self.callbacks.len() >= CALLBACKS_MAX {
            self.callbacks.pop_front();
        }
        self.callbacks.push_back(callback);
        index
    }

    /// Remembers that a posted callback was acknowledged.
    pub(crate) fn mark_acknowledged(&mut self, index: u64) {
        let mut newest_first = self.callbacks.iter_mut().rev();
        if let Some(callback) = newest_first.find(|it| it.index == index) {
            callback.acknowledged = true;
        }
    }

    pub(crate) fn callbacks(&self) -> Vec<RecordedCallback> {
        self.callbacks.iter().cloned().collect()
    }

    pub(crate) fn callback(&self, index: u64) -> Option<RecordedCallback> {
        self.callbacks
            .iter()
            .find(|callback| callback.index == index)
            .cloned()
    }

    /// Takes out the callbacks that may be posted now, in the order in which they shall be.
    pub(crate) fn take_pending(&mut self, is_due: impl Fn(&Pending) -> bool) -> Vec<Pending> {
        let (mut due, rest): (Vec<_>, Vec<_>) = std::mem::take(&mut self.pending)
            .into_iter()
            .partition(is_due);
        self.pending = rest;
        due.sort_by_key(|pending| pending.is_behind);
        due
    }
}

/// The time of a gateway's answer, in China's zone as both gateways write it.
pub(crate) fn china(at: DateTime<Utc>) -> DateTime<chrono::FixedOffset> {
    const CHINA_OFFSET_S: i32 = 8 * 3600;
    match chrono::FixedOffset::east_opt(CHINA_OFFSET_S) {
        Some(zone) => at.with_timezone(&zone),
        None => at.fixed_offset(),
    }
}
