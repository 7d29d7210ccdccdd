//! What an app allows its payers: balance, points, channels, limits and the payment password.
//!
//! Written by operators as a part of an app's policies, amounts as decimal strings, and kept in that
//! form. What is left out has the default of the field; an amount that is not to be limited is
//! `"unlimited"`.

#[cfg(test)]
mod tests;
mod text;

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Days, NaiveDate, NaiveTime, TimeZone as _, Utc};

use crate::channel::Channel;
use crate::code::codes;
use crate::money::{Currency, Money, Points};
use crate::password::PasswordRules;
use crate::points::Rate;

/// Longest life of points, in days: a hundred years.
pub const EXPIRY_DAYS_MAX: u32 = 36_500;
/// The order in which the parts of a payment are given back: from its last leg to its first.
pub const REFUND_ORDER_DEFAULT: [RefundPart; 3] = [
    RefundPart::External,
    RefundPart::Points,
    RefundPart::Balance,
];

codes! {
    /// A part of a mixed payment, as refunds go through it.
    RefundPart as "refund part" {
        /// What a gateway collected.
        External = "EXTERNAL",
        /// What was paid in points.
        Points = "POINTS",
        /// What was paid from the balance.
        Balance = "BALANCE",
    }
}

/// What an app allows its payers.
#[derive(Debug, Clone, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PaymentConfig {
    /// Paying from the balance.
    pub balance: BalanceConfig,
    /// Paying with points.
    pub points: PointsConfig,
    /// Paying through gateways; a channel that is not named is allowed without limits of the app's.
    pub channels: BTreeMap<Channel, ChannelConfig>,
    /// The payment password and its one-time codes.
    pub password: PasswordConfig,
    /// Where a day begins and ends for daily limits.
    pub time_zone: TimeZone,
    /// Which part of a mixed payment is given back first, where the caller does not say.
    pub refund_order: RefundOrder,
    /// Whether a refund may go to the payer's balance instead of where the money came from.
    pub allow_refund_to_balance: bool,
}

/// Paying from the balance.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(try_from = "text::Balance", into = "text::Balance")]
pub struct BalanceConfig {
    /// Whether it is allowed.
    pub is_enabled: bool,
    /// The currency of the balance.
    pub currency: Currency,
    /// The smallest amount of a payment.
    pub amount_min: Money,
    /// The largest amount of a payment.
    pub amount_max: Option<Money>,
    /// The most that a user pays in a day.
    pub daily_max: Option<Money>,
    /// Whether the payment password is demanded.
    pub require_password: bool,
}

/// Paying with points.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(try_from = "text::PointsText", into = "text::PointsText")]
pub struct PointsConfig {
    /// Whether it is allowed.
    pub is_enabled: bool,
    /// What they are worth.
    pub rate: Rate,
    /// The fewest that a payment takes.
    pub min: Points,
    /// The most that a payment takes.
    pub max_per_order: Option<Points>,
    /// The most that a user pays in a day.
    pub daily_max: Option<Points>,
    /// After how many days points expire that were not spent; never, if none.
    pub expiry_days: Option<u32>,
}

/// Paying through a gateway. Limits of another currency than the payment's do not apply to it.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(try_from = "text::ChannelText", into = "text::ChannelText")]
pub struct ChannelConfig {
    /// Whether it is allowed.
    pub is_enabled: bool,
    /// The currency of the limits.
    pub currency: Currency,
    /// The smallest amount of a payment.
    pub amount_min: Option<Money>,
    /// The largest amount of a payment.
    pub amount_max: Option<Money>,
    /// The most that a user pays in a day.
    pub daily_max: Option<Money>,
}

/// The payment password and its one-time codes.
#[derive(Debug, Clone, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PasswordConfig {
    /// What a password may be and how often it may be guessed.
    pub rules: PasswordRules,
    /// The key that one-time codes are encrypted to. Without one there are no codes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code_key: Option<CodeKey>,
}

