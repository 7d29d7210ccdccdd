//! Stripe's objects, as far as they are read here: names as Stripe spells them (sheet §4 to §11); `money` for how
//! it counts.

pub(super) mod money;

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

/// Notes of ours on an object of Stripe's.
pub(super) type Metadata = BTreeMap<String, String>;

/// What every event begins with.
#[derive(Debug, Deserialize)]
pub(super) struct EventHead {
    pub(super) id: String,
    #[serde(rename = "type", default)]
    pub(super) kind: String,
}

#[derive(Debug, Deserialize)]
pub(super) struct Event {
    #[serde(rename = "type", default)]
    pub(super) kind: String,
    pub(super) object: Option<String>,
    pub(super) created: Option<i64>,
    pub(super) livemode: Option<bool>,
    /// The connected account.
    pub(super) account: Option<String>,
    pub(super) data: Option<EventData>,
}

#[derive(Debug, Deserialize)]
pub(super) struct EventData {
    pub(super) object: Value,
}

/// A Checkout Session.
#[derive(Debug, Deserialize)]
pub(super) struct Session {
    pub(super) id: String,
    pub(super) status: Option<String>,
    pub(super) payment_status: Option<String>,
    pub(super) amount_total: Option<i64>,
    pub(super) currency: Option<String>,
    pub(super) client_reference_id: Option<String>,
    pub(super) livemode: Option<bool>,
    #[serde(default)]
    pub(super) metadata: Option<Metadata>,
    #[cfg(feature = "client")]
    pub(super) payment_intent: Option<String>,
    #[cfg(feature = "client")]
    pub(super) url: Option<String>,
}

/// A `PaymentIntent`.
#[derive(Debug, Deserialize)]
pub(super) struct Intent {
    pub(super) id: String,
    pub(super) status: Option<String>,
    pub(super) amount_received: Option<i64>,
    pub(super) currency: Option<String>,
    pub(super) livemode: Option<bool>,
    #[serde(default)]
    pub(super) metadata: Option<Metadata>,
    #[cfg(feature = "client")]
    pub(super) client_secret: Option<kassa_core::Secret>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Refund {
    pub(super) id: String,
    pub(super) status: Option<String>,
    pub(super) amount: Option<i64>,
    pub(super) currency: Option<String>,
    pub(super) payment_intent: Option<String>,
    pub(super) failure_reason: Option<String>,
    #[serde(default)]
    pub(super) metadata: Option<Metadata>,
}

/// A list of refunds, newest first.
#[cfg(feature = "client")]
#[derive(Debug, Deserialize)]
pub(super) struct Refunds {
    pub(super) data: Vec<Refund>,
    pub(super) has_more: bool,
}

#[derive(Debug, Deserialize)]
pub(super) struct Dispute {
    pub(super) id: String,
    pub(super) amount: Option<i64>,
    pub(super) currency: Option<String>,
    pub(super) payment_intent: Option<String>,
    pub(super) reason: Option<String>,
    pub(super) status: Option<String>,
}

/// A refusal (sheet §10).
#[cfg(feature = "client")]
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Refusal {
    pub(super) error: RefusalError,
}

#[cfg(feature = "client")]
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct RefusalError {
    #[serde(rename = "type")]
    pub(super) kind: Option<String>,
    pub(super) code: Option<String>,
    pub(super) decline_code: Option<String>,
    pub(super) message: Option<String>,
}
