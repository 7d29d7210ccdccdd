//! Whatever is done to wallets, and wherever a process dies on the way: sums are zero, nothing is
//! overdrawn, balances equal entries, and a model that knows nothing of the database agrees.

use std::collections::BTreeMap;

use kassa_core::id::HoldId;
use kassa_core::ledger::{Amount, CauseKind, HoldStatus, Transfer, TransferCause, Unit};
use kassa_core::wallet::WalletKey;
use kassa_core::{Currency, IdSource};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use runtime::store::{Movement, NewHold, StoreError};

use crate::support::{World, cny};
use crate::wallet::{points, wallet};

const FIRST: &str = "u1";
const SECOND: &str = "u2";
const USERS: [&str; 2] = [FIRST, SECOND];

/// One thing that is done.
#[derive(Debug, Clone)]
enum Act {
    Credit { minor: i64 },
    Debit { minor: i64 },
    Give { minor: i64 },
    Hold { minor: i64 },
    Post { which: usize, minor: i64 },
    Void { which: usize },
    Pay { minor: i64 },
    PayAgain { which: usize },
    Refund { which: usize, minor: i64 },
}

/// Acts that are booked together, by one user in one unit, and whether the process dies before the commit.
#[derive(Debug, Clone)]
struct Step {
    user: usize,
    is_points: bool,
    dies: bool,
    acts: Vec<Act>,
}

fn acts() -> impl Strategy<Value = Act> {
    let minor = 1..400_i64;
    prop_oneof![
        minor.clone().prop_map(|minor| Act::Credit { minor }),
        minor.clone().prop_map(|minor| Act::Debit { minor }),
        minor.clone().prop_map(|minor| Act::Give { minor }),
        minor.clone().prop_map(|minor| Act::Hold { minor }),
        (0..6_usize, minor.clone()).prop_map(|(which, minor)| Act::Post { which, minor }),
        (0..6_usize).prop_map(|which| Act::Void { which }),
        minor.clone().prop_map(|minor| Act::Pay { minor }),
        (0..3_usize).prop_map(|which| Act::PayAgain { which }),
        (0..3_usize, minor).prop_map(|(which, minor)| Act::Refund { which, minor }),
    ]
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let acts = prop::collection::vec(acts(), 1..4);
    let step = (
        0..USERS.len(),
        any::<bool>(),
        prop::bool::weighted(0.2),
        acts,
    );
    let step = step.prop_map(|(user, is_points, dies, acts)| Step {
        user,
        is_points,
        dies,
        acts,
    });
    prop::collection::vec(step, 1..25)
}

/// What should be in the wallets.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Model {
    /// All of it and what is held, by user and whether it is points.
    balances: BTreeMap<(usize, bool), (i64, i64)>,
    /// Holds in their order.
    holds: Vec<ModelHold>,
    /// Payments in their order.
    payments: Vec<ModelPayment>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct ModelPayment {
    id: HoldId,
    key: (usize, bool),
    amount: i64,
    refunded: i64,
}

impl ModelPayment {
    fn rest(&self) -> i64 {
        self.amount - self.refunded
    }
}

