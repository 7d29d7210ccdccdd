//! Refund transactions.

use sea_orm_migration::prelude::*;

use crate::ddl;

/// This migration.
#[derive(DeriveMigrationName, Debug)]
pub(crate) struct Migration;

const TABLES: &[&str] = &["refund_transactions"];

const UP: &[&str] = &[
    r"CREATE TABLE refund_transactions (
        id varchar(32) NOT NULL PRIMARY KEY,
        app_id varchar(64) NOT NULL,
        original_transaction_id varchar(32) NOT NULL,
        leg_id varchar(32) NOT NULL,
        attempt_id varchar(32) NOT NULL,
        channel_account_id varchar(32) NOT NULL,
        business_refund_id varchar(64),
        request_fingerprint varchar(64) NOT NULL,
        refund_number varchar(64) NOT NULL,
        amount_requested_minor bigint NOT NULL,
        amount_refunded_minor bigint NOT NULL,
        currency varchar(3) NOT NULL,
        status varchar(32) NOT NULL,
        reason text,
        gateway_refund_id text,
        error_code text,
        error_message text,
        submitted_at {time},
        created_at {time} NOT NULL,
        updated_at {time} NOT NULL,
        refunded_at {time},
        version bigint NOT NULL,
        CONSTRAINT fk_refund_transactions_app FOREIGN KEY (app_id) REFERENCES apps (app_id),
        CONSTRAINT fk_refund_transactions_payment FOREIGN KEY (original_transaction_id)
            REFERENCES payment_transactions (id),
        CONSTRAINT fk_refund_transactions_leg FOREIGN KEY (leg_id) REFERENCES payment_legs (id),
        CONSTRAINT fk_refund_transactions_attempt FOREIGN KEY (attempt_id)
            REFERENCES payment_attempts (id),
        CONSTRAINT fk_refund_transactions_account FOREIGN KEY (channel_account_id)
            REFERENCES channel_accounts (id),
        CONSTRAINT ck_refund_transactions_requested CHECK (amount_requested_minor > 0),
        CONSTRAINT ck_refund_transactions_refunded
            CHECK (amount_refunded_minor = 0 OR amount_refunded_minor = amount_requested_minor),
        CONSTRAINT ck_refund_transactions_status
            CHECK (status IN ('PENDING', 'PROCESSING', 'SUCCESS', 'FAILED'))
    )",
    "CREATE UNIQUE INDEX uq_refund_transactions_business
        ON refund_transactions (app_id, business_refund_id) WHERE business_refund_id IS NOT NULL",
    "CREATE UNIQUE INDEX uq_refund_transactions_number
        ON refund_transactions (attempt_id, refund_number)",
    "CREATE INDEX ix_refund_transactions_payment
        ON refund_transactions (original_transaction_id, created_at DESC, id DESC)",
    "CREATE INDEX ix_refund_transactions_listing
        ON refund_transactions (app_id, created_at DESC, id DESC)",
    "CREATE INDEX ix_refund_transactions_status ON refund_transactions (status, created_at)",
];

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        ddl::run(manager, UP).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        ddl::drop_tables(manager, TABLES).await
    }

    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }
}