/// A public key of an app that one-time codes are encrypted to.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CodeKey {
    /// Names it: the `kid` in the header of what is encrypted to it.
    pub kid: String,
    /// The public key: RSA of 2048 bits or more, SPKI in PEM.
    #[serde(rename = "public_key")]
    pub public_key_pem: String,
}

/// The order in which the parts of a mixed payment are given back: each part exactly once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(try_from = "Vec<RefundPart>", into = "Vec<RefundPart>")]
pub struct RefundOrder([RefundPart; 3]);

impl RefundOrder {
    /// The parts, the first to be given back first.
    pub fn parts(self) -> [RefundPart; 3] {
        self.0
    }
}

impl Default for RefundOrder {
    fn default() -> Self {
        Self(REFUND_ORDER_DEFAULT)
    }
}

impl TryFrom<Vec<RefundPart>> for RefundOrder {
    type Error = InvalidPaymentConfig;

    fn try_from(parts: Vec<RefundPart>) -> Result<Self, InvalidPaymentConfig> {
        let invalid = |_parts| {
            InvalidPaymentConfig::new(
                "refund_order",
                "must name EXTERNAL, POINTS and BALANCE once",
            )
        };
        let parts: [RefundPart; 3] = parts.try_into().map_err(invalid)?;
        if RefundPart::ALL.iter().all(|part| parts.contains(part)) {
            Ok(Self(parts))
        } else {
            Err(invalid(Vec::new()))
        }
    }
}

impl From<RefundOrder> for Vec<RefundPart> {
    fn from(order: RefundOrder) -> Self {
        order.0.to_vec()
    }
}

/// A time zone of the IANA database, for example `Asia/Shanghai`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TimeZone(chrono_tz::Tz);

impl TimeZone {
    /// The day that it is there at `now`.
    pub fn day_at(self, now: DateTime<Utc>) -> NaiveDate {
        now.with_timezone(&self.0).date_naive()
    }

    /// When the day after the one of `now` begins there. Where clocks skip midnight, or the whole day,
    /// that is the first moment after it within the day; `None` if there is none.
    pub fn day_end(self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let next = self.day_at(now).checked_add_days(Days::new(1))?;
        (0..24).find_map(|hour| {
            let begin = next.and_time(NaiveTime::from_hms_opt(hour, 0, 0)?);
            let begin = self.0.from_local_datetime(&begin).earliest()?;
            Some(begin.with_timezone(&Utc))
        })
    }
}

impl Default for TimeZone {
    fn default() -> Self {
        Self(chrono_tz::Asia::Shanghai)
    }
}

impl fmt::Display for TimeZone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.name())
    }
}

impl FromStr for TimeZone {
    type Err = InvalidPaymentConfig;

    fn from_str(name: &str) -> Result<Self, InvalidPaymentConfig> {
        name.parse().map(Self).map_err(|_unknown| {
            InvalidPaymentConfig::new("time_zone", "must be an IANA name such as Asia/Shanghai")
        })
    }
}

impl TryFrom<String> for TimeZone {
    type Error = InvalidPaymentConfig;

    fn try_from(name: String) -> Result<Self, InvalidPaymentConfig> {
        name.parse()
    }
}

impl From<TimeZone> for String {
    fn from(zone: TimeZone) -> Self {
        zone.to_string()
    }
}

/// Why a configuration was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field} {expected}")]
pub struct InvalidPaymentConfig {
    /// The field.
    pub field: &'static str,
    /// What is expected of it.
    pub expected: String,
}

impl InvalidPaymentConfig {
    pub(crate) fn new(field: &'static str, expected: impl fmt::Display) -> Self {
        Self {
            field,
            expected: expected.to_string(),
        }
    }
}

impl Default for BalanceConfig {
    fn default() -> Self {
        text::balance_default()
    }
}

impl Default for PointsConfig {
    fn default() -> Self {
        text::points_default()
    }
}

impl ChannelConfig {
    /// Allowed without limits, which would be in `currency`.
    pub fn unlimited(currency: Currency) -> Self {
        Self {
            is_enabled: true,
            currency,
            amount_min: None,
            amount_max: None,
            daily_max: None,
        }
    }
}
