//! The [`Gateway`] trait and one room per gateway, all furnished alike.
//!
//! A room speaks one gateway's protocol: it builds and signs our calls, verifies the gateway's
//! callbacks over their raw bytes, and translates its words into [`kassa_core::notification`]
//! reports. It never decides what a report changes, touches no database and holds no state but keys.
//!
//! Without the feature `client` nothing here can call out: that is how the callback ingress builds.

#![warn(
    missing_docs,
    clippy::arithmetic_side_effects,
    clippy::float_arithmetic,
    clippy::wildcard_enum_match_arm
)]

pub mod acknowledgement;
pub mod alipay;
pub mod baidu;
pub mod callback;
pub mod capability;
mod china_time;
pub mod config;
pub mod crypto;
pub mod error;
mod form;
#[cfg(feature = "client")]
pub mod http;
pub mod order;
pub mod paypal;
pub mod registry;
pub mod stripe;
#[cfg(test)]
#[cfg(feature = "client")]
mod testing;
pub mod unionpay;
pub mod wechat_v2;
pub mod wechat_v3;
mod xml;

use kassa_core::channel::GatewayName;
use kassa_core::notification::Notification;
#[cfg(feature = "client")]
use kassa_core::notification::{PaymentReport, RefundReport};

pub use acknowledgement::{Acknowledgement, Outcome};
pub use callback::{RawCallback, ReturnClaim, Translated, Verified};
pub use capability::Capabilities;
pub use config::{AccountConfig, ConfigError};
#[cfg(feature = "client")]
pub use error::CallError;
pub use error::{TranslateError, VerifyError};
#[cfg(feature = "client")]
pub use order::{Closed, PlaceOrder, PlaceRefund, Placed, PlacedOrder};

/// One channel account at one gateway, ready to verify and (with the feature `client`) to call.
///
/// Implementations are cheap to share and safe to use from many tasks.
#[cfg_attr(feature = "client", async_trait::async_trait)]
pub trait Gateway: Send + Sync + std::fmt::Debug {
    /// Which gateway this is.
    fn name(&self) -> GatewayName;

    /// What this account can do. A method may need settings that the account does not have; everything that the
    /// gateway can do is in [`registry::capabilities`], of which the generated `docs/gateways.md` is made.
    fn capabilities(&self) -> &'static Capabilities;

    /// Verifies a callback over its raw bytes, before anything in it is believed. Every active key
    /// of the account is tried, so that the gateway's key rotation needs no downtime.
    ///
    /// # Errors
    /// [`VerifyError`]; nothing of the callback may be used then.
    fn verify(&self, callback: &RawCallback<'_>) -> Result<Verified, VerifyError>;

    /// What the gateway must be answered, to the byte.
    fn acknowledge(&self, outcome: Outcome) -> Acknowledgement;

    /// Verifies the query string with which the payer's browser came back. It says who came back,
    /// never that anything was paid.
    ///
    /// # Errors
    /// [`VerifyError`], also where the gateway signs no return.
    fn verify_return(&self, query: &str) -> Result<ReturnClaim, VerifyError>;

    /// Reads a verified notification. Runs in the worker, behind the queue.
    ///
    /// # Errors
    /// [`TranslateError`] if the body, although signed, cannot be read: it is parked then.
    fn translate(&self, notification: &Notification) -> Result<Translated, TranslateError>;

    /// The body of the acknowledgement of an accepted callback, where it depends on what the callback
    /// asks; `None` where [`Self::acknowledge`] says it all.
    fn reply_body(&self, _callback: &RawCallback<'_>) -> Option<String> {
        None
    }

    /// The body of a verified callback as it is kept, where it carries a secret that nobody needs afterwards;
    /// `None` where it is kept as it came.
    fn kept_body(&self, _callback: &RawCallback<'_>) -> Option<Vec<u8>> {
        None
    }

    /// Places an order. Repeating it with the same request number and content is harmless; one with a payer's
    /// code is never repeated.
    #[cfg(feature = "client")]
    async fn place(&self, order: &PlaceOrder) -> Result<Placed, CallError>;

    /// Asks what became of an order. Where the payer only approves, this collects the money of an order
    /// that is still wanted; repeating it collects once.
    #[cfg(feature = "client")]
    async fn query(&self, order: &PlacedOrder) -> Result<PaymentReport, CallError>;

    /// Closes an unpaid order, so that nobody can pay it any more. One that was placed with a payer's code is
    /// cancelled: if it turns out to be paid, the gateway gives the money back.
    #[cfg(feature = "client")]
    async fn close(&self, order: &PlacedOrder) -> Result<Closed, CallError>;

    /// Our request number of the order that the gateway's own payment `gateway_payment_id` belongs to, for
    /// notifications that name nothing else ([`Translated::unnamed`]); `None` if it is not ours.
    #[cfg(feature = "client")]
    async fn find_order(&self, gateway_payment_id: &str) -> Result<Option<String>, CallError> {
        Err(error::unsupported(&format!(
            "notifications always name our order, not {gateway_payment_id}"
        )))
    }

    /// Submits a refund. Repeating it with the same refund number and content is harmless where the
    /// capabilities say so.
    #[cfg(feature = "client")]
    async fn refund(&self, refund: &PlaceRefund) -> Result<RefundReport, CallError>;

    /// Asks what became of a refund.
    #[cfg(feature = "client")]
    async fn query_refund(&self, refund: &PlaceRefund) -> Result<RefundReport, CallError>;

    /// Sends a refund that hangs (`gateway_refund_id` is the gateway's own number of it) to the
    /// merchant's account there instead of to the payer. Refused where the gateway has no such thing.
    #[cfg(feature = "client")]
    async fn refund_to_merchant(
        &self,
        refund: &PlaceRefund,
        gateway_refund_id: &str,
    ) -> Result<RefundReport, CallError>;
}
