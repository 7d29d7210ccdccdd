//! Shares: which channels pay how much of a new payment.

use kassa_core::app::App;
use kassa_core::channel::Channel;
use kassa_core::ledger::{Amount, Unit};
use kassa_core::limits::Spending;
use kassa_core::money::{MoneyError, Points};
use kassa_core::payment::{LegPoints, Share, Source, allocate};
use kassa_core::payment_config::{PaymentConfig, PointsConfig};
use kassa_core::{Currency, Money};

use super::means::Means;
use super::{CreatePayment, LegError, LegWanted, LegsWanted, TOP_UP};
use crate::Error;
use crate::limits::Used;

/// The shares that a request names, checked without looking at a wallet; `None` if they are to be found
/// by priority.
pub(super) fn named(app: &App, request: &CreatePayment) -> Result<Option<Vec<Share>>, Error> {
    let config = &app.policies.payment_config;
    if pays_by(request, Channel::is_internal) && request.user_id.is_none() {
        return Err(Error::field(
            "user_id",
            "is required to pay out of a wallet",
        ));
    }
    let order_type = request.business_order_type.as_ref();
    let is_top_up = order_type.is_some_and(|order_type| order_type.as_str() == TOP_UP);
    if is_top_up && pays_by(request, Channel::is_internal) {
        let wanted = "a WALLET_TOPUP is paid through a gateway alone";
        return Err(Error::field("payment_channel", wanted));
    }
    match &request.legs {
        LegsWanted::One => {
            let leg = LegWanted {
                channel: request.channel,
                method: request.method,
                amount: Some(request.amount),
                points: None,
            };
            Ok(Some(vec![share(config, request.amount, &leg)?]))
        }
        LegsWanted::Given(legs) => given(config, request.amount, legs).map(Some),
        LegsWanted::ByPriority(channels) => {
            check_channels(channels)?;
            Ok(None)
        }
    }
}

/// Whether a request names a channel of this sort.
pub(super) fn pays_by(request: &CreatePayment, is_meant: impl Fn(Channel) -> bool) -> bool {
    match &request.legs {
        LegsWanted::One => is_meant(request.channel),
        LegsWanted::Given(legs) => legs.iter().any(|leg| is_meant(leg.channel)),
        LegsWanted::ByPriority(channels) => channels.iter().any(|channel| is_meant(*channel)),
    }
}

/// What the shares count for in limits.
pub(super) fn spending(share: &Share) -> Spending {
    match share.points {
        Some(points) => Spending::Points(points.points),
        None if share.channel.is_internal() => Spending::Balance(share.amount),
        None => Spending::External(share.channel, share.amount),
    }
}

fn given(config: &PaymentConfig, amount: Money, legs: &[LegWanted]) -> Result<Vec<Share>, Error> {
    let channels: Vec<_> = legs.iter().map(|leg| leg.channel).collect();
    check_channels(&channels)?;
    let mut sum = Money::zero(amount.currency());
    let mut shares = Vec::with_capacity(legs.len());
    for leg in legs {
        let share = share(config, amount, leg)?;
        sum = sum.checked_add(share.amount).map_err(Error::internal)?;
        shares.push(share);
    }
    if sum == amount {
        Ok(shares)
    } else {
        Err(LegError::DontAddUp { sum, amount }.into())
    }
}

/// Each wallet once, and one gateway at most.
fn check_channels(channels: &[Channel]) -> Result<(), Error> {
    let gateways: Vec<_> = channels.iter().filter(|it| !it.is_internal()).collect();
    if let [first, second, ..] = gateways.as_slice() {
        let (first, second) = (**first, **second);
        return Err(LegError::TwoGateways { first, second }.into());
    }
    for wallet in [Channel::Balance, Channel::Points] {
        if channels
            .iter()
            .filter(|channel| **channel == wallet)
            .count()
            > 1
        {
            return Err(Error::field(
                "legs",
                format!("{wallet} may pay one leg only"),
            ));
        }
    }
    Ok(())
}

fn share(config: &PaymentConfig, total: Money, leg: &LegWanted) -> Result<Share, Error> {
    let share = if leg.channel == Channel::Points {
        share_of_points(&config.points, leg)?
    } else if leg.points.is_some() {
        return Err(Error::field("legs.points", "only POINTS pays with points"));
    } else {
        let amount = leg.amount;
        Share {
            channel: leg.channel,
            amount: amount.ok_or_else(|| Error::field("legs.amount", "is required"))?,
            points: None,
        }
    };
    if share.amount.currency() != total.currency() {
        return Err(unit_mismatch(total.currency(), share.amount.currency()));
    }
    if share.amount.is_zero() {
        return Err(Error::field("legs.amount", "must be more than zero"));
    }
    Ok(share)
}

