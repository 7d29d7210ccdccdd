//! Stripe: Checkout Sessions and `PaymentIntent`s (sheet `stripe.md`). Card data never comes here: the payer
//! gives it to Stripe's page, or to Stripe's own code in the caller's client.
//!
//! This file only delegates: `sign` and `client` for what we send, `verify` for what comes in, `translate` for
//! what it means.

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
#[cfg(feature = "client")]
use crate::error::unsupported;
use crate::registry::Deps;
use crate::{
    AccountConfig, Capabilities, ConfigError, Gateway, RawCallback, ReturnClaim, TranslateError,
    Translated, Verified, VerifyError,
};
#[cfg(feature = "client")]
use crate::{CallError, Closed, PlaceOrder, PlaceRefund, Placed, PlacedOrder};

/// What Stripe can do (sheet §3 and §4). A session can be opened as long as its order lives.
pub const CAPABILITIES: Capabilities = Capabilities {
    methods: &[
        MethodCapability {
            method: Method::Page,
            product: "/v1/checkout/sessions",
            needs_payer: false,
            needs_client_ip: false,
            takes_return_url: true,
            prepay_valid_secs: None,
        },
        MethodCapability {
            method: Method::Card,
            product: "/v1/payment_intents",
            needs_payer: false,
            needs_client_ip: false,
            takes_return_url: false,
            prepay_valid_secs: None,
        },
    ],
    currencies: &[
        "USD", "EUR", "GBP", "AED", "AUD", "BGN", "BHD", "BIF", "BRL", "CAD", "CHF", "CLP", "CNY",
        "COP", "CZK", "DJF", "DKK", "GNF", "HKD", "HUF", "IDR", "ILS", "INR", "ISK", "JOD", "JPY",
        "KMF", "KRW", "KWD", "MGA", "MXN", "MYR", "NOK", "NZD", "OMR", "PEN", "PHP", "PLN", "PYG",
        "RON", "RWF", "SAR", "SEK", "SGD", "THB", "TND", "TRY", "TWD", "VND", "VUV", "XAF", "XOF",
        "XPF", "ZAR",
    ],
    amount_minor_max: 99_999_999,
    amount_minor_max_of: &[("ISK", 999_999)],
    refund_to_merchant: false,
    refund_callbacks: false,
    is_refund_repeatable: true,
    signed_return: false,
    expiry_min_secs: 60,
    expiry_max_secs: 24 * 3600 - 300,
};

/// One Stripe account.
#[derive(Debug)]
pub struct Stripe {
    settings: config::Settings,
    clock: Clock,
    #[cfg(feature = "client")]
    client: client::Client,
}

impl Stripe {
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
impl Gateway for Stripe {
    fn name(&self) -> GatewayName {
        GatewayName::Stripe
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

    fn kept_body(&self, callback: &RawCallback<'_>) -> Option<Vec<u8>> {
        verify::kept_body(callback)
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
    async fn find_order(&self, gateway_payment_id: &str) -> Result<Option<String>, CallError> {
        self.client
            .find_order(&self.settings, gateway_payment_id)
            .await
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
        Err(unsupported("stripe sends no refund to the merchant"))
    }
}
