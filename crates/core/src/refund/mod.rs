//! Refunds: giving back paid money, whole or part. The amount is reserved on the payment when the
//! refund is created, taken when it succeeds and released when it fails.

mod allocate;
mod state;
#[cfg(test)]
mod tests;
mod transaction;

pub use allocate::allocate;
pub use state::{Decision, RefundFact, RefundStatus, decide};
pub use transaction::{RefundDestination, RefundLeg, RefundRoute, RefundSource, RefundTransaction};
