//! The gRPC API of Kassa: protobuf to flow and back, errors to `google.rpc.Status`, authentication.
//! Nothing else: what a call means is in `flows`.
//!
//! | room | owns |
//! | --- | --- |
//! | [`Server`] | listening, TLS, health, reflection, the drain |
//! | `door` | what every call passes first: limits, token, scope, deadline, span, metrics |
//! | `auth` | tokens, and the one table of which scope an RPC needs |
//! | `services` | one file per service: convert, one flow, convert |
//! | `convert` | protobuf ↔ flow types; all bad fields at once; page tokens |
//! | `status` | the one place where an error becomes a gRPC status |

mod auth;
mod call;
mod convert;
mod door;
mod error;
mod follow;
mod incoming;
pub mod metrics;
mod options;
mod server;
mod services;
mod shared;
mod status;
mod streams;

pub use auth::AuthOptions;
pub use door::RateLimit;
pub use incoming::CONNECTIONS_MAX;
pub use options::{OptionsError, ServerOptions, TlsIdentity};
pub use server::{Deps, ServeError, Server};
pub use status::ERROR_DOMAIN;
pub use streams::{STREAMS_MAX, STREAMS_PER_APP_MAX};
