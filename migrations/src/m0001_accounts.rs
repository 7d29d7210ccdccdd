//! Apps and channel accounts.

use sea_orm_migration::prelude::*;

use crate::ddl;

/// This migration.
#[derive(DeriveMigrationName, Debug)]
pub(crate) struct Migration;

const TABLES: &[&str] = &["apps", "channel_accounts"];

const UP: &[&str] = &[
    r"CREATE TABLE apps (
        app_id varchar(64) NOT NULL PRIMARY KEY,
        display_name text NOT NULL,
        scopes text NOT NULL,
        keys text NOT NULL,
        channel_accounts text NOT NULL,
        is_active boolean NOT NULL,
        version bigint NOT NULL,
        created_at {time} NOT NULL,
        updated_at {time} NOT NULL
    )",
    r"CREATE TABLE channel_accounts (
        id varchar(32) NOT NULL PRIMARY KEY,
        code varchar(64) NOT NULL,
        display_name text NOT NULL,
        gateway varchar(32) NOT NULL,
        settings text NOT NULL,
        credentials_sealed {bytes} NOT NULL,
        fingerprints text NOT NULL,
        amount_min_minor bigint,
        amount_max_minor bigint,
        limit_currency varchar(3),
        callback_cidrs text NOT NULL,
        is_active boolean NOT NULL,
        version bigint NOT NULL,
        created_at {time} NOT NULL,
        updated_at {time} NOT NULL,
        CONSTRAINT ck_channel_accounts_gateway CHECK (gateway IN ('ALIPAY', 'WECHAT_V3')),
        CONSTRAINT ck_channel_accounts_amount_min CHECK (amount_min_minor >= 0),
        CONSTRAINT ck_channel_accounts_amount_max CHECK (amount_max_minor >= 0),
        CONSTRAINT ck_channel_accounts_limit_currency CHECK (
            limit_currency IS NOT NULL OR (amount_min_minor IS NULL AND amount_max_minor IS NULL))
    )",
    "CREATE UNIQUE INDEX uq_channel_accounts_code ON channel_accounts (code)",
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
