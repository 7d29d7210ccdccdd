//! PayPal's objects, as far as they are written and read here: names as PayPal spells them (sheet §4 to §10).

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// An amount.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Amount {
    pub(super) currency_code: String,
    pub(super) value: String,
}

/// What every event begins with.
#[derive(Debug, Deserialize)]
pub(super) struct EventHead {
    pub(super) id: String,
    #[serde(rename = "event_type", default)]
    pub(super) kind: String,
}

#[derive(Debug, Deserialize)]
pub(super) struct Event {
    #[serde(rename = "event_type", default)]
    pub(super) kind: String,
    /// Old apps get resources of another form, and another version or none.
    pub(super) resource_version: Option<String>,
    pub(super) resource: Option<Value>,
}

/// An order.
#[derive(Debug, Deserialize)]
pub(super) struct Order {
    pub(super) id: Option<String>,
    /// UNVERIFIED: what events about a reversed approval have in the place of `id`.
    #[serde(rename = "order_id")]
    pub(super) other_id: Option<String>,
    pub(super) status: Option<String>,
    #[serde(default)]
    pub(super) purchase_units: Vec<PurchaseUnit>,
    #[cfg(feature = "client")]
    #[serde(default)]
    pub(super) links: Vec<Link>,
}

#[derive(Debug, Deserialize)]
pub(super) struct PurchaseUnit {
    pub(super) custom_id: Option<String>,
    #[cfg(feature = "client")]
    pub(super) amount: Option<Amount>,
    pub(super) payee: Option<Payee>,
    #[cfg(feature = "client")]
    pub(super) payments: Option<Payments>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Payee {
    pub(super) merchant_id: Option<String>,
}

#[cfg(feature = "client")]
#[derive(Debug, Default, Deserialize)]
pub(super) struct Payments {
    #[serde(default)]
    pub(super) captures: Vec<Capture>,
    #[serde(default)]
    pub(super) refunds: Vec<Refund>,
}

/// A capture: the money of an order.
#[derive(Debug, Deserialize)]
pub(super) struct Capture {
    #[cfg(feature = "client")]
    pub(super) id: String,
    pub(super) status: Option<String>,
    pub(super) status_details: Option<StatusDetails>,
    pub(super) amount: Option<Amount>,
    pub(super) custom_id: Option<String>,
    pub(super) create_time: Option<String>,
    pub(super) supplementary_data: Option<SupplementaryData>,
}

#[derive(Debug, Deserialize)]
pub(super) struct StatusDetails {
    pub(super) reason: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct SupplementaryData {
    pub(super) related_ids: Option<RelatedIds>,
}

#[derive(Debug, Deserialize)]
pub(super) struct RelatedIds {
    pub(super) order_id: Option<String>,
}

/// A refund, or a reversal by PayPal.
#[derive(Debug, Deserialize)]
pub(super) struct Refund {
    pub(super) id: String,
    pub(super) status: Option<String>,
    pub(super) status_details: Option<StatusDetails>,
    pub(super) amount: Option<Amount>,
    #[cfg(feature = "client")]
    pub(super) custom_id: Option<String>,
    pub(super) create_time: Option<String>,
    #[serde(default)]
    pub(super) links: Vec<Link>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Link {
    pub(super) href: String,
    pub(super) rel: String,
}

/// UNVERIFIED: the sheet does not describe the resource of a dispute.
#[derive(Debug, Deserialize)]
pub(super) struct Dispute {
    #[serde(rename = "dispute_id")]
    pub(super) id: String,
    pub(super) reason: Option<String>,
    pub(super) status: Option<String>,
    #[serde(rename = "dispute_amount")]
    pub(super) amount: Option<Amount>,
    #[serde(rename = "dispute_outcome")]
    pub(super) outcome: Option<DisputeOutcome>,
    #[serde(rename = "disputed_transactions", default)]
    pub(super) transactions: Vec<DisputedTransaction>,
}

#[derive(Debug, Deserialize)]
pub(super) struct DisputeOutcome {
    pub(super) outcome_code: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct DisputedTransaction {
    /// The capture.
    pub(super) seller_transaction_id: Option<String>,
}

/// What `POST /v1/oauth2/token` answers.
#[cfg(feature = "client")]
#[derive(Debug, Deserialize)]
pub(super) struct Token {
    #[serde(rename = "access_token")]
    pub(super) access: Option<kassa_core::Secret>,
    pub(super) expires_in: Option<i64>,
    pub(super) error: Option<String>,
    pub(super) error_description: Option<String>,
}

/// A refusal (sheet §9).
#[cfg(feature = "client")]
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Refusal {
    pub(super) name: Option<String>,
    pub(super) message: Option<String>,
    pub(super) details: Vec<RefusalDetail>,
}

#[cfg(feature = "client")]
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct RefusalDetail {
    pub(super) issue: Option<String>,
    pub(super) description: Option<String>,
}
