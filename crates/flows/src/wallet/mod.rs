//! Wallets: what an app keeps for its users.
//!
//! A wallet's row is locked by whoever takes something out, before its accounts: so a freeze waits for
//! what is under way, and what comes after it is refused. Bringing something in needs no lock of it.
//!
//! Of an app's policies one concerns what is in wallets: after how many days points expire. Off by
//! default, it holds for points that come in while it is on; refunded points begin their days anew.

mod book;
mod credit;
mod debit;
mod entries;
mod expire;
mod find;
mod operate;
mod switch;
pub(crate) mod top_up;
mod transfer;
mod view;

pub(crate) use book::{book_in_tx, lock_for_spending_in_tx, refuse_frozen};
pub use credit::credit;
pub use debit::debit;
pub use entries::{ListEntries, list_entries};
pub use expire::expire_due;
pub use find::find;
pub use operate::{NewOperation, operation};
pub use switch::{freeze, unfreeze};
pub use transfer::transfer;
