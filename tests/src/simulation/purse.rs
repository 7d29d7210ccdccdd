//! Purses: whose wallets there are, what is put into them, and which parts of a payment they pay. What
//! points cost, and how parts are given back, is worked out here a second time: the checks never ask
//! Kassa's own rules.

use flows::wallet::NewOperation;
use kassa_core::Currency;
use kassa_core::app::App;
use kassa_core::ledger::Amount;
use kassa_core::money::Points;
use kassa_core::payment_config::{
    BalanceConfig, PaymentConfig, PointsConfig, RefundOrder, RefundPart,
};
use kassa_core::points::Rate;
use kassa_core::text::{RequestId, UserId, WalletReason};
use kassa_core::wallet::WalletKey;

use super::bank::order::yuan;
use super::chance::Chance;

/// How many users each business system has.
pub const USERS: usize = 4;
/// What 1.00 CNY costs in points, in minor units: a rate at which rounding shows.
const POINTS_PER_YUAN: i64 = 1_037;
/// The order in which the second business system has parts given back; the first has the default.
const OTHER_ORDER: [RefundPart; 3] = [
    RefundPart::Balance,
    RefundPart::Points,
    RefundPart::External,
];

/// Which part of a payment is paid by what, in minor units of money. The legs have this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Parts {
    /// Out of the balance.
    pub balance: i64,
    /// With points that are worth so much.
    pub points: i64,
    /// Through the gateway.
    pub gateway: i64,
}

/// What is in a wallet, or comes into it, in minor units.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Purse {
    /// Money.
    pub balance: i64,
    /// Points.
    pub points: i64,
}

impl Parts {
    /// How a payment of `amount` is paid: mostly by a gateway alone.
    pub fn new(chance: &mut Chance, amount: i64) -> Self {
        let share = amount * chance.between(1, 900) / 1_000;
        let (balance, points) = match chance.below(100) {
            0..10 => (amount, 0),
            10..15 => (0, amount),
            15..19 => (share, amount - share),
            19..29 => (share, 0),
            29..37 => (0, share),
            37..45 => (share / 2, share - share / 2),
            _ => (0, 0),
        };
        let gateway = amount - balance - points;
        Self {
            balance,
            points,
            gateway,
        }
    }

    /// Whether a wallet pays a part.
    pub fn has_wallet(self) -> bool {
        self.balance + self.points > 0
    }

    /// Whether a gateway and a wallet pay it together.
    pub fn is_mixed(self) -> bool {
        self.has_wallet() && self.gateway > 0
    }

    /// The legs in their order: which part, and how much.
    pub fn legs(self) -> Vec<(RefundPart, i64)> {
        let mut legs = vec![
            (RefundPart::Balance, self.balance),
            (RefundPart::Points, self.points),
            (RefundPart::External, self.gateway),
        ];
        legs.retain(|(_, amount)| *amount > 0);
        legs
    }

    /// What a refund of `amount` gives back of which part, if it is the first one and nobody says.
    pub fn given_back(self, app: usize, amount: i64) -> Vec<(RefundPart, i64)> {
        let mut left = amount;
        let mut shares = Vec::new();
        for part in order(app) {
            let there = self.legs().into_iter().find(|(other, _)| *other == part);
            let share = there.map_or(0, |(_, there)| there.min(left));
            left -= share;
            shares.push((part, share));
        }
        let mut legs = self.legs();
        for (part, amount) in &mut legs {
            let share = shares.iter().find(|(other, _)| other == part);
            *amount = share.map_or(0, |(_, share)| *share);
        }
        legs.retain(|(_, amount)| *amount > 0);
        legs
    }
}

fn order(app: usize) -> [RefundPart; 3] {
    if app == 0 {
        [
            RefundPart::External,
            RefundPart::Points,
            RefundPart::Balance,
        ]
    } else {
        OTHER_ORDER
    }
}

/// What an amount costs in points: rounded up.
pub fn price(amount: i64) -> i64 {
    (amount * POINTS_PER_YUAN + 99) / 100
}

/// The points that came back when `refunded` of a part of `amount` came back: rounded down.
pub fn points_back(amount: i64, refunded: i64) -> i64 {
    let back = i128::from(price(amount)) * i128::from(refunded) / i128::from(amount);
    i64::try_from(back).expect("no more than was paid")
}

/// What a business system allows its users.
pub fn config(app: usize) -> PaymentConfig {
    let rate = Rate::try_new(POINTS_PER_YUAN, 100, Currency::CNY);
    let refund_order = RefundOrder::try_from(order(app).to_vec());
    PaymentConfig {
        balance: BalanceConfig {
            daily_max: None,
            require_password: false,
            ..BalanceConfig::default()
        },
        points: PointsConfig {
            rate: rate.expect("a rate"),
            min: points(1),
            max_per_order: None,
            ..PointsConfig::default()
        },
        refund_order: refund_order.expect("each part once"),
        allow_refund_to_balance: may_go_to_balance(app),
        ..PaymentConfig::default()
    }
}

/// Whether what a gateway collected may be given back into the wallet.
pub fn may_go_to_balance(app: usize) -> bool {
    app != 0
}

/// Points in minor units.
pub fn points(minor: i64) -> Points {
    Points::try_new(minor).expect("points")
}

/// What users have from the beginning: some nothing, none enough for everything.
pub fn filled(seed: u64, app: usize, user: usize) -> Purse {
    let number = u64::try_from(app * USERS + user).unwrap_or_default();
    let mut chance = Chance::stream(seed ^ 0xf111, number);
    let mut some = |most| match chance.below(6) {
        0 => 0,
        _ => chance.between(1, most),
    };
    Purse {
        balance: some(600_000),
        points: some(6_000_000),
    }
}

/// A user, as their business system knows them.
pub fn user(number: usize) -> UserId {
    UserId::try_new(format!("u{number}")).expect("a user id")
}

/// A user's wallet.
pub fn wallet(app: &App, number: usize) -> WalletKey {
    WalletKey {
        app_id: app.id.clone(),
        user_id: user(number),
    }
}

/// The request to put something into a wallet.
pub fn credit(request: &str, user_number: usize, purse: Purse) -> NewOperation {
    let amount = if purse.points > 0 {
        Amount::Points(points(purse.points))
    } else {
        Amount::Money(yuan(purse.balance))
    };
    NewOperation {
        request_id: RequestId::try_new(request).expect("a request id"),
        user_id: user(user_number),
        amount,
        reason: WalletReason::try_new("simulated").expect("a reason"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_make_the_whole_and_are_given_back_in_order() {
        let mut chance = Chance::new(1);
        for amount in 1..2_000 {
            let parts = Parts::new(&mut chance, amount);
            let sum: i64 = parts.legs().iter().map(|(_, amount)| amount).sum();
            assert_eq!(sum, amount);
            assert_eq!(parts.given_back(0, amount), parts.legs());
        }
        let parts = Parts {
            balance: 10,
            points: 20,
            gateway: 30,
        };
        let (balance, external) = (RefundPart::Balance, RefundPart::External);
        let points = RefundPart::Points;
        assert_eq!(parts.given_back(0, 35), [(points, 5), (external, 30)]);
        assert_eq!(parts.given_back(1, 15), [(balance, 10), (points, 5)]);
    }

    #[test]
    fn points_cost_what_is_rounded_up_and_come_back_rounded_down() {
        assert_eq!((price(1), price(100)), (11, 1_037));
        assert_eq!((points_back(3, 1), points_back(3, 3)), (10, 32));
    }
}
