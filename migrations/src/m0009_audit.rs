//! The audit log: append-only; its hash chain is sealed in batches.

use sea_orm_migration::prelude::*;

use crate::ddl;

/// This migration.
#[derive(DeriveMigrationName, Debug)]
pub(crate) struct Migration;

const TABLES: &[&str] = &["audit_records", "audit_chain"];

const UP: &[&str] = &[
    r"CREATE TABLE audit_records (
        id varchar(32) NOT NULL PRIMARY KEY,
        actor text NOT NULL,
        action varchar(64) NOT NULL,
        subject text NOT NULL,
        detail text NOT NULL,
        created_at {time} NOT NULL,
        position bigint,
        previous_hash varchar(64),
        hash varchar(64),
        CONSTRAINT ck_audit_records_chain CHECK (
            (position IS NULL AND previous_hash IS NULL AND hash IS NULL)
            OR (position IS NOT NULL AND previous_hash IS NOT NULL AND hash IS NOT NULL))
    )",
    "CREATE UNIQUE INDEX uq_audit_records_position
        ON audit_records (position) WHERE position IS NOT NULL",
    "CREATE INDEX ix_audit_records_unsealed ON audit_records (id) WHERE position IS NULL",
    "CREATE INDEX ix_audit_records_created ON audit_records (created_at DESC, id DESC)",
    r"CREATE TABLE audit_chain (
        id smallint NOT NULL PRIMARY KEY,
        last_position bigint NOT NULL,
        last_hash varchar(64) NOT NULL,
        CONSTRAINT ck_audit_chain_single CHECK (id = 1)
    )",
    "INSERT INTO audit_chain (id, last_position, last_hash) VALUES
        (1, 0, '0000000000000000000000000000000000000000000000000000000000000000')",
];

const FUNCTIONS: [&str; 2] = [
    "CREATE FUNCTION kassa_audit_is_append_only() RETURNS trigger AS $$
    BEGIN
        RAISE EXCEPTION 'rows of % are never deleted', TG_TABLE_NAME;
    END
    $$ LANGUAGE plpgsql",
    "CREATE FUNCTION kassa_audit_seals_once() RETURNS trigger AS $$
    BEGIN
        IF OLD.position IS NOT NULL OR NEW.position IS NULL
            OR (OLD.id, OLD.actor, OLD.action, OLD.subject, OLD.detail, OLD.created_at)
            IS DISTINCT FROM
            (NEW.id, NEW.actor, NEW.action, NEW.subject, NEW.detail, NEW.created_at)
        THEN
            RAISE EXCEPTION 'rows of % are never changed', TG_TABLE_NAME;
        END IF;
        RETURN NEW;
    END
    $$ LANGUAGE plpgsql",
];

const TRIGGERS_POSTGRES: &[&str] = &[
    FUNCTIONS[0],
    FUNCTIONS[1],
    "CREATE TRIGGER tr_audit_records_delete BEFORE DELETE ON audit_records
        FOR EACH ROW EXECUTE FUNCTION kassa_audit_is_append_only()",
    "CREATE TRIGGER tr_audit_records_truncate BEFORE TRUNCATE ON audit_records
        FOR EACH STATEMENT EXECUTE FUNCTION kassa_audit_is_append_only()",
    "CREATE TRIGGER tr_audit_records_update BEFORE UPDATE ON audit_records
        FOR EACH ROW EXECUTE FUNCTION kassa_audit_seals_once()",
];

const TRIGGERS_SQLITE: &[&str] = &[
    "CREATE TRIGGER tr_audit_records_delete BEFORE DELETE ON audit_records
        BEGIN SELECT RAISE(ABORT, 'rows of audit_records are never deleted'); END",
    "CREATE TRIGGER tr_audit_records_update BEFORE UPDATE ON audit_records
        WHEN OLD.position IS NOT NULL OR NEW.position IS NULL
            OR OLD.id IS NOT NEW.id OR OLD.actor IS NOT NEW.actor
            OR OLD.action IS NOT NEW.action OR OLD.subject IS NOT NEW.subject
            OR OLD.detail IS NOT NEW.detail OR OLD.created_at IS NOT NEW.created_at
        BEGIN SELECT RAISE(ABORT, 'rows of audit_records are never changed'); END",
];

const DROP_FUNCTIONS: &[&str] = &[
    "DROP FUNCTION kassa_audit_is_append_only()",
    "DROP FUNCTION kassa_audit_seals_once()",
];

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        ddl::run(manager, UP).await?;
        let triggers = ddl::of_backend(manager, TRIGGERS_POSTGRES, TRIGGERS_SQLITE)?;
        ddl::run(manager, triggers).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        ddl::drop_tables(manager, TABLES).await?;
        ddl::run(manager, ddl::of_backend(manager, DROP_FUNCTIONS, &[])?).await
    }

    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }
}
