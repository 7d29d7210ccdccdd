//! Events: written with the change that they tell of, relayed in their order, read by cursor.

mod list;
mod record;
mod relay;

pub use list::{ListEvents, list};
pub(crate) use record::{
    record_anomaly_event_in_tx, record_password_event_in_tx, record_payment_event_in_tx,
    record_refund_event_in_tx, record_wallet_event_in_tx,
};
pub use relay::{Relayed, relay};
