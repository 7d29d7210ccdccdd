//! The use cases of Kassa, one file per verb: each a short story over the rules (`kassa_core`), the
//! store and the queue (`runtime`) and a gateway.
//!
//! Every flow keeps three habits. It writes down what it is about to do before it calls a gateway.
//! It holds no database transaction open while it calls. And whatever it learns, from a callback, a
//! query or a call's own answer, goes through the same two functions: [`payment::apply`] and
//! [`refund::apply`].

pub mod anomaly;
pub mod app;
mod audit;
mod call;
pub mod channel;
mod context;
mod error;
pub mod event;
pub mod limits;
pub mod notification;
mod open;
pub mod operations;
pub mod page;
pub mod password;
pub mod payment;
mod reason;
pub mod refund;
pub mod resource;
pub mod synchronise;
pub mod wallet;

pub use context::{Accounts, FlowSettings, Kassa, gateway_opener};
pub use error::{Error, FieldViolation};
pub use open::{OpenError, open};
pub use page::{Page, PageRequest};
pub use reason::Reason;

/// What a worker does with a message after a flow has dealt with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Disposition {
    /// It is dealt with for good.
    Done,
    /// It failed: try again after the delay, and set it aside after the last step of the ladder.
    RetryAfter(std::time::Duration),
    /// People must look at it.
    Park(String),
}
