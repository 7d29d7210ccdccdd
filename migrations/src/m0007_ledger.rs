//! The ledger: accounts, transfers, entries. Transfers and entries never change.

use sea_orm_migration::prelude::*;

use crate::ddl;

/// This migration.
#[derive(DeriveMigrationName, Debug)]
pub(crate) struct Migration;

const TABLES: &[&str] = &["ledger_accounts", "ledger_transfers", "ledger_entries"];

const UP: &[&str] = &[
    r"CREATE TABLE ledger_accounts (
        id varchar(32) NOT NULL PRIMARY KEY,
        kind varchar(32) NOT NULL,
        owner varchar(64) NOT NULL,
        currency varchar(3) NOT NULL,
        balance_minor bigint NOT NULL,
        version bigint NOT NULL,
        CONSTRAINT ck_ledger_accounts_kind
            CHECK (kind IN ('GATEWAY_RECEIVABLE', 'APP_PAYABLE', 'SUSPENSE'))
    )",
    "CREATE UNIQUE INDEX uq_ledger_accounts_key ON ledger_accounts (kind, owner, currency)",
    r"CREATE TABLE ledger_transfers (
        id varchar(32) NOT NULL PRIMARY KEY,
        cause_kind varchar(32) NOT NULL,
        cause_id varchar(128) NOT NULL,
        transaction_id varchar(32),
        created_at {time} NOT NULL,
        CONSTRAINT fk_ledger_transfers_transaction FOREIGN KEY (transaction_id)
            REFERENCES payment_transactions (id),
        CONSTRAINT ck_ledger_transfers_cause CHECK (cause_kind IN ('PAYMENT',
            'UNEXPECTED_PAYMENT', 'REFUND', 'UNEXPECTED_REFUND'))
    )",
    "CREATE UNIQUE INDEX uq_ledger_transfers_cause ON ledger_transfers (cause_kind, cause_id)",
    "CREATE INDEX ix_ledger_transfers_transaction ON ledger_transfers (transaction_id)",
    r"CREATE TABLE ledger_entries (
        id varchar(32) NOT NULL PRIMARY KEY,
        transfer_id varchar(32) NOT NULL,
        account_id varchar(32) NOT NULL,
        entry_no integer NOT NULL,
        amount_minor bigint NOT NULL,
        balance_after_minor bigint NOT NULL,
        CONSTRAINT fk_ledger_entries_transfer FOREIGN KEY (transfer_id)
            REFERENCES ledger_transfers (id),
        CONSTRAINT fk_ledger_entries_account FOREIGN KEY (account_id)
            REFERENCES ledger_accounts (id),
        CONSTRAINT ck_ledger_entries_amount CHECK (amount_minor <> 0),
        CONSTRAINT ck_ledger_entries_no CHECK (entry_no >= 1)
    )",
    "CREATE UNIQUE INDEX uq_ledger_entries_no ON ledger_entries (transfer_id, entry_no)",
    "CREATE INDEX ix_ledger_entries_account ON ledger_entries (account_id)",
];

const FUNCTION: &str = "CREATE FUNCTION kassa_ledger_is_immutable() RETURNS trigger AS $$
    BEGIN
        RAISE EXCEPTION 'rows of % are never changed', TG_TABLE_NAME;
    END
    $$ LANGUAGE plpgsql";

const TRIGGERS_POSTGRES: &[&str] = &[
    FUNCTION,
    "CREATE TRIGGER tr_ledger_entries_immutable BEFORE UPDATE OR DELETE ON ledger_entries
        FOR EACH ROW EXECUTE FUNCTION kassa_ledger_is_immutable()",
    "CREATE TRIGGER tr_ledger_entries_keep BEFORE TRUNCATE ON ledger_entries
        FOR EACH STATEMENT EXECUTE FUNCTION kassa_ledger_is_immutable()",
    "CREATE TRIGGER tr_ledger_transfers_immutable BEFORE UPDATE OR DELETE ON ledger_transfers
        FOR EACH ROW EXECUTE FUNCTION kassa_ledger_is_immutable()",
    "CREATE TRIGGER tr_ledger_transfers_keep BEFORE TRUNCATE ON ledger_transfers
        FOR EACH STATEMENT EXECUTE FUNCTION kassa_ledger_is_immutable()",
];

const TRIGGERS_SQLITE: &[&str] = &[
    "CREATE TRIGGER tr_ledger_entries_update BEFORE UPDATE ON ledger_entries
        BEGIN SELECT RAISE(ABORT, 'rows of ledger_entries are never changed'); END",
    "CREATE TRIGGER tr_ledger_entries_delete BEFORE DELETE ON ledger_entries
        BEGIN SELECT RAISE(ABORT, 'rows of ledger_entries are never changed'); END",
    "CREATE TRIGGER tr_ledger_transfers_update BEFORE UPDATE ON ledger_transfers
        BEGIN SELECT RAISE(ABORT, 'rows of ledger_transfers are never changed'); END",
    "CREATE TRIGGER tr_ledger_transfers_delete BEFORE DELETE ON ledger_transfers
        BEGIN SELECT RAISE(ABORT, 'rows of ledger_transfers are never changed'); END",
];

const DROP_FUNCTION: &[&str] = &["DROP FUNCTION kassa_ledger_is_immutable()"];

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        ddl::run(manager, UP).await?;
        let triggers = ddl::of_backend(manager, TRIGGERS_POSTGRES, TRIGGERS_SQLITE)?;
        ddl::run(manager, triggers).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        ddl::drop_tables(manager, TABLES).await?;
        ddl::run(manager, ddl::of_backend(manager, DROP_FUNCTION, &[])?).await
    }

    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }
}
