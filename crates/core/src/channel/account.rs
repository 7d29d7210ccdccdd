//! A merchant account of ours at one gateway (seed 1: `PaymentChannelConfig`).

use chrono::{DateTime, Utc};

use super::{Channel, FeeTerms, GatewayName};
use crate::id::ChannelAccountId;
use crate::money::Money;
use crate::text::AccountCode;

/// One merchant account at one gateway, without its secrets.
#[derive(Debug, Clone, PartialEq)]
pub struct ChannelAccount {
    /// Our id.
    pub id: ChannelAccountId,
    /// The short name in callback URLs; unique, never reused.
    pub code: AccountCode,
    /// For people.
    pub display_name: String,
    /// The gateway; decides the channel.
    pub gateway: GatewayName,
    /// The gateway's own settings without secrets, as its room's `config.rs` defines them.
    pub settings: serde_json::Value,
    /// SHA-256 fingerprints of the secrets by field name; what an operator sees of them.
    pub fingerprints: std::collections::BTreeMap<String, String>,
    /// What one payment may amount to.
    pub limits: AccountLimits,
    /// What the gateway keeps of new payments.
    pub fee: FeeTerms,
    /// Networks that callbacks may come from, in CIDR form; empty means any.
    pub callback_cidrs: Vec<String>,
    /// Whether new payments may use it. Callbacks, queries and refunds work all the same.
    pub is_active: bool,
    /// Grows with every change.
    pub version: i64,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When it was last changed.
    pub updated_at: DateTime<Utc>,
}

impl ChannelAccount {
    /// The channel that it serves.
    pub fn channel(&self) -> Channel {
        self.gateway.channel()
    }
}

/// The smallest and largest payment that an account takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct AccountLimits {
    /// Smallest amount, if limited.
    pub amount_min: Option<Money>,
    /// Largest amount, if limited.
    pub amount_max: Option<Money>,
}

impl AccountLimits {
    /// Whether `amount` lies within the limits. A limit in another currency does not apply.
    pub fn allow(&self, amount: Money) -> bool {
        let same = |limit: &Money| limit.currency() == amount.currency();
        let above_min = self
            .amount_min
            .filter(same)
            .is_none_or(|min| amount.amount_minor() >= min.amount_minor());
        let below_max = self
            .amount_max
            .filter(same)
            .is_none_or(|max| amount.amount_minor() <= max.amount_minor());
        above_min && below_max
    }
}
