//! The payment transaction itself.

use std::collections::BTreeMap;
use std::net::IpAddr;

use chrono::{DateTime, Utc};

use super::{PaymentState, PaymentStatus};
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
    /// What the payer pays through.
    pub channel: Channel,
    /// How.
    pub method: Method,
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
    /// The attempt that counts: the newest, or the one that was paid.
    pub current_attempt_id: AttemptId,
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
            paid: self.amount_paid,
            refunded: self.amount_refunded,
            reserved: self.amount_refund_reserved,
        }
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
