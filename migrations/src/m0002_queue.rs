//! The table of the embedded queue. RabbitMQ needs no table; the two are never mixed.

use sea_orm_migration::prelude::*;

use crate::ddl;

/// This migration.
#[derive(DeriveMigrationName, Debug)]
pub(crate) struct Migration;

const TABLES: &[&str] = &["queue_messages"];

// The first index serves claiming (what is due, oldest first) and counting by state, the second
// finds leases that ran out, the third lists what was parked.
const UP: &[&str] = &[
    r"CREATE TABLE queue_messages (
        seq {sequence},
        queue varchar(64) NOT NULL,
        envelope_id varchar(32) NOT NULL,
        body text NOT NULL,
        state varchar(16) NOT NULL,
        available_at {time} NOT NULL,
        lease varchar(32),
        lease_until {time},
        retries bigint NOT NULL,
        reason text,
        parked_at {time},
        enqueued_at {time} NOT NULL,
        CONSTRAINT ck_queue_messages_state CHECK (state IN ('ready', 'leased', 'parked')),
        CONSTRAINT ck_queue_messages_lease CHECK ((state = 'leased') = (lease IS NOT NULL)
            AND (lease IS NULL) = (lease_until IS NULL)),
        CONSTRAINT ck_queue_messages_parked CHECK ((state = 'parked') = (parked_at IS NOT NULL)
            AND (reason IS NULL) = (parked_at IS NULL)),
        CONSTRAINT ck_queue_messages_retries CHECK (retries >= 0)
    )",
    "CREATE INDEX ix_queue_messages_due ON queue_messages (queue, state, available_at, seq)",
    "CREATE INDEX ix_queue_messages_lease ON queue_messages (queue, lease_until)
        WHERE state = 'leased'",
    "CREATE INDEX ix_queue_messages_parked ON queue_messages (queue, parked_at, seq)
        WHERE state = 'parked'",
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
