//! What an unknown outcome needs: when to ask next, retries of a payment, anomalies that are dealt with,
//! refunds that nobody asked for, and a record of every call to a gateway.

use sea_orm_migration::prelude::*;

use crate::ddl;

/// This migration.
#[derive(DeriveMigrationName, Debug)]
pub(crate) struct Migration;

const TABLES: &[&str] = &["gateway_calls"];

// A column that refers to another table cannot be dropped again on SQLite, so `anomaly_id` does not.
const UP: &[&str] = &[
    "ALTER TABLE payment_attempts ADD COLUMN next_query_at {time}",
    "ALTER TABLE payment_attempts ADD COLUMN query_count integer NOT NULL DEFAULT 0",
    "ALTER TABLE payment_attempts ADD COLUMN request_id varchar(36)",
    "ALTER TABLE payment_attempts ADD COLUMN request_fingerprint varchar(64)",
    "CREATE INDEX ix_payment_attempts_due
        ON payment_attempts (next_query_at, id) WHERE next_query_at IS NOT NULL",
    "CREATE UNIQUE INDEX uq_payment_attempts_retry
        ON payment_attempts (transaction_id, request_id) WHERE request_id IS NOT NULL",
    "UPDATE payment_attempts SET next_query_at = updated_at
        WHERE status IN ('PREPARED', 'SENT', 'OPEN', 'UNKNOWN')",
    "ALTER TABLE refund_transactions ADD COLUMN next_query_at {time}",
    "ALTER TABLE refund_transactions ADD COLUMN query_count integer NOT NULL DEFAULT 0",
    "ALTER TABLE refund_transactions ADD COLUMN source varchar(16) NOT NULL DEFAULT 'PAYMENT'
        CONSTRAINT ck_refund_transactions_source CHECK (source IN ('PAYMENT', 'DUPLICATE'))",
    "ALTER TABLE refund_transactions ADD COLUMN anomaly_id varchar(32)",
    "CREATE INDEX ix_refund_transactions_due
        ON refund_transactions (next_query_at, id) WHERE next_query_at IS NOT NULL",
    "CREATE UNIQUE INDEX uq_refund_transactions_anomaly
        ON refund_transactions (anomaly_id) WHERE anomaly_id IS NOT NULL AND status <> 'FAILED'",
    "UPDATE refund_transactions SET next_query_at = updated_at
        WHERE status IN ('PENDING', 'PROCESSING')",
    "ALTER TABLE anomalies ADD COLUMN status varchar(16) NOT NULL DEFAULT 'OPEN'
        CONSTRAINT ck_anomalies_status CHECK (status IN ('OPEN', 'RESOLVED'))",
    "ALTER TABLE anomalies ADD COLUMN resolved_by text",
    "ALTER TABLE anomalies ADD COLUMN resolution_reason text",
    "ALTER TABLE anomalies ADD COLUMN refund_due_at {time}",
    "CREATE INDEX ix_anomalies_status ON anomalies (status, created_at DESC, id DESC)",
    "CREATE INDEX ix_anomalies_due
        ON anomalies (refund_due_at, id) WHERE refund_due_at IS NOT NULL",
    "CREATE INDEX ix_anomalies_refund ON anomalies (refund_id) WHERE refund_id IS NOT NULL",
    "ALTER TABLE apps ADD COLUMN policies text NOT NULL DEFAULT '{}'",
    r"CREATE TABLE gateway_calls (
        id varchar(32) NOT NULL PRIMARY KEY,
        transaction_id varchar(32) NOT NULL,
        attempt_id varchar(32) NOT NULL,
        refund_id varchar(32),
        channel_account_id varchar(32) NOT NULL,
        operation varchar(32) NOT NULL,
        outcome varchar(32) NOT NULL,
        code text,
        duration_ms bigint NOT NULL,
        called_at {time} NOT NULL,
        CONSTRAINT fk_gateway_calls_transaction FOREIGN KEY (transaction_id)
            REFERENCES payment_transactions (id),
        CONSTRAINT ck_gateway_calls_operation CHECK (operation IN ('PLACE', 'QUERY', 'CLOSE',
            'REFUND', 'QUERY_REFUND', 'APPLY_ABNORMAL_REFUND')),
        CONSTRAINT ck_gateway_calls_outcome CHECK (outcome IN ('ANSWERED', 'REFUSED', 'LATER',
            'MISCONFIGURED', 'NOT_SENT', 'UNKNOWN')),
        CONSTRAINT ck_gateway_calls_duration CHECK (duration_ms >= 0)
    )",
    "CREATE INDEX ix_gateway_calls_transaction ON gateway_calls (transaction_id, called_at, id)",
    "CREATE INDEX ix_audit_records_subject ON audit_records (subject, created_at, id)",
    "CREATE INDEX ix_outbox_aggregate ON outbox (aggregate_id, seq)",
];

const DOWN: &[&str] = &[
    "DROP INDEX ix_outbox_aggregate",
    "DROP INDEX ix_audit_records_subject",
    "ALTER TABLE apps DROP COLUMN policies",
    "DROP INDEX ix_anomalies_refund",
    "DROP INDEX ix_anomalies_due",
    "DROP INDEX ix_anomalies_status",
    "ALTER TABLE anomalies DROP COLUMN refund_due_at",
    "ALTER TABLE anomalies DROP COLUMN resolution_reason",
    "ALTER TABLE anomalies DROP COLUMN resolved_by",
    "ALTER TABLE anomalies DROP COLUMN status",
    "DROP INDEX uq_refund_transactions_anomaly",
    "DROP INDEX ix_refund_transactions_due",
    "ALTER TABLE refund_transactions DROP COLUMN anomaly_id",
    "ALTER TABLE refund_transactions DROP COLUMN source",
    "ALTER TABLE refund_transactions DROP COLUMN query_count",
    "ALTER TABLE refund_transactions DROP COLUMN next_query_at",
    "DROP INDEX uq_payment_attempts_retry",
    "DROP INDEX ix_payment_attempts_due",
    "ALTER TABLE payment_attempts DROP COLUMN request_fingerprint",
    "ALTER TABLE payment_attempts DROP COLUMN request_id",
    "ALTER TABLE payment_attempts DROP COLUMN query_count",
    "ALTER TABLE payment_attempts DROP COLUMN next_query_at",
];

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        ddl::run(manager, UP).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        ddl::drop_tables(manager, TABLES).await?;
        ddl::run(manager, DOWN).await
    }

    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }
}
