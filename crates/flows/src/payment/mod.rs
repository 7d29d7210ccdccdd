//! Payments: create, read, retry, close, synchronise, and the one place where facts change them.

pub mod apply;
mod bar_code;
pub(crate) mod close;
mod create;
mod find;
mod leg_error;
pub(crate) mod legs;
mod list;
mod means;
mod new;
pub(crate) mod place;
mod prepay;
mod remaining;
mod request;
mod retry;
pub(crate) mod reversal;
mod shares;
mod sync;

pub use close::close;
pub use create::create;
pub use find::{PaymentKey, find, find_version_after};
pub use leg_error::LegError;
pub use list::{ListPayments, list};
pub use remaining::Remaining;
pub use request::{
    BAR_CODE_EXPIRY_DEFAULT, CreatePayment, Draft, EXPIRY_DEFAULT, EXPIRY_MAX, EXPIRY_MIN,
    GivenPayer, LegWanted, LegsWanted, RetryPayment, violations,
};
pub use retry::retry;
pub(crate) use sync::query as query_attempt;
pub use sync::{QueryCommand, query_command, sync, sync_task};

use kassa_core::payment::{PaymentTransaction, PrepayInfo};

/// The envelope's `kind` of a command to ask the gateway about a payment.
pub const QUERY_KIND: &str = "payment.query.v1";

/// The business order type of top-ups: their money comes into the user's wallet.
pub(crate) const TOP_UP: &str = "WALLET_TOPUP";

/// Whether a payment is a top-up.
pub(crate) fn is_top_up(payment: &PaymentTransaction) -> bool {
    let order_type = payment.business_order_type.as_ref();
    order_type.is_some_and(|order_type| order_type.as_str() == TOP_UP)
}

/// A payment and how to pay it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PaymentView {
    /// The payment.
    pub transaction: PaymentTransaction,
    /// How to pay it, while it can be paid.
    pub prepay: Option<PrepayInfo>,
    /// What the wallet that pays has left; told by the answer to its creation only.
    pub remaining: Remaining,
}
