//! Between columns and domain values. What cannot be read back names its table, column and row.

use std::str::FromStr;

use chrono::{DateTime, SubsecRound, Utc};
use kassa_core::channel::{FeeRate, FeeTerms};
use kassa_core::payment::Failure;
use kassa_core::{Currency, Money};
use sea_orm::{ConnectionTrait, EntityTrait, Select};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::StoreError;

/// The finest step of time that both databases keep: microseconds.
const SUBSECOND_DIGITS: u16 = 6;

/// Reads the columns of one row.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RowReader<'a> {
    table: &'static str,
    row: &'a str,
}

impl<'a> RowReader<'a> {
    pub(crate) fn new(table: &'static str, row: &'a str) -> Self {
        Self { table, row }
    }

    /// A column that holds something else than it should.
    pub(crate) fn unreadable(&self, column: &'static str) -> StoreError {
        StoreError::unreadable(self.table, column, self.row)
    }

    /// An id, a word of a closed set, an address.
    pub(crate) fn parse<T: FromStr>(
        &self,
        column: &'static str,
        text: &str,
    ) -> Result<T, StoreError> {
        text.parse().map_err(|_invalid| self.unreadable(column))
    }

    /// As [`Self::parse`], for a column that may be NULL.
    pub(crate) fn parse_some<T: FromStr>(
        &self,
        column: &'static str,
        text: Option<&str>,
    ) -> Result<Option<T>, StoreError> {
        text.map(|text| self.parse(column, text)).transpose()
    }

    /// A text that callers chose.
    pub(crate) fn text<T: TryFrom<String>>(
        &self,
        column: &'static str,
        text: &str,
    ) -> Result<T, StoreError> {
        T::try_from(text.to_owned()).map_err(|_invalid| self.unreadable(column))
    }

    /// As [`Self::text`], for a column that may be NULL.
    pub(crate) fn text_some<T: TryFrom<String>>(
        &self,
        column: &'static str,
        text: Option<&str>,
    ) -> Result<Option<T>, StoreError> {
        text.map(|text| self.text(column, text)).transpose()
    }

    /// A JSON column.
    pub(crate) fn json<T: DeserializeOwned>(
        &self,
        column: &'static str,
        text: &str,
    ) -> Result<T, StoreError> {
        serde_json::from_str(text).map_err(|_malformed| self.unreadable(column))
    }

    /// An amount in minor units.
    pub(crate) fn money(
        &self,
        column: &'static str,
        amount_minor: i64,
        currency: Currency,
    ) -> Result<Money, StoreError> {
        Money::try_new(amount_minor, currency).map_err(|_negative| self.unreadable(column))
    }

    /// The pair `fee_rate_ppm`, `is_fee_returned`.
    pub(crate) fn fee(&self, rate_ppm: i64, is_returned: bool) -> Result<FeeTerms, StoreError> {
        let rate = u32::try_from(rate_ppm).ok();
        let rate = rate.and_then(|ppm| FeeRate::try_new(ppm).ok());
        let rate = rate.ok_or_else(|| self.unreadable("fee_rate_ppm"))?;
        Ok(FeeTerms { rate, is_returned })
    }

    /// The pair `error_code`, `error_message`.
    pub(crate) fn failure(
        &self,
        code: Option<String>,
        message: Option<String>,
    ) -> Result<Option<Failure>, StoreError> {
        match (code, message) {
            (Some(code), Some(message)) => Ok(Some(Failure { code, message })),
            (None, None) => Ok(None),
            (None, Some(_)) => Err(self.unreadable("error_code")),
            (Some(_), None) => Err(self.unreadable("error_message")),
        }
    }
}

/// Writes a JSON column.
pub(crate) fn to_json<T: Serialize + ?Sized>(
    table: &'static str,
    column: &'static str,
    value: &T,
) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|_unserialisable| StoreError::Unwritable { table, column })
}

/// Writes an amount into a row that has `currency`.
pub(crate) fn minor_in(
    currency: Currency,
    table: &'static str,
    column: &'static str,
    amount: Money,
) -> Result<i64, StoreError> {
    if amount.currency() == currency {
        Ok(amount.amount_minor())
    } else {
        Err(StoreError::Unwritable { table, column })
    }
}

/// Cuts a time to what both databases keep.
pub(crate) fn to_micros(time: DateTime<Utc>) -> DateTime<Utc> {
    time.trunc_subsecs(SUBSECOND_DIGITS)
}

/// `code` and `message` of a failure, as columns.
pub(crate) fn failure_columns(failure: Option<&Failure>) -> (Option<String>, Option<String>) {
    match failure {
        Some(failure) => (Some(failure.code.clone()), Some(failure.message.clone())),
        None => (None, None),
    }
}

/// Runs a query for at most one row.
pub(crate) async fn fetch_one<E: EntityTrait, C: ConnectionTrait>(
    db: &C,
    operation: &'static str,
    query: Select<E>,
) -> Result<Option<E::Model>, StoreError> {
    query
        .one(db)
        .await
        .map_err(|error| StoreError::query(operation, error))
}

/// Runs a query for all its rows; the query carries its own limit.
pub(crate) async fn fetch_all<E: EntityTrait, C: ConnectionTrait>(
    db: &C,
    operation: &'static str,
    query: Select<E>,
) -> Result<Vec<E::Model>, StoreError> {
    query
        .all(db)
        .await
        .map_err(|error| StoreError::query(operation, error))
}

/// Converts every row.
pub(crate) fn read_all<M, T>(
    rows: Vec<M>,
    read: impl Fn(M) -> Result<T, StoreError>,
) -> Result<Vec<T>, StoreError> {
    rows.into_iter().map(read).collect()
}

/// An update that must have changed exactly its one row.
pub(crate) fn exactly_one(rows: u64, operation: &'static str) -> Result<(), StoreError> {
    if rows == 1 {
        Ok(())
    } else {
        Err(StoreError::Conflict { operation })
    }
}
