//! Wallets: accounts in points beside money, what is held of them, statements, and who asked for what.

use sea_orm_migration::prelude::*;

use crate::ddl;

/// This migration.
#[derive(DeriveMigrationName, Debug)]
pub(crate) struct Migration;

const TABLES: &[&str] = &["wallets", "wallet_operations", "holds", "points_lots"];

const KINDS: &str = "kind IN ('GATEWAY_RECEIVABLE', 'APP_PAYABLE', 'SUSPENSE', 'WALLET',
        'POINTS_WALLET', 'POINTS_POOL', 'POINTS_EXPENSE', 'FEE_EXPENSE')";
const KINDS_BEFORE: &str = "kind IN ('GATEWAY_RECEIVABLE', 'APP_PAYABLE', 'SUSPENSE')";
const CAUSES: &str =
    "cause_kind IN ('PAYMENT', 'UNEXPECTED_PAYMENT', 'REFUND', 'UNEXPECTED_REFUND',
        'WALLET_CREDIT', 'WALLET_DEBIT', 'WALLET_TRANSFER', 'TOP_UP', 'TOP_UP_REFUND',
        'BALANCE_PAYMENT', 'BALANCE_REFUND', 'POINTS_PAYMENT', 'POINTS_REFUND', 'POINTS_GRANT',
        'POINTS_DEBIT', 'POINTS_TRANSFER', 'POINTS_EXPIRY', 'FEE', 'FEE_REFUND')";
const CAUSES_BEFORE: &str = "cause_kind IN ('PAYMENT', 'UNEXPECTED_PAYMENT', 'REFUND',
        'UNEXPECTED_REFUND')";

const WIDER_POSTGRES: &[&str] = &[
    "ALTER TABLE ledger_accounts ALTER COLUMN unit TYPE varchar(8),
        ALTER COLUMN owner TYPE varchar(129)",
];
const NARROWER_POSTGRES: &[&str] = &[
    "ALTER TABLE ledger_accounts ALTER COLUMN unit TYPE varchar(3),
        ALTER COLUMN owner TYPE varchar(64)",
];

