//! The contract of the store: the same tests on SQLite (always) and on PostgreSQL (with
//! `KASSA_TEST_BACKEND=servers`).

#![expect(clippy::unwrap_used, reason = "tests")]

mod accounts;
mod audit;
mod inbox;
mod ledger;
mod outbox;
mod payment;
mod payment_update;
mod refund;
mod schema;
mod support;
mod wallet;
mod wallet_property;