/// What an act is about, of what is there already.
#[derive(Debug, Clone, Default)]
struct Meant {
    hold: Option<HoldId>,
    payment: Option<ModelPayment>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct ModelHold {
    id: HoldId,
    key: (usize, bool),
    amount: i64,
    posted: i64,
    status: HoldStatus,
}

impl Model {
    /// Does an act, or says that it is refused.
    fn act(&mut self, key: (usize, bool), act: &Act, id: HoldId) -> Result<(), ()> {
        let (balance, held) = self.balances.get(&key).copied().unwrap_or_default();
        let (balance, held) = match act {
            Act::Credit { minor } => (balance + minor, held),
            Act::Debit { minor } => (balance - minor, held),
            Act::Give { minor } => {
                let taker = self.balances.entry((1 - key.0, key.1)).or_default();
                taker.0 += minor;
                (balance - minor, held)
            }
            Act::Hold { minor } => {
                self.holds.push(ModelHold {
                    id,
                    key,
                    amount: *minor,
                    posted: 0,
                    status: HoldStatus::Active,
                });
                (balance, held + minor)
            }
            Act::Post { which, minor } => {
                let found = self.hold(*which, key)?;
                match found.status {
                    HoldStatus::Active if *minor <= found.amount => {
                        (found.status, found.posted) = (HoldStatus::Posted, *minor);
                        (balance - minor, held - found.amount)
                    }
                    HoldStatus::Posted if *minor == found.posted => (balance, held),
                    HoldStatus::Active | HoldStatus::Posted | HoldStatus::Voided => return Err(()),
                }
            }
            Act::Void { which } => {
                let found = self.hold(*which, key)?;
                match found.status {
                    HoldStatus::Active => {
                        found.status = HoldStatus::Voided;
                        (balance, held - found.amount)
                    }
                    HoldStatus::Voided => (balance, held),
                    HoldStatus::Posted => return Err(()),
                }
            }
            Act::Pay { minor } => {
                self.payments.push(ModelPayment {
                    id,
                    key,
                    amount: *minor,
                    refunded: 0,
                });
                (balance - minor, held)
            }
            Act::PayAgain { .. } => (balance, held),
            Act::Refund { which, minor } => {
                let found = self.payment(*which, key)?;
                let amount = found.rest().min(*minor);
                found.refunded += amount;
                (balance + amount, held)
            }
        };
        self.balances.insert(key, (balance, held));
        if balance < held { Err(()) } else { Ok(()) }
    }

    /// The payment that an act means, if it is one of this wallet.
    fn payment(&mut self, which: usize, key: (usize, bool)) -> Result<&mut ModelPayment, ()> {
        let payments = self.payments.iter_mut();
        payments.filter(|it| it.key == key).nth(which).ok_or(())
    }

    /// What an act is about, if it was there before `self` became `after`.
    fn meant(&mut self, after: &mut Self, key: (usize, bool), act: &Act) -> Meant {
        match act {
            Act::Post { which, .. } | Act::Void { which } => Meant {
                hold: self.hold(*which, key).ok().map(|hold| hold.id),
                payment: None,
            },
            Act::PayAgain { which } | Act::Refund { which, .. } => {
                let is_old = self.payment(*which, key).is_ok();
                let payment = after.payment(*which, key).ok().filter(|_| is_old);
                Meant {
                    hold: None,
                    payment: payment.cloned(),
                }
            }
            Act::Credit { .. }
            | Act::Debit { .. }
            | Act::Give { .. }
            | Act::Hold { .. }
            | Act::Pay { .. } => Meant::default(),
        }
    }

