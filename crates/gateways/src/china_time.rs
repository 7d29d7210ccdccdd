//! Times as gateways in China write them: UTC+8, no daylight saving.

use chrono::{DateTime, Datelike, FixedOffset, NaiveDateTime, Offset, Utc};

const OFFSET_SECS: i32 = 28_800;
const COMPACT: &str = "%Y%m%d%H%M%S";
const COMPACT_LENGTH: usize = 14;

fn china() -> FixedOffset {
    FixedOffset::east_opt(OFFSET_SECS).unwrap_or_else(|| Utc.fix())
}

/// `2026-01-01 08:00:00`.
#[cfg(feature = "client")]
pub(crate) fn plain(time: DateTime<Utc>) -> String {
    time.with_timezone(&china())
        .format("%Y-%m-%d %H:%M:%S")
        .to_string()
}

/// `2026-01-01T08:00:00+08:00`.
#[cfg(feature = "client")]
pub(crate) fn rfc3339(time: DateTime<Utc>) -> String {
    time.with_timezone(&china())
        .format("%Y-%m-%dT%H:%M:%S%:z")
        .to_string()
}

/// `20260101080000`.
#[cfg(feature = "client")]
pub(crate) fn compact(time: DateTime<Utc>) -> String {
    time.with_timezone(&china()).format(COMPACT).to_string()
}

/// Reads `20260101080000`.
pub(crate) fn parse_compact(text: &str) -> Option<DateTime<Utc>> {
    let is_whole = text.len() == COMPACT_LENGTH && text.bytes().all(|byte| byte.is_ascii_digit());
    let local = NaiveDateTime::parse_from_str(text, COMPACT).ok();
    local
        .filter(|_| is_whole)?
        .and_local_timezone(china())
        .single()
        .map(|time| time.to_utc())
}

/// The year in China.
pub(crate) fn year(time: DateTime<Utc>) -> i32 {
    time.with_timezone(&china()).year()
}

/// Reads `2026-01-01 08:00:00`, with or without a fraction of the second.
pub(crate) fn parse_plain(text: &str) -> Option<DateTime<Utc>> {
    let local = NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S%.f").ok()?;
    local
        .and_local_timezone(china())
        .single()
        .map(|time| time.to_utc())
}

/// Reads RFC 3339.
pub(crate) fn parse_rfc3339(text: &str) -> Option<DateTime<Utc>> {
    DateTime::parse_from_rfc3339(text)
        .ok()
        .map(|time| time.to_utc())
}

#[cfg(test)]
#[cfg(feature = "client")]
mod tests {
    use super::*;

    #[test]
    fn both_forms_are_eight_hours_ahead_of_utc_and_read_back() {
        let time = DateTime::from_timestamp(1_767_225_600, 0).unwrap();
        assert_eq!(plain(time), "2026-01-01 08:00:00");
        assert_eq!(rfc3339(time), "2026-01-01T08:00:00+08:00");
        assert_eq!(compact(time), "20260101080000");
        assert_eq!(parse_plain(&plain(time)), Some(time));
        assert_eq!(parse_compact(&compact(time)), Some(time));
        assert_eq!(parse_rfc3339(&rfc3339(time)), Some(time));
    }

    #[test]
    fn a_fraction_of_a_second_is_read_and_nonsense_is_not() {
        let time = parse_plain("2026-01-02 10:00:00.123").unwrap();
        assert_eq!(time.timestamp_subsec_millis(), 123);
        assert_eq!(parse_plain("2026-13-02 10:00:00"), None);
        assert_eq!(parse_compact("20261302100000"), None);
        assert_eq!(parse_compact("2026010208000"), None);
        assert_eq!(parse_rfc3339("2026-01-01 08:00:00"), None);
    }
}
