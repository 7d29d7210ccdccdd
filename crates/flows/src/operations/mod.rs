//! What an operator looks at and mends.

mod events;
mod explain;
mod parked;

pub use events::{Republished, Waiting, list_waiting, publish_waiting};
pub use explain::{
    AttemptLine, Entry, EntryKind, PaymentName, RefundLine, Story, Subject, What, explain,
    find_payments,
};
pub use parked::{choose_parked, list_parked, redrive_parked};
