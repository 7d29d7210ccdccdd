//! PayPal: Orders v2 with intent CAPTURE, and Payments v2 (sheet `paypal.md`). The payer approves at PayPal's
//! page; the money moves when we capture, which a query of an order that is still wanted does.
//!
//! This file only delegates: `client` for what we send, `verify` for what comes in, `translate` for what it
//! means, `money` for how PayPal counts. There is no `sign`: calls carry a token.

#[cfg(feature = "client")]
mod client;
pub mod config;
#[cfg(feature = "client")]
mod failure;
mod money;
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

/// What PayPal can do (sheet §3 and §4). The last four currencies are for accounts of their own countries. The
/// payer must come within three hours.
pub const CAPABILITIES: Capabilities = Capabilities {
    methods: &[MethodCapability {
        method: Method::Page,
        product: "/v2/checkout/orders",
        needs_payer: false,
        needs_client_ip: false,
        takes_return_url: true,
        prepay_valid_secs: None,
    }],
    currencies: &[
        "USD", "EUR", "GBP", "AUD", "CAD", "CHF", "CZK", "DKK", "HKD", "HUF", "ILS", "JPY", "MXN",
        "NOK", "NZD", "PHP", "PLN", "SEK", "SGD", "THB", "TWD", "BRL", "CNY", "INR", "MYR",
    ],
    amount_minor_max: 99_999_999_999_999_999,
    amount_minor_max_of: &[("JPY", 999_999_999_999_999)],
    refund_to_merchant: false,
    refund_callbacks: false,
    is_refund_repeatable: true,
    signed_return: false,
    expiry_min_secs: 60,
    expiry_max_secs: 3 * 3600,
};

/// One PayPal account.
#[derive(Debug)]
pub struct Paypal {
    settings: config::Settings,
    clock: Clock,
    #[cfg(feature = "client")]
    client: client::Client,
}

impl Paypal {
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
impl Gateway for Paypal {
    fn name(&self) -> GatewayName {
        GatewayName::Paypal
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

    fn verify_return(&self, _query: &str) -> Result<ReturnClaim, VerifyError> {
        Err(VerifyError::NotSigned)
    }

    fn translate(&self, notification: &Notification) -> Result<Translated, TranslateError> {
        translate::notification(&self.settings, notification)
    }

    #[cfg(feature = "client")]
    async fn place(&self, order: &PlaceOrder) -> Result<Placed, CallError> {
        client::place(&self.client, &self.settings, order).await
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
        Err(unsupported("paypal sends no refund to the merchant"))
    }
}
