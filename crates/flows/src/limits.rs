//! Limits: what an app allows a payer by each method, and what a user pays in a day.
//!
//! A day is one of the app's time zone. A payment counts on the day on which it is made; one that ends
//! unpaid is taken out of that day again, and one that is paid through another channel than it was
//! made with counts for that channel, on the same day.

use chrono::{DateTime, SecondsFormat, Utc};
use kassa_core::app::App;
use kassa_core::id::LegId;
use kassa_core::ledger::{Amount, Unit};
use kassa_core::limits::{Daily, LimitKind, Refused, Spending};
use kassa_core::money::Points;
use kassa_core::payment::PaymentTransaction;
use kassa_core::payment_config::PaymentConfig;
use kassa_core::text::UserId;
use runtime::store::{DailyTotal, NewSpending, Spent, Tx};

use crate::{Error, Kassa, Reason};

/// Why a payer may not pay so, with the figures that the caller may show.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LimitError {
    /// The app does not allow the method.
    #[error("the app does not allow payments by {method}")]
    MethodDisabled {
        /// `BALANCE`, `POINTS` or the channel.
        method: &'static str,
    },
    /// Fewer points than a payment takes.
    #[error("a payment takes at least {min}")]
    PointsBelowMinimum {
        /// The fewest.
        min: Points,
    },
    /// The payment would bring its user above a limit.
    #[error("the limit {limit} of {max} has {remaining} left")]
    Exceeded {
        /// Which limit.
        limit: LimitKind,
        /// The most.
        max: Amount,
        /// What was used of it.
        used: Amount,
        /// What is left of it.
        remaining: Amount,
        /// When it begins anew, if it does.
        resets_at: Option<DateTime<Utc>>,
    },
}

impl LimitError {
    /// Why, in one word.
    pub fn reason(&self) -> Reason {
        match self {
            Self::MethodDisabled { .. } => Reason::MethodDisabled,
            Self::PointsBelowMinimum { .. } => Reason::PointsBelowMinimum,
            Self::Exceeded { .. } => Reason::LimitExceeded,
        }
    }

    /// What the caller may show.
    pub(crate) fn figures(&self) -> Vec<(&'static str, String)> {
        match self {
            Self::MethodDisabled { method } => vec![("method", (*method).to_owned())],
            Self::PointsBelowMinimum { min } => vec![("points_min", min.to_decimal_string())],
            Self::Exceeded {
                limit,
                max,
                used,
                remaining,
                resets_at,
            } => {
                let mut figures = vec![
                    ("limit", limit.as_str().to_owned()),
                    ("unit", max.unit().to_string()),
                    ("max", figure(*max)),
                    ("used", figure(*used)),
                    ("remaining", figure(*remaining)),
                ];
                let instant = |at: DateTime<Utc>| at.to_rfc3339_opts(SecondsFormat::Secs, true);
                figures.extend(resets_at.map(|at| ("resets_at", instant(at))));
                figures
            }
        }
    }
}

fn figure(amount: Amount) -> String {
    match amount {
        Amount::Money(money) => money.to_decimal_string(),
        Amount::Points(points) => points.to_decimal_string(),
    }
}

/// Whether the app allows these spendings, whatever its users paid before.
///
/// # Errors
/// [`Error::Limit`], [`Error::UnitMismatch`], [`Error::AmountOutsideLimits`].
pub fn check(config: &PaymentConfig, spendings: &[Spending]) -> Result<(), Error> {
    spendings
        .iter()
        .try_for_each(|spending| spending.check(config).map_err(refusal))
}

/// What a user has used of a daily limit.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Used {
    daily: Daily,
    minor: i64,
    resets_at: Option<DateTime<Utc>>,
}

impl Used {
    /// What is left of it, in minor units.
    pub(crate) fn left_minor(self) -> i64 {
        self.daily.max_minor.saturating_sub(self.minor).max(0)
    }

    /// Whether what is left bears the spending that was asked about.
    pub(crate) fn is_enough(self) -> bool {
        self.daily.amount_minor <= self.left_minor()
    }

    /// Refuses what goes beyond it.
    pub(crate) fn exceeded(self) -> Error {
        self.figures().map_or_else(|error| error, Error::from)
    }

    fn figures(self) -> Result<LimitError, Error> {
        let amount = |minor| Amount::of(self.daily.unit, minor).map_err(Error::internal);
        Ok(LimitError::Exceeded {
            limit: self.daily.kind,
            max: amount(self.daily.max_minor)?,
            used: amount(self.minor)?,
            remaining: amount(self.left_minor())?,
            resets_at: self.resets_at,
        })
    }
}

