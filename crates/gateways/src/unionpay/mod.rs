//! UnionPay's all-channel platform (ACP), message version 5.1.0, `signMethod` 01 (sheet `unionpay.md`).
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

/// How long an app's `tn` can be used. UNVERIFIED (sheet §5 and §16).
const TN_VALID_SECS: i64 = 3600;
/// A signed page order carries its time, which must be "now" (sheet §4). How far off it may be is
/// UNVERIFIED; within this time nobody refuses it.
const SIGNED_VALID_SECS: i64 = 15 * 60;

const fn method(
    method: Method,
    product: &'static str,
    prepay_valid_secs: Option<i64>,
) -> MethodCapability {
    MethodCapability {
        method,
        product,
        needs_payer: false,
        needs_client_ip: false,
        takes_return_url: matches!(method, Method::Page | Method::Wap),
        prepay_valid_secs,
    }
}

/// What UnionPay can do (sheet §5 and §8). The largest amount is what `txnAmt` holds: 12 digits.
pub const CAPABILITIES: Capabilities = Capabilities {
    methods: &[
        method(Method::Qr, "01/07 backTransReq.do", None),
        method(
            Method::Page,
            "01/01 frontTransReq.do",
            Some(SIGNED_VALID_SECS),
        ),
        method(
            Method::Wap,
            "01/01 frontTransReq.do",
            Some(SIGNED_VALID_SECS),
        ),
        method(Method::App, "01/01 appTransReq.do", Some(TN_VALID_SECS)),
    ],
    currencies: &["CNY"],
    amount_minor_max: 999_999_999_999,
    amount_minor_max_of: &[],
    refund_to_merchant: false,
    refund_callbacks: true,
    is_refund_repeatable: true,
    signed_return: true,
    expiry_min_secs: 60,
    expiry_max_secs: 7 * 24 * 3600,
};

/// One UnionPay account.
#[derive(Debug)]
pub struct Unionpay {
    settings: config::Settings,
    clock: Clock,
    #[cfg(feature = "client")]
    client: client::Client,
}

impl Unionpay {
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
}

#[cfg_attr(feature = "client", async_trait::async_trait)]
impl Gateway for Unionpay {
    fn name(&self) -> GatewayName {
        GatewayName::Unionpay
    }

    fn capabilities(&self) -> &'static Capabilities {
        &CAPABILITIES
    }

    fn verify(&self, callback: &RawCallback<'_>) -> Result<Verified, VerifyError> {
        verify::callback(&self.settings, callback, self.clock.now())
    }

    fn acknowledge(&self, outcome: Outcome) -> Acknowledgement {
        verify::acknowledgement(outcome)
    }

    fn verify_return(&self, query: &str) -> Result<ReturnClaim, VerifyError> {
        verify::front_notification(&self.settings, query, self.clock.now())
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

    /// UnionPay closes nothing: an order ends at its `payTimeout` (sheet §7).
    #[cfg(feature = "client")]
    async fn close(&self, order: &PlacedOrder) -> Result<Closed, CallError> {
        Ok(self.client.close(order))
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
        _refund: &PlaceRefund,
        _gateway_refund_id: &str,
    ) -> Result<RefundReport, CallError> {
        Err(crate::error::unsupported(
            "unionpay sends no refund to the merchant",
        ))
    }
}
