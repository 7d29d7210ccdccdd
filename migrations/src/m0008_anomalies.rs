//! Anomalies: money that did not come as agreed.

use sea_orm_migration::prelude::*;

use crate::ddl;

/// This migration.
#[derive(DeriveMigrationName, Debug)]
pub(crate) struct Migration;

const TABLES: &[&str] = &["anomalies"];

const UP: &[&str] = &[
    r"CREATE TABLE anomalies (
        id varchar(32) NOT NULL PRIMARY KEY,
        kind varchar(32) NOT NULL,
        dedupe_key text NOT NULL,
        channel_account_id varchar(32) NOT NULL,
        transaction_id varchar(32),
        refund_id varchar(32),
        evidence text NOT NULL,
        created_at {time} NOT NULL,
        resolved_at {time},
        resolution text,
        CONSTRAINT fk_anomalies_account FOREIGN KEY (channel_account_id)
            REFERENCES channel_accounts (id),
        CONSTRAINT fk_anomalies_transaction FOREIGN KEY (transaction_id)
            REFERENCES payment_transactions (id),
        CONSTRAINT fk_anomalies_refund FOREIGN KEY (refund_id)
            REFERENCES refund_transactions (id),
        CONSTRAINT ck_anomalies_kind CHECK (kind IN ('LATE_PAYMENT', 'DUPLICATE_PAYMENT',
            'AMOUNT_MISMATCH', 'CURRENCY_MISMATCH', 'ACCOUNT_MISMATCH', 'UNKNOWN_ORDER',
            'REVERSED_BY_GATEWAY', 'EXTERNAL_REFUND', 'REFUND_BEYOND_PAID',
            'REFUND_WITHOUT_PAYMENT', 'REFUND_AMOUNT_MISMATCH', 'REFUND_ABNORMAL',
            'REFUND_AFTER_FAILURE', 'REFUND_REVERSED')),
        CONSTRAINT ck_anomalies_resolution CHECK (resolved_at IS NOT NULL OR resolution IS NULL)
    )",
    "CREATE UNIQUE INDEX uq_anomalies_dedupe ON anomalies (dedupe_key)",
    "CREATE INDEX ix_anomalies_transaction ON anomalies (transaction_id)",
    "CREATE INDEX ix_anomalies_created ON anomalies (created_at DESC, id DESC)",
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
