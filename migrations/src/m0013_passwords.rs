//! Payment passwords with their one-time codes, and what users spent in a day.

use sea_orm_migration::prelude::*;

use crate::ddl;

/// This migration.
#[derive(DeriveMigrationName, Debug)]
pub(crate) struct Migration;

const TABLES: &[&str] = &[
    "payment_passwords",
    "password_codes",
    "daily_totals",
    "daily_spendings",
];

// A payment's daily spending is kept under its leg without a foreign key: it is written with the leg, and
// a table that is referred to cannot be made anew on SQLite.
const UP: &[&str] = &[
    r"CREATE TABLE payment_passwords (
        id varchar(32) NOT NULL PRIMARY KEY,
        app_id varchar(64) NOT NULL,
        user_id varchar(64) NOT NULL,
        hash_sealed {bytes},
        tries integer NOT NULL,
        locked_until {time},
        code_requests integer NOT NULL,
        code_requests_since {time},
        code_requested_at {time},
        event_sequence bigint NOT NULL,
        version bigint NOT NULL,
        created_at {time} NOT NULL,
        updated_at {time} NOT NULL,
        CONSTRAINT ck_payment_passwords_tries CHECK (tries >= 0),
        CONSTRAINT ck_payment_passwords_code_requests CHECK (code_requests >= 0),
        CONSTRAINT ck_payment_passwords_events CHECK (event_sequence >= 0)
    )",
    "CREATE UNIQUE INDEX uq_payment_passwords_user ON payment_passwords (app_id, user_id)",
    r"CREATE TABLE password_codes (
        password_id varchar(32) NOT NULL,
        purpose varchar(16) NOT NULL,
        code_mac {bytes} NOT NULL,
        tries integer NOT NULL,
        expires_at {time} NOT NULL,
        used_at {time},
        created_at {time} NOT NULL,
        CONSTRAINT pk_password_codes PRIMARY KEY (password_id, purpose),
        CONSTRAINT fk_password_codes_password FOREIGN KEY (password_id)
            REFERENCES payment_passwords (id),
        CONSTRAINT ck_password_codes_purpose CHECK (purpose IN ('SET', 'RESET')),
        CONSTRAINT ck_password_codes_tries CHECK (tries >= 0)
    )",
    r"CREATE TABLE daily_totals (
        app_id varchar(64) NOT NULL,
        user_id varchar(64) NOT NULL,
        method varchar(32) NOT NULL,
        unit varchar(8) NOT NULL,
        day varchar(10) NOT NULL,
        used_minor bigint NOT NULL,
        CONSTRAINT pk_daily_totals PRIMARY KEY (app_id, user_id, method, unit, day),
        CONSTRAINT ck_daily_totals_used CHECK (used_minor >= 0)
    )",
    r"CREATE TABLE daily_spendings (
        leg_id varchar(32) NOT NULL PRIMARY KEY,
        app_id varchar(64) NOT NULL,
        user_id varchar(64) NOT NULL,
        method varchar(32) NOT NULL,
        unit varchar(8) NOT NULL,
        day varchar(10) NOT NULL,
        amount_minor bigint NOT NULL,
        created_at {time} NOT NULL,
        released_at {time},
        CONSTRAINT ck_daily_spendings_amount CHECK (amount_minor > 0)
    )",
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
