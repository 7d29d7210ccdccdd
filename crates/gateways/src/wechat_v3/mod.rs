//! WeChat Pay, API v3, direct merchant (sheet `wechat_v3.md`).
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

use kassa_core::Clock;
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

#[cfg(feature = "client")]
pub use client::PlatformCertificate;

/// How long a prepay id or a code can be used (sheet §5).
const PREPAY_VALID_SECS: i64 = 2 * 3600;
/// How long an H5 address can be opened (sheet §5).
const H5_URL_VALID_SECS: i64 = 5 * 60;

const fn method(method: Method, product: &'static str) -> MethodCapability {
    MethodCapability {
        method,
        product,
        needs_payer: matches!(method, Method::Jsapi),
        needs_client_ip: matches!(method, Method::Wap),
        takes_return_url: matches!(method, Method::Wap),
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

/// What WeChat Pay can do (sheet §5). The sheet names no largest amount; this one fits 32 bits.
pub const CAPABILITIES: Capabilities = Capabilities {
    methods: &[
        method(Method::Qr, "/v3/pay/transactions/native"),
        method(Method::Jsapi, "/v3/pay/transactions/jsapi"),
        method(Method::Wap, "/v3/pay/transactions/h5"),
        method(Method::App, "/v3/pay/transactions/app"),
        method(Method::BarCode, "/v3/pay/transactions/codepay"),
    ],
    currencies: &["CNY"],
    amount_minor_max: 2_147_483_647,
    amount_minor_max_of: &[],
    refund_to_merchant: true,
    refund_callbacks: true,
    is_refund_repeatable: true,
    signed_return: false,
    expiry_min_secs: 60,
    expiry_max_secs: 7 * 24 * 3600,
};

/// What an account can do whose settings do not say where its till stands: everything but bar codes.
const WITHOUT_TILL: Capabilities = Capabilities {
    methods: &[
        method(Method::Qr, "/v3/pay/transactions/native"),
        method(Method::Jsapi, "/v3/pay/transactions/jsapi"),
        method(Method::Wap, "/v3/pay/transactions/h5"),
        method(Method::App, "/v3/pay/transactions/app"),
    ],
    ..CAPABILITIES
};

/// One WeChat Pay account.
#[derive(Debug)]
pub struct WechatV3 {
    settings: config::Settings,
    clock: Clock,
    #[cfg(feature = "client")]
    client: client::Client,
}

impl WechatV3 {
    /// Opens an account.
    ///
    /// # Errors
    /// [`ConfigError`] with every bad field.
    pub fn try_new(config: &AccountConfig, deps: &Deps) -> Result<Self, ConfigError> {
        Ok(Self {
            settings: config::Settings::try_new(config)?,
            clock: deps.clock.clone(),
            #[cfg(feature = "client")]
            client: client::Client::new(deps),
        })
    }

    /// Downloads the platform certificates now in use, by serial (sheet §8). Their answer is
    /// verified with a key that the account holds or with one that it delivers: only the holder of
    /// the `APIv3` key could have sealed that one.
    ///
    /// # Errors
    /// [`CallError`]; refused without a call for accounts that have a public key.
    #[cfg(feature = "client")]
    pub async fn download_certificates(
        &self,
    ) -> Result<std::collections::BTreeMap<String, PlatformCertificate>, CallError> {
        self.client.download_certificates(&self.settings).await
    }
}

#[cfg_attr(feature = "client", async_trait::async_trait)]
impl Gateway for WechatV3 {
    fn name(&self) -> GatewayName {
        GatewayName::WechatV3
    }

    fn capabilities(&self) -> &'static Capabilities {
        match self.settings.till {
            Some(_) => &CAPABILITIES,
            None => &WITHOUT_TILL,
        }
    }

    fn verify(&self, callback: &RawCallback<'_>) -> Result<Verified, VerifyError> {
        verify::callback(&self.settings, callback, self.clock.now())
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

    #[cfg(feature = "client")]
    async fn refund_to_merchant(
        &self,
        refund: &PlaceRefund,
        gateway_refund_id: &str,
    ) -> Result<RefundReport, CallError> {
        self.client
            .refund_to_merchant(&self.settings, refund, gateway_refund_id)
            .await
    }
}