/// What a user has used of the daily limit that `spending` counts towards, if there is one, as if the
/// legs `without` counted nothing. Nothing is locked: it may be more a moment later.
///
/// # Errors
/// [`Error::Store`].
pub(crate) async fn used(
    kassa: &Kassa,
    app: &App,
    user: &UserId,
    spending: Spending,
    without: &[LegId],
) -> Result<Option<Used>, Error> {
    let config = &app.policies.payment_config;
    let Some(daily) = spending.daily(config) else {
        return Ok(None);
    };
    let now = kassa.clock.now();
    let total = DailyTotal {
        app: app.id.as_str(),
        user: user.as_str(),
        method: daily.method,
        unit: daily.unit.code(),
        day: &config.time_zone.day_at(now).to_string(),
    };
    Ok(Some(Used {
        minor: kassa.store.daily_used(total, without).await?,
        resets_at: config.time_zone.day_end(now),
        daily,
    }))
}

/// Counts the legs of a new payment towards the daily totals of its user. A leg that was counted before
/// is not counted again. What has no daily limit, or no user, is not counted.
///
/// The totals are locked from then on, in one order for all payments. After an error the transaction
/// is to be dropped.
///
/// # Errors
/// [`LimitError::Exceeded`], [`Error::Store`].
pub async fn spend_in_tx(
    kassa: &Kassa,
    tx: &Tx,
    app: &App,
    user: Option<&UserId>,
    spendings: &[(LegId, Spending)],
) -> Result<(), Error> {
    let Some(user) = user else { return Ok(()) };
    let config = &app.policies.payment_config;
    let mut counted: Vec<(LegId, Daily)> = spendings
        .iter()
        .filter_map(|(leg, spending)| Some((*leg, spending.daily(config)?)))
        .collect();
    counted.sort_by_key(|(_, daily)| (daily.method, daily.unit.code()));
    let at = kassa.clock.now();
    for (leg, daily) in counted {
        let spending = NewSpending {
            leg,
            app: &app.id,
            user,
            day: config.time_zone.day_at(at),
            daily,
            at,
        };
        let spent = tx.count_spending_in_tx(&spending).await?;
        refuse_above(config, spent, daily, at)?;
    }
    Ok(())
}

fn refuse_above(
    config: &PaymentConfig,
    spent: Spent,
    daily: Daily,
    made_at: DateTime<Utc>,
) -> Result<(), Error> {
    match spent {
        Spent::New | Spent::Before => Ok(()),
        Spent::Above { used_minor } => Err(Used {
            daily,
            minor: used_minor,
            resets_at: config.time_zone.day_end(made_at),
        }
        .exceeded()),
    }
}

/// Whether a leg that is to be paid another way may bring its new daily total above the limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Beyond {
    /// It may not: nothing is paid yet.
    Refused,
    /// It may: the money is there.
    Counted,
}

/// Counts the gateway's leg of an open payment towards the total of `payment.channel`, which has become
/// another one, and no longer towards the one before. It stays on the day on which the payment was made.
///
/// Locks as [`spend_in_tx`] does.
///
/// # Errors
/// [`LimitError::Exceeded`] unless it is [`Beyond::Counted`], [`Error::Store`].
pub(crate) async fn recount_in_tx(
    kassa: &Kassa,
    tx: &Tx,
    config: &PaymentConfig,
    payment: &PaymentTransaction,
    (leg, beyond): (LegId, Beyond),
) -> Result<(), Error> {
    let Some(user) = &payment.user_id else {
        return Ok(());
    };
    let spending = Spending::External(payment.channel, payment.amount_by_gateway());
    let (at, made_at) = (kassa.clock.now(), payment.created_at);
    let daily = spending.daily(config);
    let counted = daily.map(|daily| NewSpending {
        leg,
        app: &payment.app_id,
        user,
        day: config.time_zone.day_at(made_at),
        daily,
        at,
    });
    let max_minor = match (beyond, daily) {
        (Beyond::Refused, Some(daily)) => daily.max_minor,
        (Beyond::Refused, None) | (Beyond::Counted, _) => i64::MAX,
    };
    let recounted = tx.recount_spending_in_tx(leg, counted.as_ref(), max_minor, at);
    match (recounted.await?, daily) {
        (spent, Some(daily)) => refuse_above(config, spent, daily, made_at),
        (_, None) => Ok(()),
    }
}

/// Takes the legs of a payment that ended unpaid out of the daily totals again. Legs that are not
/// counted, or not any more, are left alone.
///
/// # Errors
/// [`Error::Store`].
pub async fn release_in_tx(kassa: &Kassa, tx: &Tx, legs: &[LegId]) -> Result<(), Error> {
    Ok(tx.release_spendings_in_tx(legs, kassa.clock.now()).await?)
}

fn refusal(refused: Refused) -> Error {
    match refused {
        Refused::Disabled { method } => LimitError::MethodDisabled { method }.into(),
        Refused::Currency { expected, found } => Error::UnitMismatch {
            expected: Unit::Currency(expected),
            found: Unit::Currency(found),
        },
        Refused::Amount { min, max } => Error::AmountOutsideLimits { min, max },
        Refused::PointsBelow { min } => LimitError::PointsBelowMinimum { min }.into(),
        Refused::PointsAbove { max } => LimitError::Exceeded {
            limit: LimitKind::PointsPerOrder,
            max: Amount::Points(max),
            used: Amount::Points(Points::zero()),
            remaining: Amount::Points(max),
            resets_at: None,
        }
        .into(),
    }
}
