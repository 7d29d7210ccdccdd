//! What gateways keep of payments.

use sea_orm_migration::prelude::*;

use crate::ddl;

/// This migration.
#[derive(DeriveMigrationName, Debug)]
pub(crate) struct Migration;

const UP: &[&str] = &[
    "ALTER TABLE channel_accounts ADD COLUMN fee_rate_ppm bigint NOT NULL DEFAULT 0
        CONSTRAINT ck_channel_accounts_fee_rate CHECK (fee_rate_ppm >= 0 AND fee_rate_ppm < 1000000)",
    "ALTER TABLE channel_accounts ADD COLUMN is_fee_returned boolean NOT NULL DEFAULT false",
    "ALTER TABLE payment_attempts ADD COLUMN fee_rate_ppm bigint NOT NULL DEFAULT 0
        CONSTRAINT ck_payment_attempts_fee_rate CHECK (fee_rate_ppm >= 0 AND fee_rate_ppm < 1000000)",
    "ALTER TABLE payment_attempts ADD COLUMN is_fee_returned boolean NOT NULL DEFAULT false",
];

const DOWN: &[&str] = &[
    "ALTER TABLE payment_attempts DROP COLUMN is_fee_returned",
    "ALTER TABLE payment_attempts DROP COLUMN fee_rate_ppm",
    "ALTER TABLE channel_accounts DROP COLUMN is_fee_returned",
    "ALTER TABLE channel_accounts DROP COLUMN fee_rate_ppm",
];

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        ddl::run(manager, UP).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        ddl::run(manager, DOWN).await
    }

    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }
}
