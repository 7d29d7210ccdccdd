//! Every channel, method and gateway that Kassa knows, in the constraints that list them; and payments
//! that no order was placed for.

use sea_orm_migration::prelude::*;

use crate::ddl;

/// This migration.
#[derive(DeriveMigrationName, Debug)]
pub(crate) struct Migration;

/// A constraint, its condition from here on, and its condition before.
type Change = ((&'static str, &'static str), &'static str, &'static str);

const CHANNELS: &str =
    "channel IN ('ALIPAY', 'WECHAT_PAY', 'BAIDU', 'UNIONPAY', 'STRIPE', 'PAYPAL',
        'BALANCE', 'POINTS')";
const CHANNELS_BEFORE: &str = "channel IN ('ALIPAY', 'WECHAT_PAY')";
const METHODS: &str = "method IN ('QR', 'PAGE', 'WAP', 'APP', 'JSAPI', 'BAR_CODE', 'MINI_PROGRAM',
        'CARD', 'WALLET')";
const METHODS_BEFORE: &str = "method IN ('QR', 'PAGE', 'WAP', 'APP', 'JSAPI')";
const GATEWAYS: &str = "gateway IN ('ALIPAY', 'WECHAT_V3', 'WECHAT_V2', 'BAIDU', 'UNIONPAY',
        'STRIPE', 'PAYPAL')";
const GATEWAYS_BEFORE: &str = "gateway IN ('ALIPAY', 'WECHAT_V3')";
const ANOMALIES: &str = "kind IN ('LATE_PAYMENT', 'DUPLICATE_PAYMENT', 'AMOUNT_MISMATCH',
        'CURRENCY_MISMATCH', 'ACCOUNT_MISMATCH', 'UNKNOWN_ORDER', 'REVERSED_BY_GATEWAY',
        'EXTERNAL_REFUND', 'REFUND_BEYOND_PAID', 'REFUND_WITHOUT_PAYMENT',
        'REFUND_AMOUNT_MISMATCH', 'REFUND_ABNORMAL', 'REFUND_AFTER_FAILURE', 'REFUND_REVERSED',
        'DISPUTE')";
const ANOMALIES_BEFORE: &str = "kind IN ('LATE_PAYMENT', 'DUPLICATE_PAYMENT', 'AMOUNT_MISMATCH',
        'CURRENCY_MISMATCH', 'ACCOUNT_MISMATCH', 'UNKNOWN_ORDER', 'REVERSED_BY_GATEWAY',
        'EXTERNAL_REFUND', 'REFUND_BEYOND_PAID', 'REFUND_WITHOUT_PAYMENT',
        'REFUND_AMOUNT_MISMATCH', 'REFUND_ABNORMAL', 'REFUND_AFTER_FAILURE', 'REFUND_REVERSED')";

const CHANGES: &[Change] = &[
    (
        ("payment_transactions", "ck_payment_transactions_channel"),
        CHANNELS,
        CHANNELS_BEFORE,
    ),
    (
        ("payment_transactions", "ck_payment_transactions_method"),
        METHODS,
        METHODS_BEFORE,
    ),
    (
        ("payment_legs", "ck_payment_legs_channel"),
        CHANNELS,
        CHANNELS_BEFORE,
    ),
    (
        ("payment_legs", "ck_payment_legs_method"),
        METHODS,
        METHODS_BEFORE,
    ),
    (
        ("payment_attempts", "ck_payment_attempts_method"),
        METHODS,
        METHODS_BEFORE,
    ),
    (
        ("channel_accounts", "ck_channel_accounts_gateway"),
        GATEWAYS,
        GATEWAYS_BEFORE,
    ),
    (
        ("notifications", "ck_notifications_gateway"),
        GATEWAYS,
        GATEWAYS_BEFORE,
    ),
    (
        ("anomalies", "ck_anomalies_kind"),
        ANOMALIES,
        ANOMALIES_BEFORE,
    ),
];

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for (constraint, condition, _) in CHANGES {
            ddl::replace_check(manager, *constraint, condition).await?;
        }
        ddl::drop_not_null(manager, "payment_transactions", "current_attempt_id").await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        ddl::set_not_null(manager, "payment_transactions", "current_attempt_id").await?;
        for (constraint, _, condition) in CHANGES.iter().rev() {
            ddl::replace_check(manager, *constraint, condition).await?;
        }
        Ok(())
    }

    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }
}
