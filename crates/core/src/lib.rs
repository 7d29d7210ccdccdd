//! The rules of Kassa: money, ids, channels, the state machines of payments and refunds, and what
//! each change books.
//!
//! Nothing here does IO, waits, or reads a clock: facts come in as values, decisions go out as
//! values, and the same input always gives the same output. The rooms:
//!
//! | room | owns |
//! | --- | --- |
//! | [`money`] | [`Money`], [`Currency`]: integer minor units, checked arithmetic |
//! | [`id`] | one newtype per kind of id, [`IdSource`] |
//! | [`clock`] | [`Clock`], the only way to learn the time |
//! | [`secret`] | [`Secret`], a value that does not print |
//! | [`channel`] | channels, methods, gateways, channel accounts |
//! | [`app`] | business systems, scopes, policies |
//! | [`payment_config`] | what an app allows its payers |
//! | [`points`] | what points are worth, and its rounding |
//! | [`limits`] | what a payer may pay by each method |
//! | [`password`] | the payment password, its tries and its one-time codes |
//! | [`payment`] | transactions, legs, attempts and the payment state machine |
//! | [`refund`] | refunds and their state machine |
//! | [`ledger`] | double entry: accounts, transfers, holds and the booking rules |
//! | [`wallet`] | what an app keeps for its users |
//! | [`notification`] | what a verified callback becomes |
//! | [`anomaly`] | money that did not come as agreed |
//! | [`event`] | what business systems are told |
//! | [`gateway_call`] | calls to gateways, as they are kept |
//! | [`error`] | the closed set of error kinds |

pub mod anomaly;
pub mod app;
pub mod channel;
pub mod clock;
mod code;
pub mod error;
pub mod event;
pub mod gateway_call;
pub mod id;
pub mod ledger;
pub mod limits;
pub mod money;
pub mod notification;
pub mod password;
pub mod payment;
pub mod payment_config;
pub mod points;
pub mod refund;
pub mod secret;
pub mod text;
pub mod wallet;

pub use clock::Clock;
pub use code::UnknownCode;
pub use error::ErrorKind;
pub use id::IdSource;
pub use money::{Currency, Money, Points};
pub use secret::Secret;
