//! Scripts: what business systems and payers will do about one payment, decided before it begins.

use chrono::TimeDelta;

use super::bank::notice::Lie;
use super::chance::Chance;
use super::purse::{Parts, Purse, USERS};

/// How many business systems call.
pub const APPS: usize = 2;
/// How many channel accounts there are.
pub const ACCOUNTS: usize = 4;

/// What will be done about one payment. Times count from its beginning.
#[derive(Debug, Clone)]
pub struct Script {
    /// When it begins, counted from the payment before it.
    pub begins_after: TimeDelta,
    /// The business system.
    pub app: usize,
    /// The channel account.
    pub account: usize,
    /// How much, in minor units.
    pub amount: i64,
    /// The user.
    pub user: usize,
    /// What pays how much of it.
    pub parts: Parts,
    /// How long the payer may pay.
    pub time_to_expiry: TimeDelta,
    /// The earlier payment whose business order this one is for too.
    pub order_of: Option<usize>,
    /// How many identical requests come at once.
    pub twins: u64,
    /// Whether the caller stays with a request whose answer it did not get.
    pub is_patient: bool,
    /// What else is asked for, and when.
    pub acts: Vec<(TimeDelta, Act)>,
}

/// What a business system, or somebody at a gateway, does about a payment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act {
    /// The same create again.
    Create,
    /// Looks.
    Get,
    /// Closes.
    Close,
    /// Has the gateway asked.
    Sync,
    /// Wants another way to pay, over this channel account; the number tells retries apart.
    Retry(u64, usize),
    /// Refunds so many thousandths, some way; the number tells refunds apart.
    Refund(u64, i64, Way),
    /// Puts something into the user's wallet; the number tells credits apart.
    Credit(u64, Purse),
    /// Somebody refunds so many thousandths of the amount at the gateway's console.
    Console(i64),
    /// A gateway tells what is not true.
    Lie(Lie),
}

/// Which way a refund goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// As the business system's policy says.
    Policy,
    /// Out of the leg with this number alone.
    Leg(i32),
    /// Into the user's wallet in place of the gateway.
    ToBalance,
}

/// When a payer pays an order, and whether nothing stops the money any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Payer {
    /// Never.
    Never,
    /// So long after having been shown how.
    After(TimeDelta),
    /// So long before (or after) the order's expiry; `true`: the money comes even if it was closed.
    AtExpiry(TimeDelta, bool),
}

impl Script {
    /// The script of payment number `number`.
    pub fn new(seed: u64, number: usize) -> Self {
        let stream = u64::try_from(number).unwrap_or_default();
        let mut chance = Chance::stream(seed, stream);
        let mut wallets = Chance::stream(seed ^ 0x3a11, stream);
        let amount = match chance.below(10) {
            0 => chance.between(1, 9),
            1..8 => chance.between(10, 100_000),
            _ => chance.between(100_000, 9_000_000),
        };
        let mut script = Self {
            begins_after: chance.millis(0, 15_000),
            app: chance.index(APPS),
            account: chance.index(ACCOUNTS),
            amount,
            user: wallets.index(USERS),
            parts: Parts::new(&mut wallets, amount),
            time_to_expiry: TimeDelta::seconds(chance.between(60, 1_800)),
            order_of: (number > 0 && chance.permille(80))
                .then(|| number - 1 - chance.index(number.min(4))),
            twins: chance.weighted(&[(80, 1), (15, 2), (5, 4)]),
            is_patient: chance.permille(850),
            acts: Vec::new(),
        };
        script.add_looks(&mut chance);
        script.add_refunds(&mut chance, &mut wallets);
        script.add_credits(&mut wallets);
        script
    }

