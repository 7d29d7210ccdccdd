//! Checks that an account opens before it is stored, and seals its secrets.

use std::collections::BTreeMap;

use gateways::{AccountConfig, registry};
use kassa_core::channel::{AccountLimits, ChannelAccount, FeeTerms, GatewayName};
use kassa_core::id::ChannelAccountId;
use kassa_core::{Money, Secret};
use runtime::accounts::seal_credentials;
use serde_json::Value;

use crate::{Error, FieldViolation, Kassa};

/// The longest display name, in characters.
pub(super) const DISPLAY_NAME_MAX: usize = 100;
/// How many networks an allow-list may have.
pub(super) const CALLBACK_CIDRS_MAX: usize = 64;

/// The amounts that an account takes and for which fee, and the networks that callbacks come from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Limits {
    /// Smallest payment.
    pub amount_min: Option<Money>,
    /// Largest payment.
    pub amount_max: Option<Money>,
    /// What the gateway keeps of new payments.
    pub fee: FeeTerms,
    /// Networks in CIDR form; empty means any.
    pub callback_cidrs: Vec<String>,
}

impl Limits {
    pub(super) fn account_limits(&self) -> AccountLimits {
        AccountLimits {
            amount_min: self.amount_min,
            amount_max: self.amount_max,
        }
    }
}

/// Everything that is wrong with an account's settings, by field.
pub(super) fn check(
    kassa: &Kassa,
    gateway: GatewayName,
    settings: &Value,
    secrets: &BTreeMap<String, Secret>,
    display_name: &str,
    limits: &Limits,
) -> Result<(), Error> {
    let mut found = Vec::new();
    let name_length = display_name.chars().count();
    if name_length == 0 || name_length > DISPLAY_NAME_MAX {
        found.push(FieldViolation::new(
            "display_name",
            format!("must have 1 to {DISPLAY_NAME_MAX} characters"),
        ));
    }
    if let (Some(min), Some(max)) = (limits.amount_min, limits.amount_max)
        && (min.currency() != max.currency() || min.amount_minor() > max.amount_minor())
    {
        found.push(FieldViolation::new(
            "amount_max",
            "must not be less than amount_min, in the same currency",
        ));
    }
    if limits.callback_cidrs.len() > CALLBACK_CIDRS_MAX {
        found.push(FieldViolation::new(
            "callback_cidrs",
            format!("must be at most {CALLBACK_CIDRS_MAX}"),
        ));
    }
    for (index, cidr) in limits.callback_cidrs.iter().enumerate() {
        if cidr.parse::<ipnet::IpNet>().is_err() {
            found.push(FieldViolation::new(
                format!("callback_cidrs[{index}]"),
                "must be a network such as 203.0.113.0/24",
            ));
        }
    }
    let config = AccountConfig {
        gateway,
        settings: settings.clone(),
        secrets: secrets.clone(),
    };
    if let Err(error) = registry::open(&config, &kassa.gateway_deps) {
        let prefix = prefix(gateway);
        found.extend(error.problems.into_iter().map(|problem| {
            FieldViolation::new(format!("{prefix}.{}", problem.field), problem.expected)
        }));
    }
    if found.is_empty() {
        Ok(())
    } else {
        Err(Error::InvalidInput(found))
    }
}

/// Which settings say whose account it is. Orders and refunds under way belong to that merchant, and
/// its callbacks are checked against it: another merchant is another account.
fn identity_fields(gateway: GatewayName) -> &'static [&'static str] {
    match gateway {
        GatewayName::Alipay => &["app_id", "seller_id"],
        GatewayName::WechatV3 => &["mchid", "appid"],
        GatewayName::WechatV2 => &["mch_id", "appid"],
        GatewayName::Baidu => &["deal_id", "app_key"],
        GatewayName::Unionpay => &["mer_id"],
        GatewayName::Stripe => &["mode", "stripe_account"],
        GatewayName::Paypal => &["environment", "merchant_id"],
    }
}

/// Refuses a change of whose account it is.
pub(super) fn keep_identity(account: &ChannelAccount, settings: &Value) -> Result<(), Error> {
    let prefix = prefix(account.gateway);
    let found: Vec<_> = identity_fields(account.gateway)
        .iter()
        .filter(|field| account.settings.get(**field) != settings.get(**field))
        .map(|field| {
            let description = "cannot change; make a new channel account for another merchant";
            FieldViolation::new(format!("{prefix}.{field}"), description)
        })
        .collect();
    if found.is_empty() {
        Ok(())
    } else {
        Err(Error::InvalidInput(found))
    }
}

fn prefix(gateway: GatewayName) -> &'static str {
    match gateway {
        GatewayName::Alipay => "settings.alipay",
        GatewayName::WechatV3 => "settings.wechat_v3",
        GatewayName::WechatV2 => "settings.wechat_v2",
        GatewayName::Baidu => "settings.baidu",
        GatewayName::Unionpay => "settings.unionpay",
        GatewayName::Stripe => "settings.stripe",
        GatewayName::Paypal => "settings.paypal",
    }
}

/// The secrets as the row keeps them: sealed, and their fingerprints.
pub(super) fn seal(
    kassa: &Kassa,
    id: ChannelAccountId,
    secrets: &BTreeMap<String, Secret>,
) -> Result<(Vec<u8>, BTreeMap<String, String>), Error> {
    let sealed = seal_credentials(&kassa.keyring, id, secrets)?;
    let fingerprints = secrets
        .iter()
        .map(|(name, secret)| {
            (
                name.clone(),
                kassa.keyring.fingerprint(secret.expose().as_bytes()),
            )
        })
        .collect();
    Ok((sealed, fingerprints))
}
