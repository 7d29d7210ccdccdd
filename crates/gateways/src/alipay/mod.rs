//! Alipay's open platform, form protocol `gateway.do`, RSA2 (sheet `alipay.md`).
//!
//! This file only delegates: `sign` and `client` for what we send, `verify` for what comes in,
//! `translate` for what it means.

#[cfg(feature = "client")]
mod client;
pub mod config;
#[cfg(feature = "client")]
mod failure;
#[cfg(feature = "client")]
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

/// How long a precreate's code can be scanned (sheet §6).
const QR_CODE_VALID_SECS: i64 = 2 * 3600;
/// A signed request of the payer's carries the time of its signing and may be refused when that is old
/// (`isv.invalid-timestamp`). The sheet names no limit; within this one nobody refuses it.
const SIGNED_VALID_SECS: i64 = 15 * 60;

const fn method(method: Method, product: &'static str, takes_return_url: bool) -> MethodCapability {
    MethodCapability {
        method,
        product,
        needs_payer: matches!(method, Method::Jsapi),
        needs_client_ip: false,
        takes_return_url,
        prepay_valid_secs: match method {
            Method::Qr => Some(QR_CODE_VALID_SECS),
            // The payer is given nothing, or a trade that is there as long as the order.
            Method::BarCode | Method::Jsapi => None,
            Method::Page
            | Method::Wap
            | Method::App
            | Method::MiniProgram
            | Method::Card
            | Method::Wallet => Some(SIGNED_VALID_SECS),
        },
    }
}

/// What Alipay can do (sheet §6 and §10).
pub const CAPABILITIES: Capabilities = Capabilities {
    methods: &[
        method(Method::Qr, "alipay.trade.precreate", false),
        method(Method::Page, "alipay.trade.page.pay", true),
        method(Method::Wap, "alipay.trade.wap.pay", true),
        method(Method::App, "alipay.trade.app.pay", false),
        method(Method::Jsapi, "alipay.trade.create", false),
        method(Method::BarCode, "alipay.trade.pay", false),
    ],
    currencies: &["CNY"],
    amount_minor_max: 10_000_000_000,
    amount_minor_max_of: &[],
    refund_to_merchant: false,
    refund_callbacks: false,
    is_refund_repeatable: true,
    signed_return: true,
    expiry_min_secs: 60,
    expiry_max_secs: 15 * 24 * 3600,
};

/// One Alipay account.
#[derive(Debug)]
pub struct Alipay {
    settings: config::Settings,
    #[cfg(feature = "client")]
    client: client::Client,
}

impl Alipay {
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
        Ok(Self {
            settings: config::Settings::try_new(config)?,
            #[cfg(feature = "client")]
            client: client::Client::new(deps),
        })
    }
}

#[cfg_attr(feature = "client", async_trait::async_trait)]
impl Gateway for Alipay {
    fn name(&self) -> GatewayName {
        GatewayName::Alipay
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

    fn verify_return(&self, query: &str) -> Result<ReturnClaim, VerifyError> {
        verify::return_query(&self.settings, query)
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

    /// Alipay's refunds succeed at once or not at all.
    #[cfg(feature = "client")]
    async fn refund_to_merchant(
        &self,
        _refund: &PlaceRefund,
        _gateway_refund_id: &str,
    ) -> Result<RefundReport, CallError> {
        Err(crate::error::unsupported(
            "alipay sends no refund to the merchant",
        ))
    }
}
