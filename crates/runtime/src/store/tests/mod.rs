//! Every hot query uses its index: what the database itself says it would do.

use chrono::{DateTime, Utc};
use kassa_core::Clock;
use kassa_core::IdSource;
use kassa_core::anomaly::{AnomalyKind, AnomalyStatus};
use kassa_core::event::EventKind;
use kassa_core::id::{AttemptId, ChannelAccountId, RefundId, TransactionId};
use kassa_core::text::{AppId, BusinessOrderId, BusinessRefundId, RequestId, UserId};
use kassa_core::wallet::WalletKey;
use sea_orm::{ConnectionTrait, DbBackend, QueryTrait, Statement};

use super::testing::TestDatabase;
use super::{
    AnomalyFilter, NotificationFilter, Page, PaymentFilter, RefundFilter, anomaly, attempt, audit,
    gateway_call, ledger, notification, outbox, payment, refund, schedule, wallet,
};

/// What the database would do for a statement, as one text.
async fn plan(db: &TestDatabase, mut statement: Statement) -> String {
    let tx = db.store.begin().await.unwrap();
    let explain = match db.store.backend() {
        DbBackend::Postgres => {
            // Tables are nearly empty here; a full scan would be right for them.
            tx.db()
                .execute_unprepared("SET LOCAL enable_seqscan = off")
                .await
                .unwrap();
            tx.db()
                .execute_unprepared("SET LOCAL enable_bitmapscan = off")
                .await
                .unwrap();
            "EXPLAIN"
        }
        _ => "EXPLAIN QUERY PLAN",
    };
    statement.sql = format!("{explain} {}", statement.sql);
    let rows = tx.db().query_all_raw(statement).await.unwrap();
    let column = if db.store.backend() == DbBackend::Postgres {
        "QUERY PLAN"
    } else {
        "detail"
    };
    let lines: Vec<String> = rows
        .iter()
        .map(|row| row.try_get("", column).unwrap())
        .collect();
    lines.join("\n")
}

/// PostgreSQL chooses among several fitting indexes by what it knows of the rows: some thousand of one
/// app, each with keys of its own. Foreign keys do not matter for that and are off.
async fn fill_postgres(db: &TestDatabase) {
    let tx = db.store.begin().await.unwrap();
    for sql in [
        "SET LOCAL session_replication_role = replica",
        "INSERT INTO payment_transactions SELECT 'id' || n, 'shop', 'r' || n, 'f', 'o' || n, NULL, \
         NULL, 'ALIPAY', 'QR', 'CNY', 1, 0, 0, 0, 'CLOSED', n % 2 = 0, 'a' || n, NULL, NULL, NULL, \
         's', NULL, NULL, '{}', now(), now() + n * interval '1 second', now(), NULL, NULL, 1, 0 \
         FROM generate_series(1, 3000) n",
        "INSERT INTO refund_transactions SELECT 'id' || n, 'shop', 't' || n, 'l', 'a' || n, 'acct', \
         'b' || n, 'f', 'n' || n, 1, 0, 'CNY', 'PENDING', NULL, NULL, NULL, NULL, NULL, \
         now() + n * interval '1 second', now(), NULL, 1 FROM generate_series(1, 3000) n",
        "ANALYZE payment_transactions",
        "ANALYZE refund_transactions",
    ] {
        tx.db().execute_unprepared(sql).await.unwrap();
    }
    tx.commit().await.unwrap();
}

struct Names {
    app: AppId,
    order: BusinessOrderId,
    request: RequestId,
    refund_request: BusinessRefundId,
    transaction: TransactionId,
    attempt: AttemptId,
    refund: RefundId,
    account: ChannelAccountId,
    page: Page,
}

impl Names {
    fn new() -> Self {
        let ids = IdSource::seeded(1, Clock::settable(DateTime::<Utc>::UNIX_EPOCH));
        Self {
            app: AppId::try_new("shop").unwrap(),
            order: BusinessOrderId::try_new("order").unwrap(),
            request: RequestId::try_new("request").unwrap(),
            refund_request: BusinessRefundId::try_new("refund").unwrap(),
            transaction: TransactionId::new(&ids),
            attempt: AttemptId::new(&ids),
            refund: RefundId::new(&ids),
            account: ChannelAccountId::new(&ids),
            page: Page::after(DateTime::<Utc>::UNIX_EPOCH, TransactionId::new(&ids), 20),
        }
    }

    /// Each hot query of payments with the index that it must use.
    fn payment_queries(&self, backend: DbBackend) -> Vec<(Statement, &'static str)> {
        let of_order = PaymentFilter {
            business_order_id: Some(self.order.clone()),
            ..PaymentFilter::default()
        };
        let all = PaymentFilter::default();
        let listing = "ix_payment_transactions_listing";
        vec![
            (
                payment::by_id(self.transaction).build(backend),
                "payment_transactions_",
            ),
            (
                payment::by_request(&self.app, &self.request).build(backend),
                "uq_payment_transactions_request",
            ),
            (
                payment::occupying(&self.app, &self.order).build(backend),
                "uq_payment_transactions_occupied",
            ),
            (
                payment::listing(&self.app, &all, &self.page).build(backend),
                listing,
            ),
            (
                payment::listing(&self.app, &of_order, &self.page).build(backend),
                "ix_payment_transactions_order",
            ),
            (
                payment::of_order_of_any(std::slice::from_ref(&self.app), &self.order)
                    .build(backend),
                "ix_payment_transactions_order",
            ),
            (
                attempt::by_id(self.attempt).build(backend),
                "payment_attempts_",
            ),
            (
                attempt::of_transaction(self.transaction).build(backend),
                "ix_payment_attempts_transaction",
            ),
        ]
    }