    fn add_looks(&mut self, chance: &mut Chance) {
        for (permille, act, latest_ms) in [
            (700, Act::Get, 300_000),
            (300, Act::Get, 3_600_000),
            (120, Act::Create, 600_000),
            (150, Act::Sync, 900_000),
            (150, Act::Close, 300_000),
            (60, Act::Close, 2_400_000),
        ] {
            if chance.permille(permille) {
                let at = chance.millis(1_000, latest_ms);
                self.acts.push((at, act));
                if chance.permille(100) {
                    self.acts.push((at, act));
                }
            }
        }
        for number in 0..chance.weighted(&[(75, 0), (17, 1), (6, 2), (2, 3)]) {
            let act = Act::Retry(number, chance.index(ACCOUNTS));
            let at = chance.millis(2_000, 900_000);
            self.acts.push((at, act));
            if chance.permille(200) {
                self.acts.push((at, act));
            }
        }
        if chance.permille(60) {
            let lie = chance.weighted(&[
                (3, Lie::Amount),
                (1, Lie::Currency),
                (2, Lie::Merchant),
                (3, Lie::Account),
                (1, Lie::Order),
            ]);
            self.acts
                .push((chance.millis(1_000, 900_000), Act::Lie(lie)));
        }
    }

    fn add_refunds(&mut self, chance: &mut Chance, wallets: &mut Chance) {
        let refunds = chance.weighted(&[(50, 0), (25, 1), (15, 2), (10, 4)]);
        let at = chance.millis(60_000, 1_800_000);
        for number in 0..refunds {
            let share = match chance.below(4) {
                0 => 1_000,
                _ => chance.between(1, 700),
            };
            let apart = if chance.permille(500) {
                TimeDelta::zero()
            } else {
                chance.millis(0, 600_000)
            };
            let act = Act::Refund(number, share, self.way(wallets));
            self.acts.push((at + apart, act));
            if chance.permille(200) {
                self.acts.push((at + apart, act));
            }
        }
        if chance.permille(50) {
            let share = chance.between(100, 1_000);
            let at = chance.millis(120_000, 3_600_000);
            self.acts.push((at, Act::Console(share)));
        }
    }

    fn way(&self, chance: &mut Chance) -> Way {
        let legs = i64::try_from(self.parts.legs().len()).unwrap_or_default();
        let leg = i32::try_from(chance.between(1, legs)).unwrap_or_default();
        match chance.below(10) {
            0..6 => Way::Policy,
            6..9 => Way::Leg(leg),
            _ => Way::ToBalance,
        }
    }

    fn add_credits(&mut self, chance: &mut Chance) {
        for number in 0..chance.weighted(&[(85, 0), (12, 1), (3, 2)]) {
            let mut purse = Purse::default();
            if chance.permille(600) {
                purse.balance = chance.between(1, 50_000);
            } else {
                purse.points = chance.between(1, 500_000);
            }
            let (at, act) = (chance.millis(0, 1_800_000), Act::Credit(number, purse));
            self.acts.push((at, act));
            if chance.permille(300) {
                self.acts.push((at, act));
            }
        }
    }

    /// How much a refund of so many thousandths gives back: of one leg, or of all of it.
    pub fn refund_amount(&self, share: i64, way: Way) -> i64 {
        let legs = self.parts.legs();
        let whole = match way {
            Way::Leg(leg_no) => usize::try_from(leg_no - 1).map_or(0, |place| legs[place].1),
            Way::Policy | Way::ToBalance => self.amount,
        };
        (whole * share / 1_000).max(1)
    }

    /// What its business system puts into its user's wallet, each once however often it is asked for.
    pub fn credits(&self) -> Vec<Purse> {
        let mut credits = std::collections::BTreeMap::new();
        for (_, act) in &self.acts {
            if let Act::Credit(number, purse) = act {
                credits.insert(*number, *purse);
            }
        }
        credits.into_values().collect()
    }
}

impl Payer {
    /// When the payer pays an order that was shown.
    pub fn new(chance: &mut Chance) -> Self {
        match chance.below(1_000) {
            0..130 => Self::Never,
            130..760 => Self::After(chance.millis(500, 180_000)),
            760..830 => {
                let edge = chance.weighted(&[(1, -1_000), (1, 0), (1, 1_000), (1, -1), (1, 1)]);
                Self::AtExpiry(TimeDelta::milliseconds(edge), chance.permille(500))
            }
            830..900 => Self::AtExpiry(chance.millis(-60_000, 0), true),
            _ => Self::AtExpiry(chance.millis(0, 3_600_000), true),
        }
    }
}
