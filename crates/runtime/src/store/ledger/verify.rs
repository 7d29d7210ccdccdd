//! Proving the books, in the database: nothing is read row by row.

use sea_orm::{ConnectionTrait, DbErr, QueryResult, Statement};

use crate::store::{Store, StoreError};

/// The most differences of one sort that a report lists.
pub const DIFFERENCES_MAX: usize = 100;

const OPERATION: &str = "verify the books";

// The limit is DIFFERENCES_MAX; sums are compared as the database's widest number and shown as text.
const UNBALANCED: &str = "SELECT e.transfer_id AS transfer_id, a.currency AS currency, \
     CAST(SUM(e.amount_minor) AS text) AS total \
     FROM ledger_entries e JOIN ledger_accounts a ON a.id = e.account_id \
     GROUP BY e.transfer_id, a.currency HAVING SUM(e.amount_minor) <> 0 \
     ORDER BY e.transfer_id LIMIT 100";
const WITHOUT_ENTRIES: &str = "SELECT t.id AS transfer_id FROM ledger_transfers t \
     LEFT JOIN ledger_entries e ON e.transfer_id = t.id \
     GROUP BY t.id HAVING COUNT(e.id) < 2 ORDER BY t.id LIMIT 100";
const WRONG_BALANCE: &str = "SELECT a.id AS account_id, a.balance_minor AS balance, \
     CAST(COALESCE(SUM(e.amount_minor), 0) AS text) AS total \
     FROM ledger_accounts a LEFT JOIN ledger_entries e ON e.account_id = a.id \
     GROUP BY a.id, a.balance_minor HAVING a.balance_minor <> COALESCE(SUM(e.amount_minor), 0) \
     ORDER BY a.id LIMIT 100";
const COUNTS: &str = "SELECT (SELECT COUNT(*) FROM ledger_accounts) AS accounts, \
     (SELECT COUNT(*) FROM ledger_transfers) AS transfers, \
     (SELECT COUNT(*) FROM ledger_entries) AS entries";

/// Something in the books that cannot be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Difference {
    /// A transfer whose entries do not sum to zero.
    Unbalanced {
        /// The transfer.
        transfer_id: String,
        /// The currency in which they do not.
        currency: String,
        /// What they sum to, in minor units.
        total: String,
    },
    /// A transfer with fewer than two entries.
    TooFewEntries {
        /// The transfer.
        transfer_id: String,
    },
    /// An account whose balance is not the sum of its entries.
    WrongBalance {
        /// The account.
        account_id: String,
        /// Its balance, in minor units.
        balance_minor: i64,
        /// What its entries sum to, in minor units.
        total: String,
    },
}

/// What a look through all books found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BooksReport {
    /// How many accounts there are.
    pub accounts: i64,
    /// How many transfers.
    pub transfers: i64,
    /// How many entries.
    pub entries: i64,
    /// What cannot be; at most [`DIFFERENCES_MAX`] of each sort.
    pub differences: Vec<Difference>,
}

impl BooksReport {
    /// Whether the books are in order.
    pub fn is_clean(&self) -> bool {
        self.differences.is_empty()
    }
}

impl Store {
    /// Looks through all books: every transfer sums to zero per currency, every balance is the sum of
    /// its entries.
    pub async fn verify_books(&self) -> Result<BooksReport, StoreError> {
        let failed = |error| StoreError::query(OPERATION, error);
        let mut differences = self.differences(UNBALANCED, read_unbalanced).await?;
        differences.extend(
            self.differences(WITHOUT_ENTRIES, read_without_entries)
                .await?,
        );
        differences.extend(self.differences(WRONG_BALANCE, read_wrong_balance).await?);
        let counts = self
            .db()
            .query_one_raw(Statement::from_string(self.backend(), COUNTS))
            .await
            .map_err(failed)?
            .ok_or_else(|| StoreError::not_found("row", "of counts"))?;
        Ok(BooksReport {
            accounts: counts.try_get("", "accounts").map_err(failed)?,
            transfers: counts.try_get("", "transfers").map_err(failed)?,
            entries: counts.try_get("", "entries").map_err(failed)?,
            differences,
        })
    }

    async fn differences(
        &self,
        sql: &'static str,
        read: fn(&QueryResult) -> Result<Difference, DbErr>,
    ) -> Result<Vec<Difference>, StoreError> {
        let rows = self
            .db()
            .query_all_raw(Statement::from_string(self.backend(), sql))
            .await
            .map_err(|error| StoreError::query(OPERATION, error))?;
        rows.iter()
            .map(|row| read(row).map_err(|error| StoreError::query(OPERATION, error)))
            .collect()
    }
}

fn read_unbalanced(row: &QueryResult) -> Result<Difference, DbErr> {
    Ok(Difference::Unbalanced {
        transfer_id: row.try_get("", "transfer_id")?,
        currency: row.try_get("", "currency")?,
        total: row.try_get("", "total")?,
    })
}

fn read_without_entries(row: &QueryResult) -> Result<Difference, DbErr> {
    Ok(Difference::TooFewEntries {
        transfer_id: row.try_get("", "transfer_id")?,
    })
}

fn read_wrong_balance(row: &QueryResult) -> Result<Difference, DbErr> {
    Ok(Difference::WrongBalance {
        account_id: row.try_get("", "account_id")?,
        balance_minor: row.try_get("", "balance")?,
        total: row.try_get("", "total")?,
    })
}
