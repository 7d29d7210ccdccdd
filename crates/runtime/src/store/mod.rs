//! Rows. Everything that Kassa keeps goes through here; nothing above knows SQL.
//!
//! Three functions hide what differs between the databases: [`Store::begin`] (SQLite transactions
//! begin IMMEDIATE and take turns, because a deferred one fails when it first writes), locking a row
//! (`FOR NO KEY UPDATE` on PostgreSQL; the transaction itself on SQLite) and claiming a batch (`SKIP LOCKED`
//! on PostgreSQL; the same on SQLite).
//!
//! Functions with the suffix `_in_tx` join the caller's transaction; whoever began it commits it. They
//! are on [`Tx`]; reads outside a transaction are on [`Store`].
//!
//! Lock order, everywhere: the payment's row, then its attempt, then its refund, then its anomalies, then
//! wallets (in the order of their keys), then daily totals (of their keys), then holds (of their ids), then
//! ledger accounts (of their keys). A payment password is locked in a transaction of its own. The outbox,
//! the inbox and the audit log are only appended to. The
//! cursor of the outbox, its shards and the head of the audit chain are locked in short transactions of
//! their own that lock nothing else.
//!
//! | file | tables |
//! | --- | --- |
//! | `payment/`, `leg.rs`, `attempt.rs` | `payment_transactions`, `payment_legs`, `payment_attempts` |
//! | `refund/` | `refund_transactions`, `refund_legs` |
//! | `schedule.rs` | the next question of attempts and refunds |
//! | `notification.rs` | `notifications` |
//! | `outbox/` | `outbox`, `outbox_shards`, `outbox_cursor` |
//! | `ledger/` | `ledger_accounts`, `ledger_transfers`, `ledger_entries`, `holds`, `points_lots` |
//! | `wallet.rs` | `wallets`, `wallet_operations` |
//! | `password.rs` | `payment_passwords`, `password_codes` |
//! | `daily.rs` | `daily_totals`, `daily_spendings` |
//! | `anomaly.rs` | `anomalies` |
//! | `gateway_call.rs` | `gateway_calls` |
//! | `app.rs`, `channel_account.rs` | `apps`, `channel_accounts` |
//! | `audit/` | `audit_records`, `audit_chain` |

mod anomaly;
mod app;
mod attempt;
mod audit;
mod channel_account;
mod daily;
mod error;
mod gateway_call;
mod ledger;
mod leg;
mod notification;
mod outbox;
mod page;
mod password;
mod payment;
mod refund;
mod row;
mod schedule;
mod schema;
mod seam;
#[cfg(any(test, feature = "testing"))]
#[expect(
    clippy::expect_used,
    reason = "a test whose database cannot be made has failed"
)]
pub mod testing;
#[cfg(test)]
mod tests;
mod wallet;

use std::sync::Arc;
use std::time::Duration;

use sea_orm::sea_query::{LockBehavior, LockType};
use sea_orm::{
    ConnectOptions, Database, DatabaseConnection, DatabaseTransaction, DbBackend, QuerySelect,
    SqliteTransactionMode, TransactionOptions, TransactionTrait,
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

pub use anomaly::AnomalyFilter;
pub use audit::{AUDIT_BREAKS_MAX, AuditBreak, AuditFault, AuditRecord, AuditReport, NewAudit};
pub use channel_account::SealedAccount;
pub use daily::{DailyTotal, NewSpending, Spent};
pub use error::StoreError;
pub use ledger::{
    Balances, BooksReport, DIFFERENCES_MAX, Difference, Movement, NewHold, Posted, StatementEntry,
    TransferRecord,
};
pub use notification::{Inserted, NotificationFilter, NotificationRecord, NotificationTrace};
pub use outbox::{
    Backlog, Destination, EventRow, MARK_BATCH_MAX, NewCommand, NewEvent, OUTBOX_SHARDS,
    OutboxContent, OutboxRow, OutboxTrace, ShardLease, WaitingRow,
};
pub use page::{PAGE_LIMIT_MAX, Page};
pub use password::{PasswordCode, PaymentPassword};
pub use payment::{PAYMENTS_OF_ORDER_MAX, PaymentFilter};
pub use refund::RefundFilter;
pub use schedule::{NextQuery, OpenOf};
pub use seam::{Seam, Seams};
pub use wallet::WalletOperationRecord;

/// How long a connection is waited for before the store counts as away.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(5);
/// A connection that rested for longer is tried before it is used. Trying each time, as the pool does when
/// nobody tells it otherwise, is one more round trip for every statement outside a transaction.
const RESTED: Duration = Duration::from_secs(1);
/// How long SQLite waits for a lock held by another process.
const SQLITE_BUSY_TIMEOUT: Duration = Duration::from_secs(10);
/// A process that stands still must not hold rows that every payment needs: PostgreSQL ends a
/// statement, a wait for a lock and an idle transaction after these times.
const POSTGRES_LIMITS: [(&str, &str); 3] = [
    ("statement_timeout", "30s"),
    ("lock_timeout", "10s"),
    ("idle_in_transaction_session_timeout", "30s"),
];
/// Connections that a process holds unless configured otherwise.
pub const CONNECTIONS_MAX_DEFAULT: u32 = 16;

/// The database. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Store {
    connection: DatabaseConnection,
    /// SQLite has one writer: they take turns here, in order, instead of spinning on its lock.
    writer: Option<Arc<Semaphore>>,
    seams: Seams,
}

