//! Baidu's cashier for smart programs (sheet `baidu.md`): order information signed by us, callbacks
//! signed by Baidu, everything else over interface 2.0.
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

/// What Baidu's cashier can do (sheet §3 and §10). The sheet names no largest amount and no expiry;
/// these are ours.
pub const CAPABILITIES: Capabilities = Capabilities {
    methods: &[MethodCapability {
        method: Method::MiniProgram,
        product: "swan.requestPolymerPayment",
        needs_payer: false,
        needs_client_ip: false,
        takes_return_url: false,
        prepay_valid_secs: None,
    }],
    currencies: &["CNY"],
    amount_minor_max: 2_147_483_647,
    amount_minor_max_of: &[],
    refund_to_merchant: false,
    refund_callbacks: true,
    // UNVERIFIED whether a repeated `bizRefundBatchId` is the same refund (sheet §9).
    is_refund_repeatable: false,
    signed_return: false,
    expiry_min_secs: 60,
    expiry_max_secs: 7 * 24 * 3600,
};

/// One account at Baidu's cashier.
#[derive(Debug)]
pub struct Baidu {
    settings: config::Settings,
    #[cfg(feature = "client")]
    client: client::Client,
}

impl Baidu {
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
impl Gateway for Baidu {
    fn name(&self) -> GatewayName {
        GatewayName::Baidu
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

    /// Baidu wants to hear something else for each kind of callback.
    fn reply_body(&self, callback: &RawCallback<'_>) -> Option<String> {
        verify::reply_body(&self.settings, callback)
    }

    fn verify_return(&self, _query: &str) -> Result<ReturnClaim, VerifyError> {
        Err(VerifyError::NotSigned)
    }

    fn translate(&self, notification: &Notification) -> Result<Translated, TranslateError> {
        translate::notification(&self.settings, notification)
    }

    #[cfg(feature = "client")]
    async fn place(&self, order: &PlaceOrder) -> Result<Placed, CallError> {
        client::place(&self.settings, order)
    }

    #[cfg(feature = "client")]
    async fn query(&self, order: &PlacedOrder) -> Result<PaymentReport, CallError> {
        let number = &order.request_number;
        self.client.query(&self.settings, number).await
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

    /// Baidu's refunds succeed or fail; none hangs.
    #[cfg(feature = "client")]
    async fn refund_to_merchant(
        &self,
        _refund: &PlaceRefund,
        _gateway_refund_id: &str,
    ) -> Result<RefundReport, CallError> {
        Err(crate::error::unsupported(
            "baidu sends no refund to the merchant",
        ))
    }
}
