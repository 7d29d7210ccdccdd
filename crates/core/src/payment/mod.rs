//! Payments: the wish to collect one amount for one business order, and what became of it.
//!
//! Invariants, held here and by constraints in the database:
//! - `amount_paid` is zero or `amount_requested`;
//! - `amount_refunded + amount_refund_reserved <= amount_paid`, and the same of each leg;
//! - the legs' amounts add up to `amount_requested`, and at most one leg is a gateway's;
//! - the status changes only by [`decide`].

mod allocate;
mod attempt;
mod auth_code;
mod fact;
mod leg;
#[cfg(test)]
mod leg_tests;
mod prepay;
mod state;
#[cfg(test)]
mod tests;
mod transaction;

pub use allocate::{Share, Source, allocate, exact_points};
pub use attempt::{ATTEMPTS_MAX, Attempt, AttemptFact, AttemptStatus, RetryRequest};
pub use auth_code::{AuthCode, InvalidAuthCode};
pub use fact::PaymentFact;
pub use leg::{LEGS_MAX, Leg, LegPoints, LegStatus};
pub use prepay::{BaiduOrder, ClientSecret, PrepayInfo};
pub use state::{Applied, Decision, PaymentState, PaymentStatus, decide};
pub use transaction::{Failure, PaymentTransaction};
