//! The gRPC service through its real door: a tonic client over loopback, an embedded store.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

mod channel;
mod deadline;
mod event;
mod explain;
mod limits;
mod open;
mod payment;
mod scopes;
mod support;
mod tls;
mod token;