/// An open transaction. Dropping it rolls back.
#[derive(Debug)]
pub struct Tx {
    inner: DatabaseTransaction,
    turn: Option<OwnedSemaphorePermit>,
    seams: Seams,
}

/// A row that this transaction has locked; updates demand one.
#[derive(Debug, Clone)]
#[must_use]
pub struct Locked<T>(T);

impl<T> Locked<T> {
    pub(crate) fn new(row: T) -> Self {
        Self(row)
    }

    /// The row as it was when locked.
    pub fn get(&self) -> &T {
        &self.0
    }

    /// Gives up the lock marker, keeping the row.
    pub fn into_inner(self) -> T {
        self.0
    }
}

impl Store {
    /// Connects to `postgres://…` or `sqlite://path?mode=rwc`.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] if the database does not answer, or the URL is of neither kind.
    pub async fn connect(url: &str, connections_max: u32) -> Result<Self, StoreError> {
        let mut options = ConnectOptions::new(url);
        options
            .max_connections(connections_max)
            .acquire_timeout(ACQUIRE_TIMEOUT)
            .connect_timeout(ACQUIRE_TIMEOUT)
            .test_before_acquire_if_idle_for(RESTED)
            .sqlx_logging(false);
        options.map_sqlx_sqlite_opts(|sqlite| {
            sqlite
                .busy_timeout(SQLITE_BUSY_TIMEOUT)
                .foreign_keys(true)
                .pragma("journal_mode", "WAL")
                .pragma("synchronous", "FULL")
        });
        options.map_sqlx_postgres_opts(|postgres| postgres.options(POSTGRES_LIMITS));
        let connection = Database::connect(options)
            .await
            .map_err(StoreError::connect)?;
        Ok(Self::from_connection(connection))
    }

    fn from_connection(connection: DatabaseConnection) -> Self {
        let writer = match connection.get_database_backend() {
            DbBackend::Sqlite => Some(Arc::new(Semaphore::new(1))),
            _ => None,
        };
        Self {
            connection,
            writer,
            seams: Seams::default(),
        }
    }

    /// The same database, with something that happens before and after each transaction: for
    /// simulations, which give others their turn there.
    #[must_use]
    pub fn with_seams(&self, seams: Seams) -> Self {
        Self {
            seams,
            ..self.clone()
        }
    }

    /// Begins a transaction that may write.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] if the database does not answer.
    pub async fn begin(&self) -> Result<Tx, StoreError> {
        self.seams.pass(Seam::Begin).await;
        let turn = match &self.writer {
            Some(writer) => Some(
                Arc::clone(writer)
                    .acquire_owned()
                    .await
                    .map_err(|_closed| StoreError::Closed)?,
            ),
            None => None,
        };
        let options = TransactionOptions {
            sqlite_transaction_mode: turn.as_ref().map(|_| SqliteTransactionMode::Immediate),
            ..TransactionOptions::default()
        };
        let inner = self
            .connection
            .begin_with_options(options)
            .await
            .map_err(|error| StoreError::query("begin", error))?;
        Ok(Tx {
            inner,
            turn,
            seams: self.seams.clone(),
        })
    }

    /// Asks the database for a sign of life.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn ping(&self) -> Result<(), StoreError> {
        self.connection
            .ping()
            .await
            .map_err(|error| StoreError::query("ping", error))
    }

    /// The connection, for reads outside a transaction.
    pub(crate) fn db(&self) -> &DatabaseConnection {
        &self.connection
    }

    /// The connection, for running migrations.
    pub fn migration_connection(&self) -> &DatabaseConnection {
        &self.connection
    }

    /// Which database this is.
    pub fn backend(&self) -> DbBackend {
        self.connection.get_database_backend()
    }
}

impl Tx {
    /// Commits. Only now is anything true.
    ///
    /// # Errors
    /// [`StoreError`]; whether the commit happened may be unknown then.
    pub async fn commit(self) -> Result<(), StoreError> {
        let Self { inner, turn, seams } = self;
        inner
            .commit()
            .await
            .map_err(|error| StoreError::query("commit", error))?;
        drop(turn);
        seams.pass(Seam::Committed).await;
        Ok(())
    }

    pub(crate) fn db(&self) -> &DatabaseTransaction {
        &self.inner
    }
}

/// Adds `FOR NO KEY UPDATE` where the database knows it: as exclusive as `FOR UPDATE` among writers, but
/// rows that only refer to this one can still be inserted. On SQLite the transaction is exclusive already.
pub(crate) fn lock_row<Q: QuerySelect>(query: Q, backend: DbBackend) -> Q {
    match backend {
        DbBackend::Postgres => query.lock(LockType::NoKeyUpdate),
        _ => query,
    }
}

/// Adds `FOR UPDATE SKIP LOCKED` where the database knows it, so that several workers share a batch.
pub(crate) fn claim_rows<Q: QuerySelect>(query: Q, backend: DbBackend) -> Q {
    match backend {
        DbBackend::Postgres => query.lock_with_behavior(LockType::Update, LockBehavior::SkipLocked),
        _ => query,
    }
}
