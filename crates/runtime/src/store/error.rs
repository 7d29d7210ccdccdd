//! Errors of the store.

use kassa_core::ErrorKind;
use kassa_core::id::HoldId;
use kassa_core::ledger::{HoldStatus, LedgerAccountKey};
use sea_orm::{DbErr, RuntimeErr, SqlErr, SqlxError};

/// What went wrong with a row or the database.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database did not answer, or the connection broke: the operation may or may not have
    /// happened, and may be repeated as a whole.
    #[error("the database is away during {operation}")]
    Unavailable {
        /// What was being done.
        operation: &'static str,
        /// Why.
        #[source]
        source: Box<DbErr>,
    },
    /// The store was closed.
    #[error("the store is closed")]
    Closed,
    /// A row with this unique key exists.
    #[error("{operation}: a row with the same key exists")]
    UniqueViolation {
        /// What was being done.
        operation: &'static str,
    },
    /// A row was changed by somebody else since it was read, or a condition of an update failed.
    #[error("{operation}: the row was changed meanwhile")]
    Conflict {
        /// What was being done.
        operation: &'static str,
    },
    /// A row that must exist does not.
    #[error("no {what} {id}")]
    NotFound {
        /// The kind of thing.
        what: &'static str,
        /// Its id.
        id: String,
    },
    /// A row that cannot be read back: written by something else, or a fault of ours.
    #[error("unreadable row: table {table}, column {column}, row {row}")]
    Unreadable {
        /// The table.
        table: &'static str,
        /// The column.
        column: &'static str,
        /// The row's id.
        row: String,
    },
    /// A value that its column cannot hold: an amount in another currency than its row, for example.
    #[error("a value cannot be written: table {table}, column {column}")]
    Unwritable {
        /// The table.
        table: &'static str,
        /// The column.
        column: &'static str,
    },
    /// More than is available in a wallet. Nothing may be committed after it.
    #[error("{} {} has not enough: {available_minor} minor units are available", .account.kind, .account.owner)]
    InsufficientFunds {
        /// The wallet's account.
        account: Box<LedgerAccountKey>,
        /// What is available in it, in minor units of its unit.
        available_minor: i64,
    },
    /// A hold has ended otherwise, or holds less than is to be taken.
    #[error("hold {hold} is {status} and cannot end so")]
    HoldState {
        /// The hold.
        hold: HoldId,
        /// Where it stands.
        status: HoldStatus,
    },
    /// A sum beyond what can be stored.
    #[error("{operation}: the sum is out of range")]
    OutOfRange {
        /// What was being done.
        operation: &'static str,
    },
    /// The schema is not the one that this program was built for.
    #[error("the database schema is not ours: {0}")]
    Schema(String),
    /// Anything else that the database said.
    #[error("the database refused {operation}")]
    Query {
        /// What was being done.
        operation: &'static str,
        /// What it said.
        #[source]
        source: Box<DbErr>,
    },
}

impl StoreError {
    /// Wraps what the database said to `operation`.
    pub(crate) fn query(operation: &'static str, error: DbErr) -> Self {
        if let Some(SqlErr::UniqueConstraintViolation(_)) = error.sql_err() {
            return Self::UniqueViolation { operation };
        }
        if is_serialization_failure(&error) {
            return Self::Conflict { operation };
        }
        match error {
            DbErr::ConnectionAcquire(_) | DbErr::Conn(_) => Self::Unavailable {
                operation,
                source: Box::new(error),
            },
            error if is_connection_loss(&error) => Self::Unavailable {
                operation,
                source: Box::new(error),
            },
            error => Self::Query {
                operation,
                source: Box::new(error),
            },
        }
    }

    pub(crate) fn connect(error: DbErr) -> Self {
        Self::Unavailable {
            operation: "connect",
            source: Box::new(error),
        }
    }

    pub(crate) fn unreadable(
        table: &'static str,
        column: &'static str,
        row: impl Into<String>,
    ) -> Self {
        Self::Unreadable {
            table,
            column,
            row: row.into(),
        }
    }

    pub(crate) fn not_found(what: &'static str, id: impl Into<String>) -> Self {
        Self::NotFound {
            what,
            id: id.into(),
        }
    }

    /// What it means for the caller.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Unavailable { .. } | Self::Closed => ErrorKind::Unavailable,
            Self::UniqueViolation { .. } => ErrorKind::AlreadyExists,
            Self::Conflict { .. } => ErrorKind::Conflict,
            Self::NotFound { .. } => ErrorKind::NotFound,
            Self::InsufficientFunds { .. } => ErrorKind::FailedPrecondition,
            Self::HoldState { .. }
            | Self::Unreadable { .. }
            | Self::Unwritable { .. }
            | Self::OutOfRange { .. }
            | Self::Schema(_)
            | Self::Query { .. } => ErrorKind::Internal,
        }
    }
}

/// PostgreSQL 40001 (serialization failure) and 40P01 (deadlock): the whole transaction may be
/// repeated.
fn is_serialization_failure(error: &DbErr) -> bool {
    matches!(database_code(error).as_deref(), Some("40001" | "40P01"))
}

/// A broken connection; PostgreSQL classes 57P (shutting down), 08 (connection exceptions) and 53
/// (out of connections or space); SQLite 5 (busy) and its extended forms.
fn is_connection_loss(error: &DbErr) -> bool {
    if let Some(code) = database_code(error) {
        // 55P03: a lock was not to be had in time; 57014: a statement took too long.
        if code == "55P03" || code == "57014" {
            return true;
        }
        let postgres = ["57P", "08", "53"]
            .iter()
            .any(|class| code.starts_with(class));
        return (code.len() == 5 && postgres) || is_sqlite_busy(&code);
    }
    match sqlx_error(error) {
        Some(
            SqlxError::Io(_)
            | SqlxError::Tls(_)
            | SqlxError::Protocol(_)
            | SqlxError::PoolTimedOut
            | SqlxError::PoolClosed
            | SqlxError::WorkerCrashed,
        ) => true,
        Some(_) | None => false,
    }
}

/// A CHECK constraint said no.
pub(crate) fn is_check_violation(error: &DbErr) -> bool {
    match sqlx_error(error).and_then(SqlxError::as_database_error) {
        Some(error) => error.is_check_violation(),
        None => false,
    }
}

fn is_sqlite_busy(code: &str) -> bool {
    const BUSY: u32 = 5;
    const PRIMARY_CODE: u32 = 0xff;
    code.len() < 5
        && code
            .parse::<u32>()
            .is_ok_and(|code| code & PRIMARY_CODE == BUSY)
}

fn database_code(error: &DbErr) -> Option<String> {
    let database = sqlx_error(error)?.as_database_error()?;
    database.code().map(|code| code.to_string())
}

fn sqlx_error(error: &DbErr) -> Option<&SqlxError> {
    match error {
        DbErr::Exec(RuntimeErr::SqlxError(sqlx))
        | DbErr::Query(RuntimeErr::SqlxError(sqlx))
        | DbErr::Conn(RuntimeErr::SqlxError(sqlx)) => Some(sqlx),
        _ => None,
    }
}
