//! Proving the books, in the database: nothing is read row by row.

use sea_orm::{ConnectionTrait, DbErr, QueryResult, Statement};

use crate::store::{Store, StoreError};

/// Reads a row of a look as a difference.
type Read = fn(&QueryResult) -> Result<Difference, DbErr>;

/// The most differences of one sort that a report lists.
pub const DIFFERENCES_MAX: usize = 100;

const OPERATION: &str = "verify the books";

// The limit is DIFFERENCES_MAX; sums are compared as the database's widest number and shown as text.
const UNBALANCED: &str = "SELECT e.transfer_id AS transfer_id, a.unit AS unit, \
     CAST(SUM(e.amount_minor) AS text) AS total \
     FROM ledger_entries e JOIN ledger_accounts a ON a.id = e.account_id \
     GROUP BY e.transfer_id, a.unit HAVING SUM(e.amount_minor) <> 0 \
     ORDER BY e.transfer_id LIMIT 100";
const WITHOUT_ENTRIES: &str = "SELECT t.id AS transfer_id FROM ledger_transfers t \
     LEFT JOIN ledger_entries e ON e.transfer_id = t.id \
     GROUP BY t.id HAVING COUNT(e.id) < 2 ORDER BY t.id LIMIT 100";
const WRONG_BALANCE: &str = "SELECT a.id AS account_id, a.balance_minor AS recorded, \
     CAST(COALESCE(SUM(e.amount_minor), 0) AS text) AS total \
     FROM ledger_accounts a LEFT JOIN ledger_entries e ON e.account_id = a.id \
     GROUP BY a.id, a.balance_minor HAVING a.balance_minor <> COALESCE(SUM(e.amount_minor), 0) \
     ORDER BY a.id LIMIT 100";
const WRONG_HELD: &str = "SELECT a.id AS account_id, a.held_minor AS recorded, \
     CAST(COALESCE(SUM(h.amount_minor), 0) AS text) AS total FROM ledger_accounts a \
     LEFT JOIN holds h ON h.account_id = a.id AND h.status = 'ACTIVE' \
     GROUP BY a.id, a.held_minor HAVING a.held_minor <> COALESCE(SUM(h.amount_minor), 0) \
     ORDER BY a.id LIMIT 100";
const WRONG_LOTS: &str = "SELECT a.id AS account_id, -a.balance_minor AS recorded, \
     CAST(COALESCE(SUM(l.remaining_minor), 0) AS text) AS total FROM ledger_accounts a \
     LEFT JOIN points_lots l ON l.account_id = a.id WHERE a.kind = 'POINTS_WALLET' \
     GROUP BY a.id, a.balance_minor HAVING -a.balance_minor <> COALESCE(SUM(l.remaining_minor), 0) \
     ORDER BY a.id LIMIT 100";
const OVERDRAWN: &str = "SELECT id AS account_id, balance_minor + held_minor AS recorded, \
     '0' AS total FROM ledger_accounts WHERE kind IN ('WALLET', 'POINTS_WALLET') \
     AND (balance_minor + held_minor > 0 OR held_minor < 0) ORDER BY id LIMIT 100";
// Each numbered entry goes on from the one before it; the first from what was booked before entries
// were numbered.
const BROKEN_STATEMENT: &str = "SELECT s.account_id AS account_id, s.sequence AS sequence, \
     s.balance_after_minor AS recorded, \
     CAST(s.amount_minor + COALESCE(s.before, o.total, 0) AS text) AS total \
     FROM (SELECT account_id, sequence, amount_minor, balance_after_minor, \
     LAG(balance_after_minor) OVER w AS before, LAG(sequence, 1, 0) OVER w AS previous \
     FROM ledger_entries WHERE sequence > 0 \
     WINDOW w AS (PARTITION BY account_id ORDER BY sequence, id)) s \
     LEFT JOIN (SELECT account_id, SUM(amount_minor) AS total FROM ledger_entries \
     WHERE sequence = 0 GROUP BY account_id) o ON o.account_id = s.account_id \
     WHERE s.sequence <> s.previous + 1 \
     OR s.balance_after_minor <> s.amount_minor + COALESCE(s.before, o.total, 0) \
     ORDER BY s.account_id, s.sequence LIMIT 100";