const UP: &[&str] = &[
    "ALTER TABLE ledger_accounts ADD COLUMN held_minor bigint NOT NULL DEFAULT 0
        CONSTRAINT ck_ledger_accounts_held CHECK (held_minor >= 0)
        CONSTRAINT ck_ledger_accounts_available CHECK (
            kind NOT IN ('WALLET', 'POINTS_WALLET') OR balance_minor + held_minor <= 0)",
    "ALTER TABLE ledger_accounts ADD COLUMN entry_count bigint NOT NULL DEFAULT 0",
    // Entries of accounts that have no statement yet are numbered 0.
    "ALTER TABLE ledger_entries ADD COLUMN sequence bigint NOT NULL DEFAULT 0",
    "DROP INDEX ix_ledger_entries_account",
    "CREATE INDEX ix_ledger_entries_statement ON ledger_entries (account_id, sequence)",
    r"CREATE TABLE wallets (
        id varchar(32) NOT NULL PRIMARY KEY,
        app_id varchar(64) NOT NULL,
        user_id varchar(64) NOT NULL,
        status varchar(16) NOT NULL,
        version bigint NOT NULL,
        event_sequence bigint NOT NULL,
        created_at {time} NOT NULL,
        updated_at {time} NOT NULL,
        CONSTRAINT ck_wallets_status CHECK (status IN ('ACTIVE', 'FROZEN'))
    )",
    "CREATE UNIQUE INDEX uq_wallets_user ON wallets (app_id, user_id)",
    r"CREATE TABLE wallet_operations (
        id varchar(32) NOT NULL PRIMARY KEY,
        app_id varchar(64) NOT NULL,
        request_id varchar(36) NOT NULL,
        request_fingerprint varchar(64) NOT NULL,
        kind varchar(16) NOT NULL,
        user_id varchar(64) NOT NULL,
        counterpart_user_id varchar(64),
        unit varchar(8) NOT NULL,
        amount_minor bigint NOT NULL,
        available_after_minor bigint NOT NULL,
        reason text NOT NULL,
        actor varchar(128) NOT NULL,
        created_at {time} NOT NULL,
        CONSTRAINT ck_wallet_operations_kind CHECK (kind IN ('CREDIT', 'DEBIT', 'TRANSFER')),
        CONSTRAINT ck_wallet_operations_amount CHECK (amount_minor > 0),
        CONSTRAINT ck_wallet_operations_counterpart
            CHECK ((kind = 'TRANSFER') = (counterpart_user_id IS NOT NULL))
    )",
    "CREATE UNIQUE INDEX uq_wallet_operations_request ON wallet_operations (app_id, request_id)",
    r"CREATE TABLE holds (
        id varchar(32) NOT NULL PRIMARY KEY,
        account_id varchar(32) NOT NULL,
        amount_minor bigint NOT NULL,
        posted_minor bigint NOT NULL,
        status varchar(16) NOT NULL,
        cause_kind varchar(32) NOT NULL,
        cause_id varchar(128) NOT NULL,
        transaction_id varchar(32),
        expires_at {time} NOT NULL,
        created_at {time} NOT NULL,
        ended_at {time},
        version bigint NOT NULL,
        CONSTRAINT fk_holds_account FOREIGN KEY (account_id) REFERENCES ledger_accounts (id),
        CONSTRAINT fk_holds_transaction FOREIGN KEY (transaction_id)
            REFERENCES payment_transactions (id),
        CONSTRAINT ck_holds_status CHECK (status IN ('ACTIVE', 'POSTED', 'VOIDED')),
        CONSTRAINT ck_holds_amount CHECK (amount_minor > 0),
        CONSTRAINT ck_holds_posted CHECK ((status = 'POSTED' AND posted_minor > 0
            AND posted_minor <= amount_minor) OR (status <> 'POSTED' AND posted_minor = 0)),
        CONSTRAINT ck_holds_ended CHECK ((status = 'ACTIVE') = (ended_at IS NULL))
    )",
    "CREATE UNIQUE INDEX uq_holds_cause ON holds (cause_kind, cause_id)",
    "CREATE INDEX ix_holds_due ON holds (expires_at, id) WHERE status = 'ACTIVE'",
    "CREATE INDEX ix_holds_account ON holds (account_id) WHERE status = 'ACTIVE'",
    "CREATE INDEX ix_holds_transaction ON holds (transaction_id)",
    r"CREATE TABLE points_lots (
        id varchar(32) NOT NULL PRIMARY KEY,
        account_id varchar(32) NOT NULL,
        amount_minor bigint NOT NULL,
        remaining_minor bigint NOT NULL,
        expires_at {time},
        created_at {time} NOT NULL,
        version bigint NOT NULL,
        CONSTRAINT fk_points_lots_account FOREIGN KEY (account_id)
            REFERENCES ledger_accounts (id),
        CONSTRAINT ck_points_lots_amount CHECK (amount_minor > 0),
        CONSTRAINT ck_points_lots_remaining
            CHECK (remaining_minor >= 0 AND remaining_minor <= amount_minor)
    )",
    "CREATE INDEX ix_points_lots_account
        ON points_lots (account_id, expires_at, created_at, id) WHERE remaining_minor > 0",
    "CREATE INDEX ix_points_lots_due
        ON points_lots (expires_at, id) WHERE remaining_minor > 0 AND expires_at IS NOT NULL",
];

const DOWN: &[&str] = &[
    "DROP INDEX ix_ledger_entries_statement",
    "CREATE INDEX ix_ledger_entries_account ON ledger_entries (account_id)",
    "ALTER TABLE ledger_entries DROP COLUMN sequence",
    "ALTER TABLE ledger_accounts DROP COLUMN entry_count",
    "ALTER TABLE ledger_accounts DROP COLUMN held_minor",
];

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let rename = "ALTER TABLE ledger_accounts RENAME COLUMN currency TO unit";
        ddl::run(manager, &[rename]).await?;
        ddl::run(manager, ddl::of_backend(manager, WIDER_POSTGRES, &[])?).await?;
        let kind = ("ledger_accounts", "ck_ledger_accounts_kind");
        ddl::replace_check(manager, kind, KINDS).await?;
        let cause = ("ledger_transfers", "ck_ledger_transfers_cause");
        ddl::replace_check(manager, cause, CAUSES).await?;
        ddl::run(manager, UP).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        ddl::drop_tables(manager, TABLES).await?;
        ddl::run(manager, DOWN).await?;
        let cause = ("ledger_transfers", "ck_ledger_transfers_cause");
        ddl::replace_check(manager, cause, CAUSES_BEFORE).await?;
        let kind = ("ledger_accounts", "ck_ledger_accounts_kind");
        ddl::replace_check(manager, kind, KINDS_BEFORE).await?;
        ddl::run(manager, ddl::of_backend(manager, NARROWER_POSTGRES, &[])?).await?;
        let rename = "ALTER TABLE ledger_accounts RENAME COLUMN unit TO currency";
        ddl::run(manager, &[rename]).await
    }

    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }
}
