//! The configuration as it is written: amounts are decimal strings.

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use super::{
    BalanceConfig, ChannelConfig, EXPIRY_DAYS_MAX, InvalidPaymentConfig as Invalid, PointsConfig,
};
use crate::money::{Currency, Money, POINTS_EXPONENT, Points};
use crate::points::Rate;

/// What stands for no limit.
const UNLIMITED: &str = "unlimited";
/// Decimals that `points_per_unit` may have.
const RATE_DECIMALS_MAX: u32 = 6;

// The defaults are those of seed 2: PaymentConfig.
const AMOUNT_MIN_MINOR: i64 = 1;
const BALANCE_DAILY_MAX_MINOR: i64 = 1_000_000;
const POINTS_MIN_MINOR: i64 = 1_000;
const POINTS_PER_ORDER_MAX_MINOR: i64 = 100_000;

#[derive(Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Balance {
    enabled: bool,
    currency: Currency,
    amount_min: String,
    amount_max: String,
    daily_max: String,
    require_password: bool,
}

#[derive(Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct PointsText {
    enabled: bool,
    currency: Currency,
    points_per_unit: String,
    min_points: String,
    max_points_per_order: String,
    daily_max: String,
    /// 0 means never.
    expiry_days: u32,
}

#[derive(Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct ChannelText {
    enabled: bool,
    currency: Currency,
    amount_min: String,
    amount_max: String,
    daily_max: String,
}

impl Default for Balance {
    fn default() -> Self {
        balance_default().into()
    }
}

impl Default for PointsText {
    fn default() -> Self {
        points_default().into()
    }
}

impl Default for ChannelText {
    fn default() -> Self {
        ChannelConfig::unlimited(Currency::CNY).into()
    }
}

pub(super) fn balance_default() -> BalanceConfig {
    let cny = |minor| Money::try_new(minor, Currency::CNY).unwrap_or(Money::zero(Currency::CNY));
    BalanceConfig {
        is_enabled: true,
        currency: Currency::CNY,
        amount_min: cny(AMOUNT_MIN_MINOR),
        amount_max: None,
        daily_max: Some(cny(BALANCE_DAILY_MAX_MINOR)),
        require_password: true,
    }
}

pub(super) fn points_default() -> PointsConfig {
    let points = |minor| Points::try_new(minor).unwrap_or(Points::zero());
    PointsConfig {
        is_enabled: true,
        rate: Rate::TEN_FOR_ONE_CNY,
        min: points(POINTS_MIN_MINOR),
        max_per_order: Some(points(POINTS_PER_ORDER_MAX_MINOR)),
        daily_max: None,
        expiry_days: None,
    }
}

impl TryFrom<Balance> for BalanceConfig {
    type Error = Invalid;

    fn try_from(text: Balance) -> Result<Self, Invalid> {
        let money = |field, amount: &str| money(field, amount, text.currency);
        let read = Self {
            is_enabled: text.enabled,
            currency: text.currency,
            amount_min: money("balance.amount_min", &text.amount_min)?,
            amount_max: limit(&text.amount_max, |max| money("balance.amount_max", max))?,
            daily_max: limit(&text.daily_max, |max| money("balance.daily_max", max))?,
            require_password: text.require_password,
        };
        let min = Some(read.amount_min.amount_minor());
        in_order("balance.amount_max", min, read.amount_max)?;
        Ok(read)
    }
}

impl From<BalanceConfig> for Balance {
    fn from(config: BalanceConfig) -> Self {
        Self {
            enabled: config.is_enabled,
            currency: config.currency,
            amount_min: config.amount_min.to_decimal_string(),
            amount_max: unlimited_or(config.amount_max.map(Money::to_decimal_string)),
            daily_max: unlimited_or(config.daily_max.map(Money::to_decimal_string)),
            require_password: config.require_password,
        }
    }
}

impl TryFrom<PointsText> for PointsConfig {
    type Error = Invalid;

    fn try_from(text: PointsText) -> Result<Self, Invalid> {
        let per_order = |max: &str| points("points.max_points_per_order", max);
        if text.expiry_days > EXPIRY_DAYS_MAX {
            let expected = format!("must be at most {EXPIRY_DAYS_MAX}; 0 means never");
            return Err(Invalid::new("points.expiry_days", expected));
        }
        let read = Self {
            is_enabled: text.enabled,
            rate: rate(&text.points_per_unit, text.currency)?,
            min: points("points.min_points", &text.min_points)?,
            max_per_order: limit(&text.max_points_per_order, per_order)?,
            daily_max: limit(&text.daily_max, |max| points("points.daily_max", max))?,
            expiry_days: Some(text.expiry_days).filter(|days| *days > 0),
        };
        if read
            .max_per_order
            .is_some_and(|max| max.minor() < read.min.minor())
        {
            let expected = "must not be below min_points";
            return Err(Invalid::new("points.max_points_per_order", expected));
        }
        Ok(read)
    }
}

