//! The bank: what the simulated gateways really hold. It is the truth that Kassa's books are compared
//! with, and knows nothing of Kassa.
//!
//! | file | owns |
//! | --- | --- |
//! | `order` | orders: placed, paid, closed; and refunds of them |
//! | `fate` | which calls go wrong, and how |
//! | `notice` | notifications: true ones, and lies |

pub mod fate;
pub mod notice;
pub mod order;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chrono::TimeDelta;
use kassa_core::channel::GatewayName;
use kassa_core::id::ChannelAccountId;

use self::notice::Notice;
use self::order::{Order, Refund};
use super::Time;
use super::chance::Chance;

/// One merchant account at a simulated gateway.
#[derive(Debug, Clone)]
pub struct Account {
    /// Kassa's id of it.
    pub id: ChannelAccountId,
    /// The code in callback URLs.
    pub code: &'static str,
    /// Whose manners it has: Alipay refunds at once and tells of it on the payment's route, WeChat Pay
    /// takes its time and has a route of its own.
    pub gateway: GatewayName,
    /// The part of each payment that the gateway keeps, in millionths.
    pub fee_ppm: u32,
    /// Whether it keeps only what was not given back.
    pub is_fee_returned: bool,
    /// Until when nobody answers there.
    pub down_until: Option<Time>,
}

/// Something that the gateways will do by themselves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Later {
    /// A call that got stuck on the way arrives after all.
    Place(Box<Order>),
    /// As [`Later::Place`].
    Refund {
        /// The order.
        number: String,
        /// The refund's number.
        refund: String,
        /// How much, in minor units.
        amount: i64,
    },
    /// A refund under way goes one step further.
    Settle {
        /// The order.
        number: String,
        /// The refund's number.
        refund: String,
    },
    /// A notification is delivered.
    Deliver {
        /// Its place in [`Bank::notices`].
        notice: usize,
    },
}

/// Everything that the gateways hold.
#[derive(Debug)]
pub struct Bank {
    /// The accounts, by their place.
    pub accounts: Vec<Account>,
    /// The orders, by our request number.
    pub orders: BTreeMap<String, Order>,
    /// Every notification that was ever sent.
    pub notices: Vec<Notice>,
    /// The payment that a request number was placed for.
    pub whose: BTreeMap<String, usize>,
    /// What nobody may do, and was done.
    pub offences: Vec<(Option<usize>, String)>,
    /// Anomalies that lies and consoles give a reason for: kind and payment.
    pub reasons: BTreeSet<(&'static str, Option<usize>)>,
    /// When a chain last asked about an order: by request number and chain.
    pub asked: BTreeMap<(String, u64), Time>,
    /// Who is placing an order, and since when that chain runs.
    pub placing: BTreeMap<String, (u64, Time)>,
    /// Calls that did not go well.
    pub failed_calls: u64,
    later: Vec<(Time, Later)>,
    streams: BTreeMap<Option<usize>, Chance>,
    seed: u64,
    is_calm: bool,
    next_number: u64,
}

/// The bank, shared between the gateways' rooms and the town. Cheap to clone.
#[derive(Debug, Clone)]
pub struct SharedBank(Arc<Mutex<Bank>>);

impl SharedBank {
    /// A bank with these accounts.
    pub fn new(seed: u64, accounts: Vec<Account>) -> Self {
        Self(Arc::new(Mutex::new(Bank {
            accounts,
            orders: BTreeMap::new(),
            notices: Vec::new(),
            whose: BTreeMap::new(),
            offences: Vec::new(),
            reasons: BTreeSet::new(),
            asked: BTreeMap::new(),
            placing: BTreeMap::new(),
            failed_calls: 0,
            later: Vec::new(),
            streams: BTreeMap::new(),
            seed,
            is_calm: false,
            next_number: 0,
        })))
    }

    /// A look at it, or a change.
    pub fn lock(&self) -> MutexGuard<'_, Bank> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Bank {
    /// From here on nothing goes wrong any more; what is under way comes to its end.
    pub fn calm(&mut self) {
        self.is_calm = true;
        for account in &mut self.accounts {
            account.down_until = None;
        }
    }

    /// Whether nothing goes wrong any more.
    pub fn is_calm(&self) -> bool {
        self.is_calm
    }

    /// What the gateways will do by themselves; each is handed out once.
    pub fn take_later(&mut self) -> Vec<(Time, Later)> {
        std::mem::take(&mut self.later)
    }

    /// The random choices that concern one payment.
    pub fn chance(&mut self, payment: Option<usize>) -> &mut Chance {
        let number = payment.map_or(u64::MAX - 1, |number| {
            u64::try_from(number).unwrap_or_default()
        });
        let seed = self.seed;
        self.streams
            .entry(payment)
            .or_insert_with(|| Chance::stream(seed ^ 0xba4c, number))
    }

    /// The payment that an order belongs to, as far as the gateways have heard of it.
    pub fn payment_of(&self, number: &str) -> Option<usize> {
        self.whose.get(number).copied()
    }

    fn fresh(&mut self, what: &str) -> String {
        self.next_number += 1;
        format!("{what}-{}", self.next_number)
    }

    /// A call arrives long after its caller has given up.
    pub fn straggle(
        &mut self,
        payment: Option<usize>,
        now: Time,
        (soonest, latest): (i64, i64),
        later: Later,
    ) {
        let after = self.chance(payment).millis(soonest, latest);
        self.soon(now, after, later);
    }

    fn soon(&mut self, now: Time, after: TimeDelta, later: Later) {
        self.later.push((now + after, later));
    }

    /// The order that a refund gives back, and the refund.
    pub fn refund(&self, number: &str, refund: &str) -> Option<(&Order, &Refund)> {
        let order = self.orders.get(number)?;
        Some((order, order.refunds.get(refund)?))
    }
}
