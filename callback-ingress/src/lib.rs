//! The door for gateways and payers.
//!
//! A callback is read (bounded in size and time), verified over its raw bytes with the account's
//! keys in memory, published with a confirm, and only then acknowledged in the gateway's own words.
//! Any failure is answered with the gateway's failure, so that it repeats. The payer's return page
//! shows what we know about a payment to whoever comes back with the gateway's signature.
//!
//! It never writes state, never calls a gateway (no HTTP client is linked), and goes on while the
//! database is away.
//!
//! | file | owns |
//! | --- | --- |
//! | [`options`] | every limit, by name |
//! | `server` | the listener, TLS, connections, the drain |
//! | `handler` | the routes, and the checks that come before them |
//! | `peer`, `rate_limit` | whose request it is, and how many it may send |
//! | `callback` | `POST /callbacks/{channel}/{account}/{payment\|refund}` |
//! | `return_page` | `GET` and `POST /return/{channel}/{account}` |
//! | `main.rs` | a process of its own |

mod body;
mod callback;
pub mod error;
mod handler;
pub mod options;
mod peer;
mod rate_limit;
mod reply;
mod return_page;
mod route;
mod server;

use std::sync::Arc;

use gateways::Gateway;
use kassa_core::{Clock, IdSource};
use runtime::accounts::AccountDirectory;
use runtime::checkpoint::Checkpoints;
use runtime::queue::Queue;
use runtime::store::Store;

pub use error::IngressError;
pub use options::IngressOptions;
pub use return_page::QUERY_COMMAND_KIND;
pub use server::Ingress;

/// What the ingress works with.
#[derive(Debug, Clone)]
pub struct Deps {
    /// The channel accounts in memory. Somebody must keep them fresh: [`AccountDirectory::keep_fresh`].
    pub accounts: AccountDirectory<Arc<dyn Gateway>>,
    /// Where notifications and query commands go.
    pub queue: Arc<dyn Queue>,
    /// Where the return page looks payments up. Callbacks don't need it.
    pub store: Store,
    /// Stamps notifications.
    pub clock: Clock,
    /// Ids of notifications and envelopes.
    pub ids: IdSource,
    /// Where tests stop and kill processes; nothing in production.
    pub checkpoints: Checkpoints,
}
