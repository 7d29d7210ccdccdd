//! The outbox: events and commands, written with the change that they tell of.

use sea_orm_migration::prelude::*;

use crate::ddl;

/// This migration.
#[derive(DeriveMigrationName, Debug)]
pub(crate) struct Migration;

/// The shards of the outbox. A transaction's rows are all in one shard, so its order holds.
pub(crate) const OUTBOX_SHARDS: i16 = 8;

const TABLES: &[&str] = &["outbox", "outbox_shards", "outbox_cursor"];

const UP: &[&str] = &[
    r"CREATE TABLE outbox (
        seq {sequence},
        id varchar(32) NOT NULL,
        destination varchar(16) NOT NULL,
        queue varchar(64),
        shard smallint NOT NULL,
        app_id varchar(64),
        aggregate_id varchar(32) NOT NULL,
        aggregate_sequence bigint,
        event_kind varchar(64),
        event_type varchar(128),
        routing_key text,
        payload text NOT NULL,
        trace text NOT NULL,
        created_at {time} NOT NULL,
        published_at {time},
        position bigint,
        CONSTRAINT ck_outbox_destination CHECK (destination IN ('EVENT', 'COMMAND')),
        CONSTRAINT ck_outbox_shard CHECK (shard >= 0 AND shard < 8),
        CONSTRAINT ck_outbox_event CHECK (destination <> 'EVENT' OR (app_id IS NOT NULL
            AND aggregate_sequence IS NOT NULL AND event_kind IS NOT NULL
            AND event_type IS NOT NULL AND routing_key IS NOT NULL)),
        CONSTRAINT ck_outbox_command
            CHECK (destination <> 'COMMAND' OR (queue IS NOT NULL AND position IS NULL)),
        CONSTRAINT ck_outbox_position CHECK (position IS NULL OR published_at IS NOT NULL)
    )",
    "CREATE UNIQUE INDEX uq_outbox_id ON outbox (id)",
    "CREATE UNIQUE INDEX uq_outbox_aggregate_sequence
        ON outbox (aggregate_id, aggregate_sequence) WHERE aggregate_sequence IS NOT NULL",
    "CREATE UNIQUE INDEX uq_outbox_position ON outbox (position) WHERE position IS NOT NULL",
    "CREATE INDEX ix_outbox_unpublished ON outbox (shard, seq) WHERE published_at IS NULL",
    "CREATE INDEX ix_outbox_app ON outbox (app_id, position) WHERE position IS NOT NULL",
    r"CREATE TABLE outbox_shards (
        shard smallint NOT NULL PRIMARY KEY,
        owner varchar(128),
        leased_until {time},
        CONSTRAINT ck_outbox_shards_shard CHECK (shard >= 0 AND shard < 8)
    )",
    r"CREATE TABLE outbox_cursor (
        id smallint NOT NULL PRIMARY KEY,
        last_position bigint NOT NULL,
        CONSTRAINT ck_outbox_cursor_single CHECK (id = 1),
        CONSTRAINT ck_outbox_cursor_position CHECK (last_position >= 0)
    )",
    "INSERT INTO outbox_cursor (id, last_position) VALUES (1, 0)",
];

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        ddl::run(manager, UP).await?;
        for shard in 0..OUTBOX_SHARDS {
            let row = format!("INSERT INTO outbox_shards (shard) VALUES ({shard})");
            ddl::run(manager, &[&row]).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        ddl::drop_tables(manager, TABLES).await
    }

    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }
}
