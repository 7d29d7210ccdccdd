//! What we ask of a gateway, in our words.

use std::net::IpAddr;

use chrono::{DateTime, Utc};
use kassa_core::channel::Method;
use kassa_core::money::Money;
use kassa_core::notification::PaymentReport;
use kassa_core::payment::{AuthCode, PrepayInfo};
use kassa_core::text::{PayerId, RefundReason, Subject};
use url::Url;

/// An order to place. All of it is fixed when the attempt is prepared, so that a repeat is the same
/// order to the byte.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlaceOrder {
    /// Our request number (`out_trade_no`): 32 lowercase hex characters.
    pub request_number: String,
    /// How the payer pays.
    pub method: Method,
    /// How much.
    pub amount: Money,
    /// What the payer sees.
    pub subject: Subject,
    /// The gateway's id of the payer, where the method needs it.
    pub payer: Option<PayerId>,
    /// The code that the payer shows, where the method needs it; good for this call alone.
    pub auth_code: Option<AuthCode>,
    /// The payer's address, where known.
    pub client_ip: Option<IpAddr>,
    /// When the order must no longer be payable.
    pub expires_at: DateTime<Utc>,
    /// Where the gateway posts its callbacks.
    pub notify_url: Url,
    /// Where the payer's browser goes afterwards (our return page).
    pub return_url: Option<Url>,
}

/// What placing an order came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placed {
    /// What the caller's client needs to let the payer pay; `None` where the payer has done so already.
    pub prepay: Option<PrepayInfo>,
    /// The gateway's number for the order, where it gives one at once.
    pub gateway_transaction_id: Option<String>,
    /// What became of an order that was paid, or not, in the same call (bar codes).
    pub report: Option<PaymentReport>,
    /// Set when the gateway says that it was paid in the same call, and wants to be asked before it is believed.
    pub is_to_be_asked: bool,
}

impl Placed {
    /// An order that waits for its payer.
    pub fn open(prepay: PrepayInfo, gateway_transaction_id: Option<String>) -> Self {
        Self {
            prepay: Some(prepay),
            gateway_transaction_id,
            report: None,
            is_to_be_asked: false,
        }
    }

    /// An order that its payer confirms without anything from us.
    pub fn waiting(gateway_transaction_id: Option<String>) -> Self {
        Self {
            prepay: None,
            gateway_transaction_id,
            report: None,
            is_to_be_asked: false,
        }
    }

    /// An order whose end the gateway told in the same call.
    pub fn ended(report: PaymentReport) -> Self {
        Self {
            gateway_transaction_id: report.gateway_transaction_id.clone(),
            report: Some(report),
            ..Self::waiting(None)
        }
    }
}

/// An order that was placed before, as far as it is known here: what is asked about, or closed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlacedOrder {
    /// Our request number.
    pub request_number: String,
    /// How the payer pays.
    pub method: Method,
    /// How much.
    pub amount: Money,
    /// The gateway's number for the order, once it has told one.
    pub gateway_transaction_id: Option<String>,
    /// Whether what the payer needs to pay was ever kept, and so may have been given to anybody.
    pub is_given_out: bool,
    /// When the order must no longer be payable.
    pub expires_at: DateTime<Utc>,
    /// Whether it is still to be paid. Where a payer only approves, the money is collected while this holds.
    pub is_wanted: bool,
}

/// What closing came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Closed {
    /// It is closed, or was never there: it cannot be paid any more.
    Closed,
    /// It cannot be closed in its state, or closing it may have given money back: ask what became of it.
    NotClosable,
}

/// A refund to submit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlaceRefund {
    /// The paid order's request number.
    pub request_number: String,
    /// How the order was paid.
    pub method: Method,
    /// The gateway's number for the paid order, if it has told one.
    pub gateway_transaction_id: Option<String>,
    /// The refund's own request number: 32 lowercase hex characters.
    pub refund_number: String,
    /// How much is given back.
    pub amount: Money,
    /// How much the order was paid with.
    pub paid: Money,
    /// Why, for the payer.
    pub reason: Option<RefundReason>,
    /// Where the gateway posts the refund's callbacks, where it has any.
    pub notify_url: Url,
}
