//! Refunds: reserve, submit, settle; and the one place where facts change them.

pub mod apply;
mod console;
mod create;
mod external;
mod find;
mod hint;
pub(crate) mod legs;
mod list;
mod submit;

pub use create::{CreateRefund, RefundShare, create};
pub(crate) use create::{NewRefund, record_refund_in_tx};
pub(crate) use external::complete_report;
pub use find::{RefundKey, find};
pub(crate) use hint::confirm;
pub use list::{ListRefunds, list};
pub use submit::{SubmitCommand, submit_task, sync_open_refunds};
pub(crate) use submit::{bring_on, order};

/// The envelope's `kind` of a command to submit a refund.
pub const SUBMIT_KIND: &str = "refund.submit.v1";
