//! One more kind of anomaly: a refund that a gateway asks about.

use sea_orm_migration::prelude::*;

use crate::ddl;

/// This migration.
#[derive(DeriveMigrationName, Debug)]
pub(crate) struct Migration;

const KINDS: (&str, &str) = ("anomalies", "ck_anomalies_kind");
const AFTER: &str = "kind IN ('LATE_PAYMENT', 'DUPLICATE_PAYMENT', 'AMOUNT_MISMATCH',
        'CURRENCY_MISMATCH', 'ACCOUNT_MISMATCH', 'UNKNOWN_ORDER', 'REVERSED_BY_GATEWAY',
        'EXTERNAL_REFUND', 'REFUND_BEYOND_PAID', 'REFUND_WITHOUT_PAYMENT',
        'REFUND_AMOUNT_MISMATCH', 'REFUND_ABNORMAL', 'REFUND_AFTER_FAILURE', 'REFUND_REVERSED',
        'DISPUTE', 'REFUND_ASKED')";
const BEFORE: &str = "kind IN ('LATE_PAYMENT', 'DUPLICATE_PAYMENT', 'AMOUNT_MISMATCH',
        'CURRENCY_MISMATCH', 'ACCOUNT_MISMATCH', 'UNKNOWN_ORDER', 'REVERSED_BY_GATEWAY',
        'EXTERNAL_REFUND', 'REFUND_BEYOND_PAID', 'REFUND_WITHOUT_PAYMENT',
        'REFUND_AMOUNT_MISMATCH', 'REFUND_ABNORMAL', 'REFUND_AFTER_FAILURE', 'REFUND_REVERSED',
        'DISPUTE')";

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        ddl::replace_check(manager, KINDS, AFTER).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        ddl::replace_check(manager, KINDS, BEFORE).await
    }

    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }
}
