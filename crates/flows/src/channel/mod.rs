//! Channel accounts: made, changed, switched; secrets go in and never come out.

mod create;
mod find;
mod settings;
mod switch;
mod update;

pub use create::{NewChannelAccount, create};
pub use find::{find, list};
pub use settings::Limits;
pub use switch::switch;
pub use update::{ChannelAccountChange, update};
