//! WeChat Pay, API v2: XML, MD5 or HMAC-SHA256 (sheet `wechat_v2.md`).
//!
//! This file only delegates: `sign` and `client` for what we send, `verify` for what comes in,
//! `translate` for what it means.

#[cfg(feature = "client")]
mod client;
pub mod config;
#[cfg(feature = "client")]
mod failure;
mod sign;
#[cfg(test)]
#[cfg(feature = "client")]
mod tests;
mod translate;
mod verify;
mod wire;

use kassa_core::channel::{GatewayName, Method};
use kassa_core::notification::Notification;
#[cfg(feature = "client")]
use kassa_core::notification::{PaymentReport, RefundReport};

use crate::acknowledgement::{Acknowledgement, Outcome};
use crate::capability::MethodCapability;
use crate::registry::Deps;
use crate::{
    AccountConfig, Capabilities, ConfigError, Gateway, RawCallback, ReturnClaim, TranslateError,
    Translated, Verified, VerifyError,
};
#[cfg(feature = "client")]
use crate::{CallError, Closed, PlaceOrder, PlaceRefund, Placed, PlacedOrder};

/// How long a prepay id or a code can be used (sheet §5).
const PREPAY_VALID_SECS: i64 = 2 * 3600;
/// How long an H5 address can be opened (sheet §5).
const H5_URL_VALID_SECS: i64 = 5 * 60;

const fn method(method: Method, product: &'static str) -> MethodCapability {
    let is_h5 = matches!(method, Method::Wap);
    MethodCapability {
        method,
        product,
        needs_payer: matches!(method, Method::Jsapi),
        needs_client_ip: is_h5,
        takes_return_url: is_h5,
        prepay_valid_secs: match method {
            Method::Wap => Some(H5_URL_VALID_SECS),
            // The payer is given nothing.
            Method::BarCode => None,
            Method::Qr
            | Method::Jsapi
            | Method::App
            | Method::Page
            | Method::MiniProgram
            | Method::Card
            | Method::Wallet => Some(PREPAY_VALID_SECS),
        },
    }
}

/// What WeChat Pay's API v2 can do (sheet §5): to a caller the same as v3, and bar codes.
pub const CAPABILITIES: Capabilities = Capabilities {
    methods: &[
        method(Method::Qr, "/pay/unifiedorder NATIVE"),
        method(Method::Jsapi, "/pay/unifiedorder JSAPI"),
        method(Method::Wap, "/pay/unifiedorder MWEB"),
        method(Method::App, "/pay/unifiedorder APP"),
        method(Method::BarCode, "/pay/micropay"),
    ],
    currencies: &["CNY"],
    amount_minor_max: 2_147_483_647,
    amount_minor_max_of: &[],
    refund_to_merchant: false,
    refund_callbacks: true,
    is_refund_repeatable: true,
    signed_return: false,
    expiry_min_secs: 60,
    expiry_max_secs: 7 * 24 * 3600,
};

/// One WeChat Pay account at API v2.
#[derive(Debug)]
pub struct WechatV2 {
    settings: config::Settings,
    #[cfg(feature = "client")]
    client: client::Client,
}

impl WechatV2 {
    /// Opens an account.
    ///
    /// # Errors
    /// [`ConfigError`] with every bad field.
    #[cfg_attr(
        not(feature = "client"),
        expect(
            unused_variables,
            reason = "only calls need a clock and an HTTP client"
        )
    )]
    pub fn try_new(config: &AccountConfig, deps: &Deps) -> Result<Self, ConfigError> {
        let settings = config::Settings::try_new(config)?;
        Ok(Self {
            #[cfg(feature = "client")]
            client: client::Client::try_new(&settings, deps)?,
            settings,
        })
    }
}

#[cfg_attr(feature = "client", async_trait::async_trait)]
impl Gateway for WechatV2 {
    fn name(&self) -> GatewayName {
        GatewayName::WechatV2
    }

    fn capabilities(&self) -> &'static Capabilities {
        &CAPABILITIES
    }

    fn verify(&self, callback: &RawCallback<'_>) -> Result<Verified, VerifyError> {
        verify::callback(&self.settings, callback)
    }

    fn acknowledge(&self, outcome: Outcome) -> Acknowledgement {
        verify::acknowledgement(outcome)
    }

    fn verify_return(&self, _query: &str) -> Result<ReturnClaim, VerifyError> {
        Err(VerifyError::NotSigned)
    }

    fn translate(&self, notification: &Notification) -> Result<Translated, TranslateError> {
        translate::notification(&self.settings, notification)
    }

    #[cfg(feature = "client")]
    async fn place(&self, order: &PlaceOrder) -> Result<Placed, CallError> {
        self.client.place(&self.settings, order).await
    }

    #[cfg(feature = "client")]
    async fn query(&self, order: &PlacedOrder) -> Result<PaymentReport, CallError> {
        self.client.query(&self.settings, order).await
    }

    #[cfg(feature = "client")]
    async fn close(&self, order: &PlacedOrder) -> Result<Closed, CallError> {
        self.client.close(&self.settings, order).await
    }

    #[cfg(feature = "client")]
    async fn refund(&self, refund: &PlaceRefund) -> Result<RefundReport, CallError> {
        self.client.refund(&self.settings, refund).await
    }

    #[cfg(feature = "client")]
    async fn query_refund(&self, refund: &PlaceRefund) -> Result<RefundReport, CallError> {
        self.client.query_refund(&self.settings, refund).await
    }

    /// API v2 has a console for that, and no call.
    #[cfg(feature = "client")]
    async fn refund_to_merchant(
        &self,
        _refund: &PlaceRefund,
        _gateway_refund_id: &str,
    ) -> Result<RefundReport, CallError> {
        Err(crate::error::unsupported(
            "wechat pay v2 sends no refund to the merchant",
        ))
    }
}