/// Points and money must agree exactly: nobody pays more points than the amount costs, and none pay
/// more than they are worth.
fn share_of_points(config: &PointsConfig, leg: &LegWanted) -> Result<Share, Error> {
    let rate = config.rate;
    let worth = |error| match error {
        MoneyError::CurrencyMismatch { left, right } => unit_mismatch(left, right),
        other => Error::field("legs.points", other),
    };
    let (points, amount) = match (leg.points, leg.amount) {
        (None, None) => return Err(Error::field("legs.points", "points or amount is required")),
        (Some(points), Some(amount)) => (points, amount),
        (Some(points), None) => (points, rate.value_of(points).map_err(worth)?),
        (None, Some(amount)) => (rate.points_for(amount).map_err(worth)?, amount),
    };
    let value = rate.value_of(points).map_err(worth)?;
    let price = rate.points_for(amount).map_err(worth)?;
    if value != amount || price != points {
        return Err(LegError::PointsMismatch {
            points,
            value,
            amount,
            price,
        }
        .into());
    }
    Ok(Share {
        channel: Channel::Points,
        amount,
        points: Some(LegPoints { points, rate }),
    })
}

fn unit_mismatch(expected: Currency, found: Currency) -> Error {
    Error::UnitMismatch {
        expected: Unit::Currency(expected),
        found: Unit::Currency(found),
    }
}

/// Finds the shares of a request that names an order of channels only: wallets pay what is in them, as
/// far as the app's limits for one payment and for the day allow.
///
/// # Errors
/// [`Error::Limit`] if a daily limit leaves too little, [`Error::InsufficientFunds`].
pub(super) async fn by_priority(
    means: &Means<'_>,
    config: &PaymentConfig,
    amount: Money,
    channels: &[Channel],
) -> Result<Vec<Share>, Error> {
    let mut sources = Vec::with_capacity(channels.len());
    let mut reached = None;
    for channel in channels {
        let source = if !channel.is_internal() {
            Some((Source::Gateway(*channel), None))
        } else if *channel == Channel::Points {
            points(means, config, amount).await?
        } else {
            balance(means, config, amount).await?
        };
        if let Some((source, limit)) = source {
            sources.push(source);
            reached = reached.or(limit);
        }
    }
    let (shares, left) = allocate(amount, &sources).map_err(Error::internal)?;
    if left.is_zero() {
        return Ok(shares);
    }
    let available = amount.checked_sub(left).map_err(Error::internal)?;
    Err(reached.map_or_else(|| means.shortage(Amount::Money(available)), Used::exceeded))
}

/// A wallet as a source, and the daily limit where that is what bounds it.
type WalletSource = Option<(Source, Option<Used>)>;

async fn balance(
    means: &Means<'_>,
    config: &PaymentConfig,
    amount: Money,
) -> Result<WalletSource, Error> {
    let (limits, currency) = (&config.balance, amount.currency());
    if !limits.is_enabled || limits.currency != currency {
        return Ok(None);
    }
    let there = means.available_minor(Unit::Currency(currency)).await?;
    let used = means.used(Spending::Balance(amount)).await?;
    let (most, limit) = bounded(there, limits.amount_max.map(Money::amount_minor), used);
    let source = Source::Balance {
        least: limits.amount_min,
        most: Money::try_new(most, currency).map_err(Error::internal)?,
    };
    Ok(Some((source, limit)))
}

async fn points(
    means: &Means<'_>,
    config: &PaymentConfig,
    amount: Money,
) -> Result<WalletSource, Error> {
    let limits = &config.points;
    if !limits.is_enabled || limits.rate.currency() != amount.currency() {
        return Ok(None);
    }
    let there = means.available_minor(Unit::Points).await?;
    let used = means.used(Spending::Points(Points::zero())).await?;
    let (most, limit) = bounded(there, limits.max_per_order.map(Points::minor), used);
    let source = Source::Points {
        least: limits.min,
        most: Points::try_new(most).map_err(Error::internal)?,
        rate: limits.rate,
    };
    Ok(Some((source, limit)))
}

/// What a wallet pays at most of one payment, and the daily limit if that allows the least.
fn bounded(there: i64, max: Option<i64>, used: Option<Used>) -> (i64, Option<Used>) {
    let most = max.map_or(there, |max| there.min(max));
    match used.filter(|used| used.left_minor() < most) {
        Some(used) => (used.left_minor(), Some(used)),
        None => (most, None),
    }
}
