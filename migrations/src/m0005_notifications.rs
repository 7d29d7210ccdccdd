//! The inbox: every verified callback, once.

use sea_orm_migration::prelude::*;

use crate::ddl;

/// This migration.
#[derive(DeriveMigrationName, Debug)]
pub(crate) struct Migration;

const TABLES: &[&str] = &["notifications"];

const UP: &[&str] = &[
    r"CREATE TABLE notifications (
        id varchar(32) NOT NULL PRIMARY KEY,
        channel_account_id varchar(32) NOT NULL,
        gateway varchar(32) NOT NULL,
        route varchar(32) NOT NULL,
        notification_key text NOT NULL,
        headers text NOT NULL,
        body {bytes} NOT NULL,
        received_at {time} NOT NULL,
        processed_at {time},
        status varchar(32) NOT NULL,
        transaction_id varchar(32),
        note text,
        CONSTRAINT fk_notifications_account FOREIGN KEY (channel_account_id)
            REFERENCES channel_accounts (id),
        CONSTRAINT fk_notifications_transaction FOREIGN KEY (transaction_id)
            REFERENCES payment_transactions (id),
        CONSTRAINT ck_notifications_gateway CHECK (gateway IN ('ALIPAY', 'WECHAT_V3')),
        CONSTRAINT ck_notifications_route CHECK (route IN ('PAYMENT', 'REFUND')),
        CONSTRAINT ck_notifications_status CHECK (status IN ('RECEIVED', 'APPLIED',
            'ALREADY_APPLIED', 'ANOMALOUS', 'IGNORED'))
    )",
    "CREATE UNIQUE INDEX uq_notifications_key
        ON notifications (channel_account_id, notification_key)",
    "CREATE INDEX ix_notifications_received ON notifications (received_at DESC, id DESC)",
    "CREATE INDEX ix_notifications_transaction ON notifications (transaction_id)",
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
