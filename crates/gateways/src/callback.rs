//! Callbacks: raw, verified, translated.

use http::HeaderMap;
use kassa_core::notification::{
    CallbackRoute, DisputeReport, PaymentReport, RefundQuestion, RefundReport,
};

/// A callback as it came off the wire.
#[derive(Debug, Clone, Copy)]
pub struct RawCallback<'a> {
    /// The route that it came in by.
    pub route: CallbackRoute,
    /// All headers.
    pub headers: &'a HeaderMap,
    /// The body, to the byte.
    pub body: &'a [u8],
}

/// A callback whose signature holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// The gateway's own identity of the notification: the same on its repeats, different for every
    /// other one of the account. The inbox is unique by it.
    pub key: String,
    /// The gateway's word for what it is about, for people (for example `TRANSACTION.SUCCESS`).
    pub kind: String,
    /// The headers worth keeping with the body, names in lower case.
    pub headers: std::collections::BTreeMap<String, String>,
}

/// What a verified return of the payer's browser says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReturnClaim {
    /// Our request number of the order that the payer comes back from.
    pub request_number: String,
}

/// A notification in our words.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Translated {
    /// The gateway's word for what it is about.
    pub kind: String,
    /// Set when the notification names another merchant account than the one that verified it: it
    /// must not pay anything then (DESIGN P9).
    pub foreign: Option<ForeignAccount>,
    /// What it says about the order.
    pub payment: Option<PaymentReport>,
    /// What it says about a refund.
    pub refund: Option<RefundReport>,
    /// Set when `refund` proves nothing, or does not say which refund of ours it means: it is only a reason
    /// to ask, and the gateway's answers are applied in its place.
    pub refund_is_hint: bool,
    /// The refund that it asks about, where the gateway was answered that nobody has decided yet.
    pub question: Option<RefundQuestion>,
    /// What it says about a dispute.
    pub dispute: Option<DisputeReport>,
    /// Set when the gateway waits for us, or tells too little about the order of `payment`: that order is
    /// asked about, and the answer is applied in its place.
    pub is_to_be_asked: bool,
    /// Set when `refund` or `dispute` lacks our request number: the gateway's number of the payment, by which
    /// [`crate::Gateway::find_order`] finds it.
    pub unnamed: Option<String>,
}

/// A merchant field that is not ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForeignAccount {
    /// The gateway's field, for example `seller_id`.
    pub field: &'static str,
    /// What it held.
    pub found: String,
}