    /// The hold that an act means, if it is one of this wallet.
    fn hold(&mut self, which: usize, key: (usize, bool)) -> Result<&mut ModelHold, ()> {
        let mut holds = self.holds.iter_mut().filter(|hold| hold.key == key);
        holds.nth(which).ok_or(())
    }
}

fn amount(is_points: bool, minor: i64) -> Amount {
    if is_points {
        Amount::Points(points(minor))
    } else {
        Amount::Money(cny(minor))
    }
}

/// A payment of a wallet, by the hold that it was held with or by itself.
fn payment(key: &WalletKey, is_points: bool, cause: String, minor: i64) -> Transfer {
    let paid = if is_points {
        key.points_payment(cause, points(minor), cny(1))
    } else {
        key.balance_payment(cause, cny(minor))
    };
    paid.unwrap()
}

/// The movement of an act; none if there is nothing that it could be about.
fn movement(
    world: &World,
    (key, is_points): (&WalletKey, bool),
    act: &Act,
    (id, meant): (HoldId, &Meant),
) -> Option<Movement> {
    let cause = id.to_string();
    let (hold, paid) = (meant.hold, meant.payment.as_ref());
    let taker = wallet(
        world,
        if key.user_id.as_str() == FIRST {
            SECOND
        } else {
            FIRST
        },
    );
    Some(match act {
        Act::Credit { minor } => {
            Movement::Transfer(key.credit(cause, amount(is_points, *minor)).unwrap())
        }
        Act::Debit { minor } => {
            Movement::Transfer(key.debit(cause, amount(is_points, *minor)).unwrap())
        }
        Act::Give { minor } => {
            let given = key.transfer(cause, &taker.user_id, amount(is_points, *minor));
            Movement::Transfer(given.unwrap())
        }
        Act::Hold { minor } => {
            let amount = amount(is_points, *minor);
            Movement::Hold(NewHold {
                id,
                account: key.account(amount.unit()),
                amount,
                cause: TransferCause {
                    kind: CauseKind::BalancePayment,
                    id: cause,
                },
                expires_at: world.clock.now(),
            })
        }
        Act::Post { minor, .. } => Movement::PostHold {
            hold: hold?,
            transfer: payment(key, is_points, cause, *minor),
        },
        Act::Void { .. } => Movement::VoidHold(hold?),
        Act::Pay { minor } => Movement::Transfer(payment(key, is_points, cause, *minor)),
        Act::PayAgain { .. } => {
            let again = paid?;
            let cause = again.id.to_string();
            Movement::Transfer(payment(key, is_points, cause, again.amount))
        }
        Act::Refund { minor, .. } => {
            let minor = paid?.rest().min(*minor);
            let refund = if is_points {
                key.points_refund(cause, points(minor), cny(1))
            } else {
                key.balance_refund(cause, cny(minor))
            };
            // Nothing is left of the payment.
            Movement::Transfer(refund.ok().filter(|_| minor > 0)?)
        }
    })
}

/// Does a step in the database and in the model; both must say the same of it. A hold ends once in a
/// transaction, so of several acts on one only the first is kept.
async fn step(world: &World, ids: &IdSource, model: &mut Model, step: &Step) {
    let (user, is_points) = (step.user, step.is_points);
    let key = wallet(world, USERS.get(user).unwrap());
    let (mut after, mut is_refused, mut ended) = (model.clone(), false, Vec::new());
    let mut movements = Vec::new();
    for act in &step.acts {
        let id = HoldId::new(ids);
        let meant = model.meant(&mut after, (user, is_points), act);
        if meant.hold.is_some_and(|hold| ended.contains(&hold)) {
            continue;
        }
        ended.extend(meant.hold);
        if let Some(movement) = movement(world, (&key, is_points), act, (id, &meant)) {
            movements.push(movement);
            is_refused = is_refused || after.act((user, is_points), act, id).is_err();
        }
    }
    let tx = world.store().begin().await.unwrap();
    let now = world.clock.now();
    let booked = tx.book_in_tx(&movements, None, ids, now).await;
    let is_told = matches!(
        &booked,
        Ok(_) | Err(StoreError::InsufficientFunds { .. } | StoreError::HoldState { .. })
    );
    assert!(is_told, "{booked:?}: {step:?} on {model:?}");
    assert_eq!(booked.is_err(), is_refused, "{step:?} on {model:?}");
    if booked.is_ok() && !step.dies {
        tx.commit().await.unwrap();
        *model = after;
    }
}

async fn assert_agree(world: &World, model: &Model) {
    let report = world.store().verify_books().await.unwrap();
    assert!(report.is_clean(), "{report:?}");
    for ((user, is_points), expected) in &model.balances {
        let unit = if *is_points {
            Unit::Points
        } else {
            Unit::Currency(Currency::CNY)
        };
        let account = wallet(world, USERS.get(*user).unwrap()).account(unit);
        let found = world.store().balances(&account).await.unwrap();
        assert_eq!((-found.balance_minor, found.held_minor), *expected);
        assert!(found.available_minor() >= 0);
    }
}

#[test]
fn no_sequence_of_movements_and_crashes_loses_or_makes_a_cent() {
    const CASES: u32 = 24;
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let config = proptest::test_runner::Config {
        cases: CASES,
        failure_persistence: None,
        ..Default::default()
    };
    TestRunner::new(config)
        .run(&steps(), |steps| {
            runtime.block_on(async {
                let world = World::new().await;
                let mut model = Model::default();
                for wanted in &steps {
                    step(&world, &world.ids, &mut model, wanted).await;
                }
                assert_agree(&world, &model).await;
            });
            Ok(())
        })
        .unwrap();
}