    /// The same for refunds.
    fn refund_queries(&self, backend: DbBackend) -> Vec<(Statement, &'static str)> {
        vec![
            (
                refund::by_id(self.refund).build(backend),
                "refund_transactions_",
            ),
            (
                refund::by_business_id(&self.app, &self.refund_request).build(backend),
                "uq_refund_transactions_business",
            ),
            (
                refund::by_number(self.attempt, "number").build(backend),
                "uq_refund_transactions_number",
            ),
            (
                refund::of_payment(self.transaction).build(backend),
                "ix_refund_transactions_payment",
            ),
            (
                refund::listing(&self.app, &RefundFilter::default(), &self.page).build(backend),
                "ix_refund_transactions_listing",
            ),
        ]
    }

    /// The same for everything else.
    fn other_queries(&self, backend: DbBackend) -> Vec<(Statement, &'static str)> {
        let inbox = NotificationFilter::default();
        let open_anomalies = AnomalyFilter {
            status: Some(AnomalyStatus::Open),
            ..AnomalyFilter::default()
        };
        vec![
            (
                notification::by_key(self.account, "key").build(backend),
                "uq_notifications_key",
            ),
            (
                notification::listing(&inbox, &self.page).build(backend),
                "ix_notifications_received",
            ),
            (
                outbox::unpublished(3, 100).build(backend),
                "ix_outbox_unpublished",
            ),
            (
                outbox::waiting_shards(&[3, 5]).build(backend),
                "ix_outbox_unpublished",
            ),
            (
                outbox::events_of_app(&self.app, 7, &[EventKind::PaymentSucceeded], 100)
                    .build(backend),
                "ix_outbox_app",
            ),
            (
                anomaly::of_payment(self.transaction).build(backend),
                "ix_anomalies_",
            ),
            (
                anomaly::open_of_refund(self.refund, AnomalyKind::RefundAbnormal).build(backend),
                "ix_anomalies_",
            ),
            (
                anomaly::due(DateTime::<Utc>::UNIX_EPOCH, 20).build(backend),
                "ix_anomalies_due",
            ),
            (
                anomaly::listing(&open_anomalies, &self.page).build(backend),
                "ix_anomalies_",
            ),
            (
                schedule::due_attempts(DateTime::<Utc>::UNIX_EPOCH, &[self.account], 50)
                    .build(backend),
                "ix_payment_attempts_due",
            ),
            (
                schedule::due_refunds(DateTime::<Utc>::UNIX_EPOCH, &[], 50).build(backend),
                "ix_refund_transactions_due",
            ),
        ]
    }

    /// Those of wallets and their books.
    fn wallet_queries(&self, backend: DbBackend) -> Vec<(Statement, &'static str)> {
        let key = WalletKey {
            app_id: self.app.clone(),
            user_id: UserId::try_new("user").unwrap(),
        };
        let now = DateTime::<Utc>::UNIX_EPOCH;
        vec![
            (wallet::by_key(&key).build(backend), "uq_wallets_user"),
            (
                wallet::operation_by_request(&self.app, &self.request).build(backend),
                "uq_wallet_operations_request",
            ),
            (
                ledger::statement_page("account", Some(7), 20).build(backend),
                "ix_ledger_entries_statement",
            ),
            (ledger::due_holds(now, 20).build(backend), "ix_holds_due"),
            (ledger::due_lots(now).build(backend), "ix_points_lots_due"),
            (
                ledger::spendable_lots("account").build(backend),
                "ix_points_lots_account",
            ),
        ]
    }

    /// What the story of one payment is told from.
    fn story_queries(&self, backend: DbBackend) -> Vec<(Statement, &'static str)> {
        let subjects = [
            format!("payments/{}", self.transaction),
            format!("refunds/{}", self.refund),
        ];
        vec![
            (
                audit::of_subjects(&subjects).build(backend),
                "ix_audit_records_subject",
            ),
            (
                notification::of_payment(self.transaction).build(backend),
                "ix_notifications_transaction",
            ),
            (
                outbox::of_payment(self.transaction).build(backend),
                "outbox_aggregate",
            ),
            (
                gateway_call::of_payment(self.transaction).build(backend),
                "ix_gateway_calls_transaction",
            ),
            (
                ledger::transfers_of(self.transaction).build(backend),
                "ix_ledger_transfers_transaction",
            ),
            (outbox::waiting(100).build(backend), "ix_outbox_unpublished"),
        ]
    }
}

#[tokio::test]
async fn every_hot_query_uses_its_index() {
    let db = TestDatabase::create().await;
    if db.store.backend() == DbBackend::Postgres {
        fill_postgres(&db).await;
    }
    let (names, backend) = (Names::new(), db.store.backend());
    let queries = names
        .payment_queries(backend)
        .into_iter()
        .chain(names.refund_queries(backend))
        .chain(names.other_queries(backend))
        .chain(names.wallet_queries(backend))
        .chain(names.story_queries(backend));
    for (statement, index) in queries {
        let sql = statement.sql.clone();
        let plan = plan(&db, statement).await;
        assert!(
            plan.contains(index),
            "{index} is not used for\n{sql}\n{plan}"
        );
        assert!(!plan.contains("Seq Scan"), "a full scan for\n{sql}\n{plan}");
    }
}
