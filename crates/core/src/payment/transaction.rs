//! The payment transaction itself.

use std::collections::BTreeMap;
use std::net::IpAddr;

use chrono::{DateTime, Utc};

use super::{Leg, PaymentState, PaymentStatus};
use crate::channel::{Channel, Method};
use crate::id::{AttemptId, TransactionId};
use crate::money::{Money, MoneyError};
use crate::text::{AppId, BusinessOrderId, BusinessOrderType, RequestId, Subject, UserId};

/// The wish to collect one amount for one business order (seed 1: `PaymentTransaction`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PaymentTransaction {
    /// Our id.
    pub id: TransactionId,
    /// The business system that asked.
    pub app_id: AppId,
    /// Its idempotency key.
    pub request_id: RequestId,
    /// SHA-256 of the request's content: the same key with another content is refused.
    pub request_fingerprint: String,
    /// Its order.
    pub business_order_id: BusinessOrderId,
    /// What kind of order.
    pub business_order_type: Option<BusinessOrderType>,
    /// Its user.
    pub user_id: Option<UserId>,
    /// What the payer pays through: the channel of the gateway's leg, else of the first.
    pub channel: Channel,
    /// How.
    pub method: Method,
    /// Its legs, in order, if any of them is internal. Empty for a payment whose only leg is a
    /// gateway's: that leg is the whole of it.
    pub legs: Vec<Leg>,
    /// What is asked for.
    pub amount_requested: Money,
    /// What was paid: nothing, or what was asked for.
    pub amount_paid: Money,
    /// What was given back.
    pub amount_refunded: Money,
    /// What refunds under way have reserved.
    pub amount_refund_reserved: Money,
    /// Where it stands.
    pub status: PaymentStatus,
    /// The attempt that counts: the newest, or the one that was paid. A payment without a gateway's
    /// leg has none.
    pub current_attempt_id: Option<AttemptId>,
    /// The gateway's number of the paid order.
    pub gateway_transaction_id: Option<String>,
    /// Why it failed.
    pub failure: Option<Failure>,
    /// What the payer sees.
    pub subject: Subject,
    /// The payer's address.
    pub client_ip: Option<IpAddr>,
    /// Where the payer's browser goes in the end.
    pub return_url: Option<String>,
    /// The caller's own notes; given back as they came.
    pub metadata: BTreeMap<String, String>,
    /// When it must no longer be payable.
    pub expires_at: DateTime<Utc>,
    /// When it was asked for.
    pub created_at: DateTime<Utc>,
    /// When it last changed.
    pub updated_at: DateTime<Utc>,
    /// When it was paid, by the gateway's clock where that is known.
    pub paid_at: Option<DateTime<Utc>>,
    /// When it was closed.
    pub closed_at: Option<DateTime<Utc>>,
    /// Grows with every change; every update carries it.
    pub version: i64,
    /// The sequence number of its last event; the next has one more.
    pub event_sequence: i64,
}

/// Why a payment or refund failed, in the gateway's words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The gateway's code (`error_code`).
    pub code: String,
    /// The gateway's text (`error_message`).
    pub message: String,
}

impl PaymentTransaction {
    /// The part of it that [`super::decide`] looks at.
    pub fn state(&self) -> PaymentState {
        PaymentState {
            status: self.status,
            requested: self.amount_requested,
            by_gateway: self.amount_by_gateway(),
            paid: self.amount_paid,
            refunded: self.amount_refunded,
            reserved: self.amount_refund_reserved,
        }
    }

    /// The part that a gateway is to collect: all of it, unless internal legs pay the rest.
    pub fn amount_by_gateway(&self) -> Money {
        match self.gateway_leg() {
            Some(leg) => leg.amount,
            None if self.legs.is_empty() => self.amount_requested,
            None => Money::zero(self.amount_requested.currency()),
        }
    }

    /// The gateway's leg beside internal ones.
    pub fn gateway_leg(&self) -> Option<&Leg> {
        self.legs.iter().find(|leg| !leg.channel.is_internal())
    }

    /// The legs that are paid out of a wallet.
    pub fn internal_legs(&self) -> impl Iterator<Item = &Leg> {
        self.legs.iter().filter(|leg| leg.channel.is_internal())
    }

    /// Whether a gateway and wallets pay it together.
    pub fn is_mixed(&self) -> bool {
        self.gateway_leg().is_some() && self.internal_legs().next().is_some()
    }

    /// Paid minus refunded minus refunds under way.
    ///
    /// # Errors
    /// [`MoneyError`] if the row breaks its own invariant.
    pub fn amount_refundable(&self) -> Result<Money, MoneyError> {
        self.amount_paid
            .checked_sub(self.amount_refunded)?
            .checked_sub(self.amount_refund_reserved)
    }
}
