//! Opens the room that an account's gateway names.

use std::sync::Arc;

use kassa_core::channel::GatewayName;
use kassa_core::{Clock, IdSource};

use crate::{
    AccountConfig, Capabilities, ConfigError, Gateway, alipay, baidu, paypal, stripe, unionpay,
    wechat_v2, wechat_v3,
};

/// What every room is given beside its settings.
#[derive(Debug, Clone)]
pub struct Deps {
    /// Stamps requests and checks time windows.
    pub clock: Clock,
    /// Nonces.
    pub ids: IdSource,
    /// The shared outbound client.
    #[cfg(feature = "client")]
    pub http: crate::http::HttpClient,
}

impl Deps {
    /// Rooms that verify and translate but never call: what the callback ingress opens.
    pub fn verifying(clock: Clock, ids: IdSource) -> Self {
        Self {
            clock,
            ids,
            #[cfg(feature = "client")]
            http: crate::http::HttpClient::offline(),
        }
    }
}

/// Opens a channel account.
///
/// # Errors
/// [`ConfigError`] with every bad field.
pub fn open(config: &AccountConfig, deps: &Deps) -> Result<Arc<dyn Gateway>, ConfigError> {
    Ok(match config.gateway {
        GatewayName::Alipay => Arc::new(alipay::Alipay::try_new(config, deps)?),
        GatewayName::WechatV3 => Arc::new(wechat_v3::WechatV3::try_new(config, deps)?),
        GatewayName::WechatV2 => Arc::new(wechat_v2::WechatV2::try_new(config, deps)?),
        GatewayName::Baidu => Arc::new(baidu::Baidu::try_new(config, deps)?),
        GatewayName::Unionpay => Arc::new(unionpay::Unionpay::try_new(config, deps)?),
        GatewayName::Stripe => Arc::new(stripe::Stripe::try_new(config, deps)?),
        GatewayName::Paypal => Arc::new(paypal::Paypal::try_new(config, deps)?),
    })
}

/// What a gateway can do, without an account.
pub fn capabilities(gateway: GatewayName) -> &'static Capabilities {
    match gateway {
        GatewayName::Alipay => &alipay::CAPABILITIES,
        GatewayName::WechatV3 => &wechat_v3::CAPABILITIES,
        GatewayName::WechatV2 => &wechat_v2::CAPABILITIES,
        GatewayName::Baidu => &baidu::CAPABILITIES,
        GatewayName::Unionpay => &unionpay::CAPABILITIES,
        GatewayName::Stripe => &stripe::CAPABILITIES,
        GatewayName::Paypal => &paypal::CAPABILITIES,
    }
}

/// The fields of a gateway's settings that are secrets: they are sealed at rest, write-only in the
/// API and shown as fingerprints.
pub fn secret_fields(gateway: GatewayName) -> &'static [&'static str] {
    match gateway {
        GatewayName::Alipay => alipay::config::SECRET_FIELDS,
        GatewayName::WechatV3 => wechat_v3::config::SECRET_FIELDS,
        GatewayName::WechatV2 => wechat_v2::config::SECRET_FIELDS,
        GatewayName::Baidu => baidu::config::SECRET_FIELDS,
        GatewayName::Unionpay => unionpay::config::SECRET_FIELDS,
        GatewayName::Stripe => stripe::config::SECRET_FIELDS,
        GatewayName::Paypal => paypal::config::SECRET_FIELDS,
    }
}
