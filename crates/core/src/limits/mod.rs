//! What a payer may pay by each method: whether it is allowed, the smallest and the largest amount,
//! points per order, and what daily totals are counted.

#[cfg(test)]
mod tests;

use crate::channel::Channel;
use crate::code::codes;
use crate::ledger::Unit;
use crate::money::{Currency, Money, Points};
use crate::payment_config::PaymentConfig;

/// The method under which the balance is counted.
const BALANCE: &str = "BALANCE";
/// The method under which points are counted.
const POINTS: &str = "POINTS";

codes! {
    /// A limit that is reached by paying, not by one amount alone.
    LimitKind as "limit" {
        /// What a user pays from the balance in a day.
        BalanceDaily = "BALANCE_DAILY",
        /// What a user pays with points in a day.
        PointsDaily = "POINTS_DAILY",
        /// What a user pays through a channel in a day.
        ChannelDaily = "CHANNEL_DAILY",
        /// The points that one payment takes.
        PointsPerOrder = "POINTS_PER_ORDER",
    }
}

/// What a payer pays by one method.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Spending {
    /// From the balance.
    Balance(Money),
    /// With points.
    Points(Points),
    /// Through a gateway.
    External(Channel, Money),
}

/// Why a payer may not pay so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// The app does not allow the method.
    Disabled {
        /// `BALANCE`, `POINTS` or the channel.
        method: &'static str,
    },
    /// The balance has another currency.
    Currency {
        /// The currency of the balance.
        expected: Currency,
        /// The currency of the payment.
        found: Currency,
    },
    /// The amount is too small or too large.
    Amount {
        /// The smallest, if limited.
        min: Option<Money>,
        /// The largest, if limited.
        max: Option<Money>,
    },
    /// Fewer points than a payment takes.
    PointsBelow {
        /// The fewest.
        min: Points,
    },
    /// More points than a payment takes.
    PointsAbove {
        /// The most.
        max: Points,
    },
}

/// A total that is counted for each user and day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Daily {
    /// Which limit it is.
    pub kind: LimitKind,
    /// What it is counted under: `BALANCE`, `POINTS` or the channel.
    pub method: &'static str,
    /// What it is counted in.
    pub unit: Unit,
    /// What is counted now, in minor units.
    pub amount_minor: i64,
    /// The most, in minor units.
    pub max_minor: i64,
}

impl Spending {
    /// Whether the app allows it, whatever was paid before.
    ///
    /// # Errors
    /// The first [`Refused`] that applies.
    pub fn check(self, config: &PaymentConfig) -> Result<(), Refused> {
        match self {
            Self::Balance(amount) => {
                let balance = &config.balance;
                allowed(balance.is_enabled, BALANCE)?;
                if amount.currency() != balance.currency {
                    let (expected, found) = (balance.currency, amount.currency());
                    return Err(Refused::Currency { expected, found });
                }
                between(amount, Some(balance.amount_min), balance.amount_max)
            }
            Self::Points(points) => {
                let limits = &config.points;
                allowed(limits.is_enabled, POINTS)?;
                if points.minor() < limits.min.minor() {
                    return Err(Refused::PointsBelow { min: limits.min });
                }
                match limits.max_per_order {
                    Some(max) if points.minor() > max.minor() => Err(Refused::PointsAbove { max }),
                    Some(_) | None => Ok(()),
                }
            }
            Self::External(channel, amount) => {
                let Some(limits) = config.channels.get(&channel) else {
                    return Ok(());
                };
                allowed(limits.is_enabled, channel.as_str())?;
                if amount.currency() == limits.currency {
                    between(amount, limits.amount_min, limits.amount_max)
                } else {
                    Ok(())
                }
            }
        }
    }

    /// The daily total that it counts towards, where there is a limit.
    pub fn daily(self, config: &PaymentConfig) -> Option<Daily> {
        let of_money = |kind, method, amount: Money, max: Option<Money>| {
            max.filter(|max| max.currency() == amount.currency())
                .map(|max| Daily {
                    kind,
                    method,
                    unit: Unit::Currency(amount.currency()),
                    amount_minor: amount.amount_minor(),
                    max_minor: max.amount_minor(),
                })
        };
        match self {
            Self::Balance(amount) => {
                let max = config.balance.daily_max;
                of_money(LimitKind::BalanceDaily, BALANCE, amount, max)
            }
            Self::Points(points) => config.points.daily_max.map(|max| Daily {
                kind: LimitKind::PointsDaily,
                method: POINTS,
                unit: Unit::Points,
                amount_minor: points.minor(),
                max_minor: max.minor(),
            }),
            Self::External(channel, amount) => {
                let max = config.channels.get(&channel)?.daily_max;
                of_money(LimitKind::ChannelDaily, channel.as_str(), amount, max)
            }
        }
    }
}

fn allowed(is_enabled: bool, method: &'static str) -> Result<(), Refused> {
    if is_enabled {
        Ok(())
    } else {
        Err(Refused::Disabled { method })
    }
}

fn between(amount: Money, min: Option<Money>, max: Option<Money>) -> Result<(), Refused> {
    let minor = amount.amount_minor();
    let is_below = min.is_some_and(|min| minor < min.amount_minor());
    let is_above = max.is_some_and(|max| minor > max.amount_minor());
    if is_below || is_above {
        Err(Refused::Amount { min, max })
    } else {
        Ok(())
    }
}
