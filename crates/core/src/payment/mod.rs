//! Payments: the wish to collect one amount for one business order, and what became of it.
//!
//! Invariants, held here and by constraints in the database:
//! - `amount_paid` is zero or `amount_requested`;
//! - `amount_refunded + amount_refund_reserved <= amount_paid`;
//! - the status changes only by [`decide`].

mod attempt;
mod fact;
mod prepay;
mod state;
#[cfg(test)]
mod tests;
mod transaction;

pub use attempt::{
    ATTEMPTS_MAX, Attempt, AttemptFact, AttemptStatus, Leg, LegStatus, RetryRequest,
};
pub use fact::PaymentFact;
pub use prepay::{BaiduOrder, PrepayInfo};
pub use state::{Applied, Decision, PaymentState, PaymentStatus, decide};
pub use transaction::{Failure, PaymentTransaction};