const COUNTS: &str = "SELECT (SELECT COUNT(*) FROM ledger_accounts) AS accounts, \
     (SELECT COUNT(*) FROM ledger_transfers) AS transfers, \
     (SELECT COUNT(*) FROM ledger_entries) AS entries, \
     (SELECT COUNT(*) FROM holds) AS holds";

/// Something in the books that cannot be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Difference {
    /// A transfer whose entries do not sum to zero.
    Unbalanced {
        /// The transfer.
        transfer_id: String,
        /// The unit in which they do not: a currency, or points.
        unit: String,
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
    /// An account whose held amount is not the sum of its active holds.
    WrongHeld {
        /// The account.
        account_id: String,
        /// What it says is held, in minor units.
        held_minor: i64,
        /// What its active holds sum to, in minor units.
        total: String,
    },
    /// An account in points whose lots are not what its balance says.
    WrongLots {
        /// The account.
        account_id: String,
        /// The points that are in it, in minor units.
        points_minor: i64,
        /// What is left of its lots, in minor units.
        total: String,
    },
    /// A wallet of which more was taken or held than was in it.
    Overdrawn {
        /// The account.
        account_id: String,
        /// How much too much, in minor units.
        excess_minor: i64,
    },
    /// An entry that does not go on from the one before it.
    BrokenStatement {
        /// The account.
        account_id: String,
        /// The entry's number in the statement.
        sequence: i64,
        /// The balance that it shows, in minor units.
        balance_minor: i64,
        /// The balance that the entry before it makes of it, in minor units.
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
    /// How many holds, active or ended.
    pub holds: i64,
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
    /// Looks through all books: every transfer sums to zero per unit, every balance is the sum of its
    /// entries, every statement runs on without a gap, what is held is the sum of the active holds, no
    /// wallet is overdrawn, and points are in lots.
    pub async fn verify_books(&self) -> Result<BooksReport, StoreError> {
        let failed = |error| StoreError::query(OPERATION, error);
        let looks: [(&'static str, Read); 7] = [
            (UNBALANCED, read_unbalanced),
            (WITHOUT_ENTRIES, read_without_entries),
            (WRONG_BALANCE, read_wrong_balance),
            (BROKEN_STATEMENT, read_broken_statement),
            (WRONG_HELD, read_wrong_held),
            (OVERDRAWN, read_overdrawn),
            (WRONG_LOTS, read_wrong_lots),
        ];
        let mut differences = Vec::new();
        for (sql, read) in looks {
            differences.extend(self.differences(sql, read).await?);
        }
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
            holds: counts.try_get("", "holds").map_err(failed)?,
            differences,
        })
    }

    async fn differences(
        &self,
        sql: &'static str,
        read: Read,
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
        unit: row.try_get("", "unit")?,
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
        balance_minor: row.try_get("", "recorded")?,
        total: row.try_get("", "total")?,
    })
}

fn read_broken_statement(row: &QueryResult) -> Result<Difference, DbErr> {
    Ok(Difference::BrokenStatement {
        account_id: row.try_get("", "account_id")?,
        sequence: row.try_get("", "sequence")?,
        balance_minor: row.try_get("", "recorded")?,
        total: row.try_get("", "total")?,
    })
}

fn read_wrong_held(row: &QueryResult) -> Result<Difference, DbErr> {
    Ok(Difference::WrongHeld {
        account_id: row.try_get("", "account_id")?,
        held_minor: row.try_get("", "recorded")?,
        total: row.try_get("", "total")?,
    })
}

fn read_overdrawn(row: &QueryResult) -> Result<Difference, DbErr> {
    Ok(Difference::Overdrawn {
        account_id: row.try_get("", "account_id")?,
        excess_minor: row.try_get("", "recorded")?,
    })
}

fn read_wrong_lots(row: &QueryResult) -> Result<Difference, DbErr> {
    Ok(Difference::WrongLots {
        account_id: row.try_get("", "account_id")?,
        points_minor: row.try_get("", "recorded")?,
        total: row.try_get("", "total")?,
    })
}
