//! Legs that are paid out of wallets, and refunds of them.

use sea_orm_migration::prelude::*;

use crate::ddl;

/// This migration.
#[derive(DeriveMigrationName, Debug)]
pub(crate) struct Migration;

const TABLES: &[&str] = &["refund_legs"];

// Columns that refer to other tables cannot be dropped again on SQLite, so `hold_id` does not.
const UP: &[&str] = &[
    "ALTER TABLE payment_transactions ADD COLUMN has_internal_legs boolean NOT NULL DEFAULT false",
    "ALTER TABLE payment_legs ADD COLUMN points_minor bigint",
    "ALTER TABLE payment_legs ADD COLUMN rate_points_minor bigint",
    "ALTER TABLE payment_legs ADD COLUMN rate_money_minor bigint
        CONSTRAINT ck_payment_legs_points CHECK (
            (channel = 'POINTS') = (points_minor IS NOT NULL)
            AND (points_minor IS NULL OR points_minor > 0)
            AND (points_minor IS NULL) = (rate_points_minor IS NULL)
            AND (points_minor IS NULL) = (rate_money_minor IS NULL))",
    "ALTER TABLE payment_legs ADD COLUMN hold_id varchar(32)",
    "ALTER TABLE payment_legs ADD COLUMN amount_refunded_minor bigint NOT NULL DEFAULT 0
        CONSTRAINT ck_payment_legs_refunded CHECK (amount_refunded_minor >= 0)",
    "ALTER TABLE payment_legs ADD COLUMN amount_refund_reserved_minor bigint NOT NULL DEFAULT 0
        CONSTRAINT ck_payment_legs_reserved CHECK (amount_refund_reserved_minor >= 0
            AND amount_refunded_minor + amount_refund_reserved_minor <= amount_minor)",
    "ALTER TABLE refund_transactions ADD COLUMN gateway_amount_minor bigint
        CONSTRAINT ck_refund_transactions_gateway_amount CHECK (gateway_amount_minor IS NULL
            OR (gateway_amount_minor > 0 AND gateway_amount_minor <= amount_requested_minor))",
    "ALTER TABLE refund_transactions ADD COLUMN has_legs boolean NOT NULL DEFAULT false",
    r"CREATE TABLE refund_legs (
        id varchar(32) NOT NULL PRIMARY KEY,
        refund_id varchar(32) NOT NULL,
        leg_id varchar(32) NOT NULL,
        leg_no integer NOT NULL,
        channel varchar(32) NOT NULL,
        amount_minor bigint NOT NULL,
        currency varchar(3) NOT NULL,
        points_minor bigint,
        destination varchar(16) NOT NULL,
        CONSTRAINT fk_refund_legs_refund FOREIGN KEY (refund_id)
            REFERENCES refund_transactions (id),
        CONSTRAINT fk_refund_legs_leg FOREIGN KEY (leg_id) REFERENCES payment_legs (id),
        CONSTRAINT ck_refund_legs_amount CHECK (amount_minor > 0),
        CONSTRAINT ck_refund_legs_points CHECK (points_minor IS NULL OR points_minor >= 0),
        CONSTRAINT ck_refund_legs_destination CHECK (destination IN ('ORIGINAL', 'BALANCE'))
    )",
    "CREATE UNIQUE INDEX uq_refund_legs_leg ON refund_legs (refund_id, leg_id)",
];

const DOWN: &[&str] = &[
    "ALTER TABLE refund_transactions DROP COLUMN has_legs",
    "ALTER TABLE refund_transactions DROP COLUMN gateway_amount_minor",
    "ALTER TABLE payment_legs DROP COLUMN amount_refund_reserved_minor",
    "ALTER TABLE payment_legs DROP COLUMN amount_refunded_minor",
    "ALTER TABLE payment_legs DROP COLUMN hold_id",
    "ALTER TABLE payment_legs DROP COLUMN rate_money_minor",
    "ALTER TABLE payment_legs DROP COLUMN rate_points_minor",
    "ALTER TABLE payment_legs DROP COLUMN points_minor",
    "ALTER TABLE payment_transactions DROP COLUMN has_internal_legs",
];

/// A refund to a wallet goes through no gateway.
const NULLABLE: &[&str] = &["attempt_id", "channel_account_id"];

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        ddl::run(manager, UP).await?;
        for column in NULLABLE {
            ddl::drop_not_null(manager, "refund_transactions", column).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for column in NULLABLE {
            ddl::set_not_null(manager, "refund_transactions", column).await?;
        }
        ddl::drop_tables(manager, TABLES).await?;
        ddl::run(manager, DOWN).await
    }

    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }
}
