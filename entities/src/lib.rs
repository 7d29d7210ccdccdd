//! sea-orm entities, one file per table, no behaviour. The schema itself is in `migrations`.

pub mod anomaly;
pub mod app;
pub mod audit_chain;
pub mod audit_record;
pub mod channel_account;
pub mod daily_spending;
pub mod daily_total;
pub mod gateway_call;
pub mod hold;
pub mod ledger_account;
pub mod ledger_entry;
pub mod ledger_transfer;
pub mod notification;
pub mod outbox;
pub mod outbox_cursor;
pub mod outbox_shard;
pub mod password_code;
pub mod payment_attempt;
pub mod payment_leg;
pub mod payment_password;
pub mod payment_transaction;
pub mod points_lot;
pub mod queue_message;
pub mod refund_transaction;
pub mod wallet;
pub mod wallet_operation;
