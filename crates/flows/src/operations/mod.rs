//! What an operator looks at and mends.

mod parked;

pub use parked::{list_parked, redrive_parked};