impl From<PointsConfig> for PointsText {
    fn from(config: PointsConfig) -> Self {
        Self {
            enabled: config.is_enabled,
            currency: config.rate.currency(),
            points_per_unit: per_unit(config.rate),
            min_points: config.min.to_decimal_string(),
            max_points_per_order: unlimited_or(config.max_per_order.map(Points::to_decimal_string)),
            daily_max: unlimited_or(config.daily_max.map(Points::to_decimal_string)),
            expiry_days: config.expiry_days.unwrap_or_default(),
        }
    }
}

impl TryFrom<ChannelText> for ChannelConfig {
    type Error = Invalid;

    fn try_from(text: ChannelText) -> Result<Self, Invalid> {
        let optional =
            |field, amount: &str| limit(amount, |amount| money(field, amount, text.currency));
        let read = Self {
            is_enabled: text.enabled,
            currency: text.currency,
            amount_min: optional("channels.amount_min", &text.amount_min)?,
            amount_max: optional("channels.amount_max", &text.amount_max)?,
            daily_max: optional("channels.daily_max", &text.daily_max)?,
        };
        let min = read.amount_min.map(Money::amount_minor);
        in_order("channels.amount_max", min, read.amount_max)?;
        Ok(read)
    }
}

impl From<ChannelConfig> for ChannelText {
    fn from(config: ChannelConfig) -> Self {
        let text = |limit: Option<Money>| unlimited_or(limit.map(Money::to_decimal_string));
        Self {
            enabled: config.is_enabled,
            currency: config.currency,
            amount_min: text(config.amount_min),
            amount_max: text(config.amount_max),
            daily_max: text(config.daily_max),
        }
    }
}

fn money(field: &'static str, amount: &str, currency: Currency) -> Result<Money, Invalid> {
    Money::parse(amount, currency).map_err(|error| Invalid::new(field, error))
}

fn points(field: &'static str, amount: &str) -> Result<Points, Invalid> {
    Points::parse(amount).map_err(|error| Invalid::new(field, error))
}

fn limit<T>(text: &str, read: impl Fn(&str) -> Result<T, Invalid>) -> Result<Option<T>, Invalid> {
    match text {
        UNLIMITED => Ok(None),
        amount => read(amount).map(Some),
    }
}

fn unlimited_or(amount: Option<String>) -> String {
    amount.unwrap_or_else(|| UNLIMITED.to_owned())
}

fn in_order(field: &'static str, min: Option<i64>, max: Option<Money>) -> Result<(), Invalid> {
    if max
        .zip(min)
        .is_some_and(|(max, min)| max.amount_minor() < min)
    {
        return Err(Invalid::new(field, "must not be below amount_min"));
    }
    Ok(())
}

/// Points for one unit of the currency, as an exact rate.
fn rate(per_unit: &str, currency: Currency) -> Result<Rate, Invalid> {
    let invalid = || {
        let expected = format!(
            "must be a plain decimal above 0 with at most {RATE_DECIMALS_MAX} decimals, such as 10"
        );
        Invalid::new("points.points_per_unit", expected)
    };
    let is_plain = per_unit
        .bytes()
        .all(|byte| byte.is_ascii_digit() || byte == b'.');
    let rate = per_unit.parse::<Decimal>().ok().filter(|_| is_plain);
    let rate = rate.ok_or_else(invalid)?.normalize();
    if rate.scale() > RATE_DECIMALS_MAX {
        return Err(invalid());
    }
    let power = |exponent: u32| 10_i64.checked_pow(exponent);
    let points_minor = i64::try_from(rate.mantissa())
        .ok()
        .zip(power(POINTS_EXPONENT))
        .and_then(|(mantissa, minor)| mantissa.checked_mul(minor));
    let money_minor = power(rate.scale())
        .zip(power(currency.exponent()))
        .and_then(|(unit, minor)| unit.checked_mul(minor));
    let rate = points_minor.zip(money_minor);
    rate.and_then(|(points, money)| Rate::try_new(points, money, currency))
        .ok_or_else(invalid)
}

/// A rate that was read by [`rate`] as it was written, without zeros at its end.
fn per_unit(rate: Rate) -> String {
    let minor = |exponent: u32| Decimal::from(10_i64.saturating_pow(exponent));
    let units = Decimal::from(rate.money_minor()).checked_div(minor(rate.currency().exponent()));
    let points = Decimal::from(rate.points_minor()).checked_div(minor(POINTS_EXPONENT));
    let per_unit = points
        .zip(units)
        .and_then(|(points, units)| points.checked_div(units));
    per_unit.unwrap_or_default().normalize().to_string()
}
