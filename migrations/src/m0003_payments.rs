//! Payment transactions, their legs and attempts.

use sea_orm_migration::prelude::*;

use crate::ddl;

/// This migration.
#[derive(DeriveMigrationName, Debug)]
pub(crate) struct Migration;

const TABLES: &[&str] = &["payment_transactions", "payment_legs", "payment_attempts"];

const UP: &[&str] = &[
    TRANSACTIONS,
    "CREATE UNIQUE INDEX uq_payment_transactions_request
        ON payment_transactions (app_id, request_id)",
    "CREATE UNIQUE INDEX uq_payment_transactions_occupied
        ON payment_transactions (app_id, business_order_id) WHERE occupies_order",
    "CREATE INDEX ix_payment_transactions_listing
        ON payment_transactions (app_id, created_at DESC, id DESC)",
    "CREATE INDEX ix_payment_transactions_order
        ON payment_transactions (app_id, business_order_id, created_at DESC, id DESC)",
    "CREATE INDEX ix_payment_transactions_expiry ON payment_transactions (status, expires_at)",
    "CREATE INDEX ix_payment_transactions_gateway
        ON payment_transactions (gateway_transaction_id)",
    LEGS,
    "CREATE UNIQUE INDEX uq_payment_legs_no ON payment_legs (transaction_id, leg_no)",
    ATTEMPTS,
    "CREATE UNIQUE INDEX uq_payment_attempts_request
        ON payment_attempts (channel_account_id, request_number)",
    "CREATE UNIQUE INDEX uq_payment_attempts_no ON payment_attempts (leg_id, attempt_no)",
    "CREATE INDEX ix_payment_attempts_transaction ON payment_attempts (transaction_id)",
    "CREATE INDEX ix_payment_attempts_status ON payment_attempts (status, created_at)",
];

const TRANSACTIONS: &str = r"CREATE TABLE payment_transactions (
    id varchar(32) NOT NULL PRIMARY KEY,
    app_id varchar(64) NOT NULL,
    request_id varchar(36) NOT NULL,
    request_fingerprint varchar(64) NOT NULL,
    business_order_id varchar(64) NOT NULL,
    business_order_type varchar(32),
    user_id varchar(64),
    channel varchar(32) NOT NULL,
    method varchar(32) NOT NULL,
    currency varchar(3) NOT NULL,
    amount_requested_minor bigint NOT NULL,
    amount_paid_minor bigint NOT NULL,
    amount_refunded_minor bigint NOT NULL,
    amount_refund_reserved_minor bigint NOT NULL,
    status varchar(32) NOT NULL,
    occupies_order boolean NOT NULL,
    current_attempt_id varchar(32) NOT NULL,
    gateway_transaction_id text,
    error_code text,
    error_message text,
    subject text NOT NULL,
    client_ip varchar(45),
    return_url text,
    metadata text NOT NULL,
    expires_at {time} NOT NULL,
    created_at {time} NOT NULL,
    updated_at {time} NOT NULL,
    paid_at {time},
    closed_at {time},
    version bigint NOT NULL,
    event_sequence bigint NOT NULL,
    CONSTRAINT fk_payment_transactions_app FOREIGN KEY (app_id) REFERENCES apps (app_id),
    CONSTRAINT ck_payment_transactions_channel CHECK (channel IN ('ALIPAY', 'WECHAT_PAY')),
    CONSTRAINT ck_payment_transactions_method
        CHECK (method IN ('QR', 'PAGE', 'WAP', 'APP', 'JSAPI')),
    CONSTRAINT ck_payment_transactions_status CHECK (status IN ('PENDING_CREATE',
        'PENDING_PAYMENT', 'PAID_SUCCESS', 'PAID_FAILED', 'CLOSED', 'REFUND_PARTIAL',
        'REFUND_FULL')),
    CONSTRAINT ck_payment_transactions_requested CHECK (amount_requested_minor > 0),
    CONSTRAINT ck_payment_transactions_paid
        CHECK (amount_paid_minor = 0 OR amount_paid_minor = amount_requested_minor),
    CONSTRAINT ck_payment_transactions_refunded CHECK (amount_refunded_minor >= 0),
    CONSTRAINT ck_payment_transactions_reserved CHECK (amount_refund_reserved_minor >= 0),
    CONSTRAINT ck_payment_transactions_refundable
        CHECK (amount_refunded_minor <= amount_paid_minor - amount_refund_reserved_minor),
    CONSTRAINT ck_payment_transactions_event_sequence CHECK (event_sequence >= 0)
)";

const LEGS: &str = r"CREATE TABLE payment_legs (
    id varchar(32) NOT NULL PRIMARY KEY,
    transaction_id varchar(32) NOT NULL,
    leg_no integer NOT NULL,
    channel varchar(32) NOT NULL,
    method varchar(32) NOT NULL,
    amount_minor bigint NOT NULL,
    currency varchar(3) NOT NULL,
    status varchar(32) NOT NULL,
    CONSTRAINT fk_payment_legs_transaction FOREIGN KEY (transaction_id)
        REFERENCES payment_transactions (id),
    CONSTRAINT ck_payment_legs_no CHECK (leg_no >= 1),
    CONSTRAINT ck_payment_legs_channel CHECK (channel IN ('ALIPAY', 'WECHAT_PAY')),
    CONSTRAINT ck_payment_legs_method CHECK (method IN ('QR', 'PAGE', 'WAP', 'APP', 'JSAPI')),
    CONSTRAINT ck_payment_legs_amount CHECK (amount_minor > 0),
    CONSTRAINT ck_payment_legs_status CHECK (status IN ('PENDING', 'PAID', 'ENDED'))
)";

const ATTEMPTS: &str = r"CREATE TABLE payment_attempts (
    id varchar(32) NOT NULL PRIMARY KEY,
    transaction_id varchar(32) NOT NULL,
    leg_id varchar(32) NOT NULL,
    attempt_no integer NOT NULL,
    channel_account_id varchar(32) NOT NULL,
    request_number varchar(64) NOT NULL,
    method varchar(32) NOT NULL,
    amount_minor bigint NOT NULL,
    currency varchar(3) NOT NULL,
    payer_id text,
    status varchar(32) NOT NULL,
    prepay text,
    gateway_transaction_id text,
    error_code text,
    error_message text,
    expires_at {time} NOT NULL,
    created_at {time} NOT NULL,
    updated_at {time} NOT NULL,
    version bigint NOT NULL,
    CONSTRAINT fk_payment_attempts_transaction FOREIGN KEY (transaction_id)
        REFERENCES payment_transactions (id),
    CONSTRAINT fk_payment_attempts_leg FOREIGN KEY (leg_id) REFERENCES payment_legs (id),
    CONSTRAINT fk_payment_attempts_account FOREIGN KEY (channel_account_id)
        REFERENCES channel_accounts (id),
    CONSTRAINT ck_payment_attempts_no CHECK (attempt_no >= 1),
    CONSTRAINT ck_payment_attempts_method
        CHECK (method IN ('QR', 'PAGE', 'WAP', 'APP', 'JSAPI')),
    CONSTRAINT ck_payment_attempts_amount CHECK (amount_minor > 0),
    CONSTRAINT ck_payment_attempts_status CHECK (status IN ('PREPARED', 'SENT', 'OPEN', 'PAID',
        'CLOSED', 'FAILED', 'UNKNOWN'))
)";

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
