//! Reads the fields of one request and collects everything that is wrong with them.

use std::fmt::Display;

use chrono::{DateTime, Utc};
use flows::FieldViolation;
use kassa_core::money::{Currency, MoneyError};
use kassa_core::{Money, Points};
use pbjson_types::Timestamp;
use proto::v1;

use crate::error::Error;

/// The currency with the most decimals that ISO 4217 knows (4): with it the form of an amount can be
/// judged although its own currency is not known.
const CURRENCY_OF_FORM: &str = "CLF";
/// The years that times may lie in; both databases keep them.
const YEARS: std::ops::RangeInclusive<i32> = 1970..=9999;

/// What is wrong so far. A value is `None` where its field was missing or malformed.
#[derive(Debug, Default)]
pub(super) struct Fields(Vec<FieldViolation>);

impl Fields {
    /// Notes that `field` is not as expected.
    pub(super) fn wrong(&mut self, field: &str, expected: impl ToString) {
        self.0.push(FieldViolation::new(field, expected));
    }

    /// Notes what was found elsewhere.
    pub(super) fn extend(&mut self, found: Vec<FieldViolation>) {
        self.0.extend(found);
    }

    /// The request, if nothing is wrong.
    pub(super) fn finish<T>(self, request: Option<T>) -> Result<T, Error> {
        if !self.0.is_empty() {
            return Err(Error::invalid(self.0));
        }
        request.ok_or(Error::Broken("a bad field was not named"))
    }

    /// A text that must be there.
    pub(super) fn required<'a, T, E: Display>(
        &mut self,
        field: &str,
        text: &'a str,
        parse: impl FnOnce(&'a str) -> Result<T, E>,
    ) -> Option<T> {
        if text.is_empty() {
            self.wrong(field, "is required");
            return None;
        }
        match parse(text) {
            Ok(value) => Some(value),
            Err(expected) => {
                self.wrong(field, expected);
                None
            }
        }
    }

    /// A text that may be left out.
    pub(super) fn optional<'a, T, E: Display>(
        &mut self,
        field: &str,
        text: &'a str,
        parse: impl FnOnce(&'a str) -> Result<T, E>,
    ) -> Option<T> {
        if text.is_empty() {
            None
        } else {
            self.required(field, text, parse)
        }
    }

    /// An enum value that must be there.
    pub(super) fn choice<P: TryFrom<i32>, T>(
        &mut self,
        field: &str,
        number: i32,
        read: impl FnOnce(P) -> Option<T>,
    ) -> Option<T> {
        if number == 0 {
            self.wrong(field, "is required");
            return None;
        }
        let value = P::try_from(number).ok().and_then(read);
        if value.is_none() {
            self.wrong(field, "is not a value of the enum");
        }
        value
    }

    /// An enum value that may be left out.
    pub(super) fn optional_choice<P: TryFrom<i32>, T>(
        &mut self,
        field: &str,
        number: i32,
        read: impl FnOnce(P) -> Option<T>,
    ) -> Option<T> {
        if number == 0 {
            None
        } else {
            self.choice(field, number, read)
        }
    }

    /// An amount that must be there.
    pub(super) fn money(&mut self, field: &str, money: Option<&v1::Money>) -> Option<Money> {
        let Some(money) = money else {
            self.wrong(field, "is required");
            return None;
        };
        let code = format!("{field}.currency_code");
        let currency = self.required(&code, &money.currency_code, str::parse::<Currency>);
        let form = currency.or_else(|| CURRENCY_OF_FORM.parse().ok());
        let amount = form.map(|currency| Money::parse(&money.amount, currency));
        match (amount?, currency) {
            (Ok(amount), Some(_)) => Some(amount),
            (Err(MoneyError::TooManyDecimals { .. }) | Ok(_), None) => None,
            (Err(error), _) => {
                self.wrong(&format!("{field}.amount"), error);
                None
            }
        }
    }

    /// A number of points that must be there.
    pub(super) fn points(&mut self, field: &str, points: Option<&v1::Points>) -> Option<Points> {
        let Some(points) = points else {
            self.wrong(field, "is required");
            return None;
        };
        match Points::parse(&points.amount) {
            Ok(points) => Some(points),
            Err(error) => {
                self.wrong(&format!("{field}.amount"), error);
                None
            }
        }
    }

    /// An amount that may be left out.
    pub(super) fn optional_money(
        &mut self,
        field: &str,
        money: Option<&v1::Money>,
    ) -> Option<Money> {
        money.and_then(|money| self.money(field, Some(money)))
    }

    /// A time that may be left out.
    pub(super) fn time(&mut self, field: &str, time: Option<&Timestamp>) -> Option<DateTime<Utc>> {
        let time = time?;
        let read = u32::try_from(time.nanos)
            .ok()
            .and_then(|nanos| DateTime::from_timestamp(time.seconds, nanos))
            .filter(|time| YEARS.contains(&chrono::Datelike::year(time)));
        if read.is_none() {
            self.wrong(field, "must be a time in the years 1970 to 9999");
        }
        read
    }

    /// How many items: 0 means `default`, more than `max` is cut to it.
    pub(super) fn count(&mut self, field: &str, count: i32, default: u64, max: u64) -> u64 {
        match u64::try_from(count) {
            Ok(0) => default,
            Ok(count) => count.min(max),
            Err(_negative) => {
                self.wrong(field, "must not be negative");
                default
            }
        }
    }
}
