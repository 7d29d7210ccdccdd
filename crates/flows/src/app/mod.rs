//! Apps: the business systems that call.

mod apply;

pub use apply::{NewApp, apply, find, list, violations};
