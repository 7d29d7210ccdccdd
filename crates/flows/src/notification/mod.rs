//! Notifications: verified callbacks, taken in once and applied.

mod list;
mod take;

pub use list::{ListNotifications, list};
pub use take::take_task;
